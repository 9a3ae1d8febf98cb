//! Tags of a song, such as title, artist and cover: read from the input, written to the outputs.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use lofty::config::{ParseOptions, ParsingMode, WriteOptions};
use lofty::file::TaggedFileExt as _;
use lofty::id3::v2::{Frame, Id3v2Tag};
use lofty::mp4::Ilst;
use lofty::ogg::OggPictureStorage as _;
use lofty::ogg::tag::VorbisComments;
use lofty::picture::{MimeType, Picture, PictureInformation, PictureType};
use lofty::probe::Probe;
use lofty::tag::{ItemKey, Tag, TagExt as _, TagType};

use super::broadcast::Broadcast;

/// Largest size of a cover, in bytes. A larger one is left out.
const LARGEST_COVER: usize = 8 << 20;

/// Program that writes stems, as their tags name it; a version follows.
const PROGRAM: &str = "Sextet ";

/// Tags that still apply to a stem of the song. Loudness values, fingerprints and encoder settings
/// are left out on purpose.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tags {
    fields: Vec<(TagField, String)>,
    cover: Option<Cover>,
    broadcast: Option<Broadcast>,
    /// Name and version of this program, in a stem.
    program: Option<String>,
}

/// Name of a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TagField {
    /// Title of the song.
    Title,
    /// Performer of the song.
    Artist,
    /// Title of the album.
    Album,
    /// Artist that the album is filed under.
    AlbumArtist,
    /// Number of the track on its disc.
    Track,
    /// Number of tracks on the disc.
    TrackTotal,
    /// Number of the disc.
    Disc,
    /// Number of discs of the album.
    DiscTotal,
    /// Year or full date.
    Date,
    /// Genre.
    Genre,
    /// Composer of the song.
    Composer,
    /// Free text.
    Comment,
    /// Beats a minute.
    Bpm,
    /// Musical key, in whatever notation.
    Key,
    /// Identifier of the recording.
    Isrc,
}

/// Fields, each with lofty's key and its name in a Vorbis comment.
const FIELDS: [(TagField, ItemKey, &str); 15] = [
    (TagField::Title, ItemKey::TrackTitle, "TITLE"),
    (TagField::Artist, ItemKey::TrackArtist, "ARTIST"),
    (TagField::Album, ItemKey::AlbumTitle, "ALBUM"),
    (TagField::AlbumArtist, ItemKey::AlbumArtist, "ALBUMARTIST"),
    (TagField::Track, ItemKey::TrackNumber, "TRACKNUMBER"),
    (TagField::TrackTotal, ItemKey::TrackTotal, "TRACKTOTAL"),
    (TagField::Disc, ItemKey::DiscNumber, "DISCNUMBER"),
    (TagField::DiscTotal, ItemKey::DiscTotal, "DISCTOTAL"),
    (TagField::Date, ItemKey::RecordingDate, "DATE"),
    (TagField::Genre, ItemKey::Genre, "GENRE"),
    (TagField::Composer, ItemKey::Composer, "COMPOSER"),
    (TagField::Comment, ItemKey::Comment, "COMMENT"),
    (TagField::Bpm, ItemKey::IntegerBpm, "BPM"),
    (TagField::Key, ItemKey::InitialKey, "INITIALKEY"),
    (TagField::Isrc, ItemKey::Isrc, "ISRC"),
];

/// Picture of the front cover.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cover {
    /// MIME type, such as `image/jpeg` or `image/png`.
    pub mime: String,
    /// Bytes of the picture file.
    pub data: Vec<u8>,
}

impl Cover {
    fn with_plain_mime(mut self) -> Self {
        let is_plain = |c: u8| c == b' ' || c.is_ascii_graphic();
        if !self.mime.bytes().all(is_plain) {
            self.mime = match self.data.as_slice() {
                [0xff, 0xd8, 0xff, ..] => "image/jpeg",
                [0x89, b'P', b'N', b'G', ..] => "image/png",
                _ => "",
            }
            .to_owned();
        }
        self
    }
}

impl Tags {
    /// Reads the tags of the file under `path`. Returns empty tags if the file has none or they
    /// cannot be read, which is never an error.
    pub fn read(path: impl AsRef<Path>) -> Self {
        // Treat a panic on damaged tags as no tags.
        catch_unwind(AssertUnwindSafe(|| read(path.as_ref())))
            .ok()
            .flatten()
            .unwrap_or_default()
    }

    /// Returns whether there are no tags.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
            && self.cover.is_none()
            && self.broadcast.is_none()
            && self.program.is_none()
    }

    /// Returns the tags of a stem called `stem`, whose title says so, written by `version` of
    /// Sextet.
    #[must_use]
    pub fn of_stem(&self, stem: &str, version: &str) -> Self {
        let mut tags = self.clone();
        let title = match self.get(TagField::Title) {
            Some(title) => format!("{title} ({stem})"),
            None => stem.to_owned(),
        };
        tags.set(TagField::Title, title);
        tags.program = Some(format!("{PROGRAM}{version}"));
        tags
    }

    /// Returns the tags of a file that holds the song and its stems, written by `version` of
    /// Sextet.
    #[must_use]
    pub fn of_stems(&self, version: &str) -> Self {
        let mut tags = self.clone();
        tags.program = Some(format!("{PROGRAM}{version}"));
        tags
    }

    /// Returns whether the tags are those of a stem that Sextet has written.
    pub fn is_stem(&self) -> bool {
        self.program.is_some()
    }

    /// Returns the text of `field`.
    pub fn get(&self, field: TagField) -> Option<&str> {
        self.fields
            .iter()
            .find(|(found, _)| *found == field)
            .map(|(_, text)| text.as_str())
    }

    /// Sets the text of `field`, or removes the field if `text` is empty.
    pub fn set(&mut self, field: TagField, text: impl Into<String>) {
        // Neither ID3 nor RIFF can hold a NUL inside a text.
        let text = text.into().replace('\0', " ");
        self.fields.retain(|(found, _)| *found != field);
        if !text.is_empty() {
            self.fields.push((field, text));
        }
    }

    /// Returns the front cover.
    pub fn cover(&self) -> Option<&Cover> {
        self.cover.as_ref()
    }

    /// Sets or removes the front cover. A cover of more than 8 MiB is left out. A MIME type that is
    /// not printable ASCII, with which readers refuse a whole FLAC file, becomes that of the
    /// picture's first bytes.
    pub fn set_cover(&mut self, cover: Option<Cover>) {
        let small = cover.filter(|cover| cover.data.len() <= LARGEST_COVER);
        self.cover = small.map(Cover::with_plain_mime);
    }

    /// Returns the fields under their names in Vorbis comments.
    pub(super) fn vorbis_fields(&self) -> impl Iterator<Item = (&'static str, &str)> {
        FIELDS
            .iter()
            .filter_map(|&(field, _, name)| Some((name, self.get(field)?)))
            .chain(self.program.as_deref().map(|program| ("ENCODER", program)))
    }

    /// Returns the body of a WAVE file's `bext` chunk, for a file at `rate_hz`.
    pub(super) fn broadcast(&self, rate_hz: u32) -> Option<Vec<u8>> {
        Some(self.broadcast.as_ref()?.at(rate_hz))
    }

    /// Returns the tags as an ID3 tag; empty if there are none.
    pub(super) fn id3(&self) -> Vec<u8> {
        self.wave_chunks().1
    }

    /// Returns the tags as Vorbis comments, with the cover among them, behind the name of the
    /// encoder; empty if they do not fit the format.
    pub(super) fn vorbis_comments(&self, vendor: &str) -> Vec<u8> {
        let mut comments = VorbisComments::default();
        comments.set_vendor(vendor.to_owned());
        for (name, text) in self.vorbis_fields() {
            comments.push(name.to_owned(), text.to_owned());
        }
        if let Some(picture) = self.picture() {
            // Sizes of 0 refer the reader to the picture itself.
            let information = PictureInformation::from_picture(&picture).unwrap_or_default();
            // Inserting fails only where the picture itself has to be looked at.
            let _ = comments.insert_picture(picture, Some(information));
        }

        let mut bytes = Vec::new();
        // Writing to memory fails only where a text does not fit the format.
        let options = WriteOptions::default().preferred_padding(0);
        if comments.dump_to(&mut bytes, options).is_err() {
            bytes.clear();
        }
        bytes
    }

    /// Returns the tags as the `ilst` atom of an MP4 file; empty if there are none.
    pub(super) fn ilst(&self) -> Vec<u8> {
        let mut list = Vec::new();
        // Writing to memory fails only where a text does not fit the format.
        let written = Ilst::from(self.to_lofty()).dump_to(&mut list, WriteOptions::default());
        if written.is_err() {
            list.clear();
        }
        list
    }

    /// Returns the bodies of a WAVE file's `LIST` and `id3 ` chunks. The `LIST` chunk holds no
    /// cover.
    pub(super) fn wave_chunks(&self) -> (Vec<u8>, Vec<u8>) {
        let (mut list, mut id3) = (Vec::new(), Vec::new());
        let has_text = !self.fields.is_empty() || self.program.is_some();
        if !has_text && self.cover.is_none() {
            return (list, id3);
        }

        let tag = self.to_lofty();

        // Writing to memory fails only where a text does not fit the format. The chunk is then left
        // out.
        let mut info = Vec::new();
        let riff = lofty::iff::wav::RiffInfoList::from(tag.clone());
        if riff.dump_to(&mut info, WriteOptions::default()).is_ok()
            && info.starts_with(b"LIST")
            && info.len() > 12
        {
            list = info.split_off(8);
        }
        if in_order(Id3v2Tag::from(tag))
            .dump_to(&mut id3, WriteOptions::default())
            .is_err()
        {
            id3.clear();
        }
        (list, id3)
    }

    fn to_lofty(&self) -> Tag {
        let mut tag = Tag::new(TagType::Id3v2);
        for (field, key, _) in FIELDS {
            if let Some(text) = self.get(field) {
                tag.insert_text(key, text.to_owned());
            }
        }

        if let Some(program) = &self.program {
            tag.insert_text(ItemKey::EncoderSoftware, program.clone());
        }

        if let Some(picture) = self.picture() {
            tag.push_picture(picture);
        }

        tag
    }

    /// Returns the cover as lofty has it.
    fn picture(&self) -> Option<Picture> {
        let Cover { mime, data } = self.cover.as_ref()?;
        let picture = Picture::unchecked(data.clone()).pic_type(PictureType::CoverFront);
        Some(picture.mime_type(MimeType::from_str(mime)).build())
    }
}

/// Sorts the frames, whose order is drawn by chance otherwise, so that the same song gives the same
/// bytes.
fn in_order(tag: Id3v2Tag) -> Id3v2Tag {
    let mut frames: Vec<Frame<'static>> = tag.into_iter().collect();
    frames.sort_by_key(|frame| {
        let description = match frame {
            Frame::UserText(text) => text.description.to_string(),
            _ => String::new(),
        };
        (frame.id_str().to_owned(), description)
    });

    let mut sorted = Id3v2Tag::default();
    for frame in frames {
        sorted.insert(frame);
    }
    sorted
}

fn read(path: &Path) -> Option<Tags> {
    // Items that cannot be read, such as a date that is none, are left out; otherwise they would
    // cost all tags of the file.
    let mut options = ParseOptions::new();
    options.read_properties(false);
    options.parsing_mode(ParsingMode::Relaxed);
    let file = Probe::open(path)
        .ok()?
        .options(options)
        .guess_file_type()
        .ok()?
        .read()
        .ok()?;

    let mut tags = Tags {
        broadcast: Broadcast::read(path),
        ..Tags::default()
    };

    // Read the format's primary tag first.
    let all = file.primary_tag().into_iter().chain(file.tags());
    all.for_each(|tag| fill(&mut tags, tag));
    Some(tags)
}

/// Fills the fields of `tags` that are missing from `tag`.
fn fill(tags: &mut Tags, tag: &Tag) {
    for (field, key, _) in FIELDS {
        let text = tag.get_string(key).or_else(|| match field {
            TagField::Date => tag.get_string(ItemKey::Year),
            TagField::Bpm => tag.get_string(ItemKey::Bpm),
            _ => None,
        });
        if let (None, Some(text)) = (tags.get(field), text) {
            tags.set(field, text);
        }
    }

    // ID3 has one frame for both.
    let program = tag.get_string(ItemKey::EncoderSoftware);
    let program = program.or_else(|| tag.get_string(ItemKey::EncoderSettings));
    if let (None, Some(program)) = (&tags.program, program)
        && program.starts_with(PROGRAM)
    {
        tags.program = Some(program.to_owned());
    }

    let front = tag
        .get_picture_type(PictureType::CoverFront)
        .or_else(|| tag.pictures().first());
    if let (None, Some(picture)) = (&tags.cover, front) {
        let mime = picture.mime_type().map_or("", MimeType::as_str).to_owned();
        tags.set_cover(Some(Cover {
            mime,
            data: picture.data().to_vec(),
        }));
    }
}

#[cfg(test)]
mod tests {
    use sextet_cases::each_case;

    use super::*;

    #[test]
    fn a_mime_type_that_readers_refuse_becomes_that_of_the_picture() {
        let jpeg: &[u8] = &[0xff, 0xd8, 0xff, 0xe0];
        let cases = [
            ("image/png", jpeg, "image/png"),
            ("", jpeg, ""),
            ("image/j\u{fffd}eg", jpeg, "image/jpeg"),
            ("image/jp\0g", jpeg, "image/jpeg"),
            ("bild/\u{f6}", b"\x89PNG\r\n", "image/png"),
            ("bild/\u{f6}", b"GIF89a", ""),
        ];
        each_case(cases, |(mime, data, expected)| {
            let mut tags = Tags::default();
            tags.set_cover(Some(Cover {
                mime: mime.to_owned(),
                data: data.to_vec(),
            }));
            assert_eq!(tags.cover().unwrap().mime, expected);
        });
    }

    #[test]
    fn the_same_tags_give_the_same_bytes() {
        let mut tags = Tags::default();
        for (field, _, name) in FIELDS {
            tags.set(field, name);
        }
        let stem = tags.of_stem("bass", "0.1.0");

        let (list, id3) = stem.wave_chunks();
        assert!(!list.is_empty() && !id3.is_empty());
        for _ in 0..20 {
            assert_eq!(stem.wave_chunks(), (list.clone(), id3.clone()));
        }
    }
}
