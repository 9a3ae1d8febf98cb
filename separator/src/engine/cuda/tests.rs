//! Tests of the CUDA engine that need no GPU: which models have kernels, what memory they take, and
//! whether kernels and launches agree.

use std::collections::{BTreeSet, HashMap};

use safetensors::tensor::Dtype;
use serde_json::{Value as Json, json};
use sextet_cases::each_case;

use super::boxes::TensorMap;
use super::images::Images;
use super::kernel::{Kernel, LineBlock};
use super::lower::{Limits, Lowered, lower};
use super::parameters;
use super::sources::{Listed, listed};
use crate::Model;
use crate::model::program::{Branch, Program};
use sextet_testing::checkpoint::Checkpoint;
use sextet_testing::small;

/// Shared memory of a block in bytes, and the batch: the least on GPUs of compute capability 8.6,
/// the most on 9.0.
const CASES: [(usize, usize); 2] = [(99 << 10, 4), (227 << 10, 1)];

/// Bytes of GPU memory that a batch of four takes at most with a published model.
const MOST_BYTES: usize = 1_000_000_000;

fn program_of(model: &Model) -> Program {
    model.networks_of().next().unwrap().program().unwrap()
}

/// Returns the model of a parity fixture, which lists the tensors, with weights that are drawn.
fn drawn(fixture: &str) -> Model {
    let fixture: Json = serde_json::from_str(fixture).unwrap();
    let tensors: Vec<(String, Vec<usize>)> =
        serde_json::from_value(fixture["tensors"].clone()).unwrap();
    let checkpoint = Checkpoint::htdemucs(&fixture["kwargs"], &tensors, Dtype::F32, 1);
    Model::read(&checkpoint.bytes()).unwrap()
}

/// Returns the programs of all shapes that are published, by name.
fn published() -> [(&'static str, Program); 3] {
    let six = include_str!("../../../tests/parity/official-six-stems.json");
    let four = include_str!("../../../tests/parity/official-four-stems.json");
    [
        ("sextet-mini", program_of(&Model::bundled().unwrap())),
        ("htdemucs_6s", program_of(&drawn(six))),
        ("htdemucs", program_of(&drawn(four))),
    ]
}

fn limits(shared: usize) -> Limits {
    Limits {
        hopper: shared > CASES[0].0,
        shared,
        shared_of_all: 228 * 1024,
        multiprocessors: 132,
    }
}

/// Returns all bytes that a runner reserves on the GPU.
fn bytes(program: &Program, lowered: &Lowered, batch: usize) -> usize {
    let samples = batch * 2 * program.segment_frames * (1 + program.stems);
    lowered.tensor_bytes + lowered.scratch_bytes + lowered.pool.bytes().len() + 4 * samples
}

/// Asserts that no two tensors share memory while both are needed. Steps of one branch run one
/// after another, those of different branches side by side.
fn assert_apart(name: &str, program: &Program, lowered: &Lowered, batch: usize) {
    let mut uses: HashMap<usize, (usize, usize, BTreeSet<bool>)> = HashMap::new();
    for (index, step) in program.steps.iter().enumerate() {
        for tensor in step.operation.tensors() {
            let entry = uses.entry(tensor.0);
            let (_, last, branches) = entry.or_insert((index, index, BTreeSet::new()));
            *last = index;
            branches.insert(step.branch == Branch::Time);
        }
    }

    let placed: Vec<_> = lowered
        .places
        .iter()
        .enumerate()
        .filter_map(|(tensor, place)| {
            let (offset, element) = (*place)?;
            let size = batch * program.tensors[tensor].len() * element;
            Some((tensor, offset, offset + size))
        })
        .collect();
    assert!(!placed.is_empty(), "{name}");

    for (number, &(a, a_begin, a_end)) in placed.iter().enumerate() {
        assert!(a_end <= lowered.tensor_bytes, "{name}: tensor {a}");
        for &(b, b_begin, b_end) in &placed[number + 1..] {
            if a_end <= b_begin || b_end <= a_begin {
                continue;
            }
            let ((a_first, a_last, a_on), (b_first, b_last, b_on)) = (&uses[&a], &uses[&b]);
            assert!(
                a_on.len() == 1 && a_on == b_on && (a_last < b_first || b_last < a_first),
                "{name}: tensors {a} and {b} share memory while both are needed"
            );
        }
    }
}

#[test]
fn published_models_have_kernels_and_fit_and_no_two_live_tensors_share_memory() {
    for (name, program) in published() {
        each_case(CASES, |(shared, batch)| {
            let limits = limits(shared);
            let target = if limits.hopper { "sm_90a" } else { "sm_86" };
            let listed: BTreeSet<&str> = listed(target).map(|listed| listed.name).collect();
            let lowered = lower(&program, batch, false, limits).unwrap();
            assert_apart(name, &program, &lowered, batch);

            let taken = bytes(&program, &lowered, batch);
            assert!(taken < MOST_BYTES, "{name}, batch {batch}: {taken} bytes");
            for launch in &lowered.launches {
                let kernel = launch.kernel.name();
                assert!(listed.contains(kernel.as_str()), "{name}: {kernel}");
                assert!(launch.shared as usize <= shared, "{name}: {kernel}");
            }
            println!("{name}, batch {batch}: {} MB", taken / 1_000_000);
        });
    }
}

/// The blocks of `dconv_line.cu` wait for one another, so all of a segment's have to be on the GPU
/// at once. Where they do not fit, kernels take its place whose blocks do not wait.
#[test]
fn blocks_that_wait_for_one_another_are_launched_only_where_all_fit() {
    let program = program_of(&Model::bundled().unwrap());
    let batch = 2;
    let mut counts = Vec::new();
    for (shared, _) in CASES {
        for multiprocessors in [1, 46, 10_000] {
            let limits = Limits {
                multiprocessors,
                ..limits(shared)
            };
            let lowered = lower(&program, batch, false, limits).unwrap();
            let mut lines = 0;
            for launch in &lowered.launches {
                let Kernel::Line(channels) = launch.kernel else {
                    continue;
                };
                lines += 1;
                let resident = if limits.hopper {
                    LineBlock::of(channels).resident
                } else {
                    1
                };
                let blocks = launch.grid[0] as usize / batch;
                assert!(
                    blocks <= resident * multiprocessors,
                    "{blocks} blocks of {channels} channels on {multiprocessors} multiprocessors"
                );
            }

            match multiprocessors {
                1 => assert_eq!(lines, 0),
                10_000 => assert!(lines > 0),
                _ => {}
            }
            counts.push((multiprocessors, lines));
        }
    }
    println!("launches by multiprocessors: {counts:?}");
}

#[test]
fn tensors_that_are_all_kept_share_nothing() {
    let program = program_of(&Model::bundled().unwrap());
    let all = lower(&program, 2, true, limits(CASES[0].0)).unwrap();
    let shared = lower(&program, 2, false, limits(CASES[0].0)).unwrap();
    assert!(shared.tensor_bytes < all.tensor_bytes);
}

#[test]
fn models_without_kernels_are_refused_by_what_has_none() {
    let with = |name: &str, value: Json| small::with(small::tiny(0.25), name, value);
    let heads = small::with(with("channels", json!(8)), "t_layers", json!(1));
    let cases = [
        (small::tiny(0.25), "channels = 1"),
        (with("channels", json!(12)), "channels = 12"),
        (with("channels", json!(72)), "channels = 72"),
        (heads, "t_heads = 1; expected 24, 48 or 64 channels a head"),
    ];

    each_case(&cases, |(arguments, expected)| {
        let program = program_of(&Model::read(&small::checkpoint(arguments, 1).bytes()).unwrap());
        let refused = lower(&program, 1, false, limits(CASES[0].0)).err();
        let said = refused.map(|error| error.to_string()).unwrap_or_default();
        let begin = format!("there is no CUDA kernel for {expected}");
        assert!(said.starts_with(&begin), "{arguments}: '{said}'");
    });

    println!("{} models refused", cases.len());
}

#[test]
fn the_images_hold_every_kernel_of_the_list() {
    for capability in [(8, 0), (8, 6), (8, 9), (9, 0), (10, 0), (12, 0), (13, 0)] {
        // A target that is not compiled yet is missing as a whole.
        let Ok(images) = Images::of(capability, None) else {
            println!("{capability:?}: no images");
            continue;
        };
        for Listed { name, .. } in listed(&images.target) {
            let image = images.get(name).unwrap();
            assert!(!image.is_empty(), "{name} for {}", images.target);
        }
        println!("{capability:?}: {}", images.target);
    }

    assert!(Images::of((9, 0), None).is_ok() && Images::of((8, 0), None).is_ok());
    assert!(Images::of((7, 5), None).is_err());
}

/// Returns the size in bytes of the struct `name` in the source of a kernel, all of whose fields
/// are pointers, ints, shorts and structs that other files define.
fn struct_bytes(source: &str, name: &str) -> usize {
    let begin = source.find(&format!("struct {name} {{")).unwrap();
    let fields = &source[begin..][..source[begin..].find("\n};").unwrap()];
    let fields: String = fields
        .lines()
        .skip(1)
        .map(|line| line.split("//").next().unwrap())
        .collect();

    let (mut bytes, mut most) = (0_usize, 1);
    for declaration in fields.split(';').map(str::trim).filter(|d| !d.is_empty()) {
        let is_pointer = declaration.contains('*');
        let size = match declaration.split_whitespace().next() {
            _ if is_pointer => 8,
            Some("int") => 4,
            Some("short") => 2,
            Some(name @ ("Weights" | "Output")) => {
                let source = match name {
                    "Weights" => include_str!("../../../kernels/dconv_fused.cuh"),
                    _ => include_str!("../../../kernels/results.cuh"),
                };
                bytes = bytes.next_multiple_of(8) + struct_bytes(source, name);
                most = most.max(8);
                continue;
            }
            Some("TensorMap") => {
                let maps = declaration.split(',').count();
                bytes = bytes.next_multiple_of(64) + maps * size_of::<TensorMap>();
                most = 64;
                continue;
            }
            other => panic!("{other:?} in '{declaration}'"),
        };

        for name in declaration.split(',') {
            let count =
                name.split_once('[')
                    .map_or(1, |(_, count)| match count.trim_end_matches(']') {
                        "MAX_TAPS" => parameters::MAX_TAPS,
                        count => count.parse().unwrap(),
                    });
            bytes = bytes.next_multiple_of(size) + count * size;
            most = most.max(size);
        }
    }

    bytes.next_multiple_of(most)
}

#[test]
fn parameters_are_as_large_as_the_kernels_structs() {
    macro_rules! cases {
        ($($file:literal $name:ident),*) => {
            [$((
                $file,
                size_of::<parameters::$name>(),
                include_str!(concat!("../../../kernels/", $file)),
            )),*]
        };
    }
    let cases = cases!(
        "spectrum.cu" Spectrum, "entry.cu" Entry, "convolution.cu" Convolution, "dconv_squeeze.cu" Squeeze,
        "dconv_hidden.cu" Hidden, "dconv_expand.cu" Expand, "dconv_row.cu" Row, "dconv_line.cu" Line,
        "token_norm.cu" TokenNorm,
        "attention.cu" Attention, "attention_hopper.cu" AttentionHopper, "product.cu" Product,
        "synthesis.cu" Synthesis
    );

    each_case(&cases, |(file, bytes, source)| {
        assert_eq!(*bytes, struct_bytes(source, "Parameters"), "{file}");
    });

    let tried: BTreeSet<&str> = cases.iter().map(|(file, ..)| *file).collect();
    let targets = ["sm_86", "sm_90a"];
    let sources: BTreeSet<&str> = targets
        .into_iter()
        .flat_map(listed)
        .map(|listed| listed.source)
        .collect();
    assert_eq!(tried, sources, "every source is tried");
}
