//! ffmpeg, the program, for files that Sextet does not decode itself.
//!
//! One process decodes one track of one file into a pipe, as a WAVE stream of float32 at the file's
//! own rate. Nothing goes through a shell. The program is given a path that it cannot take for an
//! option or an address, may open files alone, and may not follow play lists, which name other
//! files. Its end, what it writes and how long it takes are watched; it is ended and reaped when
//! its reader is dropped, and when this process ends without dropping anything (`child.rs`).

use std::ffi::OsString;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use sextet_wav::{SampleFormat, WavHeader};

use super::child::Living;
use super::condition::Condition;
use super::ffmpeg_fault::FfmpegFault;
use super::mend::ogg;
use super::read_error::ReadError;
use super::{Layout, Speaker};

/// Longest time for which ffmpeg may give nothing.
const PATIENCE: Duration = Duration::from_secs(60);
/// Number of bytes that are read from the pipe at a time.
const READ_BYTES: usize = 1 << 16;
/// Number of such reads that wait for the decoder's caller.
const READS_AHEAD: usize = 8;
/// Largest header of a WAVE stream, in bytes.
const LARGEST_HEADER: usize = 1 << 16;
/// Number of bytes that are kept of what it states about itself.
const LARGEST_STATEMENT: usize = 1 << 17;
/// Number of audio tracks that are tried, the first one first.
const MOST_TRACKS: usize = 8;

/// Demuxers that ffmpeg may use: those of audio and video files. Play lists, addresses and devices
/// are not among them.
const FORMATS: &str = "3dostr,aa,aac,aax,ac3,ace,act,adx,aea,aiff,alp,amr,amrnb,amrwb,ape,apm,asf,\
    ast,au,avi,bfstm,brstm,caf,dff,dsf,dsicin,dts,dtshd,eac3,ea,flac,flv,g722,g723_1,g726,g726le,\
    g729,gsm,hca,iff,ilbc,ircam,kvag,latm,loas,lvf,m4v,matroska,webm,mlp,mmf,mov,mp4,m4a,3gp,3g2,\
    mj2,mp3,mpc,mpc8,mpeg,mpegts,mpegvideo,msf,mxf,nistsphere,nsv,nut,ogg,oma,paf,pvf,qcp,rm,rso,\
    sbc,sds,shn,smk,sol,sox,spdif,svs,tak,thp,truehd,tta,vag,voc,vqf,w64,wav,wsaud,wsvqa,wtv,wv,xa,\
    xma,xvag,xwma";

/// The program ffmpeg.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ffmpeg {
    program: PathBuf,
    patience: Duration,
}

impl Ffmpeg {
    /// Names the program, which is started only when a file needs it.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            patience: PATIENCE,
        }
    }

    /// Looks for `ffmpeg` in the folders of `PATH`. Relative folders are left out: a program beside
    /// a song is not the system's.
    pub fn on_path() -> Option<Self> {
        let name = format!("ffmpeg{}", std::env::consts::EXE_SUFFIX);
        let folders = std::env::var_os("PATH")?;
        std::env::split_paths(&folders)
            .filter(|folder| folder.is_absolute())
            .map(|folder| folder.join(&name))
            .find(|program| is_program(program))
            .map(Self::new)
    }

    /// Waits no longer than `patience` for the next samples.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Returns the path of the program.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Returns the program's version as it states it, such as `5.1.9`.
    ///
    /// # Errors
    /// When it cannot be started, or states none.
    pub fn version(&self) -> Result<String, FfmpegFault> {
        let text = self.state("-version")?;
        let version = text.strip_prefix("ffmpeg version ");
        let version = version.and_then(|rest| rest.split_whitespace().next());
        version.map(str::to_owned).ok_or(FfmpegFault::NoAudio)
    }

    /// Returns whether the program has the encoder `name`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(super) fn has_encoder(&self, name: &str) -> Result<bool, FfmpegFault> {
        // A line has the encoder's abilities, its name and what it is.
        let named = |line: &str| line.split_whitespace().nth(1) == Some(name);
        Ok(self.state("-encoders")?.lines().any(named))
    }

    /// Returns what the program states about itself.
    fn state(&self, what: &str) -> Result<String, FfmpegFault> {
        let mut command = Command::new(&self.program);
        command.args(["-nostdin", "-hide_banner", what]);
        self.output(command)
    }

    /// Runs `command` to its end and returns the beginning of its output.
    fn output(&self, command: Command) -> Result<String, FfmpegFault> {
        let mut process = Process::start(command, self.patience)?;
        let mut text = Vec::new();
        while let Some(bytes) = process.read()? {
            if text.len() < LARGEST_STATEMENT {
                text.extend(bytes);
            }
        }
        process.finish()?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    /// Returns the longest time for which the program may do nothing.
    pub(super) fn patience(&self) -> Duration {
        self.patience
    }

    /// Returns the command that decodes the audio track `track` of the file under `path`. With
    /// `keeps_all` it leaves out no samples at the end that the file says are none of the song's.
    fn command(&self, path: &Path, track: usize, keeps_all: bool) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(["-nostdin", "-hide_banner", "-loglevel", "error"])
            .args(["-protocol_whitelist", "file,pipe"])
            .args(["-format_whitelist", FORMATS])
            .args(
                keeps_all
                    .then_some(["-flags2", "+skip_manual"])
                    .into_iter()
                    .flatten(),
            )
            .arg("-i")
            .arg(address(path))
            .args(["-map", &format!("0:a:{track}"), "-vn", "-sn", "-dn"])
            .args(["-map_metadata", "-1", "-map_chapters", "-1"])
            .args(["-c:a", "pcm_f32le", "-f", "wav", "pipe:1"])
            .env("AV_LOG_FORCE_NOCOLOR", "1");
        command
    }
}

/// Returns `path` as an address that the program can take for nothing but a file.
pub(super) fn address(path: &Path) -> OsString {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut address = OsString::from("file:");
    address.push(path);
    address
}

/// Returns whether a program lies under `path`.
fn is_program(path: &Path) -> bool {
    let Ok(found) = std::fs::metadata(path) else {
        return false;
    };
    #[cfg(unix)]
    let executable = std::os::unix::fs::PermissionsExt::mode(&found.permissions()) & 0o111 != 0;
    #[cfg(not(unix))]
    let executable = true;
    found.is_file() && executable
}

/// Reader of a file through ffmpeg.
pub(super) struct FfmpegReader {
    path: PathBuf,
    process: Option<Process>,
    header: WavHeader,
    /// Bytes that are not read yet.
    pending: Vec<u8>,
    /// Number of frames until the end of the song, where ffmpeg is wrong about it.
    left: Option<u64>,
    condition: Condition,
}

impl FfmpegReader {
    /// Starts ffmpeg on the file under `path`, which Sextet does not decode for the reason `own`,
    /// and reads the first samples of the first audio track that it decodes.
    pub(super) fn open(ffmpeg: &Ffmpeg, path: &Path, own: ReadError) -> Result<Self, ReadError> {
        let mut first_fault = None;
        for track in 0..MOST_TRACKS {
            match Self::open_track(ffmpeg, path, track) {
                Ok(mut reader) => {
                    reader.note(ffmpeg, &own, track);
                    return Ok(reader);
                }
                Err(fault) if fault.is_refusal() => {
                    let no_more = matches!(&fault, FfmpegFault::Ended { said, .. }
                        if said.contains("matches no streams"));
                    first_fault.get_or_insert(fault);
                    if no_more {
                        break;
                    }
                }
                Err(fault) => return Err(failed(path, fault)),
            }
        }

        Err(ReadError::Neither {
            own: Box::new(own),
            ffmpeg: first_fault.unwrap_or(FfmpegFault::NoAudio),
        })
    }

    fn open_track(ffmpeg: &Ffmpeg, path: &Path, track: usize) -> Result<Self, FfmpegFault> {
        // ffmpeg 5.1 counts the first packet of Vorbis as frames, though it gives none. Where
        // a file has a single page of audio, no other page corrects that, and half a block is
        // missing at the end.
        let left = ogg::frames_of_only_page(path);
        let command = ffmpeg.command(path, track, left.is_some());
        let mut process = Process::start(command, ffmpeg.patience)?;
        let mut pending = Vec::new();
        let header = loop {
            let Some(bytes) = process.read()? else {
                process.finish()?;
                return Err(FfmpegFault::NoAudio);
            };
            pending.extend(bytes);

            // The header is complete when samples follow it.
            match WavHeader::read(&mut Cursor::new(&pending)) {
                Ok(header) if pending.len() as u64 > header.data_start => break header,
                Ok(_) | Err(sextet_wav::HeaderError::Incomplete)
                    if pending.len() < LARGEST_HEADER => {}
                _ if pending.len() < 12 => {}
                _ => return Err(FfmpegFault::NoAudio),
            }
        };

        let format = header.format;
        if format.samples != SampleFormat::F32 || format.channels == 0 {
            return Err(FfmpegFault::NoAudio);
        }
        pending.drain(..header.data_start as usize);
        Ok(Self {
            path: path.to_owned(),
            process: Some(process),
            header,
            pending,
            left,
            condition: Condition::default(),
        })
    }

    /// Notes for the report who decodes the file, and why.
    fn note(&mut self, ffmpeg: &Ffmpeg, own: &ReadError, track: usize) {
        let what = own
            .foreign()
            .map_or_else(String::new, |what| format!("{what}, "));
        let number = match track {
            0 => String::new(),
            track => format!(" (audio track {})", track + 1),
        };
        self.condition.notes.push(format!(
            "{what}decoded by ffmpeg ({}){number}",
            ffmpeg.program.display()
        ));
    }

    pub(super) fn layout(&self) -> Layout {
        Layout {
            channels: usize::from(self.header.format.channels),
            rate_hz: self.header.format.rate_hz,
        }
    }

    pub(super) fn speakers(&self) -> Vec<Speaker> {
        let channels = self.layout().channels;
        Speaker::from_wave_mask(self.header.format.channel_mask, channels)
            .unwrap_or_else(|| Speaker::usual(channels))
    }

    pub(super) fn condition(&self) -> &Condition {
        &self.condition
    }

    pub(super) fn condition_mut(&mut self) -> &mut Condition {
        &mut self.condition
    }

    /// Returns the next block, planar, of at least one frame.
    pub(super) fn next_block(&mut self) -> Result<Option<Vec<Vec<f32>>>, ReadError> {
        let channels = self.layout().channels;
        let frame_bytes = 4 * channels;
        while self.pending.len() < frame_bytes {
            let Some(process) = &mut self.process else {
                return Ok(None);
            };
            let read = process.read().map_err(|fault| failed(&self.path, fault))?;
            match read {
                Some(bytes) => self.pending.extend(bytes),
                None => self.end()?,
            }
        }

        let whole = self.pending.len() / frame_bytes * frame_bytes;
        let mut planes = vec![Vec::with_capacity(whole / frame_bytes); channels];
        for frame in self.pending[..whole].chunks_exact(frame_bytes) {
            for (plane, bytes) in planes.iter_mut().zip(frame.as_chunks::<4>().0) {
                plane.push(f32::from_le_bytes(*bytes));
            }
        }
        self.pending.drain(..whole);

        if let Some(left) = &mut self.left {
            let kept = planes[0]
                .len()
                .min(usize::try_from(*left).unwrap_or(usize::MAX));
            *left -= kept as u64;
            planes.iter_mut().for_each(|plane| plane.truncate(kept));
            if kept == 0 {
                return Ok(None);
            }
        }
        Ok(Some(planes))
    }

    /// Waits for the end of ffmpeg after its last samples.
    fn end(&mut self) -> Result<(), ReadError> {
        let Some(process) = self.process.take() else {
            return Ok(());
        };
        let said = process
            .finish()
            .map_err(|fault| failed(&self.path, fault))?;
        self.condition.cut_off = !self.pending.is_empty();
        if !said.is_empty() {
            self.condition.notes.push(format!("ffmpeg says: {said}"));
        }
        Ok(())
    }
}

fn failed(path: &Path, fault: FfmpegFault) -> ReadError {
    ReadError::Ffmpeg {
        path: path.to_owned(),
        fault,
    }
}

/// Process that writes into a pipe. It is ended and reaped when dropped.
struct Process {
    child: Living,
    chunks: Receiver<std::io::Result<Vec<u8>>>,
    patience: Duration,
}

impl Process {
    fn start(mut command: Command, patience: Duration) -> Result<Self, FfmpegFault> {
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let (child, mut out) =
            Living::start(command, |child| child.stdout.take()).map_err(FfmpegFault::NotStarted)?;
        let (sender, chunks) = sync_channel(READS_AHEAD);
        std::thread::spawn(move || {
            loop {
                let mut bytes = vec![0; READ_BYTES];
                let read = out.read(&mut bytes);
                let is_end = matches!(read, Ok(0) | Err(_));
                let chunk = read.map(|count| {
                    bytes.truncate(count);
                    bytes
                });
                if sender.send(chunk).is_err() || is_end {
                    break;
                }
            }
        });

        Ok(Self {
            child,
            chunks,
            patience,
        })
    }

    /// Returns the next bytes, or `None` at the end.
    fn read(&mut self) -> Result<Option<Vec<u8>>, FfmpegFault> {
        match self.chunks.recv_timeout(self.patience) {
            Ok(Ok(bytes)) if bytes.is_empty() => Ok(None),
            Ok(Ok(bytes)) => Ok(Some(bytes)),
            Ok(Err(error)) => Err(FfmpegFault::Pipe(error)),
            Err(RecvTimeoutError::Timeout) => Err(FfmpegFault::Stalled {
                waited: self.patience,
            }),
            Err(RecvTimeoutError::Disconnected) => Ok(None),
        }
    }

    /// Waits for the end of the process, which has closed its output. Returns the first line that
    /// it said.
    fn finish(self) -> Result<String, FfmpegFault> {
        self.child.finish(self.patience)
    }
}
