//! Bytes of a file at a place, and tags that lie between them.

use std::io::{ErrorKind, Read, Result, Seek, SeekFrom};

/// Returns the bytes at `at`, or `None` where the file ends before them.
pub(in crate::audio) fn array_at<const N: usize>(
    file: &mut (impl Read + Seek),
    at: u64,
) -> Result<Option<[u8; N]>> {
    let mut bytes = [0; N];
    file.seek(SeekFrom::Start(at))?;
    match file.read_exact(&mut bytes) {
        Ok(()) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

/// Returns up to `count` bytes at `at`; fewer where the file ends before.
pub(in crate::audio) fn some_at(
    file: &mut (impl Read + Seek),
    at: u64,
    count: usize,
) -> Result<Vec<u8>> {
    file.seek(SeekFrom::Start(at))?;
    let mut bytes = Vec::new();
    file.take(count as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Returns the end of the ID3v2 tags at `at`, or `None` where there is none (id3.org, "ID3 tag
/// version 2.4.0 - Main Structure", section 3.1).
pub(super) fn after_id3(file: &mut (impl Read + Seek), at: u64) -> Result<Option<u64>> {
    let mut end = None;
    while let Some(head) = array_at::<10>(file, end.unwrap_or(at))? {
        let Some(bytes) = id3_bytes(&head) else { break };
        end = Some(end.unwrap_or(at) + bytes);
    }
    Ok(end)
}

/// Returns the length of the ID3v2 tag with the header `head`.
fn id3_bytes(head: &[u8; 10]) -> Option<u64> {
    let is_tag = head.starts_with(b"ID3")
        && head[3] < 0xff
        && head[4] < 0xff
        && head[6..].iter().all(|byte| *byte < 0x80);
    let size = head[6..]
        .iter()
        .fold(0, |size, &byte| size << 7 | u64::from(byte));
    let footer = if head[5] & 0x10 != 0 { 10 } else { 0 };
    is_tag.then_some(10 + size + footer)
}

/// Returns the end of the tag at `at`, of whatever kind: ID3v2, APEv2 (a header comes first) or
/// ID3v1.
pub(super) fn after_tag(file: &mut (impl Read + Seek), at: u64) -> Result<Option<u64>> {
    if let Some(end) = after_id3(file, at)? {
        return Ok(Some(end));
    }

    // APEv2: a header and a footer of 32 bytes each; the size counts the items and the footer.
    let head = array_at::<32>(file, at)?;
    if let Some(head) = head.filter(|head| head.starts_with(b"APETAGEX")) {
        let word =
            |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let (size, flags) = (u64::from(word(12)), word(20));
        let is_header = flags & 1 << 29 != 0;
        return Ok(Some(at + 32 + if is_header { size } else { 0 }));
    }

    let is_id3v1 = array_at::<128>(file, at)?.is_some_and(|tag| tag.starts_with(b"TAG"));
    Ok(is_id3v1.then_some(at + 128))
}

/// Returns the end of what comes before the tags at the end of the file: ID3v1, and APEv2, which
/// ends with a footer.
pub(super) fn before_tags(file: &mut (impl Read + Seek), mut end: u64) -> Result<u64> {
    loop {
        let id3v1 = end.checked_sub(128).map(|at| array_at::<3>(file, at));
        if let Some(Some([b'T', b'A', b'G'])) = id3v1.transpose()? {
            end -= 128;
            continue;
        }

        let footer = end.checked_sub(32).map(|at| array_at::<32>(file, at));
        let Some(footer) = footer.transpose()?.flatten() else {
            return Ok(end);
        };
        let word = |at: usize| {
            u32::from_le_bytes([footer[at], footer[at + 1], footer[at + 2], footer[at + 3]])
        };
        let header_bytes = if word(20) & 1 << 31 != 0 { 32 } else { 0 };
        let size = u64::from(word(12)) + header_bytes;
        match end.checked_sub(size) {
            Some(start) if footer.starts_with(b"APETAGEX") && size >= 32 => end = start,
            _ => return Ok(end),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use sextet_cases::each_case;

    use super::*;

    #[test]
    fn tags_are_measured() {
        let id3 = [b"ID3\x03\0\0\0\0\x01\x02".as_slice(), &[0; 130]].concat();
        let footed = [b"ID3\x04\0\x10\0\0\0\x05".as_slice(), &[0; 15]].concat();
        let mut ape = b"APETAGEX\xd0\x07\0\0\x28\0\0\0\x01\0\0\0\0\0\0\xa0".to_vec();
        ape.resize(32 + 40, 0);
        let old = [b"TAG".as_slice(), &[b' '; 125]].concat();

        let cases = [
            (id3.clone(), Some(140)),
            (footed.clone(), Some(25)),
            ([id3, footed].concat(), Some(165)),
            (ape, Some(72)),
            (old.clone(), Some(128)),
            (old[..127].to_vec(), None),
            (b"ID3\x03\0\0\0\0\x80\x02....".to_vec(), None),
            (Vec::new(), None),
        ];
        each_case(cases, |(bytes, expected)| {
            let mut file = Cursor::new([b"xx".as_slice(), &bytes].concat());
            let end = after_tag(&mut file, 2).unwrap();
            assert_eq!(end, expected.map(|end| end + 2), "{bytes:?}");
        });
    }
}
