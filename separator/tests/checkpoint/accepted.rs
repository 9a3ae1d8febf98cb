//! Checkpoints as demucs writes them, and the graphs of them.

use sextet_cases::each_case;

use super::*;

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

    each_case([Dtype::F32, Dtype::F16, Dtype::BF16], |dtype| {
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
    });

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

    each_case(segments, |(segment, frames)| {
        let kwargs = with(small(), "segment", segment.clone()).to_string();
        let model = accept(
            &format!("segment {segment}"),
            &with_metadata(&[("kwargs", kwargs)]),
        );
        assert_eq!(model.segment_frames(), frames, "{segment}");
    });

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
    each_case(cases, |(member, batch)| {
        let error = export(member, batch).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Options, "{error}");
    });

    assert!(export(0, 64).unwrap().len() > 1_000_000);
    println!("{} exports refused", cases.len());
}
