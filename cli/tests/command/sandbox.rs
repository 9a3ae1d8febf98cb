//! Fixtures of the tests: a folder, a tiny model, songs, and the command.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use assert_cmd::Command;
use sextet_separator::audio::{Audio, AudioFile};
use tempfile::TempDir;

/// Lets the program heed the signals that end it, even where the tests themselves ignore them:
/// whoever runs them in the background may have that asked for, and the command keeps to it.
pub(crate) fn heed_signals(command: &mut std::process::Command) {
    #[cfg(unix)]
    {
        use std::os::unix::process::CommandExt as _;
        // SAFETY: between fork and exec nothing but `signal` is called, which is safe there.
        unsafe {
            command.pre_exec(|| {
                for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGTERM] {
                    libc::signal(signal, libc::SIG_DFL);
                }
                Ok(())
            });
        }
    }
    #[cfg(not(unix))]
    let _ = command;
}

/// A temporary folder of one test, in which the command runs.
pub(crate) struct Sandbox(TempDir);

impl Sandbox {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(native(name))
    }

    /// Returns `sextet` with `arguments`, in this folder, with a cache of its own and no hub.
    pub(crate) fn sextet(&self, arguments: &[&str]) -> Command {
        let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin!("sextet"));
        heed_signals(&mut command);
        let mut command = Command::from_std(command);
        command.args(arguments).current_dir(self.0.path());
        command
            .env("SEXTET_CACHE", self.path(".cache"))
            .env("HF_HOME", self.path(".hf"))
            .env("HF_ENDPOINT", "http://127.0.0.1:1");

        let hub = [
            "HF_HUB_CACHE",
            "HUGGINGFACE_HUB_CACHE",
            "HF_TOKEN",
            "HF_TOKEN_PATH",
            "HF_HUB_DISABLE_IMPLICIT_TOKEN",
        ];

        let proxies = ["ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"];
        for unset in hub.into_iter().chain(proxies).chain(["RUST_BACKTRACE"]) {
            command
                .env_remove(unset)
                .env_remove(unset.to_ascii_lowercase());
        }

        command
    }

    /// Returns `sextet separate` with the tiny model and `arguments`.
    pub(crate) fn separate(&self, arguments: &[&str]) -> Command {
        let mut command = self.sextet(&["separate", "--threads", "1", "-m"]);
        command.arg(tiny_model()).args(arguments);
        command
    }

    /// Writes a stereo song of `seconds` under `name`.
    pub(crate) fn song(&self, name: &str, seconds: f64) -> PathBuf {
        self.song_of(name, 44_100, 2, seconds)
    }

    pub(crate) fn song_of(
        &self,
        name: &str,
        rate_hz: u32,
        channels: usize,
        seconds: f64,
    ) -> PathBuf {
        let frames = (seconds * f64::from(rate_hz)) as usize;
        let samples = (0..frames * channels).map(|i| {
            let (frame, channel) = (i / channels, i % channels);
            let time_s = frame as f64 / f64::from(rate_hz);
            (0.4 * (time_s * std::f64::consts::TAU * 220.0 * (channel + 1) as f64).sin()
                * (time_s * 3.0).sin()) as f32
        });
        self.wav(name, rate_hz, channels, &samples.collect::<Vec<_>>())
    }

    /// Writes a float32 WAV of interleaved `samples`.
    pub(crate) fn wav(
        &self,
        name: &str,
        rate_hz: u32,
        channels: usize,
        samples: &[f32],
    ) -> PathBuf {
        let data: Vec<u8> = samples
            .iter()
            .flat_map(|sample| sample.to_le_bytes())
            .collect();
        self.file(
            name,
            &wav_bytes(rate_hz, channels, data.len() as u32, &data),
        )
    }

    pub(crate) fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    /// Returns all files below `folder`, relative to it, sorted, with `/` between their parts. The
    /// manifests beside stems are left out; `manifest.rs` is about them.
    pub(crate) fn files(&self, folder: &str) -> Vec<String> {
        let root = self.path(folder);
        let mut found = Vec::new();
        collect(&root, &root, &mut found);
        found.sort();
        found
    }
}

fn collect(root: &Path, folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(root, &path, found);
        } else if path.file_name().is_some_and(|name| name != "sextet.json") {
            found.push(
                path.strip_prefix(root)
                    .unwrap()
                    .to_string_lossy()
                    .replace('\\', "/"),
            );
        }
    }
}

/// Returns a float32 WAV whose header claims `data_bytes`, whatever the length of `data`.
pub(crate) fn wav_bytes(rate_hz: u32, channels: usize, data_bytes: u32, data: &[u8]) -> Vec<u8> {
    let block = 4 * channels as u32;
    let mut bytes = b"RIFF".to_vec();
    bytes.extend((36 + data_bytes).to_le_bytes());
    bytes.extend(b"WAVEfmt \x10\0\0\0\x03\0");
    bytes.extend((channels as u16).to_le_bytes());

    bytes.extend(rate_hz.to_le_bytes());
    bytes.extend((rate_hz * block).to_le_bytes());
    bytes.extend((block as u16).to_le_bytes());
    bytes.extend(b"\x20\0data");
    bytes.extend(data_bytes.to_le_bytes());

    bytes.extend(data);
    bytes
}

/// Reads all samples of an audio file.
pub(crate) fn read(path: impl AsRef<Path>) -> Audio {
    let file = AudioFile::open(path).unwrap();
    let mut stream = file.stream().unwrap();

    let mut channels: Vec<Vec<f32>> = vec![Vec::new(); stream.layout().channels];
    while let Some(block) = stream.next_block().unwrap() {
        channels
            .iter_mut()
            .zip(block.channels())
            .for_each(|(all, new)| all.extend(new));
    }

    Audio::new(channels, stream.layout().rate_hz)
}

/// Returns the path of the tiny model's checkpoint: six stems, 1 s a chunk, random weights.
pub(crate) fn tiny_model() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let (path, unfinished) = (
            folder.join("tiny.safetensors"),
            folder.join(std::process::id().to_string()),
        );
        fs::write(&unfinished, tiny_model_bytes()).unwrap();
        fs::rename(unfinished, &path).unwrap();
        path
    })
}

/// Returns the tiny model as bytes of a safetensors file.
pub(crate) fn tiny_model_bytes() -> Vec<u8> {
    let header = include_str!("../fixtures/tiny.json").trim_end();
    let tensors: serde_json::Map<String, serde_json::Value> = serde_json::from_str(header).unwrap();
    let end = tensors
        .values()
        .filter_map(|tensor| tensor["data_offsets"][1].as_u64())
        .max()
        .unwrap();

    let mut data = vec![0; end as usize];
    let mut random = Random(7);
    for (name, tensor) in &tensors {
        let Some(begin) = tensor["data_offsets"][0].as_u64() else {
            continue;
        };

        let shape: Vec<u64> = tensor["shape"]
            .as_array()
            .unwrap()
            .iter()
            .map(|n| n.as_u64().unwrap())
            .collect();

        let fan_in = shape[1..].iter().product::<u64>() as f32;
        let place = data[begin as usize..].chunks_exact_mut(4);
        for value in place.take(shape.iter().product::<u64>() as usize) {
            let unit = random.next();
            let weight = match shape.len() {
                1 if name.ends_with("scale") => 0.5 + 0.2 * unit,
                1 if name.ends_with("weight") => 1.0 + 0.3 * unit,
                1 => 0.1 * unit,
                _ => 3.0 * unit / fan_in.sqrt(),
            };
            value.copy_from_slice(&weight.to_le_bytes());
        }
    }

    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.extend(data);

    bytes
}

/// A generator of numbers from -1 to 1, the same every time.
struct Random(u64);

impl Random {
    fn next(&mut self) -> f32 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1 << 23) as f32 - 1.0
    }
}

/// Returns a path as this system shows it; `path` has `/` between its parts.
pub(crate) fn native(path: &str) -> String {
    path.replace('/', std::path::MAIN_SEPARATOR_STR)
}

pub(crate) fn stdout(command: &mut Command) -> String {
    String::from_utf8(command.assert().success().get_output().stdout.clone()).unwrap()
}

/// Returns the standard error of the command, which must end with `code`.
pub(crate) fn stderr(command: &mut Command, code: i32) -> String {
    String::from_utf8(command.assert().code(code).get_output().stderr.clone()).unwrap()
}
