//! Tests of RoFormers: configurations that are read, those that are refused and how it reads, where
//! they are looked for, and their tensors. `onnx_export.rs` compares their graphs with the
//! reference.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails is the test")]

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use safetensors::tensor::Dtype;
use sextet_cases::each_case;
use sextet_separator::model::{ExportOptions, ModelError, Precision};
use sextet_separator::{ErrorKind, Model, Separator, Stem};
use sextet_testing::checkpoint::Tensor;
use sextet_testing::roformer::{checkpoint, config, pickled, tensors};

/// Returns the variant of the error and its message.
fn refused(model: sextet_separator::Result<Model>) -> (String, String) {
    let error = model.expect_err("it is accepted");
    assert_eq!(error.kind(), ErrorKind::Model, "{error}");
    let cause = format!("{:?}", error.cause::<ModelError>().unwrap());
    let variant = cause.split([' ', '{']).next().unwrap().to_owned();
    (variant, error.to_string())
}

/// Returns the configuration with `from` replaced.
fn with(from: &str, to: &str) -> String {
    let config = config();
    assert!(config.contains(from), "{from}");
    config.replacen(from, to, 1)
}

#[test]
fn configurations_as_they_are_published_are_read() {
    let bytes = checkpoint(&tensors(&config()), 1).bytes();
    let none_of_inference = with(", chunk_size: 1024", "").replace("131584", "2048");
    let cases = [
        ("the small one", config(), 1024),
        ("the chunk of the audio", none_of_inference, 2048),
        (
            "nothing of the audio",
            with(
                "audio: {chunk_size: 131584, sample_rate: 44100, num_channels: 2}\n",
                "",
            ),
            1024,
        ),
        (
            "more sections",
            config() + "augmentations: {enable: true, loudness: [0.5, 1.5]}\n",
            1024,
        ),
        (
            "a float that is whole",
            with("chunk_size: 1024", "chunk_size: 1024.0"),
            1024,
        ),
        (
            "null as not there",
            with("dim: 8", "dim: 8, freq_range: null"),
            1024,
        ),
        ("capitals", with("[vocals, bass", "[Vocals, Bass"), 1024),
        (
            "normalised",
            with("num_overlap: 2", "num_overlap: 4, normalize: true"),
            1024,
        ),
        ("blocks instead of braces", blocks(), 1024),
    ];

    each_case(&cases, |(what, config, frames)| {
        let model = Model::read_with_config(&bytes, config);
        let model = model.unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(model.sources(), &Stem::ALL[..4], "{what}");
        assert_eq!(model.segment_frames(), *frames, "{what}");
    });
    println!("{} configurations read", cases.len());
}

/// Returns the small configuration as people write it.
fn blocks() -> String {
    let lines = [
        "model:",
        "  dim: 8",
        "  depth: 1",
        "  stereo: true",
        "  num_stems: 4",
        "  time_transformer_depth: 1",
        "  freq_transformer_depth: 1",
        "  freqs_per_bands: !!python/tuple",
        "    - 2",
        "    - 2",
        "    - 5",
        "    - 24",
        "  dim_head: 4",
        "  heads: 2  # of four",
        "  stft_n_fft: 64",
        "  stft_hop_length: 16",
        "  stft_win_length: 64",
        "  multi_stft_normalized: False",
        "",
        "training:",
        "  instruments:",
        "  - vocals",
        "  - bass",
        "  - drums",
        "  - other",
        "  target_instrument: null",
        "",
        "inference:",
        "  num_overlap: 2",
        "  chunk_size: 1024",
        "",
    ];
    lines.join("\n")
}

#[test]
fn what_is_not_supported_is_refused_by_name() {
    let bytes = checkpoint(&tensors(&config()), 1).bytes();
    let cases: Vec<(String, &str, &[&str])> = vec![
        (
            with("stereo: true", "stereo: false"),
            "Unsupported",
            &["mono audio", "stereo = false"],
        ),
        (with("stereo: true, ", ""), "Unsupported", &["mono audio"]),
        (
            with("dim: 8", "dim: 8, skip_connection: true"),
            "Unsupported",
            &["skip connections"],
        ),
        (
            with("dim: 8", "dim: 8, linear_transformer_depth: 1"),
            "Unsupported",
            &["linear attention"],
        ),
        (
            with("dim: 8", "dim: 8, freq_range: [0, 20]"),
            "Unsupported",
            &["freq_range", "a part of the spectrum"],
        ),
        (
            with("stft_normalized: False", "stft_normalized: true"),
            "Unsupported",
            &["stft_normalized = true"],
        ),
        (
            with("sample_rate: 44100", "sample_rate: 48000"),
            "Unsupported",
            &["another sample rate", "48000"],
        ),
        (
            with("num_channels: 2", "num_channels: 1"),
            "Unsupported",
            &["num_channels"],
        ),
        (
            with("dim: 8", "dim: 8, flux_capacitor: 3"),
            "UnknownSetting",
            &["'model'", "'flux_capacitor'"],
        ),
        (
            with("[vocals, bass", "[speech, bass"),
            "Instruments",
            &["speech, bass, drums, other"],
        ),
        (
            with("[vocals, bass", "[bass, bass"),
            "Instruments",
            &["each once"],
        ),
        (
            with("num_stems: 4", "num_stems: 3"),
            "Setting",
            &["num_stems is 3", "as many as the instruments"],
        ),
        (
            with("target_instrument: null", "target_instrument: vocals"),
            "Setting",
            &["num_stems is 4"],
        ),
        (
            with("[vocals, bass, drums, other]", "7"),
            "Setting",
            &["instruments is 7", "a list of texts"],
        ),
        (
            with("dim: 8", "dim: -8"),
            "Setting",
            &["dim is -8", "from 1 to 8192"],
        ),
        (with("dim: 8, ", ""), "Setting", &["dim is not there"]),
        (
            with("dim: 8", "dim: eight"),
            "Setting",
            &["dim is \"eight\""],
        ),
        (
            with("dim_head: 4", "dim_head: 5"),
            "Setting",
            &["dim_head is 5", "an even number"],
        ),
        (
            with("stft_n_fft: 64", "stft_n_fft: 100"),
            "Setting",
            &["stft_n_fft is 100", "a power of two"],
        ),
        (
            with("stft_hop_length: 16", "stft_hop_length: 32"),
            "Setting",
            &["stft_hop_length is 32", "a quarter"],
        ),
        (
            with("[2, 2, 5, 24]", "[2, 2, 5, 25]"),
            "Setting",
            &["34 frequencies in all", "33 frequencies"],
        ),
        (
            with("[2, 2, 5, 24]", "[9, 0, 24]"),
            "Setting",
            &["none empty"],
        ),
        (
            with(
                "freqs_per_bands: !!python/tuple [2, 2, 5, 24]",
                "num_bands: 50",
            ),
            "Setting",
            &["num_bands is 50"],
        ),
        (
            with("chunk_size: 1024", "chunk_size: 1000"),
            "Setting",
            &["chunk_size is 1000", "a multiple of"],
        ),
        (
            with("chunk_size: 1024", "chunk_size: 99999999"),
            "Setting",
            &["from 1 to 2646000"],
        ),
        (
            with("num_overlap: 2, ", ""),
            "Setting",
            &["num_overlap is not there"],
        ),
        (
            with("model:", "network:"),
            "NotConfig",
            &["no section 'model'"],
        ),
        (
            "models: [5c90dfd2]\n".to_owned(),
            "NotConfig",
            &["no section 'model'"],
        ),
        (
            "model: [1, 2]\n".to_owned(),
            "Setting",
            &["model is [1,2]", "a mapping"],
        ),
        ("just a text".to_owned(), "NotConfig", &["no mapping"]),
        (String::new(), "NotConfig", &[]),
        ("model: {dim: 8".to_owned(), "NotConfig", &[]),
        ("#".repeat(300_000), "NotConfig", &["300000 bytes"]),
    ];

    each_case(&cases, |(config, variant, named)| {
        let (found, message) = refused(Model::read_with_config(&bytes, config));
        let shown: String = config.chars().take(80).collect();
        assert_eq!(&found, variant, "{shown}: {message}");
        assert!(
            message.len() < 1000 && !message.contains(char::is_control),
            "{message}"
        );
        for part in *named {
            assert!(
                message.contains(part),
                "{shown}: '{message}' does not name '{part}'"
            );
        }
    });
    println!("{} configurations refused", cases.len());
}

#[test]
fn a_configuration_is_found_beside_its_checkpoint() {
    let whole = checkpoint(&tensors(&config()), 1);
    let files = [
        ("plain.ckpt", pickled(&whole, None)),
        ("nested.ckpt", pickled(&whole, Some("state_dict"))),
        ("model.pt", pickled(&whole, Some("model_state_dict"))),
        ("same.safetensors", whole.bytes()),
    ];
    let other = with("num_overlap: 2", "num_overlap: 4");

    each_case(&files, |(name, bytes)| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        let (variant, message) = refused(Model::open(&path));
        let expected = if name.ends_with("safetensors") {
            "MissingMetadata"
        } else {
            "NoDescription"
        };
        assert_eq!(variant, expected, "{message}");

        // The only one, then one of several, and one that is named.
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write("config.yaml", &config());
        let only = Model::open(&path).unwrap();
        write("other.yml", &other);
        assert_eq!(refused(Model::open(&path)).0, expected);
        let named = Model::open_with_config(&path, folder.path().join("other.yml")).unwrap();
        fs::copy(
            folder.path().join("config.yaml"),
            path.with_extension("yaml"),
        )
        .unwrap();
        let of_name = Model::open(&path).unwrap();

        // Stems are kept by the hash: another configuration is another model.
        assert_eq!(only.hash(), of_name.hash());
        assert_ne!(only.hash(), named.hash());
        let nowhere = Model::open_with_config(&path, Path::new("nowhere.yaml"));
        assert_eq!(refused(nowhere).0, "UnreadableConfig");
    });
    println!("{} kinds of files", files.len());
}

/// Checks that a model of demucs' does not take the YAML beside it, such as a bag's, for its own.
#[test]
fn a_model_that_says_what_it_is_needs_no_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/checkpoint/pickled/archive.th");
    let path = folder.path().join("5c90dfd2.th");
    fs::copy(model, &path).unwrap();
    fs::write(folder.path().join("htdemucs.yaml"), "models: [5c90dfd2]\n").unwrap();
    assert_eq!(Model::open(&path).unwrap().sources().len(), 4);
}

#[test]
fn every_kind_of_file_gives_the_same_graph() {
    let whole = checkpoint(&tensors(&config()), 5);
    let graph = |bytes: &[u8]| {
        let model = Model::read_with_config(bytes, &config()).unwrap();
        model.export_onnx(0, ExportOptions::new()).unwrap()
    };

    // The files' own hashes, as long as each other, are the only difference.
    let (a, b) = (graph(&whole.bytes()), graph(&pickled(&whole, None)));
    let differing = a.iter().zip(&b).filter(|(a, b)| a != b).count();
    assert!(
        a.len() == b.len() && differing <= 64,
        "{differing} bytes differ"
    );

    let model = Model::read_with_config(&whole.bytes(), &config()).unwrap();
    let half = model.export_onnx(0, ExportOptions::new().batch(3).precision(Precision::F16));
    assert!(half.unwrap().len() > 10_000);
    assert_eq!(
        model
            .export_onnx(0, ExportOptions::new().batch(0))
            .unwrap_err()
            .kind(),
        ErrorKind::Options
    );
    assert!(model.products() > 1_000_000);
}

#[test]
fn tensors_that_do_not_fit_are_refused() {
    let whole = checkpoint(&tensors(&config()), 1);
    let edited = |edit: &dyn Fn(&mut Vec<Tensor>)| {
        let mut changed = whole.clone();
        edit(&mut changed.tensors);
        refused(Model::read_with_config(&changed.bytes(), &config()))
    };

    let last = whole.tensors.len() - 1;
    let extra = Tensor::new(
        "layers.0.0.layers.0.0.to_value_residual_mix.bias",
        &[2],
        Dtype::F32,
        &[0.0; 2],
    );
    let (variant, message) = edited(&|tensors| drop(tensors.remove(last)));
    assert!(
        variant == "MissingTensor" && message.contains("mask_estimators"),
        "{message}"
    );
    let (variant, message) = edited(&|tensors| tensors.push(extra.clone()));
    assert!(
        variant == "ExtraTensors" && message.contains("to_value_residual_mix"),
        "{message}"
    );
    let (variant, message) = edited(&|tensors| {
        let name = tensors[last].name.clone();
        tensors[last] = Tensor::new(&name, &[3], Dtype::F32, &[0.0; 3]);
    });
    assert!(
        variant == "TensorShape" && message.contains("[3]"),
        "{message}"
    );
}

#[test]
fn a_model_that_cannot_be_run_says_so() {
    let bytes = checkpoint(&tensors(&config()), 1).bytes();
    let model = Model::read_with_config(&bytes, &config()).unwrap();
    let error = Separator::builder(model).build().err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Model);
    assert!(
        error.to_string().contains("exports as an ONNX graph"),
        "{error}"
    );
}

proptest! {
    /// Checks texts that resemble a configuration.
    #[test]
    fn no_text_makes_reading_panic(lines in proptest::collection::vec("[ \\-a-z_:{}\\[\\]0-9.,!&*\"'#|>]{0,30}", 0..8), at in 0_usize..400) {
        let text = lines.join("\n");
        prop_assert!(Model::read_with_config(b"", &text).is_err());
        let mut config = config();
        let at = (0..=at.min(config.len())).rev().find(|&at| config.is_char_boundary(at)).unwrap_or(0);
        config.insert_str(at, &text);
        let empty = checkpoint(&[], 1).bytes();
        prop_assert!(Model::read_with_config(&empty, &config).is_err());
    }
}
