//! The flags of `sextet separate`, resolved against the model.

use std::path::PathBuf;

use anyhow::Result;
use sextet_separator::audio::{Bits, FileFormat, Tags, WriteOptions};
use sextet_separator::{Mono, Options, Part, Stem, Sum};

use crate::args::{BitsArg, Format, MonoArg, Rate, SeparateArgs, SumArg, TagsArg};
use crate::fault::{Fault, Kind};
use crate::stems::Template;

/// The settings of a separation that are the same for all songs.
#[derive(Clone, Debug)]
pub(crate) struct Choice {
    /// Options of the separator.
    pub(crate) options: Options,
    /// Parts that are written, in this order.
    pub(crate) parts: Vec<Part>,
    /// Format of the files.
    pub(crate) format: FileFormat,
    pub(crate) bits: Bits,
    /// Output folder.
    pub(crate) output: PathBuf,
    pub(crate) template: Template,
    pub(crate) model_name: String,
    pub(crate) skip_existing: bool,
    /// Whether each song gets a page that plays its stems.
    pub(crate) page: bool,
    /// Whether the stems get the song's tags, and say which stem they are.
    pub(crate) tagged: bool,
}

impl From<SumArg> for Sum {
    fn from(asked: SumArg) -> Self {
        match asked {
            SumArg::Model => Self::Model,
            SumArg::Exact => Self::Exact,
        }
    }
}

impl Choice {
    /// Resolves `args` for a model that gives `sources`.
    ///
    /// # Errors
    /// When the flags contradict each other or the model.
    pub(crate) fn resolve(args: &SeparateArgs, sources: &[Stem]) -> Result<Self> {
        let parts = parts(args, sources)?;
        let options = Options::new()
            .parts(parts.clone())
            .overlap(args.overlap)
            .shifts(args.shifts)
            .sum(args.sum.into())
            .rate_hz(match args.rate {
                Rate::Source => None,
                Rate::Hz(hz) => Some(hz),
            })
            .mono(match args.mono {
                MonoArg::Keep => Mono::Keep,
                MonoArg::Stereo => Mono::Stereo,
            })
            .single_chunk(args.single_chunk);

        Ok(Self {
            options,
            parts,
            format: match args.format {
                Format::Wav => FileFormat::Wav,
                Format::Flac => FileFormat::Flac,
            },
            bits: bits(args)?,
            output: args.output.clone(),
            template: template(args)?,
            model_name: crate::models::short_name(&args.model),
            skip_existing: args.skip_existing,
            page: args.page,
            tagged: args.tags == TagsArg::Song,
        })
    }

    /// Returns the options of writing the stems of a song with `tags`.
    pub(crate) fn write_options(&self, tags: Tags) -> WriteOptions {
        WriteOptions::new()
            .format(self.format)
            .bits(self.bits)
            .tags(if self.tagged { tags } else { Tags::default() })
    }
}

/// Checks the flags that do not depend on the model. This runs before the model is loaded, so that
/// a typo is reported at once.
///
/// # Errors
/// When flags contradict each other.
pub(crate) fn check(args: &SeparateArgs) -> Result<()> {
    bits(args)?;
    template(args).map(drop)
}

fn template(args: &SeparateArgs) -> Result<Template> {
    args.name.parse().map_err(|reason| {
        let fault = Fault::new(
            Kind::Usage,
            format!(
                "the naming template '{}' cannot be used: {reason}",
                args.name
            ),
        );
        fault
            .remedy("the default is --name '{track}/{stem}.{ext}'")
            .into()
    })
}

fn bits(args: &SeparateArgs) -> Result<Bits> {
    match (args.format, args.bits) {
        (Format::Flac, Some(BitsArg::Float32)) => {
            let fault = Fault::new(
                Kind::Usage,
                "FLAC has no floating point: --bits 32f cannot go with --format flac",
            );
            Err(fault
                .remedy("use --bits 24 (or 16), or --format wav")
                .into())
        }
        (_, Some(BitsArg::Int16)) => Ok(Bits::B16),
        (_, Some(BitsArg::Int24)) | (Format::Flac, None) => Ok(Bits::B24),
        (Format::Wav, Some(BitsArg::Float32) | None) => Ok(Bits::Float32),
    }
}

fn parts(args: &SeparateArgs, sources: &[Stem]) -> Result<Vec<Part>> {
    // Refuse stems that the model does not give.
    let named = args
        .stems
        .iter()
        .chain(&args.all_but)
        .chain(&args.two_stems);

    if let Some(missing) = named.into_iter().find(|stem| !sources.contains(stem)) {
        let names: Vec<_> = sources.iter().map(|stem| stem.name()).collect();
        let message = format!(
            "the model '{}' has no stem '{missing}'",
            args.model.display()
        );
        let remedy = format!(
            "it has {}; `sextet model list` shows the others",
            names.join(", ")
        );

        return Err(Fault::new(Kind::Usage, message).remedy(remedy).into());
    }

    if let Some(stem) = args.two_stems {
        return Ok(vec![Part::stem(stem), Part::without(stem, sources)]);
    }

    // Collect the stems in the order in which they were named, without repetitions.
    let mut stems = if args.stems.is_empty() {
        sources.to_vec()
    } else {
        args.stems.clone()
    };

    stems.retain(|stem| !args.all_but.contains(stem));
    let mut seen = Vec::new();
    stems.retain(|stem| {
        !seen.contains(stem) && {
            seen.push(*stem);
            true
        }
    });

    if stems.is_empty() {
        let fault = Fault::new(
            Kind::Usage,
            "--all-but leaves out every stem of the model: nothing would be written",
        );
        return Err(fault.remedy("name fewer stems").into());
    }

    Ok(stems.into_iter().map(Part::stem).collect())
}
