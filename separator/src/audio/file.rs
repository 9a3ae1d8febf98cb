//! Audio files: what they hold, and decoding them as often as needed.

use std::path::{Path, PathBuf};

use super::condition::Condition;
use super::packets::PacketReader;
use super::read_error::{MAX_CHANNELS, RATES_HZ, ReadError};
use super::wav_reader::{Opened, WavReader};
use super::{Audio, AudioSource, AudioStream, Layout, Speaker, Warning};

/// An audio file that can be decoded: WAV (also RF64), AIFF, FLAC, MP3, AAC and ALAC in M4A, Ogg
/// Vorbis, Opus, CAF.
///
/// Encoder delay and padding are taken out where the file states them (LAME's tag in MP3, edit list
/// or `iTunSMPB` in M4A, granule positions and pre-skip in Ogg), so that the length is that of the
/// audio that was encoded. Every pass gives the same samples. Memory does not grow with the length.
#[derive(Clone, Debug)]
pub struct AudioFile {
    path: PathBuf,
    info: AudioInfo,
}

/// What is known of an audio file without decoding all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AudioInfo {
    /// Channels and rate, as they come out of the decoder.
    pub layout: Layout,
    /// Where each channel is heard from.
    pub speakers: Vec<Speaker>,
    /// The codec's short name, such as `pcm`, `flac`, `mp3`, `aac`, `vorbis`.
    pub codec: &'static str,
    /// Bits of a sample, for codecs that have such a thing.
    pub bits: Option<u32>,
    /// Frames that the file says it holds, where it does so exactly. What is decoded may differ:
    /// then the stream warns.
    pub frames: Option<u64>,
    /// The name of the file, without its folder, for people.
    pub file_name: String,
}

impl AudioFile {
    /// Finds out what the file under `path` holds, and decodes its beginning to be sure that it can
    /// be.
    ///
    /// # Errors
    /// [`ReadError`] as the cause: kind [`Input`](crate::ErrorKind::Input) when there is no such file or it cannot be
    /// read, [`Audio`](crate::ErrorKind::Audio) when it is not audio that can be decoded or holds
    /// no sample.
    pub fn open(path: impl AsRef<Path>) -> crate::Result<Self> {
        let path = path.as_ref();
        let mut stream = FileStream::open(path)?;
        stream.fill()?;
        Ok(Self {
            path: path.to_owned(),
            info: stream.info(),
        })
    }

    /// A new stream at the beginning of the file; it opens the file anew.
    ///
    /// # Errors
    /// As [`AudioFile::open`].
    pub fn stream(&self) -> crate::Result<Box<dyn AudioStream>> {
        let mut stream = FileStream::open(&self.path)?;
        stream.fill()?;
        Ok(Box::new(stream))
    }

    /// What the file holds.
    pub fn info(&self) -> &AudioInfo {
        &self.info
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl AudioSource for AudioFile {
    fn open(&self) -> crate::Result<Box<dyn AudioStream + '_>> {
        self.stream()
    }

    fn frames(&self) -> Option<u64> {
        self.info.frames
    }
}

/// One pass through a file.
struct FileStream {
    path: PathBuf,
    reader: Reader,
    /// The first block, which is decoded at once: only then is the layout known for sure.
    first: Option<Vec<Vec<f32>>>,
    layout: Layout,
    /// What the file says it holds, or what its length tells.
    frames: Option<u64>,
}

enum Reader {
    Wav(WavReader),
    Packets(Box<PacketReader>),
}

impl FileStream {
    fn open(path: &Path) -> Result<Self, ReadError> {
        check_is_file(path)?;
        let reader = match WavReader::open(path)? {
            Opened::Plain(wav) => Reader::Wav(wav),
            Opened::NotWave => Reader::Packets(Box::new(PacketReader::open(path)?)),
            Opened::Coded(codec) => match PacketReader::open(path) {
                Err(ReadError::NotAudio { path, .. }) => {
                    return Err(ReadError::Codec { path, codec });
                }
                opened => Reader::Packets(Box::new(opened?)),
            },
        };

        let frames = match &reader {
            Reader::Wav(wav) => Some(wav.frames_there()),
            Reader::Packets(packets) => packets.condition().announced_frames,
        };
        let layout = Layout {
            channels: 0,
            rate_hz: 0,
        };
        Ok(Self {
            path: path.to_owned(),
            reader,
            first: None,
            layout,
            frames,
        })
    }

    /// Decodes the first block and checks the layout.
    fn fill(&mut self) -> Result<(), ReadError> {
        if let Reader::Wav(wav) = &self.reader {
            // A header can be refused before any sample is read.
            let header = wav.header();
            self.layout = Layout {
                channels: usize::from(header.channels),
                rate_hz: header.rate_hz,
            };
            check_layout(&self.path, self.layout)?;
        }

        self.first = self.reader.next_block()?;
        if let Reader::Packets(packets) = &self.reader
            && let Some(layout) = packets.layout()
        {
            self.layout = layout;
            check_layout(&self.path, layout)?;
        }
        if self.first.is_none() {
            let condition = self.reader.condition();
            let path = self.path.clone();
            let damaged = condition.lost_packets > 0
                || condition.cut_off
                || condition.announced_frames.is_some();

            return Err(if damaged {
                ReadError::Damaged { path, source: None }
            } else {
                ReadError::NoSamples { path }
            });
        }

        Ok(())
    }

    fn info(&self) -> AudioInfo {
        let (speakers, codec, bits) = match &self.reader {
            Reader::Wav(wav) => (
                wav.speakers(),
                "pcm",
                Some(8 * wav.header().format.bytes() as u32),
            ),
            Reader::Packets(packets) => (packets.speakers(), packets.codec(), packets.bits()),
        };

        let (layout, frames) = (self.layout, self.frames);
        AudioInfo {
            layout,
            speakers,
            codec,
            bits,
            frames,
            file_name: file_name(&self.path),
        }
    }
}

impl Reader {
    fn next_block(&mut self) -> Result<Option<Vec<Vec<f32>>>, ReadError> {
        match self {
            Self::Wav(wav) => wav.next_block(),
            Self::Packets(packets) => packets.next_block(),
        }
    }

    fn condition(&self) -> &Condition {
        match self {
            Self::Wav(wav) => wav.condition(),
            Self::Packets(packets) => packets.condition(),
        }
    }

    fn condition_mut(&mut self) -> &mut Condition {
        match self {
            Self::Wav(wav) => wav.condition_mut(),
            Self::Packets(packets) => packets.condition_mut(),
        }
    }
}

impl AudioStream for FileStream {
    fn layout(&self) -> Layout {
        self.layout
    }

    fn next_block(&mut self) -> crate::Result<Option<Audio>> {
        let block = match self.first.take() {
            Some(first) => Some(first),
            None => self.reader.next_block()?,
        };
        let Some(channels) = block else {
            return Ok(None);
        };

        let condition = self.reader.condition_mut();
        check_finite(&self.path, &channels, condition.frames, self.layout.rate_hz)?;
        condition.frames += channels[0].len() as u64;

        Ok(Some(Audio::new(channels, self.layout.rate_hz)))
    }

    fn speakers(&self) -> Vec<Speaker> {
        match &self.reader {
            Reader::Wav(wav) => wav.speakers(),
            Reader::Packets(packets) => packets.speakers(),
        }
    }

    fn warnings(&self) -> Vec<Warning> {
        self.reader
            .condition()
            .warnings(&file_name(&self.path), self.layout.rate_hz)
    }
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or(path.as_os_str())
        .to_string_lossy()
        .into_owned()
}

fn check_is_file(path: &Path) -> Result<(), ReadError> {
    let path_of = || path.to_owned();
    match std::fs::metadata(path) {
        Err(source) if source.kind() == std::io::ErrorKind::NotFound => {
            Err(ReadError::NotFound { path: path_of() })
        }
        Err(source) => Err(ReadError::Unreadable {
            path: path_of(),
            source,
        }),
        Ok(found) if found.is_dir() => Err(ReadError::Folder { path: path_of() }),
        Ok(found) if !found.is_file() => Err(ReadError::NotAFile { path: path_of() }),
        Ok(found) if found.len() == 0 => Err(ReadError::Empty { path: path_of() }),
        Ok(_) => Ok(()),
    }
}

fn check_layout(path: &Path, layout: Layout) -> Result<(), ReadError> {
    if !(1..=MAX_CHANNELS).contains(&layout.channels) {
        return Err(ReadError::Channels {
            path: path.to_owned(),
            found: layout.channels,
        });
    }

    if !RATES_HZ.contains(&layout.rate_hz) {
        return Err(ReadError::Rate {
            path: path.to_owned(),
            found: layout.rate_hz,
        });
    }

    Ok(())
}

/// Refuses the first sample, in order of time, that is NaN or infinite.
fn check_finite(
    path: &Path,
    channels: &[Vec<f32>],
    start_frame: u64,
    rate_hz: u32,
) -> Result<(), ReadError> {
    let bad = |channel: &Vec<f32>| channel.iter().position(|sample| !sample.is_finite());
    let first = channels
        .iter()
        .enumerate()
        .filter_map(|(number, channel)| Some((bad(channel)?, number)))
        .min();

    let Some((index, number)) = first else {
        return Ok(());
    };

    let frame = start_frame + index as u64;
    Err(ReadError::NotFinite {
        path: path.to_owned(),
        channel: number + 1,
        frame,
        time_s: frame as f64 / f64::from(rate_hz),
        value: channels[number][index],
    })
}
