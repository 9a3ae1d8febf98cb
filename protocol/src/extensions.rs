//! Extensions of the audio files that can be separated: the command takes them from a folder, the
//! plugin's dialog shows them. A file that is named is read whatever its extension.

/// Extensions of the files that Sextet decodes itself, in lower case.
pub const AUDIO_EXTENSIONS: &[&str] = &[
    "wav", "wave", "rf64", "bwf", "w64", "aif", "aiff", "aifc", "au", "snd", "flac", "mp1", "mp2",
    "mp3", "mpga", "mp4", "m4a", "m4b", "m4v", "mov", "3gp", "3g2", "aac", "adts", "alac", "ogg",
    "oga", "opus", "caf", "mka", "mkv", "webm", "weba",
];

/// Extensions of the files that are decoded where there is an ffmpeg, in lower case.
pub const FFMPEG_EXTENSIONS: &[&str] = &[
    "wma", "asf", "wmv", "wv", "ape", "mpc", "tta", "tak", "ofr", "shn", "ac3", "eac3", "dts",
    "thd", "mlp", "amr", "awb", "dsf", "dff", "oma", "aa3", "ra", "rm", "voc", "avi", "mpg",
    "mpeg", "vob", "ts", "m2ts", "mts", "flv", "mxf", "spx",
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn extensions_are_lower_case_and_listed_once() {
        let all = [AUDIO_EXTENSIONS, FFMPEG_EXTENSIONS].concat();
        let kinds: BTreeSet<&str> = all.iter().copied().collect();
        assert_eq!(kinds.len(), all.len());

        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let odd = kinds.iter().filter(|kind| !kind.chars().all(is_plain));
        assert_eq!(odd.collect::<Vec<_>>(), Vec::<&&str>::new());
    }
}
