//! Tags, written into a file that ffmpeg has completed.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use super::codec::Codec;
use super::options::EncodeOptions;
use super::{opus_tags, stem_file};
use crate::audio::FfmpegFault;
use crate::audio::write_error::WriteError;

/// Length of the header of an ID3 tag.
const ID3_HEADER: usize = 10;

/// Checks what ffmpeg wrote, and writes the tags. Returns the size of the file in bytes.
pub(super) fn complete(path: &Path, options: &EncodeOptions) -> Result<u64, WriteError> {
    let opened = File::options().read(true).write(true).open(path);
    let mut file = opened.map_err(WriteError::of)?;
    let mut start = [0; 12];
    let is_whole = file.read_exact(&mut start).is_ok();
    let is_right = match options.codec {
        Codec::Mp3 => start.starts_with(b"ID3"),
        Codec::Aac | Codec::Alac => &start[4..8] == b"ftyp",
        Codec::Opus => start.starts_with(b"OggS"),
    };
    if !(is_whole && is_right) {
        return Err(WriteError::Ffmpeg(FfmpegFault::NoFile));
    }

    match options.codec {
        Codec::Mp3 => write_id3(&mut file, &options.tags.id3(), start).map_err(WriteError::of)?,
        Codec::Aac | Codec::Alac => {
            stem_file::write(&mut file, &options.tags, &options.stems).map_err(fault)?;
        }
        Codec::Opus => opus_tags::write(&mut file, &options.tags).map_err(fault)?,
    }
    file.seek(SeekFrom::End(0)).map_err(WriteError::of)
}

/// Writes the tag `id3` over the empty one at the beginning, whose size stays.
fn write_id3(file: &mut File, id3: &[u8], start: [u8; 12]) -> std::io::Result<()> {
    let size = start[6..ID3_HEADER].iter();
    let room = ID3_HEADER + size.fold(0, |size, &byte| size << 7 | usize::from(byte & 0x7f));
    if id3.len() < ID3_HEADER || id3.len() > room {
        // Without a tag, or where there is no room, what is there stays: an empty one.
        return Ok(());
    }

    let mut tag = id3.to_vec();
    tag.resize(room, 0);
    tag[6..ID3_HEADER].copy_from_slice(&start[6..ID3_HEADER]);
    file.seek(SeekFrom::Start(0))?;
    file.write_all(&tag)
}

/// The fault of a file that is not what ffmpeg was asked for, or cannot be written to.
fn fault(error: std::io::Error) -> WriteError {
    match error.kind() {
        std::io::ErrorKind::InvalidData => WriteError::Ffmpeg(FfmpegFault::NoFile),
        _ => WriteError::of(error),
    }
}
