//! In what condition a file was found: what a reader notices on its way and the user is told once.

use super::Warning;

/// What was odd about a file, counted while it was decoded.
#[derive(Clone, Debug, Default)]
pub(super) struct Condition {
    /// Frames that came out.
    pub(super) frames: u64,
    /// Frames that the file announces, where it does so exactly.
    pub(super) announced_frames: Option<u64>,
    /// The file ended in the middle of something.
    pub(super) cut_off: bool,
    /// Packets that could not be decoded.
    pub(super) lost_packets: u64,
    /// Frames of silence that stand for what was lost.
    pub(super) silent_frames: u64,
    /// A second stream of another layout follows, which is not read.
    pub(super) other_stream: bool,
}

impl Condition {
    /// One sentence for each thing that was odd; complete at the end of the file.
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
