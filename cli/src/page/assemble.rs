//! The page's text: `web/page.html` with everything in its place. Texts of a song are escaped.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::GENERATOR;
use super::facts::{About, Codec, PageFacts};
use crate::time::clock;

const PAGE: &str = include_str!("web/page.html");
const STYLE: &str = include_str!("web/page.css");

/// The scripts, each of which uses those before it.
const SCRIPTS: [&str; 12] = [
    include_str!("web/encoded.js"),
    include_str!("web/sync.js"),
    include_str!("web/mix.js"),
    include_str!("web/deck.js"),
    include_str!("web/player.js"),
    include_str!("web/peaks.js"),
    include_str!("web/spectrum.js"),
    include_str!("web/picture.js"),
    include_str!("web/lane.js"),
    include_str!("web/timeline.js"),
    include_str!("web/keys.js"),
    include_str!("web/main.js"),
];

/// Bytes of audio in one element, divisible by 3. No text of the page is too long for a browser.
const PIECE_BYTES: usize = 3 << 20;

/// Writes the page of the song that `about` describes to `out`. `files` are its stems in the format
/// of `codec`, in the order of `facts.stems`. Returns the number of bytes.
///
/// # Errors
/// When a file cannot be read or `out` cannot be written to.
pub(super) fn assemble(
    out: impl Write + Seek,
    about: &About,
    codec: Codec,
    facts: &PageFacts,
    files: &[PathBuf],
) -> io::Result<u64> {
    let mut out = BufWriter::new(out);
    let mut rest = PAGE;
    while let Some((before, name, after)) = next_place(rest) {
        out.write_all(before.as_bytes())?;
        match name {
            "audio" => write_audio(&mut out, files)?,
            name => out.write_all(value(name, about, codec, facts)?.as_bytes())?,
        }
        rest = after;
    }
    out.write_all(rest.as_bytes())?;
    out.flush()?;
    out.stream_position()
}

/// Splits `text` at its first `{{name}}`.
fn next_place(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once("{{")?;
    let (name, after) = rest.split_once("}}")?;
    Some((before, name, after))
}

/// Returns the text for the place called `name`.
fn value(name: &str, about: &About, codec: Codec, facts: &PageFacts) -> io::Result<String> {
    Ok(match name {
        "generator" => format!("{GENERATOR}{}", env!("CARGO_PKG_VERSION")),
        "policy" => policy(),
        "title" => escape(&about.title),
        "about" => escape(&about_line(about, facts)),
        "style" => STYLE.to_owned(),
        "made" => escape(&made_line(about, codec)),
        "facts" => json(facts)?,
        "scripts" => SCRIPTS
            .map(|script| format!("<script>{script}</script>\n"))
            .concat(),
        _ => return Err(io::Error::other(format!("the page has no value '{name}'"))),
    })
}

fn about_line(about: &About, facts: &PageFacts) -> String {
    let seconds = facts.frames as f64 / f64::from(facts.rate_hz);
    let stems = match facts.stems.len() {
        1 => "1 stem".to_owned(),
        several => format!("{several} stems"),
    };
    let artist = about.artist.iter().cloned();
    let line = artist.chain([clock(seconds), stems, about.model.clone()]);
    line.collect::<Vec<_>>().join(" · ")
}

fn made_line(about: &About, codec: Codec) -> String {
    format!(
        "Separated by Sextet {} with the model {}. The stems are in this file, as {}; nothing is \
         loaded from anywhere.",
        env!("CARGO_PKG_VERSION"),
        about.model,
        codec.name()
    )
}

/// Returns the page's policy: its own scripts and style by their hashes, and nothing else from
/// anywhere.
fn policy() -> String {
    let hash = |text: &str| {
        let digest = Sha256::digest(text.as_bytes());
        format!("'sha256-{}'", STANDARD.encode(digest))
    };
    format!(
        "default-src 'none'; script-src {}; style-src {}; base-uri 'none'; form-action 'none'",
        SCRIPTS.map(hash).join(" "),
        hash(STYLE)
    )
}

/// Escapes a text for an element or a quoted attribute of HTML.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // A browser reads no other control characters.
            control if control.is_control() => escaped.push(' '),
            other => escaped.push(other),
        }
    }
    escaped
}

/// Returns `facts` as JSON that can stand in a `<script>` element.
fn json(facts: &PageFacts) -> io::Result<String> {
    let text = serde_json::to_string(facts)?;
    Ok(text.replace('<', "\\u003c").replace('>', "\\u003e"))
}

/// Writes the stems as elements that hold base64.
fn write_audio(out: &mut impl Write, files: &[PathBuf]) -> io::Result<()> {
    for (stem, path) in files.iter().enumerate() {
        let mut file = BufReader::new(File::open(path)?);
        loop {
            let mut piece = Vec::new();
            (&mut file)
                .take(PIECE_BYTES as u64)
                .read_to_end(&mut piece)?;
            if piece.is_empty() {
                break;
            }

            let text = STANDARD.encode(&piece);
            writeln!(
                out,
                "<script type=\"application/octet-stream\" data-stem=\"{stem}\">{text}</script>"
            )?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use sextet_cases::each_case;

    use super::*;

    fn page(title: &str, artist: Option<&str>, model: &str, stem: &str, audio: &[u8]) -> String {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("0.flac");
        std::fs::write(&file, audio).unwrap();

        let about = About {
            title: title.to_owned(),
            artist: artist.map(str::to_owned),
            model: model.to_owned(),
        };
        let facts = PageFacts {
            frames: 44_100 * 83,
            rate_hz: 44_100,
            lead_frames: 8192,
            mark_frame: 2048,
            gain: 2.0,
            stems: vec![stem.to_owned()],
        };
        let mut out = Cursor::new(Vec::new());
        let bytes = assemble(&mut out, &about, Codec::Flac, &facts, &[file]).unwrap();
        assert_eq!(bytes, out.get_ref().len() as u64);
        String::from_utf8(out.into_inner()).unwrap()
    }

    #[test]
    fn a_page_says_what_it_is_and_holds_the_audio() {
        let audio: Vec<u8> = (0..PIECE_BYTES + 1000).map(|n| (n % 251) as u8).collect();
        let page = page("Song", Some("Band"), "sextet-mini", "drums", &audio);
        let cases = [
            "<title>Song – stems</title>",
            "<h1>Song</h1>",
            "Band · 1:23 · 1 stem · sextet-mini",
            "<meta name=\"generator\" content=\"Sextet ",
            "\"frames\":3660300",
            "as FLAC",
        ];
        each_case(cases, |expected| {
            assert!(page.contains(expected), "{expected}");
        });
        assert!(next_place(&page).is_none(), "a place was left empty");

        let mut found = Vec::new();
        for element in page.split("data-stem=\"0\">").skip(1) {
            let text = element.split_once("</script>").unwrap().0;
            found.extend(STANDARD.decode(text).unwrap());
        }
        assert!(found == audio, "{} bytes", found.len());
    }

    #[test]
    fn nothing_in_it_comes_from_elsewhere() {
        let page = page("Song", None, "m", "drums", b"audio");
        let addresses: Vec<_> = page.match_indices("://").collect();
        assert!(addresses.is_empty(), "{addresses:?}");
        let cases = ["<link", "src=", "@import", "url(", "import ", "fetch("];
        each_case(cases, |forbidden| {
            assert!(!page.contains(forbidden), "{forbidden}");
        });
    }

    #[test]
    fn texts_of_a_song_stay_texts() {
        let plain = page("t", Some("t"), "t", "t", b"audio");
        let count = |page: &str| page.matches('<').count();

        let texts = [
            "</script><img src=x onerror=alert(1)>",
            "</title><script>alert(1)</script>",
            "\" onload=\"alert(1)",
            "' onload='alert(1)",
            "<!-- <script>",
            "]]></style>",
            "&lt;b&gt;",
            "{{audio}}{{scripts}}",
            "a\0b\u{1b}c",
        ];
        each_case(texts, |text| {
            let found = page(text, Some(text), text, text, b"audio");
            assert_eq!(count(&found), count(&plain), "{text}");
            assert!(!found.contains(&format!("<h1>{text}")) || !text.contains('<'));

            let json = found.split("id=\"facts\">").nth(1).unwrap();
            let json = json.split_once("</script>").unwrap().0;
            let facts: serde_json::Value = serde_json::from_str(json).unwrap();
            assert_eq!(facts["stems"][0], text);
        });

        let escaped = "&lt;/script&gt;&lt;img src=x onerror=alert(1)&gt;";
        assert_eq!(escape(texts[0]), escaped);
    }
}
