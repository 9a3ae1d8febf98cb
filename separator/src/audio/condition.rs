//! Condition of a file: what a reader notices while it decodes, reported to the user once.

use super::Warning;

/// Defects of a file, counted while it is decoded.
#[derive(Clone, Debug, Default)]
pub(super) struct Condition {
    /// Number of frames decoded.
    pub(super) frames: u64,
    /// Number of frames that the file announces, if it announces it exactly.
    pub(super) announced_frames: Option<u64>,
    /// Whether the file ended within a structure.
    pub(super) cut_off: bool,
    /// Number of packets that could not be decoded.
    pub(super) lost_packets: u64,
    /// Number of frames of silence that replace lost audio.
    pub(super) silent_frames: u64,
    /// Whether a second stream of another layout follows. It is not read.
    pub(super) other_stream: bool,
}

impl Condition {
    /// Returns one sentence for each defect. The sentences are complete at the end of the file.
    pub(super) fn warnings(&self, name: &str, rate_hz: u32) -> Vec<Warning> {
        let mut sentences = Vec::new();
        let found = self.frames;
        match self.announced_frames {
            Some(announced) if found < announced => sentences.push(format!(
                "{name}: expected {announced} frames, found {found}: the file ends early; what is there is used"
            )),
            Some(announced) if found > announced => sentences.push(format!(
                "{name}: expected {announced} frames, found {found}: its header says too few; all of them are used"
            )),
            _ if self.cut_off => {
                sentences.push(format!("{name}: the file ends early, after {found} frames; what is there is used"));
            }
            _ => {}
        }

        if self.lost_packets > 0 {
            let (packets, seconds) = (
                self.lost_packets,
                self.silent_frames as f64 / f64::from(rate_hz.max(1)),
            );
            let were = if packets == 1 {
                "1 damaged packet".to_owned()
            } else {
                format!("{packets} damaged packets")
            };

            sentences.push(format!(
                "{name}: {were}, heard as {seconds:.3} s of silence"
            ));
        }

        if self.other_stream {
            sentences.push(format!(
                "{name}: a second stream of another layout follows; only the first is used"
            ));
        }

        sentences.into_iter().map(Warning).collect()
    }
}
