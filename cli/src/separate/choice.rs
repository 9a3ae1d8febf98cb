//! The flags of `sextet separate`, resolved against the model.

use std::path::PathBuf;

use anyhow::Result;
use sextet_separator::audio::Tags;
use sextet_separator::{Mono, Options, PIPELINE_VERSION, Part, Stem, Sum};

use super::format::{self, FileForm};
use crate::args::{MonoArg, Rate, SeparateArgs, SumArg, TagsArg};
use crate::fault::{Fault, Kind};
use crate::stems::{DEFAULT_TEMPLATE, Form, JOINED_TEMPLATE, Made, Template};

/// The settings of a separation that are the same for all songs.
#[derive(Clone, Debug)]
pub(crate) struct Choice {
    /// Options of the separator; [`Choice::options_for`] has those of one song.
    pub(crate) options: Options,
    /// Parts that are written, in this order.
    pub(crate) parts: Vec<Part>,
    /// Format of the files.
    pub(crate) form: FileForm,
    /// Whether one file holds all parts.
    pub(crate) joined: bool,
    /// Output folder.
    pub(crate) output: PathBuf,
    pub(crate) template: Template,
    pub(crate) model_name: String,
    pub(crate) skip_existing: bool,
    /// Whether each song gets a page that plays its stems.
    pub(crate) page: bool,
    /// Whether the stems get the song's tags, and say which stem they are.
    pub(crate) tagged: bool,
    /// Whether a manifest is written beside the stems.
    pub(crate) manifest: bool,
    /// The making, as a manifest says it.
    pub(crate) made: Made,
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
    /// Resolves `args` for a model that gives `sources` and has the hash `model_hash`.
    ///
    /// # Errors
    /// When the flags contradict each other or the model.
    pub(crate) fn resolve(
        args: &SeparateArgs,
        sources: &[Stem],
        model_hash: String,
    ) -> Result<Self> {
        let joined = format::is_joined(args);
        let parts = if joined {
            format::tracks(args, sources)
        } else {
            parts(args, sources)?
        };
        let form = FileForm::resolve(args, &parts)?;

        let options = Options::new()
            .parts(parts.clone())
            .overlap(args.overlap)
            .shifts(args.shifts)
            .sum(sum(args))
            .rate_hz(match args.rate {
                Rate::Source => None,
                Rate::Hz(hz) => Some(hz),
            })
            .mono(mono(args))
            .single_chunk(args.single_chunk);

        Ok(Self {
            made: made(args, &parts, &form, model_hash),
            options,
            parts,
            form,
            joined,
            output: args.output.clone(),
            template: template(args)?,
            model_name: crate::models::short_name(&args.model),
            skip_existing: args.skip_existing,
            page: args.page,
            tagged: args.tags == TagsArg::Song,
            manifest: !args.no_manifest,
        })
    }

    /// Returns the options of separating a song at `rate_hz`.
    pub(crate) fn options_for(&self, rate_hz: u32) -> Options {
        self.options.clone().rate_hz(self.form.rate_hz(rate_hz))
    }

    /// Returns the form of the stems of a song with `tags`.
    pub(crate) fn form_with(&self, tags: Tags) -> Form {
        let tags = if self.tagged { tags } else { Tags::default() };
        self.form.with_tags(tags)
    }
}

/// Returns what the stems add up to. Those of one file are heard beside its mix, and add up to it.
pub(crate) fn sum(args: &SeparateArgs) -> Sum {
    if format::is_joined(args) {
        Sum::Exact
    } else {
        args.sum.unwrap_or_default().into()
    }
}

/// Returns whether a mono song gives mono stems. The tracks of one file are in stereo.
fn mono(args: &SeparateArgs) -> Mono {
    match args.mono.unwrap_or_default() {
        MonoArg::Keep if !format::is_joined(args) => Mono::Keep,
        _ => Mono::Stereo,
    }
}

/// Returns what a manifest says of the making of `parts`.
fn made(args: &SeparateArgs, parts: &[Part], form: &FileForm, model_hash: String) -> Made {
    let names: Vec<_> = parts.iter().map(|part| part.name.as_str()).collect();
    let rate = match args.rate {
        Rate::Source => "source".to_owned(),
        Rate::Hz(hz) => hz.to_string(),
    };
    let mut options = vec![
        ("stems", names.join(",")),
        ("format", format::name(args.format).to_owned()),
        ("tags", format!("{:?}", args.tags).to_ascii_lowercase()),
        ("rate", rate),
        ("mono", format!("{:?}", mono(args)).to_ascii_lowercase()),
        ("overlap", args.overlap.to_string()),
        ("shifts", args.shifts.to_string()),
        ("sum", format!("{:?}", sum(args)).to_ascii_lowercase()),
        ("single-chunk", args.single_chunk.to_string()),
    ];
    options.extend(form.settings());
    Made {
        model: crate::models::short_name(&args.model),
        model_hash,
        pipeline: PIPELINE_VERSION,
        options: options
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
    }
}

/// Checks the flags that do not depend on the model. This runs before the model is loaded, so that
/// a typo is reported at once.
///
/// # Errors
/// When flags contradict each other.
pub(crate) fn check(args: &SeparateArgs) -> Result<()> {
    FileForm::resolve(args, &[])?;
    template(args).map(drop)
}

fn template(args: &SeparateArgs) -> Result<Template> {
    let usual = if format::is_joined(args) {
        JOINED_TEMPLATE
    } else {
        DEFAULT_TEMPLATE
    };
    let name = args.name.as_deref().unwrap_or(usual);
    name.parse().map_err(|reason| {
        let message = format!("the naming template '{name}' cannot be used: {reason}");
        let fault = Fault::new(Kind::Usage, message);
        fault
            .remedy("the default is --name '{track}/{stem}.{ext}'")
            .into()
    })
}

fn parts(args: &SeparateArgs, sources: &[Stem]) -> Result<Vec<Part>> {
    check_stems(args, sources)?;
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

/// Refuses stems that the model does not give.
fn check_stems(args: &SeparateArgs, sources: &[Stem]) -> Result<()> {
    let named = args
        .stems
        .iter()
        .chain(&args.all_but)
        .chain(&args.two_stems);

    let Some(missing) = named.into_iter().find(|stem| !sources.contains(stem)) else {
        return Ok(());
    };
    let names: Vec<_> = sources.iter().map(|stem| stem.name()).collect();
    let message = format!(
        "the model '{}' has no stem '{missing}'",
        args.model.display()
    );
    let remedy = format!(
        "it has {}; `sextet model list` shows the others",
        names.join(", ")
    );
    Err(Fault::new(Kind::Usage, message).remedy(remedy).into())
}
