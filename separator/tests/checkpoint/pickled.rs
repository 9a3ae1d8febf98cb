//! Files of PyTorch's: those that it wrote itself (`pickled/make.py`), and those that nobody
//! should.

use std::fs;
use std::path::{Path, PathBuf};

use sextet_cases::each_case;
use sextet_separator::{EngineChoice, EngineOptions, Ignore, InMemory, Options, Separator};
use sextet_testing::draw::song;
use sextet_testing::pickle::{Pickle, archive, zipped};

use super::*;

/// Files of one model as PyTorch 2.15 wrote them.
const WRITTEN: [&str; 5] = [
    "archive.th",
    "older.th",
    "protocol-5.th",
    "views.th",
    "older-views.th",
];

fn written(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/checkpoint/pickled");
    folder.join(name)
}

/// Returns the bits of all stems of a short song.
fn stems(name: &str) -> Vec<u32> {
    let model = Model::open(written(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    let engine = EngineOptions::new().engine(EngineChoice::Cpu);
    let mut separator = Separator::new(model, engine).unwrap();
    let mut sink = InMemory::default();
    separator
        .separate(&song(15_000, 7), &Options::new(), &mut sink, &mut Ignore)
        .unwrap();

    let parts = sink.into_parts();
    let samples = parts
        .iter()
        .flat_map(|(_, audio)| audio.channels())
        .flatten();
    samples.map(|sample| sample.to_bits()).collect()
}

#[test]
fn the_same_weights_give_the_same_bits() {
    let expected = stems("same.safetensors");
    assert!(expected.iter().any(|&bits| bits != 0));
    each_case(WRITTEN, |name| assert!(stems(name) == expected, "{name}"));

    // Weights that were rounded to float16 give others.
    assert_ne!(stems("half.th"), expected);
    println!("{} files give the same samples", WRITTEN.len());
}

#[test]
fn what_is_no_model_of_demucs_is_refused_by_name() {
    let cases = [
        ("tensors.pt", "NoDescription", "6 tensors"),
        (
            "module.pt",
            "UnknownObject",
            "torch.nn.modules.linear.Linear",
        ),
    ];
    each_case(cases, |(name, variant, named)| {
        refused(name, &fs::read(written(name)).unwrap(), variant, &[named]);
    });
}

/// Checks pickles that would run something, or ask for something that is no data.
#[test]
fn nothing_is_called() {
    let call = |module: &str, name: &str| {
        let called = Pickle::new().global(module, name).raw(b"(");
        called.text("touch /tmp/sextet-was-here").raw(b"tR").end()
    };
    let by_texts = Pickle::new().text("posix").text("system").raw(b"\x93");
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("a command", call("os", "system"), "'os.system'"),
        ("evaluation", call("builtins", "eval"), "'builtins.eval'"),
        (
            "of Python 2",
            call("__builtin__", "apply"),
            "'__builtin__.apply'",
        ),
        (
            "an attribute",
            call("builtins", "getattr"),
            "'builtins.getattr'",
        ),
        ("PyTorch's own", call("torch", "load"), "'torch.load'"),
        (
            "NumPy's",
            call("numpy.core.multiarray", "scalar"),
            "multiarray.scalar",
        ),
        (
            "names as texts",
            by_texts.raw(b")R").end(),
            "'posix.system'",
        ),
        (
            "a model",
            call("demucs.htdemucs", "HTDemucs"),
            "a whole 'demucs.htdemucs.HTDemucs'",
        ),
        (
            "a storage inside",
            call("torch", "FloatStorage"),
            "a storage that is part",
        ),
        (
            "a list as a dictionary",
            call("collections", "OrderedDict"),
            "made of a list",
        ),
        (
            "an object's attributes",
            Pickle::new().raw(b"K\x01}b").end(),
            "attributes of a whole number",
        ),
        (
            "an old instance",
            Pickle::new().raw(b"(ios\nsystem\n").end(),
            "instruction 0x69",
        ),
        (
            "an extension",
            Pickle::new().raw(b"\x82\x01").end(),
            "instruction 0x82",
        ),
        (
            "a named object",
            Pickle::new().raw(b"Pname\n").end(),
            "instruction 0x50",
        ),
        (
            "another file's",
            Pickle::new().text("file").raw(b"\x85Q").end(),
            "a 'file' outside",
        ),
        (
            "a large number",
            Pickle::new().raw(b"\x8a\x09123456789").end(),
            "9 bytes",
        ),
        ("a line end in a name", call("os\u{7}", "system"), "system"),
    ];

    each_case(&cases, |(what, pickle, named)| {
        refused(what, &archive(pickle, &[]), "UnknownObject", &[named]);
    });
    println!("{} programs refused", cases.len());
}

/// Returns a file of one tensor called `a`, whose storage has 4 elements.
fn one_tensor(edit: impl FnOnce(Pickle) -> Pickle) -> Vec<u8> {
    let pickle = Pickle::new().raw(b"}").text("a");
    archive(&edit(pickle).raw(b"s").end(), &[("0", &[0; 16])])
}

#[test]
fn damaged_files_are_refused() {
    let tensor = |shape: &'static [i32], strides: &'static [i32], offset| {
        one_tensor(move |pickle| pickle.tensor("0", 4, offset, shape, strides))
    };
    let whole = Pickle::new().raw(b"}").end();
    let entry = |name: &str, bytes: &'static [u8]| (name.to_owned(), bytes);
    let order = [
        entry("a/data.pkl", b"\x80\x02}."),
        entry("a/byteorder", b"big"),
    ];

    let older = fs::read(written("older.th")).unwrap();
    let bytes = fs::read(written("archive.th")).unwrap();
    let changed = |at: usize| {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        changed
    };
    let same = fs::read(written("same.safetensors")).unwrap();
    let weights = &same[same.len() - 8..];
    let number = bytes
        .windows(8)
        .position(|window| window == weights)
        .unwrap();

    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        (
            "zeros behind the beginning",
            [&b"PK\x03\x04"[..], &[0; 400]].concat(),
            "archive cannot be read",
        ),
        (
            "half an archive",
            bytes[..bytes.len() / 2].to_vec(),
            "archive cannot be read",
        ),
        (
            "half an older file",
            older[..older.len() / 2].to_vec(),
            "expected a .ckpt, .pt or .th file",
        ),
        (
            "an older file without its end",
            older[..older.len() - 1].to_vec(),
            "storage",
        ),
        (
            "the beginning of an older file",
            older[..15].to_vec(),
            "it ends at byte",
        ),
        ("another number", changed(number), "damaged"),
        (
            "no pickle",
            zipped([entry("a/b", b"")]),
            "no entry 'data.pkl'",
        ),
        ("big-endian", zipped(order), "big-endian"),
        ("an empty pickle", archive(b"", &[]), "it ends at byte 0"),
        (
            "nothing left",
            archive(b"\x80\x02.", &[]),
            "a value that it has not made",
        ),
        (
            "a group that is not ended",
            archive(b"\x80\x02K\x01(.", &[]),
            "not made",
        ),
        (
            "a text beyond the end",
            archive(b"X\xff\xff\xff\xff", &[]),
            "it ends at byte",
        ),
        (
            "an element of a number",
            archive(b"K\x01K\x01a.", &[]),
            "has a whole number at byte",
        ),
        (
            "a text of other bytes",
            archive(b"X\x01\0\0\0\xff.", &[]),
            "not UTF-8",
        ),
        (
            "no storage",
            archive(&one_pickle(), &[]),
            "no entry 'archive/data/0'",
        ),
        (
            "a short storage",
            archive(&one_pickle(), &[("0", &[0; 12])]),
            "it has 12; expected 16",
        ),
        (
            "beyond the storage",
            tensor(&[5], &[1], 0),
            "'a' reaches beyond its storage of 4",
        ),
        (
            "behind the storage",
            tensor(&[1], &[1], 4),
            "reaches beyond",
        ),
        (
            "a long stride",
            tensor(&[2], &[1 << 30], 0),
            "reaches beyond",
        ),
        (
            "elements beyond counting",
            tensor(&[i32::MAX; 3], &[0; 3], 0),
            "reaches beyond",
        ),
        (
            "one number a million times",
            tensor(&[1_000_000], &[0], 0),
            "more often",
        ),
        ("a negative axis", tensor(&[-1], &[1], 0), "negative number"),
    ];

    each_case(&cases, |(what, bytes, named)| {
        refused(what, bytes, "NotPyTorch", &[named])
    });
    refused(
        "nothing in it",
        &archive(&whole, &[]),
        "NoDescription",
        &["0 tensors"],
    );
    println!("{} damaged files refused", cases.len() + 1);
}

fn one_pickle() -> Vec<u8> {
    let pickle = Pickle::new().raw(b"}").text("a");
    pickle.tensor("0", 4, 0, &[4], &[1]).raw(b"s").end()
}

/// Checks pickles of some hundred kilobytes whose values repeat each other.
#[test]
fn small_pickles_cannot_ask_for_much() {
    // A list of lists of lists ..., each twice the one before.
    let mut nested = Pickle::new().raw(b"]q\x00");
    for _ in 0..60 {
        nested = nested.raw(b"0](h\x00h\x00eq\x00");
    }
    let package = Pickle::new().raw(b"}(").text("klass");
    let package = package.global("demucs.htdemucs", "HTDemucs").text("args");
    let body = nested.end();
    let nested = package.raw(&body[2..body.len() - 1]).raw(b"u").end();

    // A long list that is made a size a hundred thousand times.
    let listed = Pickle::new()
        .raw(b"](")
        .raw(&b"K\x01".repeat(100_000))
        .raw(b"eq\x00");
    let sizes = b"ctorch\nSize\nh\x00\x85R0".repeat(20_000);
    let sizes = listed.raw(&sizes).end();

    // A list that holds itself, as arguments.
    let own = Pickle::new()
        .raw(b"}(")
        .text("klass")
        .global("demucs.htdemucs", "HTDemucs");
    let own = own.text("args").raw(b"]q\x00h\x00au").end();

    // Tensors of one storage.
    let tensor = |pickle: Pickle, index: usize| {
        let named = pickle.text(&format!("{index}"));
        named.tensor("0", 50_000, 0, &[50_000], &[1])
    };
    let many = (0..2_000)
        .fold(Pickle::new().raw(b"}("), tensor)
        .raw(b"u")
        .end();
    let storage = vec![0; 200_000];

    let cases: [(&str, Vec<u8>, &str); 4] = [
        ("nested lists", archive(&nested, &[]), "NotPyTorch"),
        ("sizes", archive(&sizes, &[]), "UnknownObject"),
        ("a list in itself", archive(&own, &[]), "NotPyTorch"),
        (
            "tensors of one storage",
            archive(&many, &[("0", &storage)]),
            "NotPyTorch",
        ),
    ];
    each_case(&cases, |(what, bytes, variant)| {
        refused(what, bytes, variant, &[])
    });

    let peak = sextet_testing::peak::peak_mb();
    println!("{} greedy files; peak memory {peak:?} MB", cases.len());
    assert!(peak.is_none_or(|peak| peak < 1500.0), "{peak:?} MB");
}

#[test]
fn no_damage_makes_reading_pickles_panic() {
    let (total, mut usable, mut slowest) = (super::hostile::cases(), 0, Duration::ZERO);
    for case in 0..total {
        let mut bytes = fs::read(written(WRITTEN[case % WRITTEN.len()])).unwrap();
        let mut random = Random::of_case(case);
        damage(&mut bytes, &mut random);

        let start = Instant::now();
        usable += usize::from(read_checkpoint(&bytes));
        slowest = slowest.max(start.elapsed());
    }

    println!("{total} damaged files, {usable} of them usable; slowest: {slowest:?}");
    assert!(slowest < PATIENCE, "{slowest:?}");
}

/// Instructions that a pickle of a checkpoint has, and some that it has not.
const INSTRUCTIONS: &[&[u8]] = &[
    b"}",
    b"]",
    b")",
    b"(",
    b"t",
    b"u",
    b"s",
    b"a",
    b"e",
    b"R",
    b"Q",
    b"b",
    b"0",
    b"1",
    b"2",
    b"N",
    b"\x81",
    b"\x85",
    b"\x86",
    b"\x87",
    b"\x88",
    b"\x8f",
    b"\x90",
    b"\x91",
    b"\x93",
    b"\x94",
    b"q\x00",
    b"q\x01",
    b"h\x00",
    b"h\x01",
    b"K\x00",
    b"K\x04",
    b"J\xff\xff\xff\xff",
    b"X\x07\0\0\0storage",
    b"X\x05\0\0\0klass",
    b"X\x01\0\0\0\x30",
    b"X\x05\0\0\0state",
    b"ctorch\nFloatStorage\n",
    b"ctorch._utils\n_rebuild_tensor_v2\n",
    b"ctorch\nSize\n",
    b"ccollections\nOrderedDict\n",
    b"cfractions\nFraction\n",
    b"cdemucs.htdemucs\nHTDemucs\n",
    b"d",
    b"l",
    b"i",
    b"o",
];

proptest! {
    /// Checks programs of known instructions in any order.
    #[test]
    fn random_programs_are_refused(program in proptest::collection::vec(0..INSTRUCTIONS.len(), 0..80)) {
        let body = program.iter().fold(Pickle::new(), |pickle, &index| pickle.raw(INSTRUCTIONS[index]));
        prop_assert!(!read_checkpoint(&archive(&body.end(), &[("0", &[0; 16])])));
    }
}
