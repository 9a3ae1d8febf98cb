//! A take on disk while it grows, and the capture that is made of it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::thread;

use sextet_fs::AtomicFile;
use sextet_protocol::{AudioHasher, Fingerprint};
use sextet_wav::{FloatWav, FloatWavWriter, WavError, bytes_of, bytes_of_mut};

use super::contiguous::ContiguousTake;
use super::silenced::{Silenced, silence_bad};
use super::spans::Spans;
use crate::overview::{GrowingOverview, Overview};
use crate::placement::Placement;

/// Number of frames of a piece of the take's file. Pieces lie in the order in which they were first
/// captured.
const PIECE_FRAMES: i64 = 1 << 16;
const FRAME_BYTES: usize = 8;
/// Largest number of frames from the first to the last of a clip: eight hours at 192 kHz. A capture
/// at the beginning and one at the end of an endless session must not produce all of the silence in
/// between.
const MOST_FRAMES: i64 = 8 * 3600 * 192_000;

/// Number of bytes after which a growing take is synced to the disk.
const SYNC_BYTES: usize = 4 << 20;

/// A growing take in an unfinished file. Dropping it deletes the file.
pub(crate) struct Take {
    folder: PathBuf,
    file: AtomicFile,
    /// Number of bytes that were written since the last sync began.
    unsynced_bytes: usize,
    syncing: Option<thread::JoinHandle<()>>,
    rate_hz: u32,
    /// The frame of the timeline that was captured first. Pieces are counted from there, behind the
    /// room for a header, so that a take without gaps or jumps already is a clip's file.
    origin: Option<i64>,
    /// Fingerprint and overview of the take, as long as it has no gaps or jumps.
    contiguous: Option<ContiguousTake>,
    /// Position in the file of each piece of the timeline.
    pieces: BTreeMap<i64, u64>,
    spans: Spans,
    /// Frames that have silence in the place of something that is no audio.
    silenced: Spans,
    clean: Vec<f32>,
    overview: GrowingOverview,
}

/// A clip on disk, with its place on the timeline.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Capture {
    /// Fingerprint of the audio, which names the file.
    pub(crate) audio: Fingerprint,
    /// Position on the timeline.
    pub(crate) placement: Placement,
    /// Overview for the waveform.
    pub(crate) overview: Overview,
    /// Frames that were no audio.
    pub(crate) silenced: Silenced,
}

/// The reason for which a take could not be kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TakeError {
    /// The take has no audio.
    #[error("nothing was captured")]
    Nothing,
    /// The file could not be written.
    #[error("the capture could not be written to '{folder}': {source}")]
    Write {
        /// Folder of the captures.
        folder: String,
        /// The system's reason.
        source: io::Error,
    },
    /// The clip that is to be extended cannot be read.
    #[error("the clip that was to be extended cannot be read: {0}")]
    Base(WavError),
    /// The clip that is to be extended has another rate.
    #[error("the clip was captured at {clip_hz} Hz and cannot be extended at {session_hz} Hz")]
    Rate {
        /// Rate of the clip in Hz.
        clip_hz: u32,
        /// Rate of the session in Hz.
        session_hz: u32,
    },
    /// The plugin was removed meanwhile.
    #[error("the capture was abandoned")]
    Cancelled,
}

impl Take {
    /// Begins a take in a folder of captures.
    ///
    /// # Errors
    /// When no file can be made there.
    pub(crate) fn new(folder: &Path, rate_hz: u32) -> Result<Self, TakeError> {
        let made = std::fs::create_dir_all(folder).and_then(|()| AtomicFile::new_in(folder));

        let file = made.map_err(|source| unwritable(folder, source))?;
        let (pieces, spans, overview) = (
            BTreeMap::new(),
            Spans::default(),
            GrowingOverview::default(),
        );

        Ok(Self {
            folder: folder.to_owned(),
            file,
            unsynced_bytes: 0,
            syncing: None,
            rate_hz,
            origin: None,
            contiguous: None,
            pieces,
            spans,
            silenced: Spans::default(),
            clean: Vec::new(),
            overview,
        })
    }

    /// Writes interleaved frames that were captured at a frame of the timeline, over those that
    /// were captured there before. Frames that are too far away are left out; samples that are no
    /// audio become silence.
    ///
    /// # Errors
    /// The system's error: mostly that the disk is full.
    pub(crate) fn write(&mut self, position: i64, interleaved: &[f32]) -> io::Result<()> {
        let end = position.saturating_add(interleaved.len() as i64 / 2);
        let (first, last) = self.spans.bounds().unwrap_or((position, end));

        // Leave out frames that are too far away.
        if end.max(last).saturating_sub(position.min(first)) > MOST_FRAMES {
            return Ok(());
        }

        // Replace samples that are no audio.
        let mut clean = std::mem::take(&mut self.clean);
        self.silenced.remove(position, end);
        let interleaved = silence_bad(interleaved, &mut clean, |frame| {
            self.silenced.add(position + frame, position + frame + 1);
        });

        let written = self.write_clean(position, end, interleaved);
        self.clean = clean;
        written
    }

    fn write_clean(&mut self, position: i64, end: i64, interleaved: &[f32]) -> io::Result<()> {
        // Extend the hash and the overview while there are no gaps or jumps.
        if self.origin.is_none() {
            self.contiguous = Some(ContiguousTake::new(position, self.rate_hz));
        }

        let origin = *self.origin.get_or_insert(position);
        self.contiguous = self
            .contiguous
            .take()
            .and_then(|contiguous| contiguous.extended(position, interleaved));

        // Write piece by piece. A new piece goes to the end of the file.
        let mut done = 0;
        while done < interleaved.len() {
            let at = position + done as i64 / 2 - origin;
            let (piece, offset) = (at.div_euclid(PIECE_FRAMES), at.rem_euclid(PIECE_FRAMES));
            let run = (2 * (PIECE_FRAMES - offset) as usize).min(interleaved.len() - done);
            let next = self.pieces.len() as u64;

            let place = *self.pieces.entry(piece).or_insert(next);
            let bytes = bytes_of(&interleaved[done..done + run]);
            self.file.seek(SeekFrom::Start(byte_of(place, offset)))?;
            self.file.write_all(bytes)?;

            self.unsynced_bytes += bytes.len();
            done += run;
        }
        self.sync_behind();

        self.spans.add(position, end);
        self.overview.add(position, interleaved);
        Ok(())
    }

    /// Syncs the file to the disk on a thread of its own now and then, so that little is left to be
    /// synced when the take ends and its stems are waited for.
    fn sync_behind(&mut self) {
        let busy = self.syncing.as_ref();
        if self.unsynced_bytes < SYNC_BYTES || busy.is_some_and(|sync| !sync.is_finished()) {
            return;
        }
        self.unsynced_bytes = 0;

        // The file is opened once more: the system reports a failure once for each opening, and the
        // sync that counts is the last one.
        let file = File::options().write(true).open(self.file.path());
        let sync = move || drop(file.and_then(|file| file.sync_data()));
        let thread = thread::Builder::new().name("sextet sync".to_owned());
        self.syncing = thread.spawn(sync).ok();
    }

    /// Returns the overview so far, and the timeline's frame where it begins.
    pub(crate) fn overview(&self) -> (i64, Overview) {
        self.overview.snapshot()
    }

    /// Notes what was silenced of the clip that the take will be laid over, where the take does not
    /// cover it.
    pub(crate) fn keep_silenced(&mut self, clip: Placement, silenced: &Silenced) {
        let covered = self.spans.clone();
        for &(first, frames) in &silenced.stretches {
            let start = clip.start_frame + first.cast_signed();
            let end = start + frames.cast_signed();
            let mut rest = Spans::default();
            rest.add(start, end);
            for (from, to) in covered.within(start, end) {
                rest.remove(from, to);
            }
            for (from, to) in rest.within(start, end) {
                self.silenced.add(from, to);
            }
        }
    }

    /// Returns the folder that the capture will be in.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Makes a capture of the take: alone, or laid over `base`, which is a capture with its place.
    /// Gaps are silent.
    ///
    /// # Errors
    /// See [`TakeError`]. No file is left behind then.
    pub(crate) fn finish(
        mut self,
        base: Option<(PathBuf, Placement)>,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<Capture, TakeError> {
        let (mut start, mut end) = self.spans.bounds().ok_or(TakeError::Nothing)?;
        // A take without gaps or jumps only needs a header, unless it is laid over a clip.
        if let (None, Some(contiguous)) = (&base, self.contiguous.take()) {
            if cancelled() {
                return Err(TakeError::Cancelled);
            }
            return self.finish_straight(contiguous, start, end);
        }

        // Extend the range to that of the clip below the take.
        let mut base = base
            .map(|(file, clip)| self.open_base(&file, clip))
            .transpose()?;
        if let Some((clip, _)) = &base {
            let clip_end = clip.start_frame + clip.frames.cast_signed();
            (start, end) = (start.min(clip.start_frame), end.max(clip_end));
        }

        // The capture's name depends on all samples.
        let folder = self.folder.clone();
        let out = AtomicFile::new_in(&folder);
        let out = out.map_err(|source| unwritable(&folder, source))?;
        let mut writer =
            FloatWavWriter::new(out, self.rate_hz).map_err(|source| unwritable(&folder, source))?;
        let mut hasher = AudioHasher::new(2, self.rate_hz);
        let frames = (end - start).cast_unsigned();
        let mut overview = Overview::silent(frames);

        // Lay the clip and then the take over silence, run by run.
        let mut run = Vec::new();
        for first in (start..end).step_by(PIECE_FRAMES as usize) {
            if cancelled() {
                return Err(TakeError::Cancelled);
            }

            let count = (end - first).min(PIECE_FRAMES) as usize;
            run.clear();
            run.resize(2 * count, 0.0);

            if let Some((clip, wav)) = &mut base {
                lay_base(*clip, wav, first, &mut run)
                    .map_err(|error| TakeError::Base(error.into()))?;
            }

            self.lay_take(first, &mut run)
                .map_err(|source| unwritable(&folder, source))?;
            let channel = |side: usize| run.iter().skip(side).step_by(2).copied();
            hasher.push(&[channel(0).collect::<Vec<_>>(), channel(1).collect()]);

            let at = (first - start).cast_unsigned();
            overview.add(at, channel(0));
            overview.add(at, channel(1));
            writer
                .write(&run)
                .map_err(|source| unwritable(&folder, source))?;
        }

        // Complete the file and give it its name.
        let audio = hasher.finish();
        writer
            .finish()
            .and_then(|out| out.commit(&capture_in(&folder, &audio)))
            .map_err(|source| unwritable(&folder, source))?;

        let placement = Placement {
            start_frame: start,
            frames,
            rate_hz: self.rate_hz,
        };

        Ok(Capture {
            audio,
            placement,
            overview,
            silenced: Silenced::within(&self.silenced, start, end),
        })
    }

    /// Makes a capture of a take without gaps or jumps, in much the same time for any length.
    fn finish_straight(
        mut self,
        contiguous: ContiguousTake,
        start: i64,
        end: i64,
    ) -> Result<Capture, TakeError> {
        let folder = self.folder.clone();
        let frames = (end - start).cast_unsigned();
        let written = sextet_wav::write_header(&mut self.file, self.rate_hz, frames);
        written.map_err(|source| unwritable(&folder, source))?;

        let (audio, overview) = contiguous.finish();
        self.file
            .commit(&capture_in(&folder, &audio))
            .map_err(|source| unwritable(&folder, source))?;

        let placement = Placement {
            start_frame: start,
            frames,
            rate_hz: self.rate_hz,
        };

        Ok(Capture {
            audio,
            placement,
            overview,
            silenced: Silenced::within(&self.silenced, start, end),
        })
    }

    fn open_base(&self, file: &Path, clip: Placement) -> Result<(Placement, FloatWav), TakeError> {
        if clip.rate_hz != self.rate_hz {
            return Err(TakeError::Rate {
                clip_hz: clip.rate_hz,
                session_hz: self.rate_hz,
            });
        }

        let file = File::open(file).map_err(WavError::from);
        let wav = file.and_then(FloatWav::open).map_err(TakeError::Base)?;
        Ok((
            Placement {
                frames: clip.frames.min(wav.frames()),
                ..clip
            },
            wav,
        ))
    }

    /// Copies the take's frames from frame `first` of the timeline on over `run`.
    fn lay_take(&mut self, first: i64, run: &mut [f32]) -> io::Result<()> {
        let end = first + run.len() as i64 / 2;
        for (mut from, to) in self.spans.within(first, end) {
            while from < to {
                let at = from - self.origin.unwrap_or(0);
                let (piece, offset) = (at.div_euclid(PIECE_FRAMES), at.rem_euclid(PIECE_FRAMES));
                let count = (PIECE_FRAMES - offset).min(to - from);
                let place = self.pieces.get(&piece).copied().unwrap_or(0);

                let out = &mut run[2 * (from - first) as usize..][..2 * count as usize];
                self.file.seek(SeekFrom::Start(byte_of(place, offset)))?;
                self.file.read_exact(bytes_of_mut(out))?;
                from += count;
            }
        }

        Ok(())
    }
}

/// Returns the position in a take's file of a frame of a piece, in bytes.
fn byte_of(place: u64, offset: i64) -> u64 {
    sextet_wav::HEADER_BYTES
        + (place * PIECE_FRAMES.cast_unsigned() + offset.cast_unsigned()) * FRAME_BYTES as u64
}

/// Copies the clip's frames from frame `first` of the timeline on over `run`.
fn lay_base(clip: Placement, wav: &mut FloatWav, first: i64, run: &mut [f32]) -> io::Result<()> {
    let end = first + run.len() as i64 / 2;
    let (from, to) = (
        first.max(clip.start_frame),
        end.min(clip.start_frame + clip.frames.cast_signed()),
    );

    if from >= to {
        return Ok(());
    }

    let out = &mut run[2 * (from - first) as usize..][..2 * (to - from) as usize];
    wav.read_into((from - clip.start_frame).cast_unsigned(), out)
}

/// Returns the path of a capture in a folder: `<fingerprint>.wav`.
fn capture_in(folder: &Path, audio: &Fingerprint) -> PathBuf {
    folder.join(format!("{audio}.wav"))
}

fn unwritable(folder: &Path, source: io::Error) -> TakeError {
    TakeError::Write {
        folder: folder.display().to_string(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use sextet_cases::each_case;

    use sextet_protocol::Folders;

    use super::*;

    fn frame(at: i64) -> [f32; 2] {
        [(at as f32 * 0.1).sin(), at as f32 / 1e6]
    }

    fn frames(from: i64, to: i64) -> Vec<f32> {
        (from..to).flat_map(frame).collect()
    }

    fn read_back(folders: &Folders, capture: &Capture) -> Vec<f32> {
        let mut wav = FloatWav::open(File::open(folders.capture(&capture.audio)).unwrap()).unwrap();
        assert_eq!(
            (wav.frames(), wav.rate_hz()),
            (capture.placement.frames, capture.placement.rate_hz)
        );
        let mut all = vec![0.0; 2 * wav.frames() as usize];
        wav.read_into(0, &mut all).unwrap();
        all
    }

    /// A take without gaps or jumps is kept as it lies; one with a block captured twice is written
    /// anew. Both must be the same clip.
    #[test]
    fn a_take_in_one_go_is_the_same_clip_as_one_in_pieces() {
        let folder = tempfile::tempdir().unwrap();
        let folders = Folders::at(folder.path(), folder.path());

        let mut cases = 0;
        let starts = [(0, 1), (-3, 513), (70_000, 65_536), (-100, 200_001)];
        each_case(starts, |(start, length)| {
            let take = |again: bool| {
                let mut take = Take::new(&folders.captures(), 48_000).unwrap();
                for from in (start..start + length).step_by(1_000) {
                    let to = (from + 1_000).min(start + length);
                    take.write(from, &frames(from, to)).unwrap();
                }

                if again {
                    take.write(start, &frames(start, start + 1)).unwrap();
                }

                assert_eq!(take.contiguous.is_none(), again);
                take.finish(None, &|| false).unwrap()
            };

            let contiguous = take(false);
            assert_eq!(
                read_back(&folders, &contiguous),
                frames(start, start + length)
            );
            assert_eq!(take(true), contiguous, "from {start}, {length} frames");
            cases += 1;
        });

        let files = std::fs::read_dir(folders.captures()).unwrap().count();
        assert_eq!(files, cases, "one file a clip");
        println!("{cases} takes");
    }

    #[test]
    fn loops_jumps_and_gaps_land_where_they_belong() {
        let folder = tempfile::tempdir().unwrap();
        let folders = Folders::at(folder.path(), folder.path());
        let mut take = Take::new(&folders.captures(), 44_100).unwrap();

        // Ahead, across pieces, back before the beginning, over earlier frames.
        take.write(10, &[9.0; 200]).unwrap();
        take.write(100_000, &frames(100_000, 300_000)).unwrap();
        take.write(-70_000, &frames(-70_000, 50)).unwrap();
        take.write(20, &frames(20, 110)).unwrap();

        let capture = take.finish(None, &|| false).unwrap();
        assert_eq!(
            capture.placement,
            Placement {
                start_frame: -70_000,
                frames: 370_000,
                rate_hz: 44_100
            }
        );

        let mut expected = frames(-70_000, 300_000);
        expected[2 * 70_110..2 * 170_000].fill(0.0);

        assert_eq!(read_back(&folders, &capture), expected);
        let files = std::fs::read_dir(folders.captures()).unwrap().count();
        assert_eq!(files, 1, "only the capture is left");
    }

    #[test]
    fn what_is_no_audio_is_silent_in_the_capture_and_counted() {
        let folder = tempfile::tempdir().unwrap();
        let folders = Folders::at(folder.path(), folder.path());
        let with_bad = |take: &mut Take, position: i64, bad: &[(usize, f32)]| {
            let mut block = frames(position, position + 100);
            bad.iter().for_each(|&(at, sample)| block[at] = sample);
            take.write(position, &block).unwrap();
        };

        let mut take = Take::new(&folders.captures(), 48_000).unwrap();
        with_bad(
            &mut take,
            1_000,
            &[(7, f32::NAN), (8, 1e30), (9, f32::INFINITY)],
        );
        with_bad(&mut take, 1_100, &[(199, f32::NEG_INFINITY)]);
        let first = take.finish(None, &|| false).unwrap();

        let mut expected = frames(1_000, 1_200);
        [7, 8, 9, 399].iter().for_each(|&at| expected[at] = 0.0);
        assert_eq!(read_back(&folders, &first), expected);
        assert_eq!(
            (first.silenced.frames, first.silenced.stretches.as_slice()),
            (3, [(3, 2), (199, 1)].as_slice())
        );

        // Heard again, it is as it should be. What is extended keeps what is not heard again.
        let mut take = Take::new(&folders.captures(), 48_000).unwrap();
        with_bad(&mut take, 950, &[(0, f32::NAN)]);
        take.write(950, &frames(950, 1_050)).unwrap();
        take.keep_silenced(first.placement, &first.silenced);
        let base = Some((folders.capture(&first.audio), first.placement));
        let second = take.finish(base, &|| false).unwrap();
        assert_eq!(
            (second.silenced.frames, second.silenced.stretches.as_slice()),
            (1, [(249, 1)].as_slice())
        );
    }

    #[test]
    fn extending_keeps_what_is_not_heard_again() {
        let folder = tempfile::tempdir().unwrap();
        let folders = Folders::at(folder.path(), folder.path());

        let mut take = Take::new(&folders.captures(), 48_000).unwrap();
        take.write(0, &[0.5; 2_000]).unwrap();
        let first = take.finish(None, &|| false).unwrap();

        let mut take = Take::new(&folders.captures(), 48_000).unwrap();
        take.write(900, &frames(900, 1_500)).unwrap();
        take.write(-100, &frames(-100, 10)).unwrap();
        let second = take
            .finish(
                Some((folders.capture(&first.audio), first.placement)),
                &|| false,
            )
            .unwrap();

        let mut expected = frames(-100, 1_500);
        expected[2 * 110..2 * 1_000].fill(0.5);

        assert_eq!(read_back(&folders, &second), expected);
        assert_ne!(first.audio, second.audio);
        assert_eq!(read_back(&folders, &first), [0.5; 2_000], "for undo");
    }

    #[test]
    fn what_cannot_be_kept_is_refused_with_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let folders = Folders::at(folder.path(), folder.path());
        let take = || {
            let mut take = Take::new(&folders.captures(), 48_000).unwrap();
            take.write(0, &[0.5; 2_000]).unwrap();
            take
        };

        let gone = folders.capture(&Fingerprint::of(b"gone"));
        let clip = |rate_hz| {
            Some((
                gone.clone(),
                Placement {
                    start_frame: 0,
                    frames: 10,
                    rate_hz,
                },
            ))
        };

        let empty = Take::new(&folders.captures(), 48_000)
            .unwrap()
            .finish(None, &|| false)
            .unwrap_err();
        assert!(matches!(empty, TakeError::Nothing));
        assert!(matches!(
            take().finish(clip(44_100), &|| false).unwrap_err(),
            TakeError::Rate { .. }
        ));

        assert!(matches!(
            take().finish(clip(48_000), &|| false).unwrap_err(),
            TakeError::Base(_)
        ));

        assert!(matches!(
            take().finish(None, &|| true).unwrap_err(),
            TakeError::Cancelled
        ));
        assert_eq!(
            std::fs::read_dir(folders.captures()).unwrap().count(),
            0,
            "nothing is left behind"
        );

        let blocked = folder.path().join("file");
        std::fs::write(&blocked, "").unwrap();
        let error = Take::new(&Folders::at(&blocked, &blocked).captures(), 48_000)
            .map(drop)
            .unwrap_err();

        assert!(error.to_string().contains("file"), "{error}");
    }
}
