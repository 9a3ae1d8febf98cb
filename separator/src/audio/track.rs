//! Selection of the track to decode in a file, and the length that the file states.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use symphonia::core::audio::Channels;
use symphonia::core::codecs::audio::well_known::{
    CODEC_ID_FLAC, CODEC_ID_MP1, CODEC_ID_MP2, CODEC_ID_MP3, CODEC_ID_OPUS, CODEC_ID_VORBIS,
};
use symphonia::core::codecs::audio::{
    AudioCodecId, AudioCodecParameters, AudioDecoder, AudioDecoderOptions,
};
use symphonia::core::codecs::registry::CodecRegistry;
use symphonia::core::errors::Error as SymphoniaError;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::well_known::{
    FORMAT_ID_ADTS, FORMAT_ID_CAF, FORMAT_ID_ISOMP4, FORMAT_ID_MKV, FORMAT_ID_MP3, FORMAT_ID_OGG,
};
use symphonia::core::formats::{FormatOptions, FormatReader, Track, TrackType};
use symphonia::core::io::{MediaSourceStream, MediaSourceStreamOptions};
use symphonia::core::meta::MetadataOptions;

use super::codec_name::CodecName;
use super::flac::reader::FlacReader;
use super::guard::{DecoderFault, guard};
use super::limits::MAX_CHANNELS;
use super::media_file::MediaFile;
use super::mend::{self, Mended, Part};
use super::opus::{self, OpusDecoder};
use super::read_error::ReadError;
use super::trim::Trim;
use super::{mkv, mp4};

/// Longest packet of any known codec, in frames. A container may claim more.
pub(super) const MAX_PACKET_FRAMES: u64 = 65_536;

fn codecs() -> &'static CodecRegistry {
    static REGISTRY: OnceLock<CodecRegistry> = OnceLock::new();
    REGISTRY.get_or_init(|| {
        let mut registry = CodecRegistry::new();
        symphonia::default::register_enabled_codecs(&mut registry);
        registry.register_audio_decoder::<OpusDecoder>();
        registry
    })
}

/// A file that symphonia has opened, and what was mended in it.
pub(super) struct Opened {
    pub(super) format: Box<dyn FormatReader>,
    pub(super) mended: Mended,
}

/// Recognises the format of the file under `path`, mends it and reads its headers.
pub(super) fn open(path: &Path) -> Result<Opened, ReadError> {
    let unreadable = |source| ReadError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let mut file = File::open(path).map_err(unreadable)?;
    let mended = mend::mend(&mut file).map_err(unreadable)?;
    let format = probe(path, &mended.part)?;
    Ok(Opened { format, mended })
}

/// Recognises the format of `part` of the file under `path`, and reads its headers.
pub(super) fn probe(path: &Path, part: &Part) -> Result<Box<dyn FormatReader>, ReadError> {
    let source = File::open(path).and_then(|file| match &part.pieces {
        Some(pieces) => Ok(MediaFile::mended(file, pieces.clone())),
        None => MediaFile::new(file),
    });
    let source = source.map_err(|source| ReadError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    if let Some(flac) = part.flac {
        return match FlacReader::new(source, flac.info) {
            Ok(reader) => Ok(Box::new(reader)),
            Err(fault) => Err(codec_error(path, CODEC_ID_FLAC, fault)),
        };
    }

    let stream = MediaSourceStream::new(Box::new(source), MediaSourceStreamOptions::default());
    let mut hint = Hint::new();
    if let Some(extension) = path.extension().and_then(|extension| extension.to_str()) {
        hint.with_extension(extension);
    }

    let (format, meta) = (FormatOptions::default(), MetadataOptions::default());
    guard(|| symphonia::default::get_probe().probe(&hint, stream, format, meta))
        .map_err(|fault| not_probed(path.to_owned(), fault))
}

/// Returns the error of a file whose format symphonia does not recognise, or whose headers it
/// refuses.
fn not_probed(path: PathBuf, fault: DecoderFault) -> ReadError {
    match fault {
        DecoderFault::Refused(SymphoniaError::Unsupported(_)) if !begins_like_audio(&path) => {
            ReadError::NotAudio {
                path,
                source: Some(fault.into()),
            }
        }
        DecoderFault::Refused(SymphoniaError::IoError(source))
            if source.kind() != std::io::ErrorKind::UnexpectedEof =>
        {
            ReadError::Unreadable { path, source }
        }
        fault => ReadError::Damaged {
            path,
            source: Some(fault.into()),
        },
    }
}

/// Returns whether a file begins with the first bytes of a supported format. Such a file counts as
/// damaged rather than as another kind of file.
fn begins_like_audio(path: &Path) -> bool {
    let mut start = [0; 8];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut start));
    let [head @ .., _, _, _, _] = start;
    read.is_ok()
        && (matches!(&head, b"fLaC" | b"OggS" | b"FORM" | b"caff") || start[4..] == *b"ftyp")
}

/// Returns the parameters of a track's codec, or empty ones if it is not audio.
pub(super) fn audio_params(track: &Track) -> &AudioCodecParameters {
    static NONE: OnceLock<AudioCodecParameters> = OnceLock::new();
    let params = track
        .codec_params
        .as_ref()
        .and_then(|params| params.audio());
    params.unwrap_or_else(|| NONE.get_or_init(AudioCodecParameters::new))
}

/// Creates a decoder for a track, from its beginning.
pub(super) fn make_decoder(
    params: &AudioCodecParameters,
) -> Result<Box<dyn AudioDecoder>, DecoderFault> {
    // Without a LAME tag an MP3's length is an estimate at which symphonia would cut the song. MP3
    // is therefore trimmed here.
    let mpeg = [CODEC_ID_MP1, CODEC_ID_MP2, CODEC_ID_MP3];
    let options = AudioDecoderOptions::default().gapless(!mpeg.contains(&params.codec));
    guard(|| codecs().make_audio_decoder(params, &options))
}

/// Returns the reason why there is no decoder for `codec`.
pub(super) fn codec_error(path: &Path, codec: AudioCodecId, fault: DecoderFault) -> ReadError {
    let path = path.to_owned();
    match fault {
        DecoderFault::Refused(SymphoniaError::Unsupported(name)) => {
            let is_known = codecs().get_audio_decoder(codec).is_some();
            let codec = match name {
                _ if !is_known => codec_name(codec),
                "aac: aac too complex" => CodecName::Named(COMPLEX_AAC),
                name => CodecName::Named(name),
            };
            ReadError::Codec { path, codec }
        }
        fault => ReadError::Damaged {
            path,
            source: Some(fault.into()),
        },
    }
}

/// Kinds of AAC that symphonia does not decode.
const COMPLEX_AAC: &str =
    "AAC of more than two channels or another profile than LC (HE-AAC, xHE-AAC)";

/// Returns the name of a codec that symphonia recognises and does not decode.
pub(super) fn codec_name(codec: AudioCodecId) -> CodecName {
    use symphonia::core::codecs::audio::well_known as known;
    let names = [
        (known::CODEC_ID_AC3, "AC-3 (Dolby Digital)"),
        (known::CODEC_ID_EAC3, "E-AC-3 (Dolby Digital Plus)"),
        (known::CODEC_ID_AC4, "AC-4"),
        (known::CODEC_ID_DCA, "DTS"),
        (known::CODEC_ID_TRUEHD, "Dolby TrueHD"),
        (known::CODEC_ID_WMA, "WMA"),
        (known::CODEC_ID_SPEEX, "Speex"),
        (known::CODEC_ID_MUSEPACK, "Musepack"),
        (known::CODEC_ID_WAVPACK, "WavPack"),
        (known::CODEC_ID_MONKEYS_AUDIO, "Monkey's Audio"),
        (known::CODEC_ID_TTA, "TTA"),
        (known::CODEC_ID_ATRAC3, "ATRAC3"),
        (known::CODEC_ID_ADPCM_IMA_QT, "ADPCM of QuickTime"),
    ];
    names
        .iter()
        .find(|(id, _)| *id == codec)
        .map_or(CodecName::Unknown, |(_, name)| CodecName::Named(name))
}

/// Returns the audio tracks of a file, the one to be heard first.
pub(super) fn audio_tracks(format: &dyn FormatReader) -> Vec<Track> {
    let is_audio = |track: &&Track| {
        let params = track.codec_params.as_ref();
        params.is_some_and(|params| params.audio().is_some())
    };
    let first = format.default_track(TrackType::Audio).map(|track| track.id);
    let mut tracks: Vec<Track> = format.tracks().iter().filter(is_audio).cloned().collect();
    tracks.sort_by_key(|track| Some(track.id) != first);
    tracks
}

/// Completes the parameters of a track whose container leaves out what the decoder needs.
pub(super) fn completed(track: &Track) -> AudioCodecParameters {
    let mut params = audio_params(track).clone();
    let channels = params.channels.as_ref().map_or(0, Channels::count);
    let has_head = params
        .extra_data
        .as_deref()
        .is_some_and(|head| head.starts_with(b"OpusHead"));
    if params.codec == CODEC_ID_OPUS && !has_head && matches!(channels, 1 | 2) {
        params.with_extra_data(opus::plain_head(channels as u8));
    }
    params
}

/// Returns an error for parameters that cannot be decoded correctly, before memory is reserved.
///
/// symphonia 0.6.1 decodes Vorbis of more than two channels to noise: it undoes channel coupling in
/// ascending order, whereas Vorbis I, section 4.3.5, requires descending. It is therefore an error
/// here.
pub(super) fn check_params(path: &Path, params: &AudioCodecParameters) -> Result<(), ReadError> {
    let channels = params.channels.as_ref().map_or(0, Channels::count);
    if channels > MAX_CHANNELS {
        return Err(ReadError::Channels {
            path: path.to_owned(),
            found: channels,
        });
    }

    if params
        .max_frames_per_packet
        .is_some_and(|frames| frames > MAX_PACKET_FRAMES)
    {
        return Err(ReadError::Damaged {
            path: path.to_owned(),
            source: None,
        });
    }

    if params.codec == CODEC_ID_VORBIS && channels > 2 {
        let codec = CodecName::Named("Vorbis of more than two channels");
        return Err(ReadError::Codec {
            path: path.to_owned(),
            codec,
        });
    }

    Ok(())
}

/// Returns the delay, padding and edits that symphonia does not honour itself, as passes through
/// the track, at least one.
pub(super) fn trim_of(
    format: &dyn FormatReader,
    track: &Track,
    params: &AudioCodecParameters,
    path: &Path,
) -> Vec<Trim> {
    let delay = u64::from(track.delay.unwrap_or(0));
    let trim = match (params.codec, format.format_info().format) {
        // Delay and padding are known only with a LAME tag.
        (CODEC_ID_MP3, FORMAT_ID_MP3) if track.delay.is_some() => Trim::song(
            delay,
            track.num_frames,
            u64::from(track.padding.unwrap_or(0)),
        ),
        (CODEC_ID_OPUS, FORMAT_ID_OGG) => Trim::from_frame(delay),
        (_, FORMAT_ID_CAF) if track.delay.is_some() || track.padding.is_some() => {
            Trim::song(delay, track.num_frames, u64::MAX)
        }
        (_, FORMAT_ID_MKV) => {
            let head = params.extra_data.as_deref().unwrap_or_default();
            let pre_skip = opus::pre_skip(head).filter(|_| params.codec == CODEC_ID_OPUS);
            let rate_hz = params.sample_rate.unwrap_or(0);
            let stated = || mkv::codec_delay(File::open(path).ok()?, track.id, rate_hz);
            Trim::from_frame(pre_skip.or_else(stated).unwrap_or(0))
        }
        (_, FORMAT_ID_ISOMP4) => {
            let file = File::open(path).ok().map(std::io::BufReader::new);
            let rate_hz = params.sample_rate.unwrap_or(0);
            return file
                .and_then(|file| mp4::read_trim(file, track.id, rate_hz))
                .unwrap_or_else(|| vec![Trim::default()]);
        }
        _ => Trim::default(),
    };
    vec![trim]
}

/// Returns the song's length, if the file states it exactly. `kept` is that of its edits.
pub(super) fn announced_frames(
    format: &dyn FormatReader,
    track: &Track,
    params: &AudioCodecParameters,
    kept: Option<u64>,
) -> Option<u64> {
    let delay = u64::from(track.delay.unwrap_or(0));
    let frames = match (params.codec, format.format_info().format) {
        (_, FORMAT_ID_ISOMP4 | FORMAT_ID_CAF) if kept.is_some() => kept,
        (CODEC_ID_MP3, FORMAT_ID_MP3) if track.delay.is_some() => track.num_frames,
        // These lengths are estimates.
        (CODEC_ID_MP3 | CODEC_ID_MP1 | CODEC_ID_MP2, _) | (_, FORMAT_ID_ADTS | FORMAT_ID_MKV) => {
            None
        }
        // This length counts whole packets, including the padding of the last one.
        (_, FORMAT_ID_CAF) if params.bits_per_sample.is_none_or(|bits| bits == 0) => None,
        (CODEC_ID_OPUS, FORMAT_ID_OGG) => {
            track.num_frames.map(|frames| frames.saturating_sub(delay))
        }
        _ => track.num_frames,
    };
    frames.filter(|&frames| frames > 0)
}
