//! `sextet model`, without the hub.

use sextet_cases::each_case;
use sextet_testing::roformer;

use crate::sandbox::{Sandbox, stderr, stdout, tiny_model, tiny_model_bytes};

#[test]
fn the_catalogue_is_listed() {
    let sandbox = Sandbox::new();
    let text = stdout(&mut sandbox.sextet(&["model", "list"]));
    let cases = ["sextet-mini", "htdemucs_6s", "htdemucs ", "htdemucs_ft"];
    each_case(cases, |name| {
        assert!(text.contains(name), "{text}");
    });
    let json: serde_json::Value =
        serde_json::from_str(&stdout(&mut sandbox.sextet(&["model", "list", "--json"]))).unwrap();
    assert_eq!(json[1]["name"], "htdemucs_6s");
    assert_eq!(json[1]["state"], "not fetched");
}

#[test]
fn models_are_described() {
    let sandbox = Sandbox::new();
    let bundled = stdout(&mut sandbox.sextet(&["model", "info", "sextet-mini"]));
    assert!(
        bundled.contains("stems       drums, bass, other, vocals, guitar, piano"),
        "{bundled}"
    );

    let tiny = stdout(sandbox.sextet(&["model", "info"]).arg(tiny_model()));
    assert!(
        tiny.contains("segment     44100 frames, 1.00 s") && tiny.contains("0.38 million"),
        "{tiny}"
    );

    let absent = stdout(&mut sandbox.sextet(&["model", "info", "htdemucs_6s"]));
    assert!(
        absent.contains("not fetched") && absent.contains("unknown before it is fetched"),
        "{absent}"
    );
    assert!(
        stderr(&mut sandbox.sextet(&["model", "info", "nothing"]), 3)
            .contains("there is no model 'nothing'")
    );
}

#[test]
fn a_model_is_exported_as_one_graph() {
    let sandbox = Sandbox::new();
    each_case([("f32", "1"), ("f16", "2")], |(precision, batch)| {
        let mut command = sandbox.sextet(&[
            "model",
            "export",
            "-o",
            "out/tiny.onnx",
            "--batch",
            batch,
            "--precision",
            precision,
        ]);

        assert!(stdout(command.arg(tiny_model())).contains("wrote out/tiny.onnx"));
        assert_eq!(sandbox.files("out"), ["tiny.onnx"]);
        assert!(
            std::fs::metadata(sandbox.path("out/tiny.onnx"))
                .unwrap()
                .len()
                > 100_000
        );
    });

    sandbox.file("file", b"in the way");
    let said = stderr(
        sandbox
            .sextet(&["model", "export", "-o", "file/x.onnx"])
            .arg(tiny_model()),
        1,
    );

    assert!(said.contains("cannot write 'file/x.onnx'"), "{said}");
}

#[test]
fn what_is_inside_the_command_has_no_file() {
    let sandbox = Sandbox::new();
    assert!(
        stderr(&mut sandbox.sextet(&["model", "path", "sextet-mini"]), 3)
            .contains("inside the command")
    );
    assert!(
        stderr(&mut sandbox.sextet(&["model", "remove", "sextet-mini"]), 3)
            .contains("inside the command")
    );

    assert!(
        stdout(&mut sandbox.sextet(&["model", "fetch", "sextet-mini"]))
            .contains("nothing to fetch")
    );
    assert!(
        stdout(&mut sandbox.sextet(&["model", "remove", "htdemucs"])).contains("nothing to remove")
    );
    assert!(
        stderr(&mut sandbox.sextet(&["model", "path", "htdemucs"]), 3)
            .contains("model fetch htdemucs")
    );

    assert!(
        stderr(&mut sandbox.sextet(&["model", "fetch", "htdemucs9"]), 3)
            .contains("the catalogue has no model")
    );
}

#[test]
fn a_bag_beside_its_checkpoints_is_a_model() {
    let sandbox = Sandbox::new();
    sandbox.song("song.wav", 0.5);
    sandbox.file("a.safetensors", &tiny_model_bytes());

    let rows = "weights: [[1, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1]]";
    sandbox.file("pair.yaml", format!("models: [a, a]\n{rows}\n").as_bytes());
    sandbox.file(
        "wrong.yaml",
        b"models: [a, a]\nweights: [[1, 1, 1, 0, 0, 0], [0, 0, 0, 0, 1, 1]]\n",
    );

    assert!(stdout(&mut sandbox.sextet(&["model", "info", "pair.yaml"])).contains("0.76 million"));
    sandbox
        .sextet(&[
            "separate",
            "song.wav",
            "-m",
            "pair.yaml",
            "--threads",
            "1",
            "-o",
            "bag",
        ])
        .assert()
        .success();

    sandbox
        .separate(&["song.wav", "-o", "one"])
        .assert()
        .success();
    for stem in sandbox.files("one") {
        let (bag, one) = (
            std::fs::read(sandbox.path("bag").join(&stem)),
            std::fs::read(sandbox.path("one").join(&stem)),
        );
        assert!(
            bag.unwrap() == one.unwrap(),
            "a bag of one network twice gives what the network gives"
        );
    }

    assert!(
        stderr(&mut sandbox.sextet(&["model", "info", "wrong.yaml"]), 3).starts_with("error: ")
    );
    let said = stderr(
        &mut sandbox.sextet(&["model", "export", "pair.yaml", "-o", "x.onnx"]),
        3,
    );

    assert!(said.contains("a bag of 2 networks"), "{said}");

    // demucs' older files, with a checksum in their names.
    let older = include_bytes!("../../../separator/tests/checkpoint/pickled/older.th");
    sandbox.file("5c90dfd2-1a2b3c4d.th", older);
    sandbox.file("older.yaml", b"models: [5c90dfd2]\n");
    let info = stdout(&mut sandbox.sextet(&["model", "info", "older.yaml"]));
    assert!(info.contains("drums, bass, other, vocals"), "{info}");
}

/// Follows the page of models as somebody would who has fetched a RoFormer.
#[test]
fn a_roformer_and_its_configuration_are_read_and_exported() {
    let sandbox = Sandbox::new();
    let config = roformer::config();
    let checkpoint = roformer::checkpoint(&roformer::tensors(&config), 1);
    sandbox.file("mine.ckpt", &roformer::pickled(&checkpoint, None));

    let said = stderr(&mut sandbox.sextet(&["model", "info", "mine.ckpt"]), 3);
    assert!(
        said.contains("does not say what model they are of"),
        "{said}"
    );
    assert!(
        said.contains("beside it, as a .yaml file of the same name"),
        "{said}"
    );

    sandbox.file("mine.yaml", config.as_bytes());
    let info = stdout(&mut sandbox.sextet(&["model", "info", "mine.ckpt"]));
    assert!(
        info.contains("drums, bass, other, vocals") && info.contains("1024 frames"),
        "{info}"
    );

    let other = config.replace("chunk_size: 1024", "chunk_size: 2048");
    sandbox.file("elsewhere/other.yaml", other.as_bytes());
    let named = [
        "model",
        "info",
        "mine.ckpt",
        "--config",
        "elsewhere/other.yaml",
    ];
    assert!(stdout(&mut sandbox.sextet(&named)).contains("2048 frames"));
    let useless = ["model", "info", "sextet-mini", "--config", "mine.yaml"];
    assert!(stderr(&mut sandbox.sextet(&useless), 3).contains("is no checkpoint"));

    let export = [
        "model",
        "export",
        "mine.ckpt",
        "-o",
        "out/mine.onnx",
        "--batch",
        "2",
    ];
    assert!(stdout(&mut sandbox.sextet(&export)).contains("wrote out/mine.onnx"));
    assert_eq!(sandbox.files("out"), ["mine.onnx"]);

    sandbox.song("song.wav", 0.5);
    let separate = ["separate", "song.wav", "-m", "mine.ckpt", "--engine", "cpu"];
    let said = stderr(&mut sandbox.sextet(&separate), 3);
    assert!(said.contains("exports as an ONNX graph"), "{said}");
}
