//! Names of files that Sextet does not decode itself, by their first bytes.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use super::codec_name::CodecName;

/// First bytes of a kind of file: an offset, the bytes there, and the name.
const KINDS: [(usize, &[u8], &str); 30] = [
    (
        0,
        b"\x30\x26\xb2\x75\x8e\x66\xcf\x11",
        "WMA (Windows Media)",
    ),
    (0, b"wvpk", "WavPack"),
    (0, b"MAC ", "Monkey's Audio"),
    (0, b"MPCK", "Musepack"),
    (0, b"MP+", "Musepack"),
    (0, b"TTA1", "True Audio (TTA)"),
    (0, b"tBaK", "TAK"),
    (0, b"OFR ", "OptimFROG"),
    (0, b"DSD ", "DSD (DSF)"),
    (0, b"FRM8", "DSD (DSDIFF)"),
    (0, b"#!AMR", "AMR"),
    (0, b".snd", "Sun AU"),
    (0, b"riff\x2e\x91\xcf\x11", "Sony Wave64"),
    (0, b"\x1a\x45\xdf\xa3", "Matroska"),
    (0, b".RMF", "RealMedia"),
    (0, b".ra\xfd", "RealAudio"),
    (0, b"FLV\x01", "Flash video"),
    (8, b"AVI ", "AVI video"),
    (0, b"\x0b\x77", "AC-3 (Dolby Digital)"),
    (0, b"\x7f\xfe\x80\x01", "DTS"),
    (0, b"\x00\x00\x01\xba", "MPEG video"),
    (0, b"ajkg", "Shorten"),
    (0, b"Creative Voice File\x1a", "Creative Voice"),
    (0, b"MThd", "MIDI, which holds notes and no sound"),
    (0, b"PK\x03\x04", "a ZIP archive"),
    (0, b"Rar!", "a RAR archive"),
    (0, b"7z\xbc\xaf", "a 7z archive"),
    (0, b"%PDF", "a PDF"),
    (0, b"\x89PNG", "a picture (PNG)"),
    (0, b"\xff\xd8\xff", "a picture (JPEG)"),
];

/// Returns the name of the file under `path`, if its first bytes are known.
pub(super) fn name(path: &Path) -> Option<CodecName> {
    let mut start = Vec::new();
    File::open(path)
        .and_then(|file| file.take(512).read_to_end(&mut start))
        .ok()?;
    let known = KINDS.iter().find(|(offset, bytes, _)| {
        start
            .get(*offset..)
            .is_some_and(|rest| rest.starts_with(bytes))
    });

    let name = match known {
        Some((_, _, name)) => name,
        // Packets of 188 bytes, each with a mark.
        None if start.len() > 376 && [0, 188, 376].iter().all(|&at| start[at] == 0x47) => {
            "MPEG transport stream"
        }
        None => return None,
    };
    Some(CodecName::Named(name))
}
