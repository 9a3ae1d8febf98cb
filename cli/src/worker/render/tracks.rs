//! The tracks of a render: single stems, and mixes of them, each a stream of audio.

use anyhow::{Context as _, Result};
use sextet_protocol::Stem;
use sextet_protocol::cache::Entry;
use sextet_protocol::worker::Render;
use sextet_separator::Part;
use sextet_separator::audio::{Audio, AudioFile, AudioStream, Layout, Resampled};

use crate::fault::{Fault, Kind};

/// A track: stems and the factor of each.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Track {
    pub(super) name: String,
    levels: Vec<(Stem, f32)>,
}

impl Track {
    fn stem(stem: Stem) -> Self {
        Self {
            name: stem.name().to_owned(),
            levels: vec![(stem, 1.0)],
        }
    }

    /// Returns the sum of a part's stems.
    fn of_part(part: Part) -> Self {
        Self {
            name: part.name,
            levels: part.stems.into_iter().map(|stem| (stem, 1.0)).collect(),
        }
    }

    /// Returns the part that has the track's name and stems.
    pub(super) fn part(&self) -> Part {
        let stems = self.levels.iter().map(|&(stem, _)| stem).collect();
        Part::new(self.name.clone(), stems)
    }

    /// Opens the track of an entry, at another rate if one is given.
    ///
    /// # Errors
    /// When a stem cannot be read, or not be resampled.
    pub(super) fn open(&self, entry: &Entry, rate_hz: Option<u32>) -> Result<Box<dyn AudioStream>> {
        if let [(stem, 1.0)] = self.levels[..] {
            return open(entry, stem, rate_hz);
        }

        let manifest = entry.manifest();
        // A mix in which everything is muted is as long as any other.
        let silent = manifest.stems.first().map(|file| (file.stem, 0.0));
        let levels = match (self.levels.is_empty(), silent) {
            (true, Some(silent)) => vec![silent],
            _ => self.levels.clone(),
        };

        let streams = levels
            .into_iter()
            .map(|(stem, level)| Ok((open(entry, stem, rate_hz)?, level)))
            .collect::<Result<Vec<_>>>()?;
        Ok(Box::new(Mix { streams }))
    }
}

/// Returns the tracks that `render` asks for, in the order of its files.
///
/// # Errors
/// When the entry lacks a stem, a factor is no number, or a name occurs twice.
pub(super) fn tracks(render: &Render, entry: &Entry) -> Result<Vec<Track>> {
    let there: Vec<Stem> = entry
        .manifest()
        .stems
        .iter()
        .map(|file| file.stem)
        .collect();
    check(render, entry, &there)?;

    if render.format.is_joined() {
        let parts = crate::separate::four_tracks(&there);
        return Ok(parts.into_iter().map(Track::of_part).collect());
    }

    let is_asked = |stem: &Stem| match render.stems.is_empty() {
        true => render.mixes.is_empty(),
        false => render.stems.contains(stem),
    };
    let stems = there.iter().copied().filter(is_asked).map(Track::stem);
    let mixes = render.mixes.iter().map(|mix| Track {
        name: mix.name.clone(),
        levels: mix
            .levels
            .iter()
            .map(|(&stem, &level)| (stem, level))
            .filter(|&(_, level)| level != 0.0)
            .collect(),
    });

    let tracks: Vec<Track> = stems.chain(mixes).collect();
    check_names(&tracks)?;
    Ok(tracks)
}

/// Refuses stems that the entry does not have, and factors that are no numbers.
fn check(render: &Render, entry: &Entry, there: &[Stem]) -> Result<()> {
    let levels = || render.mixes.iter().flat_map(|mix| &mix.levels);
    let mut asked = render.stems.iter().chain(levels().map(|(stem, _)| stem));

    if let Some(missing) = asked.find(|stem| !there.contains(stem)) {
        let message = format!(
            "the model {} does not give the stem '{missing}'",
            entry.manifest().model
        );
        return Err(Fault::new(Kind::Usage, message)
            .remedy("leave it out, or use a model with six stems")
            .into());
    }

    if let Some((stem, level)) = levels().find(|(_, level)| !level.is_finite()) {
        let message = format!("a factor of '{stem}' is {level}, expected a number");
        return Err(Fault::new(Kind::Usage, message)
            .remedy("choose another gain")
            .into());
    }
    Ok(())
}

/// Refuses two files of one name, which would be one.
fn check_names(tracks: &[Track]) -> Result<()> {
    let twice = tracks.iter().enumerate().find(|(number, track)| {
        let name = track.name.to_lowercase();
        let earlier = &tracks[..*number];
        earlier
            .iter()
            .any(|other| other.name.to_lowercase() == name)
    });

    match twice {
        None => Ok(()),
        Some((_, track)) => {
            let message = format!(
                "two files would have the name '{}'",
                track.name.escape_debug()
            );
            Err(Fault::new(Kind::Usage, message)
                .remedy("give the mix another name")
                .into())
        }
    }
}

/// Opens a stem, resampled to the rate that is asked for.
fn open(entry: &Entry, stem: Stem, rate_hz: Option<u32>) -> Result<Box<dyn AudioStream>> {
    let path = entry
        .stem_path(stem)
        .context("the stem was there a moment ago")?;
    let stream = AudioFile::open(path)?.stream()?;
    Ok(match rate_hz {
        None => stream,
        Some(rate_hz) => Box::new(Resampled::new(stream, rate_hz)?),
    })
}

/// The sum of stems of one length, each with its factor.
struct Mix {
    streams: Vec<(Box<dyn AudioStream>, f32)>,
}

impl AudioStream for Mix {
    fn layout(&self) -> Layout {
        self.streams[0].0.layout()
    }

    /// Sums in float64, as the plugin's mixer does, so that stems that add up to the clip do so in
    /// the file.
    fn next_block(&mut self) -> sextet_separator::Result<Option<Audio>> {
        let mut sums: Vec<Vec<f64>> = Vec::new();
        for (stream, level) in &mut self.streams {
            // The stems of an entry have one length and rate, so their blocks are as long.
            let Some(block) = stream.next_block()? else {
                return Ok(None);
            };
            sums.resize(block.channels().len(), Vec::new());
            for (sum, channel) in sums.iter_mut().zip(block.channels()) {
                sum.resize(channel.len(), 0.0);
                let level = f64::from(*level);
                sum.iter_mut()
                    .zip(channel)
                    .for_each(|(sum, &sample)| *sum += level * f64::from(sample));
            }
        }

        let rate_hz = self.layout().rate_hz;
        let narrow = |sum: Vec<f64>| sum.into_iter().map(|sample| sample as f32).collect();
        let channels = sums.into_iter().map(narrow).collect();
        Ok(Some(Audio::new(channels, rate_hz)))
    }
}
