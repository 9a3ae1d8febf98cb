//! The values that flags take.

use std::path::PathBuf;
use std::str::FromStr;

use clap::ValueEnum;
use clap::builder::{PathBufValueParser, TypedValueParser};
use sextet_separator::Stem;

/// Returns the parser of a path to which names will be added. On Windows, where both separators may
/// be typed, it has the system's alone afterwards, so that what is shown has one kind.
pub(super) fn path() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().map(with_one_separator)
}

fn with_one_separator(path: PathBuf) -> PathBuf {
    if !cfg!(windows) {
        return path;
    }

    // A server and its share stay as they were typed where the path is taken apart.
    let path: PathBuf = path.components().collect();
    match path.to_str() {
        Some(text) => text.replace('/', "\\").into(),
        None => path,
    }
}

/// `--engine`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum EngineArg {
    /// An NVIDIA GPU where it can be used: by CUDA kernels, else by TensorRT if that is ready in
    /// time; else the CPU
    #[default]
    Auto,
    /// The CPU
    Cpu,
    /// An NVIDIA GPU by CUDA kernels of our own, which need its driver alone
    Cuda,
    /// An NVIDIA GPU through TensorRT
    Tensorrt,
}

/// `--format`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// WAV
    #[default]
    Wav,
    /// FLAC
    Flac,
    /// AIFF
    Aiff,
    /// MP3
    Mp3,
    /// AAC in MP4
    M4a,
    /// Opus
    Opus,
    /// ALAC, Apple's format without loss
    Alac,
    /// One file with the mix and the stems, for players of stems
    #[value(name = "stem.mp4")]
    StemMp4,
}

/// `--stem-tracks`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum StemTracks {
    /// Drums, bass, other (with guitar and piano) and vocals
    #[default]
    Four,
    /// One for each stem of the model
    All,
}

/// `--bitrate`: kilobits a second, or a quality of LAME's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BitRateArg {
    Kilobits(u32),
    Quality(u8),
}

/// Bit rates that `--bitrate` takes, in kilobits a second.
const KILOBITS: std::ops::RangeInclusive<u32> = 16..=512;

impl FromStr for BitRateArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let quality = text.strip_prefix(['V', 'v']);
        let quality = quality.and_then(|level| level.parse().ok());
        if let Some(level @ 0..=9) = quality {
            return Ok(Self::Quality(level));
        }

        let kilobits = text.strip_suffix(['k', 'K']).unwrap_or(text).parse().ok();
        kilobits
            .filter(|kilobits| KILOBITS.contains(kilobits))
            .map(Self::Kilobits)
            .ok_or_else(|| "expected 16k to 512k, or V0 to V9".to_owned())
    }
}

/// `--bits`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum BitsArg {
    /// 16-bit integers
    #[value(name = "16")]
    Int16,
    /// 24-bit integers
    #[value(name = "24")]
    Int24,
    /// 32-bit floating point
    #[value(name = "32f")]
    Float32,
}

/// `--tags`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum TagsArg {
    /// The song's, with a title that names the stem
    #[default]
    Song,
    /// No tags at all
    None,
}

/// `--mono`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum MonoArg {
    /// Mono in, mono out
    #[default]
    Keep,
    /// Always stereo
    Stereo,
}

/// `--sum`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum SumArg {
    /// As the model gives them
    #[default]
    Model,
    /// They add up to the input
    Exact,
}

/// `--rate`: the input's, or a number of Hz.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rate {
    Source,
    Hz(u32),
}

/// Rates that `--rate` takes, in Hz.
const RATES_HZ: std::ops::RangeInclusive<u32> = 8_000..=192_000;

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "source" {
            return Ok(Rate::Source);
        }
        let hz = text.parse().ok().filter(|hz| RATES_HZ.contains(hz));
        hz.map(Rate::Hz)
            .ok_or_else(|| "expected `source` or a whole number from 8000 to 192000".to_owned())
    }
}

/// `--gpu`: the numbers of GPUs, counted from 0 as the driver does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Gpus {
    /// All that are here.
    All,
    /// These. One that is named twice has two engines.
    Listed(Vec<usize>),
}

impl FromStr for Gpus {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.trim() == "all" {
            return Ok(Gpus::All);
        }

        let numbers: Result<Vec<usize>, _> = text
            .split(',')
            .map(|number| number.trim().parse())
            .collect();
        numbers
            .map(Gpus::Listed)
            .map_err(|_| "expected a number such as 0, several such as 0,1, or `all`".to_owned())
    }
}

/// Reads one stem's name.
pub(super) fn stem(text: &str) -> Result<Stem, sextet_protocol::UnknownStem> {
    text.trim().parse()
}

/// Reads `--overlap`.
pub(super) fn overlap(text: &str) -> Result<f64, String> {
    let overlap = text
        .parse::<f64>()
        .ok()
        .filter(|overlap| (0.0..=0.99).contains(overlap));
    overlap.ok_or_else(|| "expected a number from 0 to 0.99".to_owned())
}

#[cfg(test)]
mod tests {
    use sextet_cases::each_case;

    use super::*;

    #[test]
    fn rates_are_the_source_or_audio_rates() {
        assert_eq!("source".parse(), Ok(Rate::Source));
        assert_eq!("44100".parse(), Ok(Rate::Hz(44_100)));
        each_case(["", "7999", "192001", "44.1", "-1", "fast"], |wrong| {
            assert!(wrong.parse::<Rate>().is_err(), "{wrong:?}");
        });
    }

    #[test]
    fn bit_rates_are_kilobits_or_qualities() {
        let cases = [
            ("320k", BitRateArg::Kilobits(320)),
            ("192", BitRateArg::Kilobits(192)),
            ("V0", BitRateArg::Quality(0)),
            ("v9", BitRateArg::Quality(9)),
        ];
        each_case(cases, |(text, expected)| {
            assert_eq!(text.parse(), Ok(expected), "{text}");
        });
        let cases = [
            "", "V", "V10", "V-1", "k", "15k", "513", "320000", "320kb", "-1",
        ];
        each_case(cases, |wrong| {
            assert!(wrong.parse::<BitRateArg>().is_err(), "{wrong:?}");
        });
    }

    #[test]
    fn a_path_has_one_kind_of_separator() {
        let cases = [
            ("song.wav", "song.wav"),
            (".", "."),
            ("-", "-"),
            ("a/b/", "a\\b"),
            ("a\\b/c.wav", "a\\b\\c.wav"),
            ("C:/songs/a.wav", "C:\\songs\\a.wav"),
            ("C:a.wav", "C:a.wav"),
            ("\\\\server\\share/a.wav", "\\\\server\\share\\a.wav"),
            ("//server/share/a.wav", "\\\\server\\share\\a.wav"),
            ("\\\\?\\C:\\a.wav", "\\\\?\\C:\\a.wav"),
        ];
        for (typed, on_windows) in cases {
            let expected = if cfg!(windows) { on_windows } else { typed };
            let found = with_one_separator(PathBuf::from(typed));
            assert_eq!(found.as_os_str(), expected, "{typed}");
        }
    }

    #[test]
    fn gpus_are_numbers_or_all() {
        let cases: [(&str, Gpus); 5] = [
            ("0", Gpus::Listed(vec![0])),
            ("0,1", Gpus::Listed(vec![0, 1])),
            ("0, 0", Gpus::Listed(vec![0, 0])),
            ("3,1,2", Gpus::Listed(vec![3, 1, 2])),
            ("all", Gpus::All),
        ];

        each_case(cases, |(text, gpus)| {
            assert_eq!(text.parse(), Ok(gpus), "{text:?}");
        });

        let wrong = ["", "-1", "0,", "0,,1", "All", "all,0", "one", "0-3", "1.5"];
        each_case(wrong, |wrong| {
            assert!(wrong.parse::<Gpus>().is_err(), "{wrong:?}");
        });
    }

    #[test]
    fn an_overlap_is_a_share_below_one() {
        assert_eq!(overlap("0"), Ok(0.0));
        assert_eq!(overlap("0.99"), Ok(0.99));
        each_case(["1", "-0.1", "NaN", "inf", "half", ""], |wrong| {
            assert!(overlap(wrong).is_err(), "{wrong:?}");
        });
    }
}
