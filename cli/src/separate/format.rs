//! The format of the files, resolved from the flags: what each can hold, and who writes it.

use anyhow::Result;
use sextet_separator::audio::{
    BitRate, Bits, Codec, EncodeOptions, Ffmpeg, FileFormat, StemTrack, Tags, WriteOptions,
};
use sextet_separator::{Part, Stem};

use crate::args::{BitRateArg, BitsArg, Format, MonoArg, Rate, SeparateArgs, StemTracks, SumArg};
use crate::decoding;
use crate::fault::{Fault, Kind};
use crate::stems::Form;

/// Rate of files of stems unless another is asked for: the one that their players expect.
const STEM_FILE_HZ: u32 = 44_100;

/// The format of the files.
#[derive(Clone, Debug)]
pub(crate) struct FileForm {
    form: Form,
    extension: &'static str,
    /// Rate that is asked for; `None` for the song's own.
    rate: Rate,
}

impl FileForm {
    /// Resolves the flags about the format. For a file of stems, `parts` are its tracks.
    ///
    /// # Errors
    /// When they contradict each other, or ffmpeg is needed and not there.
    pub(crate) fn resolve(args: &SeparateArgs, parts: &[Part]) -> Result<Self> {
        let bits = bits(args)?;
        let bit_rate = bit_rate(args)?;
        check_tracks(args)?;
        let own = |format: FileFormat| {
            let options = WriteOptions::new().format(format).bits(bits);
            Ok((Form::Own(options), format.extension()))
        };

        let (form, extension) = match args.format {
            Format::Wav => own(FileFormat::Wav),
            Format::Flac => own(FileFormat::Flac),
            Format::Aiff => own(FileFormat::Aiff),
            Format::Mp3 => encoded(args, Codec::Mp3, bits, bit_rate, Vec::new()),
            Format::M4a => encoded(args, Codec::Aac, bits, bit_rate, Vec::new()),
            Format::Opus => encoded(args, Codec::Opus, bits, bit_rate, Vec::new()),
            Format::Alac => encoded(args, Codec::Alac, bits, bit_rate, Vec::new()),
            Format::StemMp4 => {
                let stems = parts.iter().skip(1).map(stem_track).collect();
                encoded(args, Codec::Aac, bits, bit_rate, stems)
            }
        }?;
        let resolved = Self {
            form,
            extension,
            rate: args.rate,
        };
        resolved.check_rate(args)?;
        Ok(resolved)
    }

    pub(crate) fn extension(&self) -> &'static str {
        self.extension
    }

    /// Returns the rate of the stems of a song at `source_hz`, if it is another one.
    pub(crate) fn rate_hz(&self, source_hz: u32) -> Option<u32> {
        let asked = match (self.rate, &self.form) {
            (Rate::Hz(hz), _) => hz,
            (Rate::Source, Form::Encoded(options, _)) if !options.stems.is_empty() => STEM_FILE_HZ,
            (Rate::Source, _) => source_hz,
        };
        let held = match &self.form {
            Form::Own(_) => asked,
            Form::Encoded(options, _) => options.codec.rate_hz(asked),
        };
        (held != source_hz).then_some(held)
    }

    /// Returns the form of the stems of a song with `tags`.
    pub(crate) fn with_tags(&self, tags: Tags) -> Form {
        match self.form.clone() {
            Form::Own(options) => Form::Own(options.tags(tags)),
            Form::Encoded(options, ffmpeg) => Form::Encoded(options.tags(tags), ffmpeg),
        }
    }

    /// Returns the settings by name, for the manifest.
    pub(crate) fn settings(&self) -> Vec<(&'static str, String)> {
        match &self.form {
            Form::Own(options) => vec![("bits", options.bits.count().to_string())],
            Form::Encoded(options, _) if options.codec == Codec::Alac => {
                vec![("bits", options.bits.count().to_string())]
            }
            Form::Encoded(options, _) => {
                let rate = match options.bit_rate {
                    None => "usual".to_owned(),
                    Some(BitRate::Quality(level)) => format!("V{level}"),
                    Some(BitRate::Kilobits(rate)) => format!("{rate}k"),
                    Some(other) => format!("{other:?}"),
                };
                vec![("bitrate", rate)]
            }
        }
    }

    /// Refuses a rate that is asked for and that the codec does not have.
    fn check_rate(&self, args: &SeparateArgs) -> Result<()> {
        let (Rate::Hz(asked), Form::Encoded(options, _)) = (self.rate, &self.form) else {
            return Ok(());
        };
        let held = options.codec.rate_hz(asked);
        if held == asked {
            return Ok(());
        }
        let message = format!("--format {} has no rate of {asked} Hz", name(args.format));
        let remedy = format!("use --rate {held}, or leave it out");
        Err(Fault::new(Kind::Usage, message).remedy(remedy).into())
    }
}

/// Whether one file holds all stems.
pub(crate) fn is_joined(args: &SeparateArgs) -> bool {
    args.format == Format::StemMp4
}

/// Returns the tracks of a file of stems, the mix first.
pub(crate) fn tracks(args: &SeparateArgs, sources: &[Stem]) -> Vec<Part> {
    let mut parts = vec![Part::new("mix", sources.to_vec())];
    match args.stem_tracks.unwrap_or_default() {
        StemTracks::All => parts.extend(sources.iter().copied().map(Part::stem)),
        StemTracks::Four => return four_tracks(sources),
    }
    parts
}

/// Returns the mix and the four tracks that players of stems know: drums, bass, other and vocals.
pub(crate) fn four_tracks(sources: &[Stem]) -> Vec<Part> {
    let is_other = |stem: &Stem| ![Stem::Drums, Stem::Bass, Stem::Vocals].contains(stem);
    let other = sources.iter().copied().filter(is_other).collect();
    vec![
        Part::new("mix", sources.to_vec()),
        Part::stem(Stem::Drums),
        Part::stem(Stem::Bass),
        Part::new(Stem::Other.name(), other),
        Part::stem(Stem::Vocals),
    ]
}

/// Returns the name and the colour that players show. Colours are told apart by colour-blind people
/// (Okabe and Ito).
pub(crate) fn stem_track(part: &Part) -> StemTrack {
    let color = match part.name.as_str() {
        "drums" => "#009E73",
        "bass" => "#D55E00",
        "vocals" => "#56B4E9",
        "guitar" => "#E69F00",
        "piano" => "#F0E442",
        _ => "#CC79A7",
    };
    let mut letters = part.name.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    StemTrack::new(first.into_iter().chain(letters).collect::<String>(), color)
}

/// Returns the form of files that ffmpeg encodes.
fn encoded(
    args: &SeparateArgs,
    codec: Codec,
    bits: Bits,
    bit_rate: Option<BitRate>,
    stems: Vec<StemTrack>,
) -> Result<(Form, &'static str)> {
    let ffmpeg = ffmpeg_with(codec, name(args.format))?;
    let extension = match args.format {
        Format::StemMp4 => "stem.mp4",
        _ => codec.extension(),
    };
    let options = EncodeOptions::new()
        .codec(codec)
        .bits(bits)
        .bit_rate(bit_rate)
        .stems(stems);
    Ok((Form::Encoded(options, ffmpeg), extension))
}

/// Returns the ffmpeg that encodes `codec`.
fn ffmpeg_with(codec: Codec, format: &str) -> Result<&'static Ffmpeg> {
    let lossless = "or use --format wav, flac or aiff, which need none";
    let Some(ffmpeg) = decoding::ffmpeg() else {
        let message = format!("--format {format} is encoded by ffmpeg, and there is none here");
        let remedy = format!("install ffmpeg, or name it with SEXTET_FFMPEG, {lossless}");
        return Err(Fault::new(Kind::Usage, message).remedy(remedy).into());
    };

    let program = ffmpeg.program().display();
    let fault = match codec.is_in(ffmpeg) {
        Ok(true) => return Ok(ffmpeg),
        Ok(false) => format!(
            "--format {format} needs ffmpeg's encoder {}, which '{program}' does not have",
            codec.encoder()
        ),
        Err(error) => format!("--format {format} is encoded by '{program}': {error}"),
    };
    let remedy = format!("name a complete ffmpeg with SEXTET_FFMPEG, {lossless}");
    Err(Fault::new(Kind::Usage, fault).remedy(remedy).into())
}

fn bits(args: &SeparateArgs) -> Result<Bits> {
    let format = name(args.format);
    let refused = |message: String, remedy: &str| {
        let fault = Fault::new(Kind::Usage, message);
        Err(fault.remedy(remedy.to_owned()).into())
    };
    match (args.format, args.bits) {
        (Format::Flac | Format::Alac, Some(BitsArg::Float32)) => refused(
            format!(
                "{} has no floating point: --bits 32f cannot go with --format {format}",
                format.to_ascii_uppercase()
            ),
            "use --bits 24 (or 16), or --format wav",
        ),
        (Format::Mp3 | Format::M4a | Format::Opus | Format::StemMp4, Some(_)) => refused(
            format!("--format {format} has no bits a sample: --bits cannot go with it"),
            "use --bitrate, or a format without loss",
        ),
        (_, Some(BitsArg::Int16)) => Ok(Bits::B16),
        (_, Some(BitsArg::Int24)) => Ok(Bits::B24),
        (Format::Flac | Format::Aiff | Format::Alac, None) => Ok(Bits::B24),
        (_, Some(BitsArg::Float32) | None) => Ok(Bits::Float32),
    }
}

fn bit_rate(args: &SeparateArgs) -> Result<Option<BitRate>> {
    let Some(asked) = args.bitrate else {
        return Ok(None);
    };
    let format = name(args.format);
    let refused = |message: String, remedy: &str| {
        let fault = Fault::new(Kind::Usage, message);
        Err(fault.remedy(remedy.to_owned()).into())
    };
    match (args.format, asked) {
        (Format::Mp3, BitRateArg::Quality(level)) => Ok(Some(BitRate::Quality(level))),
        (Format::Mp3, BitRateArg::Kilobits(rate)) if rate > 320 => refused(
            format!("MP3 has at most 320k, found --bitrate {rate}k"),
            "use --bitrate 320k or V0",
        ),
        (
            Format::Mp3 | Format::M4a | Format::Opus | Format::StemMp4,
            BitRateArg::Kilobits(rate),
        ) => Ok(Some(BitRate::Kilobits(rate))),
        (Format::M4a | Format::Opus | Format::StemMp4, BitRateArg::Quality(level)) => refused(
            format!("V{level} is a quality of MP3, found --format {format}"),
            "use kilobits a second, such as --bitrate 256k",
        ),
        _ => refused(
            format!("--bitrate cannot go with --format {format}, which loses nothing"),
            "use --bits, or --format mp3, m4a or opus",
        ),
    }
}

/// Refuses what a file of stems leaves no choice of, and its tracks for any other file.
fn check_tracks(args: &SeparateArgs) -> Result<()> {
    let format = name(args.format);
    let chosen = !args.stems.is_empty() || !args.all_but.is_empty() || args.two_stems.is_some();

    // Whether it is refused, the reason, and what to do.
    let joined = [
        (
            chosen,
            "--format stem.mp4 holds the mix and all stems: none can be chosen",
            "use --stem-tracks, or another format",
        ),
        (
            args.page,
            "--page plays stems beside each other, and --format stem.mp4 has the mix among them",
            "use --page with another format",
        ),
        (
            args.mono == Some(MonoArg::Keep),
            "--format stem.mp4 has tracks in stereo: --mono keep cannot go with it",
            "leave out --mono, or use another format",
        ),
        (
            args.sum == Some(SumArg::Model),
            "the stems of --format stem.mp4 add up to its mix: --sum model cannot go with it",
            "leave out --sum, or use another format",
        ),
    ];
    let tracks = format!("--stem-tracks is about --format stem.mp4, found --format {format}");
    let apart = [(
        args.stem_tracks.is_some(),
        tracks.as_str(),
        "use --format stem.mp4, or choose stems with --stems",
    )];

    let cases: &[_] = if is_joined(args) { &joined } else { &apart };
    match cases.iter().find(|(refused, ..)| *refused) {
        Some(&(_, message, remedy)) => Err(Fault::new(Kind::Usage, message).remedy(remedy).into()),
        None => Ok(()),
    }
}

/// Returns the name of `format` on the command line.
pub(crate) fn name(format: Format) -> &'static str {
    match format {
        Format::Wav => "wav",
        Format::Flac => "flac",
        Format::Aiff => "aiff",
        Format::Mp3 => "mp3",
        Format::M4a => "m4a",
        Format::Opus => "opus",
        Format::Alac => "alac",
        Format::StemMp4 => "stem.mp4",
    }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;

    #[test]
    fn names_are_those_of_the_command_line() {
        for format in Format::value_variants() {
            let value = format.to_possible_value().unwrap();
            assert_eq!(value.get_name(), name(*format));
        }
    }
}
