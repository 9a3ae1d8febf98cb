//! Files of codecs that Sextet does not encode itself, such as MP3: ffmpeg encodes them.
//!
//! One process takes the samples through a pipe and writes one file, which the caller has created;
//! nothing goes through a shell. The delay and the padding of the encoder are stated in the file,
//! so that a decoder gives the song's length. What ffmpeg would write about itself is left out, and
//! the tags are written here, so that they are the same in every format.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use super::child::Living;
use super::ffmpeg::{Ffmpeg, FfmpegFault};
use super::quantize::Quantizer;
use super::write_error::WriteError;
use super::writer::{WrittenFile, write_error};
use super::{Audio, Bits, Layout, Tags, stem_file};
use crate::setters::setters;

/// Number of blocks that wait for ffmpeg.
const BLOCKS_AHEAD: usize = 4;
/// Pause between two looks at a pipe that is full.
const PAUSE: Duration = Duration::from_millis(1);
/// Largest text of a tag that is handed over as an argument, in bytes. The limit of Linux is
/// 128 KiB an argument.
const LARGEST_ARGUMENT: usize = 1 << 16;
/// Length of the header of an ID3 tag.
const ID3_HEADER: usize = 10;
/// Rates of MP3 and of AAC, in Hz.
const MP3_RATES_HZ: [u32; 9] = [
    8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000,
];
const AAC_RATES_HZ: [u32; 12] = [
    8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 64_000, 88_200, 96_000,
];
/// Rates of Opus, in Hz. Decoders give 48 kHz whatever was encoded.
const OPUS_RATES_HZ: [u32; 1] = [48_000];

/// Codec of a file that ffmpeg encodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Codec {
    /// MP3, by LAME.
    #[default]
    Mp3,
    /// AAC-LC in MP4.
    Aac,
    /// Opus in Ogg.
    Opus,
    /// ALAC in MP4, without loss.
    Alac,
}

/// How much a lossy codec keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BitRate {
    /// Kilobits a second.
    Kilobits(u32),
    /// LAME's quality of variable bit rate, from 0, the best, to 9.
    Quality(u8),
}

/// Track of a file of stems, beside the mix.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StemTrack {
    /// Name that players show.
    pub name: String,
    /// Colour that players show, such as `#009E73`.
    pub color: String,
}

impl StemTrack {
    /// Describes a track.
    pub fn new(name: impl Into<String>, color: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            color: color.into(),
        }
    }
}

impl Codec {
    /// Returns the usual file extension.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Mp3 => "mp3",
            Self::Aac | Self::Alac => "m4a",
            Self::Opus => "opus",
        }
    }

    /// Returns the rate at which audio of `rate_hz` is encoded: the same, or else the next higher
    /// one of the codec's, or its highest.
    pub fn rate_hz(self, rate_hz: u32) -> u32 {
        let rates: &[u32] = match self {
            Self::Mp3 => &MP3_RATES_HZ,
            Self::Aac => &AAC_RATES_HZ,
            Self::Opus => &OPUS_RATES_HZ,
            Self::Alac => return rate_hz,
        };
        let next = rates.iter().find(|&&rate| rate >= rate_hz);
        *next.unwrap_or(&rates[rates.len() - 1])
    }

    /// Returns ffmpeg's name of the encoder.
    pub fn encoder(self) -> &'static str {
        match self {
            Self::Mp3 => "libmp3lame",
            Self::Aac => "aac",
            Self::Opus => "libopus",
            Self::Alac => "alac",
        }
    }

    /// Returns whether `ffmpeg` has the encoder.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn is_in(self, ffmpeg: &Ffmpeg) -> Result<bool, FfmpegFault> {
        ffmpeg.has_encoder(self.encoder())
    }
}

/// Options for encoding a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EncodeOptions {
    /// Codec of the file.
    pub codec: Codec,
    /// How much a lossy codec keeps; `None` for what is usually not told from the original.
    pub bit_rate: Option<BitRate>,
    /// Storage format of the samples of ALAC, which holds integers only.
    pub bits: Bits,
    /// Tags of the song.
    pub tags: Tags,
    /// Tracks of a file of stems, which has a pair of channels for the mix and for each of them;
    /// none for an ordinary file.
    pub stems: Vec<StemTrack>,
}

setters!(EncodeOptions {
    codec: Codec,
    bit_rate: Option<BitRate>,
    bits: Bits,
    tags: Tags,
    stems: Vec<StemTrack>,
});

/// Writer of one file that ffmpeg encodes.
///
/// The caller decides what becomes of a file that is not completed.
pub struct EncodedWriter {
    path: PathBuf,
    options: EncodeOptions,
    layout: Layout,
    expected_frames: u64,
    frames: u64,
    quantizer: Quantizer,
    feed: Feed,
}

impl EncodedWriter {
    /// Begins the file under `path`, which exists and is empty, with `total_frames` frames of
    /// `layout`.
    ///
    /// # Errors
    /// Returns a [`WriteError`] as the cause: ffmpeg cannot be started.
    pub fn new(
        ffmpeg: &Ffmpeg,
        path: &Path,
        layout: Layout,
        options: &EncodeOptions,
        total_frames: u64,
    ) -> crate::Result<Self> {
        let command = command(ffmpeg, path, layout, options);
        let feed = Feed::start(command, ffmpeg.patience()).map_err(WriteError::Ffmpeg)?;
        Ok(Self {
            path: path.to_owned(),
            options: options.clone(),
            layout,
            expected_frames: total_frames,
            frames: 0,
            quantizer: Quantizer::new(options.bits.count().min(24)),
            feed,
        })
    }

    /// Appends `block`.
    ///
    /// # Errors
    /// Returns a [`WriteError`] as the cause: ffmpeg fails, or the block has another layout or
    /// exceeds the announced length.
    pub fn write(&mut self, block: &Audio) -> crate::Result<()> {
        if block.layout() != self.layout {
            let (expected, found) = (self.layout, block.layout());
            return Err(WriteError::Block { expected, found }.into());
        }
        self.frames += block.frames() as u64;
        if self.frames > self.expected_frames {
            return Err(self.wrong_length().into());
        }

        let bytes = self.bytes(block);
        self.feed.send(bytes).map_err(write_fault)?;
        Ok(())
    }

    /// Completes the file and returns its summary.
    ///
    /// # Errors
    /// Returns a [`WriteError`] as the cause: ffmpeg fails, the disk is full or fails, or fewer
    /// frames were written than announced.
    pub fn finish(self) -> crate::Result<WrittenFile> {
        if self.frames != self.expected_frames {
            return Err(self.wrong_length().into());
        }

        let (frames, clipped_samples) = (self.frames, self.quantizer.clipped);
        self.feed.finish().map_err(write_fault)?;
        let bytes = complete(&self.path, &self.options)?;
        Ok(WrittenFile {
            frames,
            clipped_samples,
            bytes,
            sha256: None,
        })
    }

    /// Returns the samples of `block` as ffmpeg is told to take them.
    fn bytes(&mut self, block: &Audio) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(4 * block.frames() * block.channels().len());
        for frame in 0..block.frames() {
            for channel in block.channels() {
                let sample = channel[frame];
                match (self.options.codec, self.options.bits) {
                    (Codec::Alac, Bits::B16) => {
                        bytes.extend((self.quantizer.integer(sample) as i16).to_le_bytes());
                    }
                    (Codec::Alac, _) => {
                        bytes.extend((self.quantizer.integer(sample) << 8).to_le_bytes());
                    }
                    _ => bytes.extend(sample.to_le_bytes()),
                }
            }
        }
        bytes
    }

    fn wrong_length(&self) -> WriteError {
        WriteError::Frames {
            expected: self.expected_frames,
            found: self.frames,
        }
    }
}

/// Returns the command that encodes samples of `layout` into the file under `path`.
fn command(ffmpeg: &Ffmpeg, path: &Path, layout: Layout, options: &EncodeOptions) -> Command {
    let Layout { channels, rate_hz } = layout;
    let samples = match (options.codec, options.bits) {
        (Codec::Alac, Bits::B16) => "s16le",
        (Codec::Alac, _) => "s32le",
        _ => "f32le",
    };
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut url = std::ffi::OsString::from("file:");
    url.push(path);

    let mut command = Command::new(ffmpeg.program());
    command
        .args(["-nostdin", "-hide_banner", "-loglevel", "error"])
        .args(["-protocol_whitelist", "file,pipe", "-f", samples])
        .args(["-ar", &rate_hz.to_string(), "-ac", &channels.to_string()])
        .args(["-i", "pipe:0"]);
    if options.stems.is_empty() {
        command.args(["-map", "0:a"]);
    } else {
        command.args(tracks(options.stems.len() + 1));
    }

    command
        .args(["-map_metadata", "-1", "-fflags", "+bitexact"])
        .args(["-flags:a", "+bitexact", "-c:a", options.codec.encoder()])
        .args(quality(options, channels))
        .args(container(options, rate_hz))
        .arg("-y")
        .arg(url)
        .env("AV_LOG_FORCE_NOCOLOR", "1");
    command
}

/// Returns the arguments that make `count` stereo tracks of as many pairs of channels. The first
/// one alone is played by programs that know no stems.
fn tracks(count: usize) -> Vec<String> {
    let inputs: String = (0..count).map(|n| format!("[i{n}]")).collect();
    let pairs = (0..count).map(|n| {
        let (left, right) = (2 * n, 2 * n + 1);
        format!(";[i{n}]pan=stereo|c0=c{left}|c1=c{right}[o{n}]")
    });
    let graph = format!("[0:a]asplit={count}{inputs}{}", pairs.collect::<String>());

    let mut arguments = vec!["-filter_complex".to_owned(), graph];
    for number in 0..count {
        arguments.extend(["-map".to_owned(), format!("[o{number}]")]);
    }
    let disposition = ["-disposition:a", "0", "-disposition:a:0", "default"];
    arguments.extend(disposition.map(str::to_owned));
    arguments
}

/// Returns the arguments about how much is kept.
fn quality(options: &EncodeOptions, channels: usize) -> Vec<String> {
    let kilobits = |kilobits: u32| vec!["-b:a".to_owned(), format!("{kilobits}k")];
    match (options.codec, options.bit_rate) {
        (Codec::Alac, _) if options.bits == Bits::B16 => text(["-sample_fmt", "s16p"]),
        (Codec::Alac, _) => text(["-sample_fmt", "s32p", "-bits_per_raw_sample", "24"]),
        (_, Some(BitRate::Quality(level))) => vec!["-q:a".to_owned(), level.to_string()],
        (_, Some(BitRate::Kilobits(asked))) => kilobits(asked),
        (Codec::Mp3, None) => kilobits(320),
        (Codec::Aac, None) => kilobits(if channels == 1 { 128 } else { 256 }),
        (Codec::Opus, None) => kilobits(if channels == 1 { 96 } else { 192 }),
    }
}

/// Returns the arguments about the container.
fn container(options: &EncodeOptions, rate_hz: u32) -> Vec<String> {
    match options.codec {
        // Room for the tag, which is written over what ffmpeg begins with.
        Codec::Mp3 => {
            let room = options.tags.id3().len().to_string();
            let mut arguments = text(["-f", "mp3", "-write_xing", "1", "-id3v2_version", "3"]);
            arguments.extend(text(["-metadata_header_padding", &room]));
            arguments
        }
        // Lengths in frames: those of MP4 are in milliseconds otherwise.
        Codec::Aac | Codec::Alac => {
            let muxer = if options.stems.is_empty() {
                "ipod"
            } else {
                "mp4"
            };
            text(["-movie_timescale", &rate_hz.to_string(), "-f", muxer])
        }
        Codec::Opus => {
            let mut arguments = Vec::new();
            for (name, value) in options.tags.vorbis_fields() {
                if value.len() < LARGEST_ARGUMENT {
                    let comment = format!("{name}={value}");
                    arguments.extend(["-metadata:s:a:0".to_owned(), comment]);
                }
            }
            arguments.extend(text(["-f", "opus"]));
            arguments
        }
    }
}

fn text<const N: usize>(arguments: [&str; N]) -> Vec<String> {
    arguments.map(str::to_owned).to_vec()
}

/// Checks what ffmpeg wrote, and writes the tags. Returns the size of the file in bytes.
fn complete(path: &Path, options: &EncodeOptions) -> Result<u64, WriteError> {
    let opened = File::options().read(true).write(true).open(path);
    let mut file = opened.map_err(write_error)?;
    let mut start = [0; 12];
    let is_whole = file.read_exact(&mut start).is_ok();
    let is_right = match options.codec {
        Codec::Mp3 => start.starts_with(b"ID3"),
        Codec::Aac | Codec::Alac => &start[4..8] == b"ftyp",
        Codec::Opus => start.starts_with(b"OggS"),
    };
    if !(is_whole && is_right) {
        return Err(WriteError::Ffmpeg(FfmpegFault::NoFile));
    }

    match options.codec {
        Codec::Mp3 => write_id3(&mut file, &options.tags.id3(), start).map_err(write_error)?,
        Codec::Aac | Codec::Alac => stem_file::write(&mut file, &options.tags, &options.stems)
            .map_err(|error| match error.kind() {
                std::io::ErrorKind::InvalidData => WriteError::Ffmpeg(FfmpegFault::NoFile),
                _ => write_error(error),
            })?,
        Codec::Opus => {}
    }
    file.seek(SeekFrom::End(0)).map_err(write_error)
}

/// Writes the tag `id3` over the empty one at the beginning, whose size stays.
fn write_id3(file: &mut File, id3: &[u8], start: [u8; 12]) -> std::io::Result<()> {
    let size = start[6..ID3_HEADER].iter();
    let room = ID3_HEADER + size.fold(0, |size, &byte| size << 7 | usize::from(byte & 0x7f));
    if id3.len() < ID3_HEADER || id3.len() > room {
        // Without a tag, or where there is no room, what is there stays: an empty one.
        return Ok(());
    }

    let mut tag = id3.to_vec();
    tag.resize(room, 0);
    tag[6..ID3_HEADER].copy_from_slice(&start[6..ID3_HEADER]);
    file.seek(SeekFrom::Start(0))?;
    file.write_all(&tag)
}

fn write_fault(fault: FfmpegFault) -> WriteError {
    match fault {
        FfmpegFault::Ended { said, .. } if said.contains("No space left on device") => {
            WriteError::Full {
                source: std::io::Error::new(std::io::ErrorKind::StorageFull, said),
            }
        }
        fault => WriteError::Ffmpeg(fault),
    }
}

/// Process that reads from a pipe. It is ended and reaped when dropped.
struct Feed {
    /// `None` once the process has ended.
    child: Option<Living>,
    blocks: SyncSender<Vec<u8>>,
    patience: Duration,
}

impl Feed {
    fn start(mut command: Command, patience: Duration) -> Result<Self, FfmpegFault> {
        command.stdin(Stdio::piped()).stdout(Stdio::null());
        let (child, mut pipe) =
            Living::start(command, |child| child.stdin.take()).map_err(FfmpegFault::NotStarted)?;
        let (blocks, received) = sync_channel::<Vec<u8>>(BLOCKS_AHEAD);

        // The pipe is closed when the sender is dropped, or when the process closes it.
        std::thread::spawn(move || {
            while let Ok(block) = received.recv() {
                if pipe.write_all(&block).is_err() {
                    break;
                }
            }
        });
        Ok(Self {
            child: Some(child),
            blocks,
            patience,
        })
    }

    fn send(&mut self, mut block: Vec<u8>) -> Result<(), FfmpegFault> {
        let since = Instant::now();
        loop {
            match self.blocks.try_send(block) {
                Ok(()) => return Ok(()),
                Err(TrySendError::Disconnected(_)) => {
                    let ended = self.child.take().map(|child| child.finish(self.patience));
                    return Err(match ended {
                        Some(Err(fault)) => fault,
                        _ => FfmpegFault::NoFile,
                    });
                }
                Err(TrySendError::Full(_)) if since.elapsed() > self.patience => {
                    return Err(FfmpegFault::Stalled {
                        waited: self.patience,
                    });
                }
                Err(TrySendError::Full(back)) => block = back,
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Ends the input and waits for the process. Whatever it says is a failure: it is told to speak
    /// of errors only.
    fn finish(self) -> Result<(), FfmpegFault> {
        let Self {
            child,
            blocks,
            patience,
        } = self;
        drop(blocks);
        match child.map(|child| child.finish(patience)) {
            Some(Ok(said)) if said.is_empty() => Ok(()),
            Some(Ok(said)) => Err(FfmpegFault::Said { said }),
            Some(Err(fault)) => Err(fault),
            None => Err(FfmpegFault::NoFile),
        }
    }
}
