//! Tests of the checkpoint reader: the files that it accepts, those that it refuses and with which
//! message, and that it never panics.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails is the test")]

use std::time::{Duration, Instant};

use proptest::prelude::*;
use safetensors::tensor::Dtype;
use serde_json::{Value as Json, json};
use sextet_separator::model::{ExportOptions, ModelError, Precision};
use sextet_separator::{ErrorKind, Model};
use sextet_testing::checkpoint::{Checkpoint, Tensor};
use sextet_testing::damage::{Random, damage};
use sextet_testing::small::{checkpoint, small, with};
use sextet_testing::targets::read_checkpoint;

/// Longest time in which a small file must be refused, however absurd it is. A hang or a huge
/// allocation would exceed it.
const PATIENCE: Duration = Duration::from_secs(5);

/// Checks that `bytes` are refused in time, with the error variant `variant` and a message that
/// contains all of `named`.
fn refused(what: &str, bytes: &[u8], variant: &str, named: &[&str]) {
    let start = Instant::now();
    let Err(error) = Model::read(bytes) else {
        panic!("{what}: accepted")
    };

    assert!(
        start.elapsed() < PATIENCE,
        "{what}: took {:?}",
        start.elapsed()
    );

    let message = error.to_string();
    assert_eq!(error.kind(), ErrorKind::Model, "{what}: {message}");
    let Some(cause) = error.cause::<ModelError>() else {
        panic!("{what}: not a ModelError: {message}")
    };

    let found = format!("{cause:?}");
    assert_eq!(
        found.split([' ', '{']).next(),
        Some(variant),
        "{what}: {message}"
    );

    let shown: String = message.chars().take(300).collect();
    assert!(
        !message.contains(char::is_control) && message.len() < 1_000,
        "{what}: {shown}"
    );

    for part in named {
        assert!(
            message.contains(part),
            "{what}: '{message}' does not name '{part}'"
        );
    }
}

/// Returns a small checkpoint with one argument changed.
fn changed(name: &str, value: Json) -> Vec<u8> {
    edited(|checkpoint| {
        let arguments = with(small(), name, value.clone());
        checkpoint
            .metadata
            .insert("kwargs".to_owned(), arguments.to_string());
    })
}

/// Returns a small checkpoint after `edit`.
fn edited(edit: impl FnOnce(&mut Checkpoint)) -> Vec<u8> {
    let mut checkpoint = checkpoint(&small(), 1);
    edit(&mut checkpoint);
    checkpoint.bytes()
}

/// Returns a small checkpoint with another value of a metadata entry, or without the entry.
fn metadata(entry: &str, value: Option<&str>) -> Vec<u8> {
    edited(|checkpoint| match value {
        Some(value) => drop(
            checkpoint
                .metadata
                .insert(entry.to_owned(), value.to_owned()),
        ),
        None => drop(checkpoint.metadata.remove(entry)),
    })
}

/// Returns a small checkpoint with one tensor changed.
fn tensor(edit: impl FnOnce(&mut Tensor)) -> Vec<u8> {
    edited(|checkpoint| {
        let tensor = checkpoint
            .tensors
            .iter_mut()
            .find(|tensor| tensor.name == TENSOR)
            .unwrap();
        edit(tensor);
    })
}

/// Name of the tensor that the tests change: [4], the first layer's bias.
const TENSOR: &str = "encoder.0.conv.bias";

#[test]
fn files_that_are_no_checkpoints_are_refused() {
    let good = checkpoint(&small(), 1).bytes();
    let header = u64::from_le_bytes(good[..8].try_into().unwrap());
    let with_header = |length: u64| [&length.to_le_bytes()[..], &good[8..]].concat();
    let text = |text: &str| [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat();
    let overlapping = r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;

    let huge =
        r#"{"a":{"dtype":"F32","shape":[4294967296,4294967296,4294967296],"data_offsets":[0,4]}}"#;
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("empty", vec![]),
        ("one byte", vec![0]),
        ("seven bytes", vec![0; 7]),
        ("eight zeros", vec![0; 8]),
        (
            "text",
            b"this is not a model, it is a letter to a friend".to_vec(),
        ),
        ("pickle", [&b"PK\x03\x04"[..], &[0; 400]].concat()),
        (
            "a WAV file",
            [&b"RIFF\x24\x00\x00\x00WAVEfmt "[..], &[1; 400]].concat(),
        ),
        ("header of no length", with_header(0)),
        (
            "header longer than the file",
            with_header(good.len() as u64),
        ),
        ("header of all lengths", with_header(u64::MAX)),
        ("header of half of all lengths", with_header(1 << 63)),
        ("header one shorter", with_header(header - 1)),
        ("header one longer", with_header(header + 1)),
        ("header that is a list", text("[]")),
        ("header that is deep", text(&"[".repeat(100_000))),
        (
            "header that is not UTF-8",
            [&3_u64.to_le_bytes()[..], &[0xff; 3]].concat(),
        ),
        (
            "tensor outside of the file",
            text(r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#),
        ),
        (
            "tensor backwards",
            text(r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}"#),
        ),
        (
            "tensors on top of each other",
            [text(overlapping), vec![0; 4]].concat(),
        ),
        (
            "tensor of more elements than there are numbers",
            [text(huge), vec![0; 4]].concat(),
        ),
        (
            "unknown element type",
            [
                text(r#"{"a":{"dtype":"F7","shape":[1],"data_offsets":[0,4]}}"#),
                vec![0; 4],
            ]
            .concat(),
        ),
        ("cut to a half", good[..good.len() / 2].to_vec()),
        ("cut by a byte", good[..good.len() - 1].to_vec()),
        ("cut in the header", good[..100].to_vec()),
        ("one byte more", [&good[..], &[0]].concat()),
    ];

    for (what, bytes) in &cases {
        refused(
            what,
            bytes,
            "NotSafetensors",
            &["not a safetensors checkpoint", "expected a whole"],
        );
    }

    println!("{} files that are no checkpoints refused", cases.len());
}

#[test]
fn metadata_that_do_not_describe_a_model_are_refused() {
    let deep = "[".repeat(10_000);
    let wide = format!("\"{}\"", "x".repeat(100_000));
    let cases: Vec<(&str, Option<&str>, &str, Vec<&str>)> = vec![
        ("klass", None, "MissingMetadata", vec!["'klass' is missing"]),
        ("args", None, "MissingMetadata", vec!["'args' is missing"]),
        (
            "kwargs",
            None,
            "MissingMetadata",
            vec!["'kwargs' is missing"],
        ),
        (
            "klass",
            Some(""),
            "WrongClass",
            vec!["demucs.htdemucs.HTDemucs"],
        ),
        (
            "klass",
            Some("demucs.hdemucs.HDemucs"),
            "WrongClass",
            vec!["demucs.hdemucs.HDemucs"],
        ),
        (
            "klass",
            Some("demucs.demucs.Demucs"),
            "WrongClass",
            vec!["demucs.demucs.Demucs"],
        ),
        ("args", Some("(1,)"), "MetadataJson", vec!["'args'"]),
        (
            "args",
            Some("{}"),
            "ArgumentValue",
            vec!["args is {}", "a list"],
        ),
        (
            "args",
            Some("null"),
            "ArgumentValue",
            vec!["args is null", "a list"],
        ),
        (
            "args",
            Some("[1, 2]"),
            "PositionalArguments",
            vec!["2 positional"],
        ),
        ("args", Some("[1]"), "Sources", vec!["sources are 1"]),
        ("kwargs", Some(""), "MetadataJson", vec!["'kwargs'"]),
        ("kwargs", Some("{"), "MetadataJson", vec!["'kwargs'"]),
        (
            "kwargs",
            Some("{'channels': 48}"),
            "MetadataJson",
            vec!["'kwargs'"],
        ),
        (
            "kwargs",
            Some("{\"channels\": NaN}"),
            "MetadataJson",
            vec!["'kwargs'"],
        ),
        (
            "kwargs",
            Some("{\"channels\": 1e999}"),
            "MetadataJson",
            vec!["'kwargs'"],
        ),
        (
            "kwargs",
            Some(&deep),
            "MetadataJson",
            vec!["'kwargs'", "recursion"],
        ),
        (
            "kwargs",
            Some("[]"),
            "ArgumentValue",
            vec!["kwargs is []", "an object"],
        ),
        (
            "kwargs",
            Some(&wide),
            "ArgumentValue",
            vec!["kwargs is", "an object"],
        ),
        ("kwargs", Some("{}"), "Sources", vec!["sources are null"]),
    ];

    for (entry, value, variant, named) in &cases {
        let shown: String = value.unwrap_or("missing").chars().take(40).collect();
        refused(
            &format!("{entry} {shown}"),
            &metadata(entry, *value),
            variant,
            named,
        );
    }

    println!("{} kinds of metadata refused", cases.len());
}

#[test]
fn features_that_are_not_supported_are_named() {
    let cases = [
        ("audio_channels", json!(1), "other than stereo"),
        ("audio_channels", json!(null), "other than stereo"),
        ("channels_time", json!(32), "time branch of its own width"),
        ("nfft", json!(2048), "Fourier transform size"),
        ("wiener_iters", json!(1), "Wiener"),
        ("end_iters", json!(3), "Wiener"),
        ("wiener_residual", json!(true), "Wiener"),
        ("cac", json!(false), "magnitude masks"),
        ("rewrite", json!(false), "1x1 convolution"),
        ("multi_freqs", json!([0.5]), "frequency bands"),
        ("kernel_size", json!(4), "another kernel"),
        ("stride", json!(2), "another stride"),
        ("t_emb", json!("cape"), "cape"),
        ("t_emb", json!("scaled"), "scaled position embeddings"),
        (
            "t_norm_in_group",
            json!(true),
            "group norm before the transformer",
        ),
        (
            "t_group_norm",
            json!(1),
            "group norm inside the transformer",
        ),
        ("t_norm_first", json!(false), "norms after attention"),
        ("t_sin_random_shift", json!(5), "random shifts"),
        ("t_sparse_self_attn", json!(true), "sparse attention"),
        ("t_sparse_cross_attn", json!(true), "sparse attention"),
        ("t_auto_sparsity", json!(true), "sparse attention"),
        ("samplerate", json!(48_000), "another sample rate"),
        ("use_train_segment", json!(false), "segments of any length"),
    ];

    for (name, value, feature) in &cases {
        let found = format!("{name} = {value}");
        refused(
            &found,
            &changed(name, value.clone()),
            "Unsupported",
            &[feature, &found, "does not support"],
        );
    }

    println!("{} unsupported features named", cases.len());
}

#[test]
fn arguments_out_of_bounds_are_refused() {
    let absurd = [
        json!(0),
        json!(-1),
        json!(65_536),
        json!(1e300),
        json!(-1e300),
        json!(1.5),
        json!("8"),
        json!([8]),
    ];

    let mut cases: Vec<(&str, Json)> = Vec::new();
    for name in ["channels", "depth", "t_heads", "growth", "norm_groups"] {
        cases.extend(absurd.iter().map(|value| (name, value.clone())));
    }

    cases.extend([
        ("channels", json!(65_535)),
        ("depth", json!(65_535)),
        ("t_heads", json!(65_535)),
        ("depth", json!(6)),
    ]);

    cases.extend([
        ("growth", json!(65_535)),
        ("channels", json!(null)),
        ("channels", json!(3)),
        ("t_heads", json!(3)),
    ]);

    let segments = [
        json!(0),
        json!(-1),
        json!(1e9),
        json!(61),
        json!(0.05),
        json!("7.8"),
        json!(true),
        json!(null),
        json!([1]),
        json!({}),
        json!({"numerator": 39}),
        json!({"numerator": 39, "denominator": 0}),
        json!({"numerator": -39, "denominator": 5}),
        json!({"numerator": 39, "denominator": -5}),
        json!({"numerator": u64::MAX, "denominator": 1}),
        json!({"numerator": 1, "denominator": u64::MAX}),
        json!({"numerator": "39", "denominator": "5"}),
    ];

    cases.extend(segments.into_iter().map(|value| ("segment", value)));
    for name in ["freq_emb", "emb_scale", "t_weight_pos_embed"] {
        cases
            .extend([json!(1e300), json!(-1e39), json!("x"), json!({})].map(|value| (name, value)));
    }

    cases.extend(
        [json!(0), json!(-5), json!(0.999), json!(1e300), json!(5)]
            .map(|value| ("dconv_comp", value)),
    );
    cases.extend(
        [json!(9), json!(-9), json!(1.5), json!(1e300), json!(-1e300)]
            .map(|value| ("dconv_depth", value)),
    );
    cases.extend([json!(9), json!(-1), json!(65_535)].map(|value| ("context", value)));
    cases.extend([json!(9), json!(65_535)].map(|value| ("context_enc", value)));
    cases.extend([json!(65), json!(65_535), json!(-1)].map(|value| ("t_layers", value)));

    cases.extend(
        [json!(0), json!(-1), json!(1e-9), json!(65), json!(1e300)]
            .map(|value| ("t_hidden_scale", value)),
    );
    cases.extend(
        [json!(0), json!(-10), json!(0.5), json!(1e300)].map(|value| ("t_max_period", value)),
    );
    cases.extend(
        [json!(-1), json!(0.5), json!(1e300), json!("3")].map(|value| ("dconv_mode", value)),
    );

    cases.extend(
        [json!(-1), json!(65_536), json!(1e300), json!(6)].map(|value| ("bottom_channels", value)),
    );
    cases.extend([json!(3), json!(5), json!(65_535)].map(|value| ("norm_groups", value)));
    cases.extend([json!("yes"), json!([]), json!({"a": 1})].map(|value| ("t_norm_in", value)));

    let mut wrong = Vec::new();
    for (name, value) in &cases {
        // norm_groups matters only where there are norms.
        let arguments = with(with(small(), "norm_starts", json!(0)), name, value.clone());
        let bytes = edited(|checkpoint| {
            drop(
                checkpoint
                    .metadata
                    .insert("kwargs".to_owned(), arguments.to_string()),
            )
        });

        match std::panic::catch_unwind(|| {
            refused(
                name,
                &bytes,
                "ArgumentValue",
                &["the checkpoint's argument", "expected"],
            )
        }) {
            Ok(()) => {}
            Err(_) => wrong.push(format!("{name} = {value}")),
        }
    }

    println!("{} arguments out of bounds refused", cases.len());
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn wrong_sources_and_unknown_arguments_are_refused() {
    let sources = [
        json!([]),
        json!(null),
        json!("drums"),
        json!(["drums"]),
        json!(["drums", "bass", "other"]),
        json!(["drums", "bass", "other", "vocals", "guitar"]),
        json!(["bass", "drums", "other", "vocals"]),
        json!(["drums", "drums", "other", "vocals"]),
        json!(["drums", "bass", "other", "vocals", "piano", "guitar"]),
        json!(["drums", "bass", "other", "kazoo"]),
        json!([1, 2, 3, 4]),
    ];

    for value in &sources {
        let found = format!("sources are {value}");
        refused(
            &found,
            &changed("sources", value.clone()),
            "Sources",
            &[&found, "drums, bass, other, vocals"],
        );
    }

    let unknown = ["chanels", "", "T_HEADS", "self", "überall", "t_heads "];
    refused(
        "control characters",
        &changed("a\n\u{1b}[2J", json!(1)),
        "UnknownArgument",
        &["'a"],
    );

    refused(
        "a long name",
        &changed(&"x".repeat(50_000), json!(1)),
        "UnknownArgument",
        &["'xxx"],
    );

    for name in unknown {
        refused(
            name,
            &changed(name, json!(1)),
            "UnknownArgument",
            &[&format!("'{name}'")],
        );
    }

    println!(
        "{} sources and {} unknown arguments refused",
        sources.len(),
        unknown.len() + 2
    );
}

#[test]
fn tensors_that_do_not_fit_are_refused() {
    let rename = |to: &'static str| tensor(move |tensor| tensor.name = to.to_owned());
    let shape = |shape: &'static [usize]| {
        tensor(move |tensor| {
            *tensor = Tensor::new(
                TENSOR,
                shape,
                Dtype::F32,
                &vec![0.0; shape.iter().product()],
            )
        })
    };

    let dtype = |dtype| tensor(move |tensor| *tensor = Tensor::new(TENSOR, &[4], dtype, &[0.0; 4]));
    let value = |at: usize, value: f32, dtype| {
        let mut values = [0.5; 4];
        values[at] = value;
        tensor(move |tensor| *tensor = Tensor::new(TENSOR, &[4], dtype, &values))
    };

    let extra = |count: usize| {
        edited(|checkpoint| {
            let extra = |index| Tensor::new(&format!("extra.{index}"), &[0, 7], Dtype::F32, &[]);
            checkpoint.tensors.extend((0..count).map(extra));
        })
    };

    let none = edited(|checkpoint| checkpoint.tensors.clear());
    let cases: Vec<(&str, Vec<u8>, &str, Vec<&str>)> = vec![
        (
            "no tensors",
            none,
            "MissingTensor",
            vec!["lacks the tensor", "of shape"],
        ),
        (
            "renamed",
            rename("encoder.0.conv.bios"),
            "MissingTensor",
            vec![TENSOR, "[4]"],
        ),
        (
            "longer",
            shape(&[5]),
            "TensorShape",
            vec![TENSOR, "[5]", "[4]"],
        ),
        (
            "empty",
            shape(&[0]),
            "TensorShape",
            vec![TENSOR, "[0]", "[4]"],
        ),
        (
            "scalar",
            shape(&[]),
            "TensorShape",
            vec![TENSOR, "[]", "[4]"],
        ),
        (
            "another rank",
            shape(&[2, 2]),
            "TensorShape",
            vec![TENSOR, "[2, 2]", "[4]"],
        ),
        (
            "one more axis",
            shape(&[4, 1]),
            "TensorShape",
            vec![TENSOR, "[4, 1]"],
        ),
        (
            "one extra",
            extra(1),
            "ExtraTensors",
            vec!["1 tensors", "extra.0"],
        ),
        (
            "many extra",
            extra(300),
            "ExtraTensors",
            vec!["300 tensors", "extra.0"],
        ),
        (
            "I64",
            dtype(Dtype::I64),
            "TensorType",
            vec![TENSOR, "I64", "F32, F16 or BF16"],
        ),
        (
            "F64",
            dtype(Dtype::F64),
            "TensorType",
            vec![TENSOR, "F64", "F32, F16 or BF16"],
        ),
        (
            "NaN",
            value(2, f32::NAN, Dtype::F32),
            "NotFinite",
            vec![TENSOR, "NaN", "element 2"],
        ),
        (
            "infinity",
            value(0, f32::INFINITY, Dtype::F32),
            "NotFinite",
            vec![TENSOR, "inf", "element 0"],
        ),
        (
            "minus infinity",
            value(3, f32::NEG_INFINITY, Dtype::F32),
            "NotFinite",
            vec!["-inf", "element 3"],
        ),
        (
            "NaN in F16",
            value(1, f32::NAN, Dtype::F16),
            "NotFinite",
            vec![TENSOR, "NaN", "element 1"],
        ),
        (
            "too large for F16",
            value(1, 1e6, Dtype::F16),
            "NotFinite",
            vec![TENSOR, "inf", "element 1"],
        ),
        (
            "infinity in BF16",
            value(1, f32::INFINITY, Dtype::BF16),
            "NotFinite",
            vec![TENSOR, "inf"],
        ),
    ];

    for (what, bytes, variant, named) in &cases {
        refused(what, bytes, variant, named);
    }

    println!("{} kinds of tensors refused", cases.len());
}

/// Checks that every tensor of a model is required, with its own shape.
#[test]
fn every_tensor_counts() {
    let good = checkpoint(&small(), 1);
    for index in 0..good.tensors.len() {
        let mut without = good.clone();
        let tensor = without.tensors.remove(index);
        refused(
            &tensor.name,
            &without.bytes(),
            "MissingTensor",
            &[&tensor.name, &format!("{:?}", tensor.shape)],
        );
    }

    println!("{} tensors left out, one at a time", good.tensors.len());
    assert!(good.tensors.len() > 100);
}

/// Checks that demucs' compression of absent DConv branches is not refused as too strong.
#[test]
fn what_does_not_count_is_not_judged() {
    let without_dconv = with(
        with(small(), "dconv_mode", json!(0)),
        "dconv_comp",
        json!(8),
    );
    assert!(Model::read(&checkpoint(&without_dconv, 1).bytes()).is_ok());
}

/// Checks files of a few kilobytes whose arguments ask for gigabytes.
#[test]
fn small_files_cannot_ask_for_much() {
    let wide = json!({
        "sources": ["drums", "bass", "other", "vocals"], "channels": 1, "dconv_comp": 1, "dconv_mode": 0, "depth": 1,
        "context": 0, "freq_emb": 0, "t_heads": 4, "norm_groups": 1, "bottom_channels": 65_532, "t_norm_in": false, "segment": 60,
    });
    let cases = [
        ("channels", json!(65_535)),
        ("bottom_channels", json!(1024)),
        ("bottom_channels", json!(4)),
        ("depth", json!(3)),
        ("depth", json!(5)),
        ("segment", json!(0.2)),
        ("segment", json!(1)),
        ("t_layers", json!(64)),
        ("t_hidden_scale", json!(64)),
        ("growth", json!(65_535)),
    ];

    for (name, value) in &cases {
        let arguments = with(wide.clone(), name, value.clone());

        // Add all tensors that do not depend on the transformer's width, up to the transformer.
        let mut tensors = Vec::new();
        let mut reads = 0;
        let error = loop {
            let start = Instant::now();
            let bytes = Checkpoint::htdemucs(&arguments, &tensors, Dtype::F32, 1).bytes();
            let error = Model::read(&bytes).err();

            assert!(
                start.elapsed() < PATIENCE,
                "{name} {value}: {:?}",
                start.elapsed()
            );

            reads += 1;
            match error.as_ref().and_then(|error| error.cause()) {
                Some(ModelError::MissingTensor { name, expected })
                    if expected.iter().product::<usize>() < 1 << 18 =>
                {
                    tensors.push((name.clone(), expected.clone()));
                }
                _ => break error,
            }
        };

        let shown = error.map_or("accepted".to_owned(), |error| error.to_string());
        println!(
            "{name} {value}: {reads} reads, {} tensors: {shown}",
            tensors.len()
        );
    }

    println!(
        "{} greedy checkpoints; peak memory {:?} MB",
        cases.len(),
        sextet_testing::peak::peak_mb()
    );

    assert!(
        sextet_testing::peak::peak_mb().is_none_or(|peak| peak < 1500.0),
        "{:?} MB",
        sextet_testing::peak::peak_mb()
    );
}

#[test]
fn what_demucs_writes_is_accepted() {
    let six = json!(["drums", "bass", "other", "vocals", "guitar", "piano"]);
    let mut accepted = 0;
    let mut accept = |what: &str, checkpoint: &Checkpoint| -> Model {
        accepted += 1;
        Model::read(&checkpoint.bytes()).unwrap_or_else(|error| panic!("{what}: {error}"))
    };

    let plain = checkpoint(&small(), 1);
    let parameters = plain
        .tensors
        .iter()
        .map(|tensor| tensor.shape.iter().product::<usize>())
        .sum::<usize>();

    for dtype in [Dtype::F32, Dtype::F16, Dtype::BF16] {
        let tensors: Vec<_> = plain
            .tensors
            .iter()
            .map(|tensor| (tensor.name.clone(), tensor.shape.clone()))
            .collect();

        let model = accept(
            "stored otherwise",
            &Checkpoint::htdemucs(&small(), &tensors, dtype, 1),
        );
        assert_eq!(
            (model.sources().len(), model.networks(), model.parameters()),
            (6, 1, parameters)
        );
        assert_eq!((model.segment_frames(), model.hash().len()), (22_050, 64));
    }

    let with_metadata = |entries: &[(&str, String)]| {
        let mut changed = plain.clone();
        changed.metadata.extend(
            entries
                .iter()
                .map(|(entry, value)| ((*entry).to_owned(), value.clone())),
        );
        changed
    };

    let mut by_name = small();
    by_name.as_object_mut().unwrap().remove("sources");
    let positional = [
        ("args", json!([six]).to_string()),
        ("kwargs", by_name.to_string()),
    ];

    assert_eq!(
        accept("positional sources", &with_metadata(&positional))
            .sources()
            .len(),
        6
    );

    accept(
        "more metadata",
        &with_metadata(&[("format", "pt".to_owned()), ("note", "ünïcode".to_owned())]),
    );
    let segments = [
        (json!(1), 44_100),
        (json!(0.5), 22_050),
        (
            json!({"_type": "fraction", "numerator": 11, "denominator": 10}),
            48_510,
        ),
        (json!({"numerator": 39, "denominator": 5}), 343_980),
        (json!(0.1), 4_410),
        (json!(10), 441_000),
    ];

    for (segment, frames) in segments {
        let kwargs = with(small(), "segment", segment.clone()).to_string();
        let model = accept(
            &format!("segment {segment}"),
            &with_metadata(&[("kwargs", kwargs)]),
        );
        assert_eq!(model.segment_frames(), frames, "{segment}");
    }

    let without_effect = [
        ("rescale", json!(0.1)),
        ("t_dropout", json!(0.02)),
        ("t_lr", json!(null)),
        ("t_cape_augment", json!(false)),
        ("t_sparsity", json!(0.95)),
        ("time_stride", json!(2)),
        ("dconv_init", json!(1e-3)),
        ("t_max_positions", json!(10_000)),
        ("wiener_iters", json!(0)),
        ("wiener_residual", json!(false)),
        ("channels_time", json!(null)),
        ("multi_freqs", json!([])),
        ("cac", json!(true)),
        ("t_sparse_self_attn", json!(false)),
        ("samplerate", json!(44_100)),
        ("nfft", json!(4096.0)),
        ("t_emb", json!("sin")),
        ("t_norm_first", json!(1)),
    ];

    for (name, value) in without_effect {
        let kwargs = with(small(), name, value).to_string();
        accept(name, &with_metadata(&[("kwargs", kwargs)]));
    }

    println!("{accepted} checkpoints accepted");
}

#[test]
fn graphs_are_written_for_1_to_64_segments() {
    let model = sextet_testing::small::model(&small(), 1);
    let export = |member, batch| {
        model.export_onnx(
            member,
            ExportOptions::new().batch(batch).precision(Precision::F16),
        )
    };

    let cases = [(0, 0), (0, 65), (0, usize::MAX), (1, 1), (usize::MAX, 1)];
    for (member, batch) in cases {
        let error = export(member, batch).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Options, "{error}");
    }

    assert!(export(0, 64).unwrap().len() > 1_000_000);
    println!("{} exports refused", cases.len());
}

/// Returns the number of damaged files: `SEXTET_FUZZ_CASES`, or few enough for every run of the
/// tests.
fn cases() -> usize {
    std::env::var("SEXTET_FUZZ_CASES")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(1_000)
}

#[test]
fn no_damage_makes_reading_panic() {
    let seeds = [
        checkpoint(&small(), 1).bytes(),
        checkpoint(&sextet_testing::small::tiny(0.2), 1).bytes(),
        checkpoint(&with(small(), "depth", json!(5)), 1).bytes(),
    ];

    let (total, mut usable, mut slowest) = (cases(), 0, Duration::ZERO);
    for case in 0..total {
        let mut bytes = seeds[case % seeds.len()].clone();
        let mut random = Random::of_case(case);
        if case % 3 == 0 {
            damage(&mut bytes, &mut random)
        } else {
            damage_header(&mut bytes, &mut random)
        }

        let start = Instant::now();
        usable += usize::from(read_checkpoint(&bytes));
        slowest = slowest.max(start.elapsed());
    }

    println!("{total} damaged checkpoints, {usable} of them usable; slowest: {slowest:?}");
    assert!(slowest < PATIENCE, "{slowest:?}");
}

/// Writes the seeds of the fuzzing. See docs/fuzzing.md.
#[test]
#[ignore = "writes into fuzz/corpus"]
fn write_fuzz_seeds() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/checkpoint");
    std::fs::create_dir_all(&folder).unwrap();

    let tiny = sextet_testing::small::tiny(0.2);
    for (name, arguments) in [
        ("small", small()),
        ("deep", with(small(), "depth", json!(5))),
        ("tiny", tiny),
    ] {
        std::fs::write(folder.join(name), checkpoint(&arguments, 1).bytes()).unwrap();
    }

    println!("3 seeds in {}", folder.display());
}

/// Changes one digit or letter of the header without changing its length.
fn damage_header(bytes: &mut [u8], random: &mut Random) {
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let (digits, letters): (Vec<usize>, Vec<usize>) = (8..8 + header)
        .filter(|&at| bytes[at].is_ascii_alphanumeric())
        .partition(|&at| bytes[at].is_ascii_digit());

    for _ in 0..=random.below(3) {
        let places = if random.below(3) == 0 {
            &letters
        } else {
            &digits
        };
        let at = places[random.below(places.len())];
        bytes[at] =
            b"0123456789e-.azAZ"[random.below(if bytes[at].is_ascii_digit() { 12 } else { 17 })];
    }
}

proptest! {
    #[test]
    fn random_bytes_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(!read_checkpoint(&bytes));
    }

    /// Checks bytes that resemble a header.
    #[test]
    fn random_headers_are_refused(header in "\\{(\"[a-z_]{0,12}\":[\\[\\]{}0-9\",:a-zF]{0,40},?){0,4}\\}", data in proptest::collection::vec(any::<u8>(), 0..64)) {
        let bytes = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &data].concat();
        prop_assert!(!read_checkpoint(&bytes));
    }
}
