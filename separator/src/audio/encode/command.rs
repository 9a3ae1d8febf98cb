//! The command that encodes one file.

use std::path::Path;
use std::process::Command;

use super::codec::{BitRate, Codec};
use super::options::EncodeOptions;
use crate::audio::ffmpeg::address;
use crate::audio::{Bits, Ffmpeg, Layout};

/// Returns the command that encodes samples of `layout` into the file under `path`.
pub(super) fn command(
    ffmpeg: &Ffmpeg,
    path: &Path,
    layout: Layout,
    options: &EncodeOptions,
) -> Command {
    let Layout { channels, rate_hz } = layout;
    let samples = match options.sample_bits() {
        Bits::B16 => "s16le",
        Bits::B24 => "s24le",
        Bits::Float32 => "f32le",
    };

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
        .args(rate(options))
        .args(container(options, rate_hz))
        .arg("-y")
        .arg(address(path))
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

/// Returns the arguments about the rate of the file.
fn rate(options: &EncodeOptions) -> Vec<String> {
    let rate_hz = options.rate_hz.map(|rate_hz| rate_hz.to_string());
    let arguments = rate_hz.map(|rate_hz| ["-ar".to_owned(), rate_hz]);
    arguments.into_iter().flatten().collect()
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
        Codec::Opus => text(["-f", "opus"]),
    }
}

fn text<const N: usize>(arguments: [&str; N]) -> Vec<String> {
    arguments.map(str::to_owned).to_vec()
}
