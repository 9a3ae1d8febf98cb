//! Samples that are no audio: NaN, infinite, or louder than anything is. A capture has silence in
//! their place, so that one bad sample of another plugin does not cost the take.

use serde::{Deserialize, Serialize};

use super::spans::Spans;
use crate::placement::Placement;

/// Largest magnitude of a sample that is audio: 120 dB above full scale. A model computes nothing
/// useful from louder ones, whose squares may not even be numbers.
const LOUDEST: f32 = 1e6;

/// Number of stretches that a project keeps of a clip.
const MOST_KEPT: usize = 8;

/// Replaces the samples that are no audio by silence. Calls `found` for each frame that has one,
/// with its number. `clean` is only written to if there are any, and returned then.
pub(super) fn silence_bad<'a>(
    interleaved: &'a [f32],
    clean: &'a mut Vec<f32>,
    mut found: impl FnMut(i64),
) -> &'a [f32] {
    if interleaved.iter().copied().all(is_audio) {
        return interleaved;
    }

    clean.clear();
    clean.extend_from_slice(interleaved);
    for (number, frame) in clean.chunks_mut(2).enumerate() {
        let mut is_bad = false;
        for sample in frame.iter_mut().filter(|sample| !is_audio(**sample)) {
            (*sample, is_bad) = (0.0, true);
        }
        if is_bad {
            found(number as i64);
        }
    }
    clean
}

/// Returns whether a sample is audio. A NaN compares with nothing.
fn is_audio(sample: f32) -> bool {
    sample.abs() <= LOUDEST
}

/// The frames of a clip that have silence in the place of something else, as a project keeps them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Silenced {
    /// Number of frames.
    pub(crate) frames: u64,
    /// The first stretches, each with its first frame, counted from the clip's beginning, and its
    /// length.
    pub(crate) stretches: Vec<(u64, u64)>,
}

impl Silenced {
    /// Returns what lies within a clip from frame `start` to `end` of the timeline.
    pub(super) fn within(spans: &Spans, start: i64, end: i64) -> Self {
        let mut silenced = Self::default();
        for (from, to) in spans.within(start, end) {
            let frames = (to - from).cast_unsigned();
            silenced.frames += frames;
            if silenced.stretches.len() < MOST_KEPT {
                let first = (from - start).cast_unsigned();
                silenced.stretches.push((first, frames));
            }
        }
        silenced
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.frames == 0
    }

    /// Returns a sentence for people: how many frames, and where on the timeline; empty if there
    /// are none.
    pub(crate) fn description(&self, clip: Placement) -> String {
        if self.is_empty() {
            return String::new();
        }

        let place = |&(first, _): &(u64, u64)| {
            let frame = clip.start_frame.saturating_add(first.cast_signed());
            clock(frame as f64 / f64::from(clip.rate_hz.max(1)))
        };
        let mut places: Vec<String> = self.stretches.iter().map(place).collect();
        places.dedup();
        let listed: u64 = self.stretches.iter().map(|(_, frames)| frames).sum();
        let more = if listed < self.frames {
            " and later"
        } else {
            ""
        };

        let (frames, were) = match self.frames {
            1 => ("1 frame".to_owned(), "was"),
            frames => (format!("{frames} frames"), "were"),
        };
        format!(
            "{frames} of the capture {were} no audio (not a number, or far too loud), and {were} \
             made silent: at {}{more}.",
            places.join(", ")
        )
    }
}

/// Returns a time as `1:02.345`.
fn clock(seconds: f64) -> String {
    let sign = if seconds < 0.0 { "-" } else { "" };
    let milliseconds = (seconds.abs() * 1e3).round() as u64;
    let (minutes, rest) = (milliseconds / 60_000, milliseconds % 60_000);
    format!("{sign}{minutes}:{:02}.{:03}", rest / 1_000, rest % 1_000)
}

#[cfg(test)]
mod tests {
    use sextet_cases::each_case;

    use super::*;

    #[test]
    fn what_is_no_audio_becomes_silence_and_nothing_else_does() {
        let kept = [1.0, -1.0, 0.0, 1e-40, 100.0, -999_999.0, f32::MIN_POSITIVE];
        each_case(kept, |sample| {
            let (frames, mut clean) = ([0.5, sample], Vec::new());
            let same = silence_bad(&frames, &mut clean, |_| panic!("{sample}"));
            assert_eq!(same, frames);
        });

        let bad = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e30, -2e6];
        each_case(bad, |sample| {
            let (frames, mut clean) = ([0.5, 0.25, 0.5, sample, sample, sample], Vec::new());
            let mut found = Vec::new();
            let clean = silence_bad(&frames, &mut clean, |frame| found.push(frame));
            assert_eq!(clean, [0.5, 0.25, 0.5, 0.0, 0.0, 0.0]);
            assert_eq!(found, [1, 2]);
        });
    }

    #[test]
    fn the_sentence_says_how_many_and_where() {
        let clip = Placement {
            start_frame: 96_000,
            frames: 1_000_000,
            rate_hz: 48_000,
        };
        let silenced = |frames, stretches: &[(u64, u64)]| Silenced {
            frames,
            stretches: stretches.to_vec(),
        };
        let rest = "no audio (not a number, or far too loud), and";
        let cases = [
            (silenced(0, &[]), String::new()),
            (
                silenced(1, &[(60, 1)]),
                format!("1 frame of the capture was {rest} was made silent: at 0:02.001."),
            ),
            (
                silenced(5, &[(0, 2), (5_760_000, 2)]),
                format!(
                    "5 frames of the capture were {rest} were made silent: at 0:02.000, 2:02.000 and later."
                ),
            ),
        ];
        each_case(cases, |(silenced, expected)| {
            assert_eq!(silenced.description(clip), expected);
        });
    }
}
