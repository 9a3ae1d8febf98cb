//! Entries of the stem cache with given stems.

use std::fs;
use std::path::Path;

use sextet_protocol::cache::{
    Entry, IN_USE_FILE, MANIFEST_FILE, MANIFEST_FORMAT, Manifest, Recipe, StemFile, sha256_of_file,
};
use sextet_protocol::worker::SeparationOptions;
use sextet_protocol::{Fingerprint, Folders, Stem};

/// Puts an entry into the cache: channel `side` of `stem` has `sample(stem, side, frame)`.
pub fn make(
    folders: &Folders,
    rate_hz: u32,
    frames: u64,
    sample: impl Fn(Stem, usize, u64) -> f32,
) -> Fingerprint {
    let audio = Fingerprint::of(
        format!("{rate_hz} {frames} {}", sample(Stem::Drums, 0, frames / 2)).as_bytes(),
    );
    let options = SeparationOptions::default();
    let recipe = Recipe {
        audio,
        model_hash: "test".to_owned(),
        engine: "test".to_owned(),
        pipeline: 0,
        options,
    };

    let key = recipe.key();
    let folder = folders.stems().join(key.to_string());
    fs::create_dir_all(&folder).unwrap();

    let stems = Stem::ALL.map(|stem| {
        let path = folder.join(StemFile::name(stem));
        let samples =
            (0..frames).flat_map(|frame| [sample(stem, 0, frame), sample(stem, 1, frame)]);
        write_wav(&path, rate_hz, &samples.collect::<Vec<_>>());

        let sha256 = sha256_of_file(&path, &|| false).unwrap();
        StemFile {
            stem,
            bytes: fs::metadata(&path).unwrap().len(),
            sha256,
        }
    });

    let manifest = Manifest {
        format: MANIFEST_FORMAT,
        sextet: "test".to_owned(),
        created_s: 0,
        song: "test".to_owned(),
        model: "no model".to_owned(),
        engine: "no engine".to_owned(),
        recipe,
        rate_hz,
        channels: 2,
        frames,
        stems: stems.to_vec(),
    };

    fs::write(folder.join(IN_USE_FILE), "").unwrap();
    fs::write(
        folder.join(MANIFEST_FILE),
        serde_json::to_string(&manifest).unwrap(),
    )
    .unwrap();

    key
}

/// Returns every entry of the cache.
pub fn all(folders: &Folders) -> Vec<Entry> {
    let names = fs::read_dir(folders.stems())
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name());
    let keys = names.filter_map(|name| name.to_str()?.parse().ok());
    keys.map(|key: Fingerprint| Entry::open(folders, &key).unwrap())
        .collect()
}

/// Writes a stereo float32 WAV file of interleaved samples.
pub fn write_wav(path: &Path, rate_hz: u32, samples: &[f32]) {
    let bytes = 4 * samples.len() as u32;
    let mut file = b"RIFF".to_vec();
    file.extend((36 + bytes).to_le_bytes());
    file.extend(b"WAVEfmt \x10\0\0\0\x03\0\x02\0");
    file.extend(rate_hz.to_le_bytes());

    file.extend((8 * rate_hz).to_le_bytes());
    file.extend(b"\x08\0\x20\0data");
    file.extend(bytes.to_le_bytes());
    file.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
    fs::write(path, file).unwrap();
}

/// Reads a stereo float32 WAV file; returns its rate and both channels.
pub fn read_wav(path: &Path) -> (u32, [Vec<f32>; 2]) {
    let bytes = fs::read(path).unwrap();
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    let (mut at, mut rate_hz) = (12, 0);

    loop {
        let (name, size) = (&bytes[at..at + 4], word(at + 4) as usize);
        match name {
            b"fmt " => rate_hz = word(at + 12),
            b"data" => {
                let samples = bytes[at + 8..at + 8 + size].chunks_exact(4);
                let samples: Vec<f32> = samples
                    .map(|word| f32::from_le_bytes(word.try_into().unwrap()))
                    .collect();
                let channel = |side| samples.iter().skip(side).step_by(2).copied().collect();
                return (rate_hz, [channel(0), channel(1)]);
            }
            _ => {}
        }

        at += 8 + size + size % 2;
    }
}
