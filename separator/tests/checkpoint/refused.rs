//! Files, metadata and arguments that are refused, each by name.

use sextet_cases::each_case;

use super::*;

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

    each_case(&cases, |(what, bytes)| {
        refused(
            what,
            bytes,
            "NotSafetensors",
            &["not a safetensors checkpoint", "expected a whole"],
        );
    });

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

    each_case(&cases, |(entry, value, variant, named)| {
        let shown: String = value.unwrap_or("missing").chars().take(40).collect();
        refused(
            &format!("{entry} {shown}"),
            &metadata(entry, *value),
            variant,
            named,
        );
    });

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

    each_case(&cases, |(name, value, feature)| {
        let found = format!("{name} = {value}");
        refused(
            &found,
            &changed(name, value.clone()),
            "Unsupported",
            &[feature, &found, "does not support"],
        );
    });

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
    each_case(&cases, |(name, value)| {
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
    });

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

    each_case(&sources, |value| {
        let found = format!("sources are {value}");
        refused(
            &found,
            &changed("sources", value.clone()),
            "Sources",
            &[&found, "drums, bass, other, vocals"],
        );
    });

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

    each_case(unknown, |name| {
        refused(
            name,
            &changed(name, json!(1)),
            "UnknownArgument",
            &[&format!("'{name}'")],
        );
    });

    println!(
        "{} sources and {} unknown arguments refused",
        sources.len(),
        unknown.len() + 2
    );
}
