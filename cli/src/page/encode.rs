//! Encoding of a page's stems: FLAC, which the command writes itself, and where there is an ffmpeg
//! that can, MP3 instead, which is a third of the size.

use std::fs::File;
use std::io;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::thread::scope;

use anyhow::Result;
use sextet_separator::audio::{
    self, AudioFile, BitRate, Bits, EncodeOptions, EncodedWriter, Ffmpeg, FileFormat, WriteOptions,
};

use super::facts::Codec;

/// Quality of MP3: LAME's second best of variable bit rate.
const MP3_QUALITY: BitRate = BitRate::Quality(2);

/// Most channels of an MP3 file.
const MP3_CHANNELS: usize = 2;

/// The way in which a page's stems are encoded.
#[derive(Clone, Copy, Debug)]
pub(super) struct Encoding<'a> {
    /// The program that encodes MP3; `None` for FLAC.
    mp3: Option<&'a Ffmpeg>,
    /// Rate at which the page plays.
    rate_hz: u32,
}

impl<'a> Encoding<'a> {
    /// Chooses for stems of `channels` that are played at `rate_hz`.
    pub(super) fn choose(ffmpeg: Option<&'a Ffmpeg>, channels: usize, rate_hz: u32) -> Self {
        let codec = audio::Codec::Mp3;
        let fits = codec.rate_hz(rate_hz) == rate_hz && channels <= MP3_CHANNELS;
        let mp3 = ffmpeg.filter(|ffmpeg| fits && codec.is_in(ffmpeg).unwrap_or(false));
        Self { mp3, rate_hz }
    }

    /// Returns the options of the FLAC files that are written first. Those for MP3 have bits to
    /// spare.
    pub(super) fn write_options(&self) -> WriteOptions {
        let bits = match self.mp3 {
            Some(_) => Bits::B24,
            None => Bits::B16,
        };
        WriteOptions::new().format(FileFormat::Flac).bits(bits)
    }

    /// Encodes the FLAC files at `places` as the page holds them, all at the same time. `create`
    /// creates a file. Returns the format, the files, and a warning where the format is not the
    /// one that was chosen.
    pub(super) fn encode(
        &self,
        places: &[PathBuf],
        create: impl Fn(&Path) -> io::Result<File> + Sync,
    ) -> (Codec, Vec<PathBuf>, Option<String>) {
        let Some(ffmpeg) = self.mp3 else {
            return (Codec::Flac, places.to_vec(), None);
        };

        let encode = |place: &PathBuf| {
            let to = place.with_extension(Codec::Mp3.extension());
            create(&to)?;
            self.encode_mp3(ffmpeg, place, &to).map(|()| to)
        };
        let encode = &encode;
        let encoded: Result<Vec<_>> = scope(|scope| {
            let threads: Vec<_> = places
                .iter()
                .map(|place| scope.spawn(move || encode(place)))
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)))
                .collect()
        });

        match encoded {
            Ok(files) => (Codec::Mp3, files, None),
            Err(error) => {
                let warning = format!("the page holds FLAC, not MP3, and is larger: {error}");
                (Codec::Flac, places.to_vec(), Some(warning))
            }
        }
    }

    /// Encodes the FLAC file `from` as MP3 into the file `to`, which exists and is empty.
    fn encode_mp3(&self, ffmpeg: &Ffmpeg, from: &Path, to: &Path) -> Result<()> {
        let file = AudioFile::open(from)?;
        let mut stream = file.stream()?;
        let options = EncodeOptions::new()
            .codec(audio::Codec::Mp3)
            .bit_rate(Some(MP3_QUALITY))
            .rate_hz(Some(self.rate_hz));

        let frames = file.info().frames.unwrap_or_default();
        let mut writer = EncodedWriter::new(ffmpeg, to, file.info().layout, &options, frames)?;
        while let Some(block) = stream.next_block()? {
            writer.write(&block)?;
        }
        writer.finish()?;
        Ok(())
    }
}
