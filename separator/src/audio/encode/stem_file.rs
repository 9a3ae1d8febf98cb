//! The part of an MP4 file that is not about its samples: tags, and the atom by which players take
//! it for a file of stems (Native Instruments, "Stems", version 1: the mix is the first track, the
//! stems follow it, and `moov/udta/stem` has their names and colours as JSON).

use std::io::{Read, Result, Seek, SeekFrom, Write};
use std::ops::Range;

use serde_json::json;

use crate::audio::Tags;
use crate::audio::mend::bytes::array_at;

/// Track of a file of stems, beside the mix.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StemTrack {
    /// Name that players show.
    pub name: String,
    /// Colour that players show, such as `#009E73`.
    pub color: String,
}

impl StemTrack {
    /// Describes a track.
    pub fn new(name: impl Into<String>, color: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            color: color.into(),
        }
    }
}

/// Writes the tags, and the names of `stems` if there are any, to the end of an MP4 file whose
/// `moov` atom comes last.
pub(super) fn write(
    file: &mut (impl Read + Write + Seek),
    tags: &Tags,
    stems: &[StemTrack],
) -> Result<()> {
    let mut body = Vec::new();
    if !stems.is_empty() {
        // First: some players look no further than they must.
        atom(&mut body, b"stem", manifest(stems).as_bytes());
    }
    let list = tags.ilst();
    if !list.is_empty() {
        atom(&mut body, b"meta", &meta(&list));
    }
    if body.is_empty() {
        return Ok(());
    }

    let moov = last_moov(file)?;
    free_udta(file, &moov)?;

    let mut more = Vec::new();
    atom(&mut more, b"udta", &body);
    let bytes = u32::try_from(moov.end - moov.start + more.len() as u64)
        .map_err(|_| std::io::Error::from(std::io::ErrorKind::FileTooLarge))?;
    file.seek(SeekFrom::Start(moov.start))?;
    file.write_all(&bytes.to_be_bytes())?;
    file.seek(SeekFrom::End(0))?;
    file.write_all(&more)?;
    file.flush()
}

/// Returns the place of the last `moov` atom, which ends the file.
fn last_moov(file: &mut (impl Read + Seek)) -> Result<Range<u64>> {
    let end = file.seek(SeekFrom::End(0))?;
    let (mut at, mut found) = (0, None);
    while let Some((bytes, name)) = head(file, at)? {
        if name == *b"moov" {
            found = Some(at..at + bytes);
        }
        at += bytes;
    }
    found
        .filter(|moov| moov.end == end)
        .ok_or_else(|| std::io::ErrorKind::InvalidData.into())
}

/// Makes free space of the encoder's own words in the atom at `moov`.
fn free_udta(file: &mut (impl Read + Write + Seek), moov: &Range<u64>) -> Result<()> {
    let mut at = moov.start + 8;
    while at < moov.end {
        let Some((bytes, name)) = head(file, at)? else {
            return Err(std::io::ErrorKind::InvalidData.into());
        };
        if name == *b"udta" {
            file.seek(SeekFrom::Start(at + 4))?;
            file.write_all(b"free")?;
        }
        at += bytes;
    }
    Ok(())
}

/// Returns the size and the name of the atom at `at`; `None` at the end of the file or where there
/// is no atom.
fn head(file: &mut (impl Read + Seek), at: u64) -> Result<Option<(u64, [u8; 4])>> {
    let Some([a, b, c, d, name @ ..]) = array_at::<8>(file, at)? else {
        return Ok(None);
    };
    let bytes = match u32::from_be_bytes([a, b, c, d]) {
        1 => array_at::<8>(file, at + 8)?.map_or(0, u64::from_be_bytes),
        bytes => u64::from(bytes),
    };
    Ok((bytes >= 8).then_some((bytes, name)))
}

/// Returns the JSON about the stems. Compressor and limiter, which players may run on the sum, are
/// off: the stems add up to the mix as they are.
fn manifest(stems: &[StemTrack]) -> String {
    let stems: Vec<_> = stems
        .iter()
        .map(|stem| json!({ "name": stem.name, "color": stem.color }))
        .collect();
    json!({
        "mastering_dsp": {
            "compressor": {
                "enabled": false, "input_gain": 0.0, "output_gain": 0.0, "threshold": 0.0,
                "dry_wet": 50, "attack": 0.003, "release": 0.3, "ratio": 2.0, "hp_cutoff": 20
            },
            "limiter": { "enabled": false, "threshold": 0.0, "ceiling": 0.0, "release": 0.3 }
        },
        "stems": stems,
        "version": 1
    })
    .to_string()
}

/// Returns the body of the `meta` atom around a list of tags.
fn meta(list: &[u8]) -> Vec<u8> {
    let mut body = vec![0; 4];
    let mut handler = vec![0; 8];
    handler.extend(b"mdirappl");
    handler.extend([0; 9]);
    atom(&mut body, b"hdlr", &handler);
    body.extend(list);
    body
}

fn atom(out: &mut Vec<u8>, name: &[u8; 4], body: &[u8]) {
    out.extend((8 + body.len() as u32).to_be_bytes());
    out.extend(name);
    out.extend(body);
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use sextet_cases::each_case;

    use super::*;
    use crate::audio::TagField;

    fn tags() -> Tags {
        let mut tags = Tags::default();
        tags.set(TagField::Title, "a title");
        tags
    }

    #[test]
    fn the_last_atom_grows_and_what_the_encoder_said_is_free() {
        let mut file = Vec::new();
        atom(&mut file, b"ftyp", b"mp42");
        atom(&mut file, b"mdat", b"samples");
        let mut moov = Vec::new();
        atom(&mut moov, b"trak", b"?");
        atom(&mut moov, b"udta", b"Lavf");
        let begin = file.len();
        atom(&mut file, b"moov", &moov);

        let mut cursor = Cursor::new(file.clone());
        let stems = [StemTrack::new("Drums", "#009E73")];
        write(&mut cursor, &tags(), &stems).unwrap();
        let written = cursor.into_inner();

        assert_eq!(written[..begin], file[..begin]);
        let size = u32::from_be_bytes(*written[begin..].first_chunk().unwrap());
        assert_eq!(size as usize, written.len() - begin);
        let text = String::from_utf8_lossy(&written[begin..]);
        let cases = ["freeLavf", "stem{", "\"name\":\"Drums\"", "ilst", "a title"];
        each_case(cases, |expected| {
            assert!(text.contains(expected), "{expected}: {text}");
        });
        assert!(text.find("stem{") < text.find("meta"), "{text}");
    }

    #[test]
    fn what_is_no_mp4_is_refused_and_not_touched() {
        let mut early = Vec::new();
        atom(&mut early, b"moov", b"");
        atom(&mut early, b"mdat", b"");
        let cases = [Vec::new(), b"garbage, and more of it".to_vec(), early];
        each_case(cases, |file| {
            let mut cursor = Cursor::new(file.clone());
            write(&mut cursor, &tags(), &[]).unwrap_err();
            assert_eq!(cursor.into_inner(), file);
        });
    }
}
