//! The form of the rendered files: what each format holds, and who writes it.

use anyhow::Result;
use sextet_protocol::worker::{Render, RenderBits, RenderFormat};
use sextet_separator::audio::{
    Bits, Codec, EncodeOptions, Ffmpeg, FileFormat, RATES_HZ, StemTrack, Tags, WriteOptions,
};

use super::tracks::Track;
use crate::decoding;
use crate::fault::{Fault, Kind};
use crate::separate::stem_track;
use crate::stems::Form;

/// Rate of files of stems: the one that their players expect.
const STEM_FILE_HZ: u32 = 44_100;

/// Returns the form of the files, and their extension.
///
/// # Errors
/// When the format does not have the bits or the rate that are asked for, or needs an ffmpeg that
/// is not there.
pub(super) fn form(render: &Render, tracks: &[Track]) -> Result<(Form, &'static str)> {
    check_rate(render)?;
    let bits = bits(render)?;
    let codec = match render.format {
        RenderFormat::Wav => return Ok(own(FileFormat::Wav, bits)),
        RenderFormat::Flac => return Ok(own(FileFormat::Flac, bits)),
        RenderFormat::Aiff => return Ok(own(FileFormat::Aiff, bits)),
        RenderFormat::Mp3 => Codec::Mp3,
        RenderFormat::Opus => Codec::Opus,
        RenderFormat::Alac => Codec::Alac,
        RenderFormat::M4a | RenderFormat::StemMp4 => Codec::Aac,
    };

    let (stems, extension): (Vec<StemTrack>, _) = if render.format.is_joined() {
        let stems = tracks.iter().skip(1).map(|track| stem_track(&track.part()));
        (stems.collect(), render.format.name())
    } else {
        (Vec::new(), codec.extension())
    };

    let options = EncodeOptions::new()
        .codec(codec)
        .bits(bits)
        .stems(stems)
        .tags(Tags::default());
    Ok((
        Form::Encoded(options, ffmpeg_with(codec, render)?),
        extension,
    ))
}

/// Returns the rate of the files of stems at `source_hz`, if it is another one: the one that is
/// asked for, or what the codec has of it.
pub(super) fn rate_hz(render: &Render, form: &Form, source_hz: u32) -> Option<u32> {
    let asked = match render.format {
        RenderFormat::StemMp4 => STEM_FILE_HZ,
        _ => render.rate_hz.unwrap_or(source_hz),
    };
    let held = match form {
        Form::Own(_) => asked,
        Form::Encoded(options, _) => options.codec.rate_hz(asked),
    };
    (held != source_hz).then_some(held)
}

fn own(format: FileFormat, bits: Bits) -> (Form, &'static str) {
    let options = WriteOptions::new()
        .format(format)
        .bits(bits)
        .tags(Tags::default());
    (Form::Own(options), format.extension())
}

fn bits(render: &Render) -> Result<Bits> {
    let offered = render.format.bits();
    let Some(asked) = render.bits.or(offered.last().copied()) else {
        return Ok(Bits::Float32);
    };
    if offered.contains(&asked) {
        return Ok(match asked {
            RenderBits::Int16 => Bits::B16,
            RenderBits::Int24 => Bits::B24,
            RenderBits::Float32 => Bits::Float32,
        });
    }

    let name = render.format.name();
    let (message, remedy) = if offered.is_empty() {
        let message = format!("files of the format {name} have no bits a sample");
        (message, "leave the bits out, or choose WAV")
    } else {
        let message = format!("{name} has no floating point");
        (message, "choose 24 or 16 bits, or WAV")
    };
    Err(Fault::new(Kind::Usage, message).remedy(remedy).into())
}

fn check_rate(render: &Render) -> Result<()> {
    let Some(found) = render.rate_hz.filter(|rate_hz| !RATES_HZ.contains(rate_hz)) else {
        return Ok(());
    };

    let message = format!("files at {found} Hz cannot be made");
    let remedy = format!(
        "choose a rate from {} to {} Hz",
        RATES_HZ.start(),
        RATES_HZ.end()
    );
    Err(Fault::new(Kind::Usage, message).remedy(remedy).into())
}

/// Returns the ffmpeg that encodes `codec`.
fn ffmpeg_with(codec: Codec, render: &Render) -> Result<&'static Ffmpeg> {
    let name = render.format.name();
    let ffmpeg = decoding::ffmpeg();
    let fault = match ffmpeg.map(|ffmpeg| (ffmpeg, codec.is_in(ffmpeg))) {
        Some((ffmpeg, Ok(true))) => return Ok(ffmpeg),
        None => format!("{name} is encoded by ffmpeg, and there is none on this machine"),
        Some((ffmpeg, Ok(false))) => format!(
            "{name} needs ffmpeg's encoder {}, which '{}' does not have",
            codec.encoder(),
            ffmpeg.program().display()
        ),
        Some((ffmpeg, Err(error))) => {
            let program = ffmpeg.program().display();
            format!("{name} is encoded by '{program}': {error}")
        }
    };

    let remedy = format!(
        "install a complete ffmpeg, or name one with {}, or choose WAV, FLAC or AIFF",
        decoding::VARIABLE
    );
    Err(Fault::new(Kind::Usage, fault).remedy(remedy).into())
}
