//! Files that ask for much, and damaged ones.

use sextet_cases::each_case;

use super::*;

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

/// Returns the number of damaged files: `SEXTET_FUZZ_CASES`, or few enough for every run of the
/// tests.
pub(super) fn cases() -> usize {
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
    let cases = [
        ("small", small()),
        ("deep", with(small(), "depth", json!(5))),
        ("tiny", tiny),
    ];
    each_case(cases, |(name, arguments)| {
        std::fs::write(folder.join(name), checkpoint(&arguments, 1).bytes()).unwrap();
    });

    let pickled = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/checkpoint/pickled");
    let files = std::fs::read_dir(pickled)
        .unwrap()
        .map(|file| file.unwrap().path());
    let files: Vec<_> = files
        .filter(|path| path.extension().is_some_and(|kind| kind != "py"))
        .collect();
    each_case(&files, |path| {
        std::fs::copy(path, folder.join(path.file_name().unwrap())).unwrap();
    });

    println!("{} seeds in {}", 3 + files.len(), folder.display());
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
