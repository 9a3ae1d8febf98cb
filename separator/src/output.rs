//! Conversion of stems at the model's rate to the requested channels, rate, exact sum and parts.

use std::borrow::Cow;

use rayon::prelude::*;

use crate::audio::{Audio, AudioSource, AudioStream, Folded, Layout, Resampled, Resampler};
use crate::decoded::View;
use crate::mixture_consistency::MixtureConsistency;
use crate::model::MODEL_RATE_HZ;
use crate::timings::timed;
use crate::{Mono, Options, Outputs, Part, Result, Stem, StemSink, Sum};

/// Format of a separation's output, determined before the separation begins.
pub(crate) struct Format {
    pub(crate) parts: Vec<Part>,
    pub(crate) layout: Layout,
    pub(crate) frames: u64,
    exact: bool,
}

impl Format {
    /// Determines the format for a song of layout `source` with `model_frames` frames at the
    /// model's rate and `source_frames` at its own.
    pub(crate) fn new(
        options: &Options,
        sources: &[Stem],
        source: Layout,
        source_frames: u64,
        model_frames: u64,
    ) -> Self {
        let rate_hz = options.rate_hz.unwrap_or(source.rate_hz);
        let channels = if source.channels == 1 && options.mono == Mono::Keep {
            1
        } else {
            2
        };

        let every_stem = || sources.iter().copied().map(Part::stem).collect();
        let frames = match rate_hz {
            MODEL_RATE_HZ => model_frames,
            _ => Resampler::output_frames(source_frames, source.rate_hz, rate_hz),
        };
        Self {
            parts: if options.parts.is_empty() {
                every_stem()
            } else {
                options.parts.clone()
            },
            layout: Layout { channels, rate_hz },
            frames,
            exact: options.sum == Sum::Exact,
        }
    }
}

/// Last stages of the separation, fed with blocks of all stems.
pub(crate) struct Output<'a> {
    format: Format,
    sources: Vec<Stem>,
    /// Resamplers: one for each stem when the stems have to add up exactly, otherwise one for each
    /// part.
    resamplers: Vec<Resampler>,
    exact: Option<Exact<'a>>,
    sink: &'a mut dyn StemSink,
}

/// Song and method by which the stems are made to add up to it.
struct Exact<'a> {
    song: Mix<'a>,
    consistency: MixtureConsistency,
}

impl<'a> Output<'a> {
    /// Starts `sink` and sets up the stages.
    pub(crate) fn start(
        format: Format,
        sources: &[Stem],
        decoded: View<'a>,
        sink: &'a mut dyn StemSink,
    ) -> Result<Self> {
        let (layout, parts) = (format.layout, format.parts.clone());
        sink.start(&Outputs {
            parts,
            layout,
            frames: format.frames,
        })?;

        let exact = format
            .exact
            .then(|| Exact::new(decoded, layout, sources.len()))
            .transpose()?;
        let lines = if format.exact {
            sources.len()
        } else {
            format.parts.len()
        };

        let model = Layout {
            rate_hz: MODEL_RATE_HZ,
            ..layout
        };
        let resamplers = (0..lines)
            .map(|_| Resampler::new(model, layout.rate_hz))
            .collect::<Result<_>>()?;
        Ok(Self {
            format,
            sources: sources.to_vec(),
            resamplers,
            exact,
            sink,
        })
    }

    /// Takes the next frames of all stems: two planes for each stem, at the model's rate.
    pub(crate) fn write(&mut self, planes: Vec<Vec<f32>>) -> Result<()> {
        if planes.first().is_none_or(Vec::is_empty) {
            return Ok(());
        }

        let lines = self.lines(planes);
        let pairs = self.resamplers.par_iter_mut().zip(lines);
        let resample = || {
            pairs
                .map(|(resampler, line)| resampler.push(line))
                .collect::<Result<_>>()
        };

        let resampled = timed("resample the stems", resample)?;
        self.hand_out(resampled)
    }

    /// Writes the frames that the resamplers still hold, and ends the output.
    pub(crate) fn finish(mut self) -> Result<()> {
        let frames = self.format.frames;
        let resamplers = std::mem::take(&mut self.resamplers);
        let rest = resamplers
            .into_par_iter()
            .map(|resampler| resampler.finish(frames))
            .collect::<Result<_>>()?;
        self.hand_out(rest)
    }

    /// Returns the input of the resamplers: the stems, or the parts already summed.
    fn lines(&self, planes: Vec<Vec<f32>>) -> Vec<Audio> {
        let mut planes = planes.into_iter();
        let mut pairs = Vec::with_capacity(self.sources.len());
        while let (Some(left), Some(right)) = (planes.next(), planes.next()) {
            pairs.push([left, right]);
        }

        let channels = self.format.layout.channels;
        let stem = |[left, right]: [Vec<f32>; 2]| {
            let channels = match channels {
                1 => vec![
                    left.iter()
                        .zip(&right)
                        .map(|(left, right)| 0.5 * (left + right))
                        .collect(),
                ],
                _ => vec![left, right],
            };
            Audio::new(channels, MODEL_RATE_HZ)
        };

        let stems = pairs.into_par_iter().map(stem).collect();
        if self.exact.is_some() {
            stems
        } else {
            self.parts(stems)
        }
    }

    fn hand_out(&mut self, mut lines: Vec<Audio>) -> Result<()> {
        if lines.first().is_none_or(|line| line.frames() == 0) {
            return Ok(());
        }

        let channels = self.format.layout.channels;
        if let Some(exact) = &mut self.exact {
            let mix = timed("read the song for the sum", || {
                exact.song.read(channels, lines[0].frames())
            })?;
            timed("share out", || exact.consistency.apply(&mix, &mut lines));
            lines = self.parts(lines);
        }

        timed("write the stems", || self.sink.write_all(lines))
    }

    /// Sums the stems of every part.
    fn parts(&self, stems: Vec<Audio>) -> Vec<Audio> {
        let (parts, sources) = (&self.format.parts, &self.sources);

        // The usual case, in which every stem is a part by itself, needs no copy.
        let is_own = |(part, stem): (&Part, &Stem)| part.stems == [*stem];
        if parts.len() == sources.len() && parts.iter().zip(sources).all(is_own) {
            return stems;
        }

        let own = |part: &Part| {
            let own = sources
                .iter()
                .zip(&stems)
                .filter(|(stem, _)| part.stems.contains(stem));
            add_up(own.map(|(_, audio)| audio), &stems[0])
        };

        parts.par_iter().map(own).collect()
    }
}

/// Returns the sum of `stems`, or silence with the length of `like` when there are none.
fn add_up<'a>(mut stems: impl Iterator<Item = &'a Audio>, like: &Audio) -> Audio {
    let Some(first) = stems.next() else {
        return Audio::silent(like.layout(), like.frames());
    };
    stems.fold(first.clone(), |mut sum, stem| {
        for (sum, stem) in sum.channels_mut().zip(stem.channels()) {
            sum.iter_mut()
                .zip(stem)
                .for_each(|(sum, sample)| *sum += sample);
        }
        sum
    })
}

impl<'a> Exact<'a> {
    fn new(decoded: View<'a>, layout: Layout, stems: usize) -> Result<Self> {
        let song = match decoded.own {
            Some(own) if own.rate_hz() == layout.rate_hz => Mix::InPlace { song: own, next: 0 },
            Some(own) => Mix::streamed(own.open()?, layout)?,
            None => Mix::streamed(Box::new(Folded::new(decoded.source.open()?)), layout)?,
        };
        Ok(Self {
            song,
            consistency: MixtureConsistency::new(stems, layout.rate_hz),
        })
    }
}

/// Reader of the song at the rate and with the channels of the output, in step with the stems.
#[allow(clippy::large_enum_variant, reason = "a song has one")]
enum Mix<'a> {
    /// The song is in memory.
    InPlace { song: &'a Audio, next: usize },
    /// The song is read as needed. Frames that were read too far are pending.
    Streamed {
        stream: Resampled<'a>,
        pending: Vec<Vec<f32>>,
    },
}

impl<'a> Mix<'a> {
    fn streamed(stereo: Box<dyn AudioStream + 'a>, layout: Layout) -> Result<Self> {
        let stream = Resampled::new(stereo, layout.rate_hz)?;
        Ok(Self::Streamed {
            stream,
            pending: vec![Vec::new(); layout.channels],
        })
    }

    /// Returns the next `frames` frames of each of `channels` channels, silent after the end of the
    /// song. A mono song has two equal channels, of which the first is used.
    fn read(&mut self, channels: usize, frames: usize) -> Result<Vec<Cow<'a, [f32]>>> {
        match self {
            Self::InPlace { song, next } => {
                let from = *next;
                *next = (from + frames).min(song.frames());
                let channels = song.channels().iter().take(channels);
                Ok(channels
                    .map(|channel| with_silence(&channel[from..*next], frames))
                    .collect())
            }
            Self::Streamed { stream, pending } => {
                while pending[0].len() < frames {
                    let Some(block) = stream.next_block()? else {
                        break;
                    };
                    pending
                        .iter_mut()
                        .zip(block.channels())
                        .for_each(|(kept, new)| kept.extend_from_slice(new));
                }
                Ok(pending
                    .iter_mut()
                    .map(|kept| Cow::Owned(take(kept, frames)))
                    .collect())
            }
        }
    }
}

/// Returns `channel`, padded with silence to `frames` samples.
fn with_silence(channel: &[f32], frames: usize) -> Cow<'_, [f32]> {
    if channel.len() == frames {
        return Cow::Borrowed(channel);
    }
    let mut longer = channel.to_vec();
    longer.resize(frames, 0.0);
    Cow::Owned(longer)
}

/// Removes and returns the first `frames` samples of `kept`, padded with silence after its end.
fn take(kept: &mut Vec<f32>, frames: usize) -> Vec<f32> {
    let rest = kept.split_off(frames.min(kept.len()));
    let mut taken = std::mem::replace(kept, rest);
    taken.resize(frames, 0.0);
    taken
}
