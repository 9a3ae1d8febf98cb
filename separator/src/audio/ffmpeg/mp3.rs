//! MP3, which ffmpeg encodes where it was built with LAME.

use std::path::Path;
use std::process::Command;

use super::{Ffmpeg, FfmpegFault, address};
use crate::audio::encode::Codec;

impl Ffmpeg {
    /// Encodes the FLAC file `from`, of one or two channels, as MP3 of `rate_hz` to the file `to`,
    /// which must not exist. The bit rate varies, at LAME's second best quality.
    ///
    /// # Errors
    /// When the program cannot be started, fails, or stands still.
    pub fn encode_mp3(&self, from: &Path, to: &Path, rate_hz: u32) -> Result<(), FfmpegFault> {
        let mut command = Command::new(self.program());
        command
            .args(["-nostdin", "-hide_banner", "-loglevel", "error"])
            // Tells of its progress, so that one that stands still is noticed.
            .args(["-progress", "pipe:1", "-nostats"])
            .args(["-protocol_whitelist", "file,pipe", "-f", "flac", "-i"])
            .arg(address(from))
            .args(["-map", "0:a:0", "-map_metadata", "-1"])
            .args([
                "-c:a",
                Codec::Mp3.encoder(),
                "-q:a",
                "2",
                "-ar",
                &rate_hz.to_string(),
            ])
            // Names no version, so that the same song gives the same bytes.
            .args(["-fflags", "+bitexact", "-flags:a", "+bitexact"])
            .args(["-f", "mp3", "-id3v2_version", "0", "-n"])
            .arg(address(to))
            .env("AV_LOG_FORCE_NOCOLOR", "1");
        self.output(command).map(drop)
    }
}
