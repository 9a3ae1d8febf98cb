//! Progress of a song, for every front end of the separation.

/// The progress of a song.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum SongProgress {
    /// The first pass.
    Reading { frames: u64 },
    /// The second pass.
    Separating {
        share: f64,
        audio_s: f64,
        speed: Option<f64>,
        left_s: Option<f64>,
    },
}

impl SongProgress {
    /// Returns the progress after `done` of `total` chunks in `elapsed_s`, for a song of `seconds`.
    pub(crate) fn separating(done: u64, total: u64, elapsed_s: f64, seconds: Option<f64>) -> Self {
        let share = if total == 0 {
            1.0
        } else {
            done as f64 / total as f64
        };

        let known = done > 0 && elapsed_s > 0.0;
        let speed = seconds
            .filter(|_| known)
            .map(|seconds| seconds * share / elapsed_s);

        let left_s = known.then(|| elapsed_s * (1.0 - share) / share);
        SongProgress::Separating {
            share,
            audio_s: seconds.unwrap_or(0.0) * share,
            speed,
            left_s,
        }
    }

    /// Returns the seconds of audio that are separated.
    pub(crate) fn audio_s(&self) -> f64 {
        match self {
            SongProgress::Reading { .. } => 0.0,
            SongProgress::Separating { audio_s, .. } => *audio_s,
        }
    }

    /// Returns the share of the song's work that is done, 0 to 1. Reading counts as nothing,
    /// because it is quick.
    pub(crate) fn share(&self) -> f64 {
        match self {
            SongProgress::Reading { .. } => 0.0,
            SongProgress::Separating { share, .. } => *share,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speed_and_time_left_follow_the_chunks() {
        let progress = SongProgress::separating(1, 4, 10.0, Some(40.0));
        assert_eq!(
            progress,
            SongProgress::Separating {
                share: 0.25,
                audio_s: 10.0,
                speed: Some(1.0),
                left_s: Some(30.0)
            }
        );

        let nothing_yet = SongProgress::separating(0, 4, 0.0, Some(40.0));
        assert_eq!(
            nothing_yet,
            SongProgress::Separating {
                share: 0.0,
                audio_s: 0.0,
                speed: None,
                left_s: None
            }
        );
    }
}
