//! Condition of a file: what a reader notices while it decodes, reported to the user once.

use super::codec_name::CodecName;
use super::{Layout, Warning};

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
    /// Number of damaged pages of an Ogg file.
    pub(super) damaged_pages: u64,
    /// Number of frames of silence that replace damaged and missing pages.
    pub(super) page_silence_frames: u64,
    /// Whether a second stream follows that cannot be decoded. It is not read.
    pub(super) other_stream: bool,
    /// First change of the layout within the file: the frame, counted in the layout of the stream,
    /// and the layout before and after it.
    pub(super) change: Option<(u64, Layout, Layout)>,
    /// The tracks of a file that has several.
    pub(super) tracks: Option<Tracks>,
    /// Sentences of the reader's own about the file, without its name.
    pub(super) notes: Vec<String>,
}

/// Audio tracks of a file, of which one is decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tracks {
    /// Number of the decoded track, counted from 1.
    pub(super) used: usize,
    /// Number of audio tracks.
    pub(super) count: usize,
    /// Codec of the first track, if it cannot be decoded.
    pub(super) refused: Option<CodecName>,
}

impl Tracks {
    fn sentence(&self) -> String {
        let Self {
            used,
            count,
            refused,
        } = self;
        match refused {
            Some(codec) => format!(
                "{count} audio tracks; the first ({codec}) cannot be decoded, number {used} is used"
            ),
            None => format!("{count} audio tracks; only number {used} is used"),
        }
    }
}

impl Condition {
    /// Returns one sentence for each defect. The sentences are complete at the end of the file.
    pub(super) fn warnings(&self, name: &str, rate_hz: u32) -> Vec<Warning> {
        let defects = [
            self.length(),
            self.packets(rate_hz),
            self.pages(rate_hz),
            self.other_stream(),
            self.layouts(rate_hz),
            self.tracks.as_ref().map(Tracks::sentence),
        ];
        let sentences = defects.into_iter().flatten();
        sentences
            .chain(self.notes.iter().cloned())
            .map(|sentence| Warning(format!("{name}: {sentence}")))
            .collect()
    }

    fn length(&self) -> Option<String> {
        let found = self.frames;
        match self.announced_frames {
            Some(announced) if found < announced => Some(format!(
                "expected {announced} frames, found {found}: the file ends early; what is there is \
                 used"
            )),
            Some(announced) if found > announced => Some(format!(
                "expected {announced} frames, found {found}: its header says too few; all of them \
                 are used"
            )),
            _ if self.cut_off => Some(format!(
                "the file ends early, after {found} frames; what is there is used"
            )),
            _ => None,
        }
    }

    fn packets(&self, rate_hz: u32) -> Option<String> {
        let packets = match self.lost_packets {
            0 => return None,
            1 => "1 damaged packet".to_owned(),
            more => format!("{more} damaged packets"),
        };
        Some(heard_as_silence(&packets, self.silent_frames, rate_hz))
    }

    fn pages(&self, rate_hz: u32) -> Option<String> {
        let pages = match self.damaged_pages {
            0 if self.page_silence_frames == 0 => return None,
            0 => "pages are missing".to_owned(),
            1 => "1 damaged page".to_owned(),
            more => format!("{more} damaged pages"),
        };
        Some(heard_as_silence(&pages, self.page_silence_frames, rate_hz))
    }

    fn other_stream(&self) -> Option<String> {
        let sentence = "a second stream follows that cannot be decoded; only the first is used";
        self.other_stream.then(|| sentence.to_owned())
    }

    fn layouts(&self, rate_hz: u32) -> Option<String> {
        let (frame, before, after) = self.change?;
        let seconds = seconds(frame, rate_hz);
        Some(format!(
            "changes from {} to {} after {seconds:.3} s; all of it is used, at {rate_hz} Hz",
            named(before),
            named(after)
        ))
    }
}

fn heard_as_silence(what: &str, frames: u64, rate_hz: u32) -> String {
    let seconds = seconds(frames, rate_hz);
    format!("{what}, heard as {seconds:.3} s of silence")
}

fn seconds(frames: u64, rate_hz: u32) -> f64 {
    frames as f64 / f64::from(rate_hz.max(1))
}

fn named(layout: Layout) -> String {
    let channels = match layout.channels {
        1 => "mono".to_owned(),
        2 => "stereo".to_owned(),
        more => format!("{more} channels"),
    };
    format!("{channels} at {} Hz", layout.rate_hz)
}
