//! `sextet model`, without the hub.

use sextet_cases::each_case;

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
