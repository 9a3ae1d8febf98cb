//! Selection of the track to decode in a file, and the length that the file states.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::OnceLock;

use symphonia::core::audio::Channels;
use symphonia::core::codecs::audio::well_known::{CODEC_ID_MP3, CODEC_ID_OPUS, CODEC_ID_VORBIS};
use symphonia::core::codecs::audio::{
    AudioCodecId, AudioCodecParameters, AudioDecoder, AudioDecoderOptions,
};
use symphonia::core::codecs::registry::CodecRegistry;
use symphonia::core::errors::Error as SymphoniaError;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::well_known::{
    FORMAT_ID_ADTS, FORMAT_ID_CAF, FORMAT_ID_ISOMP4, FORMAT_ID_OGG,
};
use symphonia::core::formats::{FormatOptions, FormatReader, Track};
use symphonia::core::io::{MediaSourceStream, MediaSourceStreamOptions};
use symphonia::core::meta::MetadataOptions;

use super::guard::{DecoderFault, guard};
use super::limits::MAX_CHANNELS;
use super::mp4;
use super::opus::OpusDecoder;
use super::read_error::{CodecName, ReadError};
use super::source::Source;
use super::trim::Trim;

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

/// Recognises the format of the file under `path` and reads its headers.
pub(super) fn probe(path: &Path) -> Result<Box<dyn FormatReader>, ReadError> {
    let source = File::open(path).and_then(Source::new);
    let source = source.map_err(|source| ReadError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    let stream = MediaSourceStream::new(Box::new(source), MediaSourceStreamOptions::default());

    let mut hint = Hint::new();
    if let Some(extension) = path.extension().and_then(|extension| extension.to_str()) {
        hint.with_extension(extension);
    }

    let (format, meta) = (FormatOptions::default(), MetadataOptions::default());
    guard(|| symphonia::default::get_probe().probe(&hint, stream, format, meta)).map_err(|fault| {
        let path = path.to_owned();
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
    })
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
    let options = AudioDecoderOptions::default().gapless(params.codec != CODEC_ID_MP3);
    guard(|| codecs().make_audio_decoder(params, &options))
}

/// Returns the reason why there is no decoder for `codec`.
pub(super) fn codec_error(path: &Path, codec: AudioCodecId, fault: DecoderFault) -> ReadError {
    let path = path.to_owned();
    match fault {
        DecoderFault::Refused(SymphoniaError::Unsupported(name))
            if codecs().get_audio_decoder(codec).is_some() =>
        {
            ReadError::Codec {
                path,
                codec: CodecName::Named(name),
            }
        }
        DecoderFault::Refused(SymphoniaError::Unsupported(_)) => ReadError::Codec {
            path,
            codec: CodecName::Unknown,
        },
        fault => ReadError::Damaged {
            path,
            source: Some(fault.into()),
        },
    }
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

/// Returns the delay and padding that symphonia does not remove itself.
pub(super) fn trim_of(
    format: &dyn FormatReader,
    track: &Track,
    params: &AudioCodecParameters,
    path: &Path,
) -> Trim {
    let delay = u64::from(track.delay.unwrap_or(0));
    match params.codec {
        // Delay and padding are known only with a LAME tag.
        CODEC_ID_MP3 if track.delay.is_some() => Trim {
            delay,
            frames: track.num_frames,
            padding: u64::from(track.padding.unwrap_or(0)),
        },
        CODEC_ID_OPUS if format.format_info().format == FORMAT_ID_OGG => Trim {
            delay,
            ..Trim::default()
        },
        _ if format.format_info().format == FORMAT_ID_ISOMP4 => {
            let file = File::open(path).ok().map(std::io::BufReader::new);
            let rate_hz = params.sample_rate.unwrap_or(0);
            file.and_then(|file| mp4::read_trim(file, track.id, rate_hz))
                .unwrap_or_default()
        }
        _ => Trim::default(),
    }
}

/// Returns the song's length, if the file states it exactly.
pub(super) fn announced_frames(
    format: &dyn FormatReader,
    track: &Track,
    params: &AudioCodecParameters,
    trim: &Trim,
) -> Option<u64> {
    let frames = match (params.codec, format.format_info().format) {
        (CODEC_ID_MP3, _) | (_, FORMAT_ID_ISOMP4) if trim.frames.is_some() => trim.frames,
        // These lengths are estimates.
        (CODEC_ID_MP3, _) | (_, FORMAT_ID_ADTS) => None,
        // This length counts whole packets, including the padding of the last one.
        (_, FORMAT_ID_CAF) if params.bits_per_sample.is_none_or(|bits| bits == 0) => None,
        _ => track
            .num_frames
            .map(|frames| frames.saturating_sub(trim.delay)),
    };
    frames.filter(|&frames| frames > 0)
}
