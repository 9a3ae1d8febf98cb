//! Audio files: their properties, and decoding them as often as needed.

use std::path::{Path, PathBuf};

use super::codec_name::CodecName;
use super::condition::Condition;
use super::ffmpeg::{Ffmpeg, FfmpegReader};
use super::limits::{MAX_CHANNELS, RATES_HZ};
use super::packets::PacketReader;
use super::read_error::ReadError;
use super::wav_reader::{Opened, WavReader};
use super::{Audio, AudioSource, AudioStream, Layout, Speaker, Warning, follower, foreign};

/// An audio file that can be decoded: WAV (also RF64), AIFF, FLAC, MP3, AAC and ALAC in M4A, Ogg
/// Vorbis, Opus, CAF, Matroska; and whatever [`Ffmpeg`] decodes, where it is given.
///
/// Encoder delay and padding are taken out where the file states them (LAME's tag in MP3, edit list
/// or `iTunSMPB` in M4A, granule positions and pre-skip in Ogg), so that the length is that of the
/// audio that was encoded. Every pass gives the same samples. Memory does not grow with the length.
#[derive(Clone, Debug)]
pub struct AudioFile {
    path: PathBuf,
    info: AudioInfo,
    ffmpeg: Option<Ffmpeg>,
}

/// Properties of an audio file that are known without decoding all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AudioInfo {
    /// Channels and rate of the decoded audio.
    pub layout: Layout,
    /// Speaker position of each channel.
    pub speakers: Vec<Speaker>,
    /// The codec's short name, such as `pcm`, `flac`, `mp3`, `aac`, `vorbis`.
    pub codec: &'static str,
    /// Bits of a sample, for codecs that define it.
    pub bits: Option<u32>,
    /// Number of frames that the file states, if it states it exactly. The decoded audio may
    /// differ; the stream then warns.
    pub frames: Option<u64>,
    /// File name without its folder, for display.
    pub file_name: String,
}

impl AudioFile {
    /// Opens the file under `path`, reads its properties and decodes its first block to check that
    /// it can be decoded.
    ///
    /// # Errors
    /// Returns a [`ReadError`] as the cause: kind [`Input`](crate::ErrorKind::Input) when the file
    /// does not exist or cannot be read, [`Audio`](crate::ErrorKind::Audio) when it is not audio
    /// that can be decoded or holds no sample.
    pub fn open(path: impl AsRef<Path>) -> crate::Result<Self> {
        Self::open_with(path, None)
    }

    /// Opens the file under `path` like [`AudioFile::open`]. What Sextet's own decoders refuse is
    /// decoded by `ffmpeg`, if it is given; the stream's warnings then say so.
    ///
    /// # Errors
    /// Fails like [`AudioFile::open`].
    pub fn open_with(path: impl AsRef<Path>, ffmpeg: Option<&Ffmpeg>) -> crate::Result<Self> {
        let path = path.as_ref();
        let stream = FileStream::begin(path, ffmpeg)?;
        Ok(Self {
            path: path.to_owned(),
            info: stream.info(),
            ffmpeg: ffmpeg.cloned(),
        })
    }

    /// Opens the file again and returns a stream from its beginning.
    ///
    /// # Errors
    /// Fails like [`AudioFile::open`].
    pub fn stream(&self) -> crate::Result<Box<dyn AudioStream>> {
        let stream = FileStream::begin(&self.path, self.ffmpeg.as_ref())?;
        Ok(Box::new(stream))
    }

    /// Returns the properties of the file.
    pub fn info(&self) -> &AudioInfo {
        &self.info
    }

    /// Returns the path of the file.
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

/// Stream of one pass through a file.
struct FileStream {
    path: PathBuf,
    reader: Reader,
    /// First block. It is decoded on opening, since only then the layout is certain.
    first: Option<Vec<Vec<f32>>>,
    layout: Layout,
    /// Number of frames by the file's own account or by its length.
    frames: Option<u64>,
}

enum Reader {
    Wav(Box<WavReader>),
    Packets(Box<PacketReader>),
    Ffmpeg(Box<FfmpegReader>),
}

impl FileStream {
    /// Opens the file and decodes its first block, by ffmpeg where Sextet's own decoders refuse it.
    fn begin(path: &Path, ffmpeg: Option<&Ffmpeg>) -> Result<Self, ReadError> {
        let own = Self::open(path).and_then(|mut stream| stream.fill().map(|()| stream));
        let error = match own {
            Err(error) if error.is_refusal() => named(error, path),
            Ok(mut stream) => {
                // The first track is the one to be heard, if anything decodes it.
                let first = stream.reader.refused_track().zip(ffmpeg);
                if let Some((codec, ffmpeg)) = first {
                    let path = path.to_owned();
                    let error = ReadError::Codec { path, codec };
                    if let Ok(reader) = FfmpegReader::open(ffmpeg, &stream.path, error) {
                        stream = Self::of(&stream.path, Reader::Ffmpeg(Box::new(reader)));
                        stream.fill()?;
                    }
                }
                return Ok(stream);
            }
            Err(error) => return Err(error),
        };
        let Some(ffmpeg) = ffmpeg else {
            return Err(error);
        };

        let reader = FfmpegReader::open(ffmpeg, path, error)?;
        let mut stream = Self::of(path, Reader::Ffmpeg(Box::new(reader)));
        stream.fill()?;
        Ok(stream)
    }

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

        let mut stream = Self::of(path, reader);
        stream.note_follower()?;
        Ok(stream)
    }

    /// Notes a second song behind the first one, which is not read.
    fn note_follower(&mut self) -> Result<(), ReadError> {
        let found = std::fs::File::open(&self.path).and_then(follower::find);
        let found = found.map_err(|source| ReadError::Unreadable {
            path: self.path.clone(),
            source,
        })?;
        if let Some(at) = found {
            self.reader.condition_mut().notes.push(format!(
                "a second song follows the first, from byte {at} on; only the first is used"
            ));
        }
        Ok(())
    }

    fn of(path: &Path, reader: Reader) -> Self {
        let frames = match &reader {
            Reader::Wav(wav) => Some(wav.frames_there()),
            other => other.condition().announced_frames,
        };
        let layout = Layout {
            channels: 0,
            rate_hz: 0,
        };
        Self {
            path: path.to_owned(),
            reader,
            first: None,
            layout,
            frames,
        }
    }

    /// Decodes the first block and checks the layout.
    fn fill(&mut self) -> Result<(), ReadError> {
        // Check a WAVE header before any sample is read.
        let stated = match &self.reader {
            Reader::Wav(wav) => Some(wav.layout()),
            Reader::Ffmpeg(ffmpeg) => Some(ffmpeg.layout()),
            Reader::Packets(_) => None,
        };
        if let Some(layout) = stated {
            self.layout = layout;
            check_layout(&self.path, layout)?;
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
            Reader::Wav(wav) => (wav.speakers(), "pcm", Some(wav.bits())),
            Reader::Packets(packets) => (packets.speakers(), packets.codec(), packets.bits()),
            Reader::Ffmpeg(ffmpeg) => (ffmpeg.speakers(), "ffmpeg", None),
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
    /// Returns the codec of the first track, if a later one is decoded in its place.
    fn refused_track(&self) -> Option<CodecName> {
        self.condition().tracks.as_ref()?.refused
    }

    fn next_block(&mut self) -> Result<Option<Vec<Vec<f32>>>, ReadError> {
        match self {
            Self::Wav(wav) => wav.next_block(),
            Self::Packets(packets) => packets.next_block(),
            Self::Ffmpeg(ffmpeg) => ffmpeg.next_block(),
        }
    }

    fn condition(&self) -> &Condition {
        match self {
            Self::Wav(wav) => wav.condition(),
            Self::Packets(packets) => packets.condition(),
            Self::Ffmpeg(ffmpeg) => ffmpeg.condition(),
        }
    }

    fn condition_mut(&mut self) -> &mut Condition {
        match self {
            Self::Wav(wav) => wav.condition_mut(),
            Self::Packets(packets) => packets.condition_mut(),
            Self::Ffmpeg(ffmpeg) => ffmpeg.condition_mut(),
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
            Reader::Ffmpeg(ffmpeg) => ffmpeg.speakers(),
        }
    }

    fn warnings(&self) -> Vec<Warning> {
        self.reader
            .condition()
            .warnings(&file_name(&self.path), self.layout.rate_hz)
    }
}

/// Returns `error` with the name of the file's kind, where its first bytes tell it.
fn named(error: ReadError, path: &Path) -> ReadError {
    let is_unnamed = matches!(
        error,
        ReadError::NotAudio { .. }
            | ReadError::Damaged { .. }
            | ReadError::Codec {
                codec: CodecName::Unknown,
                ..
            }
    );
    match foreign::name(path).filter(|_| is_unnamed) {
        Some(codec) => ReadError::Codec {
            path: path.to_owned(),
            codec,
        },
        None => error,
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

/// Returns an error for the first sample, in order of time, that is NaN or infinite.
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
