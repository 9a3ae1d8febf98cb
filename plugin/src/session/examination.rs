//! The examination: a thread that reads a stretch of the clip and its stems for a close-up.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{JoinHandle, Thread};
use std::time::{Duration, Instant};

use sextet_wav::FloatWav;

use crate::closeup::{CloseUp, LANES, LaneCloseUp, Stretch};
use crate::overview::Overview;
use crate::playback::{CHANNELS, StemFiles};
use crate::spectrogram::{Analyser, Spectrogram};

/// Interval at which the editor is shown what was read so far.
const REPORT: Duration = Duration::from_millis(200);
/// Number of frames that are read at a time, where columns are closer than that.
const AHEAD_FRAMES: i64 = 1 << 15;
/// Number of windows of a column that is longer than all of them.
const WINDOWS: i64 = 3;

/// The files that are examined.
pub(super) enum ExaminedFiles {
    /// The capture of a clip without stems.
    Clip(Box<FloatWav>),
    /// The stems, whose sum is the clip.
    Stems(Box<StemFiles>),
}

/// The parts of a close-up that are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Parts {
    pub(super) waveforms: bool,
    pub(super) spectrograms: bool,
}

/// A running or finished examination. Dropping it ends it.
pub(super) struct Examination {
    pub(super) stretch: Stretch,
    pub(super) parts: Parts,
    closeups: Receiver<CloseUp>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Examination {
    /// Starts to read a stretch. The thread `session` is woken for every close-up. `None` if the
    /// system gives no thread.
    pub(super) fn start(
        files: ExaminedFiles,
        stretch: Stretch,
        parts: Parts,
        session: Thread,
    ) -> Option<Self> {
        let (sender, closeups) = mpsc::channel();
        let stop = Arc::new(AtomicBool::new(false));
        let examiner = Examiner {
            lanes: lanes_of(&files, &stretch, parts),
            rate_hz: files.rate_hz(),
            reader: Reader::new(files),
            stretch: stretch.clone(),
            parts,
            sender,
            session,
            stop: stop.clone(),
        };

        let named = std::thread::Builder::new().name("sextet close-up".to_owned());
        let thread = named.spawn(move || examiner.run()).ok()?;
        Some(Self {
            stretch,
            parts,
            closeups,
            stop,
            thread: Some(thread),
        })
    }

    /// Returns the latest close-up since the last call.
    pub(super) fn poll(&self) -> Option<CloseUp> {
        self.closeups.try_iter().last()
    }
}

impl Drop for Examination {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl ExaminedFiles {
    fn rate_hz(&self) -> u32 {
        match self {
            Self::Clip(wav) => wav.rate_hz(),
            Self::Stems(files) => files.entry().manifest().rate_hz,
        }
    }
}

/// Returns empty lanes for a close-up.
fn lanes_of(
    files: &ExaminedFiles,
    stretch: &Stretch,
    parts: Parts,
) -> [Option<LaneCloseUp>; LANES] {
    let empty = LaneCloseUp {
        waveform: parts.waveforms.then(|| Overview {
            bins: vec![[0.0; 2]; stretch.columns],
        }),
        spectrogram: parts
            .spectrograms
            .then(|| Spectrogram::silent(stretch.columns)),
    };
    let has_stems = matches!(files, ExaminedFiles::Stems(_));
    std::array::from_fn(|lane| (lane == 0 || has_stems).then(|| empty.clone()))
}

/// Reads files into planar channels, a run at a time.
struct Reader {
    files: ExaminedFiles,
    /// Frames that are in `planar`.
    held: Range<i64>,
    /// The clip's two channels, then those of the stems, if there are any.
    planar: Vec<f32>,
    /// Buffer for one read, reused.
    scratch: Vec<f32>,
}

impl Reader {
    fn new(files: ExaminedFiles) -> Self {
        Self {
            files,
            held: 0..0,
            planar: Vec::new(),
            scratch: Vec::new(),
        }
    }

    /// Makes `wanted` available, and `ahead` frames from its start on. What lies outside of the
    /// clip is silent.
    fn hold(&mut self, wanted: &Range<i64>, ahead: i64) -> io::Result<()> {
        if self.held.start <= wanted.start && wanted.end <= self.held.end {
            return Ok(());
        }

        let end = wanted.end.max(wanted.start + ahead);
        self.held = wanted.start..end;
        let frames = (end - wanted.start) as usize;
        match &mut self.files {
            ExaminedFiles::Clip(wav) => {
                self.planar.clear();
                self.planar.resize(2 * frames, 0.0);
                read_clip(
                    wav,
                    wanted.start,
                    frames,
                    &mut self.planar,
                    &mut self.scratch,
                )
            }
            ExaminedFiles::Stems(files) => {
                self.planar.resize((2 + CHANNELS) * frames, 0.0);
                let (clip, stems) = self.planar.split_at_mut(2 * frames);
                files.read_into(wanted.start, frames, stems)?;
                sum_up(clip, stems, frames);
                Ok(())
            }
        }
    }

    /// Returns both sides of a lane in a stretch that is held.
    fn sides(&self, lane: usize, stretch: &Range<i64>) -> [&[f32]; 2] {
        let frames = (self.held.end - self.held.start) as usize;
        let first = (stretch.start - self.held.start) as usize;
        let count = (stretch.end - stretch.start) as usize;
        [0, 1].map(|side| {
            let at = (2 * lane + side) * frames + first;
            &self.planar[at..at + count]
        })
    }
}

/// Reads a capture into two planar channels.
fn read_clip(
    wav: &mut FloatWav,
    first: i64,
    frames: usize,
    planar: &mut [f32],
    scratch: &mut Vec<f32>,
) -> io::Result<()> {
    let end = (first + frames as i64).clamp(0, wav.frames().cast_signed());
    let start = first.clamp(0, end);
    if start == end {
        return Ok(());
    }

    scratch.resize(2 * (end - start) as usize, 0.0);
    wav.read_into(start.cast_unsigned(), scratch)?;
    let (left, right) = planar.split_at_mut(frames);
    let skip = (start - first) as usize;
    let outs = left[skip..].iter_mut().zip(&mut right[skip..]);
    for (frame, (left, right)) in scratch.chunks_exact(2).zip(outs) {
        (*left, *right) = (frame[0], frame[1]);
    }

    Ok(())
}

/// Adds stems up to the clip.
fn sum_up(clip: &mut [f32], stems: &[f32], frames: usize) {
    clip.fill(0.0);
    for stem in stems.chunks_exact(2 * frames) {
        for (sum, sample) in clip.iter_mut().zip(stem) {
            *sum += sample;
        }
    }
}

struct Examiner {
    reader: Reader,
    rate_hz: u32,
    stretch: Stretch,
    parts: Parts,
    lanes: [Option<LaneCloseUp>; LANES],
    sender: Sender<CloseUp>,
    session: Thread,
    stop: Arc<AtomicBool>,
}

impl Examiner {
    fn run(mut self) {
        let mut analyser = Analyser::new(self.rate_hz, window_frames(&self.stretch));
        let mut reported = Instant::now();

        for column in 0..self.stretch.columns {
            // Files that cannot be read are noticed by what plays them.
            if self.stop.load(Ordering::Relaxed) || self.column(column, &mut analyser).is_err() {
                return;
            }
            if reported.elapsed() > REPORT {
                self.report(self.lanes.clone(), false);
                reported = Instant::now();
            }
        }

        let lanes = std::mem::take(&mut self.lanes);
        self.report(lanes, true);
    }

    fn report(&self, lanes: [Option<LaneCloseUp>; LANES], is_complete: bool) {
        let _ = self.sender.send(CloseUp {
            stretch: self.stretch.clone(),
            lanes,
            is_complete,
        });
        self.session.unpark();
    }

    fn column(&mut self, column: usize, analyser: &mut Analyser) -> io::Result<()> {
        let span = self.stretch.column(column);
        let windows = windows_in(&span, analyser.window_frames() as i64);
        let are_wanted = self.parts.spectrograms;
        let windows = windows.filter(move |_| are_wanted);

        // Columns that lie close together are read in runs, with the windows around them.
        if self.stretch.column_frames() < AHEAD_FRAMES as f64 {
            let reach = windows.clone().fold(span.clone(), |reach, window| {
                reach.start.min(window.start)..reach.end.max(window.end)
            });
            self.reader.hold(&reach, AHEAD_FRAMES)?;
        }

        if self.parts.waveforms {
            self.waveforms(column, &span)?;
        }
        for window in windows {
            self.reader.hold(&window, 0)?;
            self.spectrograms(column, &window, analyser);
        }

        Ok(())
    }

    fn waveforms(&mut self, column: usize, span: &Range<i64>) -> io::Result<()> {
        self.reader.hold(span, 0)?;
        for (number, lane) in self.lanes.iter_mut().enumerate() {
            let Some(waveform) = lane.as_mut().and_then(|lane| lane.waveform.as_mut()) else {
                continue;
            };
            let [left, right] = self.reader.sides(number, span);
            let all = left.iter().chain(right);
            waveform.bins[column] = all.fold([0.0_f32; 2], |[low, high], &sample| {
                [low.min(sample), high.max(sample)]
            });
        }
        Ok(())
    }

    fn spectrograms(&mut self, column: usize, window: &Range<i64>, analyser: &mut Analyser) {
        for (number, lane) in self.lanes.iter_mut().enumerate() {
            let Some(spectrogram) = lane.as_mut().and_then(|lane| lane.spectrogram.as_mut()) else {
                continue;
            };
            let [left, right] = self.reader.sides(number, window);
            analyser.add(left, right, &mut spectrogram.columns[column]);
        }
    }
}

/// Returns the length of a spectrogram's windows: long ones tell tones apart, short ones times.
fn window_frames(stretch: &Stretch) -> usize {
    match stretch.column_frames() {
        ..64.0 => 1024,
        ..256.0 => 2048,
        _ => 4096,
    }
}

/// Returns the windows by which a column is judged, in the order of time: one in the middle of a
/// short column, some that are spread over a long one.
fn windows_in(span: &Range<i64>, window_frames: i64) -> impl Iterator<Item = Range<i64>> + Clone {
    let length = span.end - span.start;
    let count = (2 * length / window_frames).clamp(1, WINDOWS);
    let start = span.start;
    (0..count).map(move |number| {
        let middle = start + length * (2 * number + 1) / (2 * count);
        let first = middle - window_frames / 2;
        first..first + window_frames
    })
}
