//! Title, artist, cover and their like: read from the input, written to the outputs.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use lofty::config::{ParseOptions, WriteOptions};
use lofty::file::TaggedFileExt as _;
use lofty::id3::v2::Id3v2Tag;
use lofty::picture::{MimeType, Picture, PictureType};
use lofty::probe::Probe;
use lofty::tag::{ItemKey, Tag, TagExt as _, TagType};

/// A cover larger than this is left out.
const LARGEST_COVER: usize = 8 << 20;

/// What is said about a song: only what still holds for a stem of it. Loudness values,
/// fingerprints, identifiers of the recording and encoder settings are left behind on purpose.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tags {
    fields: Vec<(TagField, String)>,
    cover: Option<Cover>,
}

/// One thing that is said about a song.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TagField {
    /// The song's title.
    Title,
    /// Who plays it.
    Artist,
    /// The album's title.
    Album,
    /// Who the album is filed under.
    AlbumArtist,
    /// Number of the track on its disc.
    Track,
    /// Tracks on the disc.
    TrackTotal,
    /// Number of the disc.
    Disc,
    /// Discs of the album.
    DiscTotal,
    /// Year or full date.
    Date,
    /// Genre.
    Genre,
    /// Who wrote it.
    Composer,
    /// Free text.
    Comment,
}

/// For each field: lofty's name of it, and the name in a Vorbis comment.
const FIELDS: [(TagField, ItemKey, &str); 12] = [
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
];

/// A picture of the front cover.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cover {
    /// `image/jpeg`, `image/png` and so on.
    pub mime: String,
    /// The picture file.
    pub data: Vec<u8>,
}

impl Tags {
    /// The tags of the file under `path`; none where there are none or they cannot be read, which
    /// is never an error.
    pub fn read(path: impl AsRef<Path>) -> Self {
        // A panic on damaged tags counts as no tags, too.
        catch_unwind(AssertUnwindSafe(|| read(path.as_ref())))
            .ok()
            .flatten()
            .unwrap_or_default()
    }

    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty() && self.cover.is_none()
    }

    /// What is said of `field`.
    pub fn get(&self, field: TagField) -> Option<&str> {
        self.fields
            .iter()
            .find(|(found, _)| *found == field)
            .map(|(_, text)| text.as_str())
    }

    /// Says `text` of `field`; nothing, where `text` is empty.
    pub fn set(&mut self, field: TagField, text: impl Into<String>) {
        // Neither ID3 nor RIFF can hold a NUL inside a text.
        let text = text.into().replace('\0', " ");
        self.fields.retain(|(found, _)| *found != field);
        if !text.is_empty() {
            self.fields.push((field, text));
        }
    }

    /// The front cover.
    pub fn cover(&self) -> Option<&Cover> {
        self.cover.as_ref()
    }

    /// Sets or removes the front cover; one of more than 8 MiB is left out.
    pub fn set_cover(&mut self, cover: Option<Cover>) {
        self.cover = cover.filter(|cover| cover.data.len() <= LARGEST_COVER);
    }

    /// What is said, by the names of Vorbis comments.
    pub(super) fn vorbis_fields(&self) -> impl Iterator<Item = (&'static str, &str)> {
        FIELDS
            .iter()
            .filter_map(|&(field, _, name)| Some((name, self.get(field)?)))
    }

    /// The bodies of a WAVE file's `LIST` and `id3 ` chunks; the former without the cover.
    pub(super) fn wave_chunks(&self) -> (Vec<u8>, Vec<u8>) {
        let (mut list, mut id3) = (Vec::new(), Vec::new());
        if self.is_empty() {
            return (list, id3);
        }

        let tag = self.to_lofty();

        // Writing to memory fails only where a text does not fit its format: then the chunk is left
        // out.
        let mut info = Vec::new();
        let riff = lofty::iff::wav::RiffInfoList::from(tag.clone());
        if riff.dump_to(&mut info, WriteOptions::default()).is_ok()
            && info.starts_with(b"LIST")
            && info.len() > 12
        {
            list = info.split_off(8);
        }
        if Id3v2Tag::from(tag)
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

        if let Some(Cover { mime, data }) = &self.cover {
            let picture = Picture::unchecked(data.clone()).pic_type(PictureType::CoverFront);
            tag.push_picture(picture.mime_type(MimeType::from_str(mime)).build());
        }

        tag
    }
}

fn read(path: &Path) -> Option<Tags> {
    let mut options = ParseOptions::new();
    options.read_properties(false);
    let file = Probe::open(path)
        .ok()?
        .options(options)
        .guess_file_type()
        .ok()?
        .read()
        .ok()?;

    let mut tags = Tags::default();

    // The format's own tag first: what it does not say may be in another.
    let all = file.primary_tag().into_iter().chain(file.tags());
    for tag in all {
        for (field, key, _) in FIELDS {
            let text = tag.get_string(key).or_else(|| match field {
                TagField::Date => tag.get_string(ItemKey::Year),
                _ => None,
            });
            if let (None, Some(text)) = (tags.get(field), text) {
                tags.set(field, text);
            }
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

    Some(tags)
}
