//! Remedies on the wire and in words that suit every front end.

use serde_json::{Value, json};
use sextet_cases::each_case;
use sextet_protocol::Remedy;

fn text(text: &str) -> String {
    text.to_owned()
}

/// Returns every remedy with the JSON that docs/worker.md gives for it.
fn all() -> Vec<(Remedy, Value)> {
    let plain = [
        (Remedy::UseCpu, "use_cpu"),
        (Remedy::InstallTensorRt, "install_tensorrt"),
        (Remedy::InstallDriver, "install_driver"),
        (Remedy::CheckGpu, "check_gpu"),
        (Remedy::FreeGpuMemory, "free_gpu_memory"),
        (Remedy::FreeMemory, "free_memory"),
        (Remedy::ChooseBatch, "choose_batch"),
        (Remedy::Diagnose, "diagnose"),
        (Remedy::StartAgain, "start_again"),
        (Remedy::ChooseModel, "choose_model"),
        (Remedy::ChooseSmallerModel, "choose_smaller_model"),
        (Remedy::ListModels, "list_models"),
        (Remedy::FetchOfficialModel, "fetch_official_model"),
        (Remedy::OpenModelFiles, "open_model_files"),
        (Remedy::UpdateSextet, "update_sextet"),
        (Remedy::ReplaceCheckpoint, "replace_checkpoint"),
        (Remedy::ConvertCheckpoint, "convert_checkpoint"),
        (Remedy::AddConfiguration, "add_configuration"),
        (Remedy::CheckPath, "check_path"),
        (Remedy::CheckPermissions, "check_permissions"),
        (Remedy::ChooseFile, "choose_file"),
        (Remedy::SaveAsFile, "save_as_file"),
        (Remedy::CheckThatItPlays, "check_that_it_plays"),
        (Remedy::ExportAgain, "export_again"),
        (Remedy::ConvertAudio, "convert_audio"),
        (Remedy::InstallFfmpeg, "install_ffmpeg"),
        (Remedy::Resample, "resample"),
        (Remedy::MixDown, "mix_down"),
        (Remedy::RepairHeader, "repair_header"),
        (Remedy::RepairAudio, "repair_audio"),
        (Remedy::ChooseWav, "choose_wav"),
        (Remedy::MakeRoom, "make_room"),
        (Remedy::CheckFolder, "check_folder"),
        (Remedy::ChooseFolder, "choose_folder"),
        (Remedy::SeparateAgain, "separate_again"),
        (Remedy::TryAgain, "try_again"),
        (Remedy::RunAgain, "run_again"),
        (Remedy::ReadHelp, "read_help"),
        (Remedy::Report, "report"),
    ];
    let plain = plain.map(|(remedy, tag)| (remedy, json!({ "type": tag })));

    let with_data = [
        (
            Remedy::UseBuildWith {
                engine: text("tensorrt"),
            },
            json!({ "type": "use_build_with", "engine": "tensorrt" }),
        ),
        (
            Remedy::RemoveLibrary { path: text("/l") },
            json!({ "type": "remove_library", "path": "/l" }),
        ),
        (
            Remedy::UpdateDriver { cuda: text("13.0") },
            json!({ "type": "update_driver", "cuda": "13.0" }),
        ),
        (
            Remedy::ChooseGpu {
                there: vec![text("NVIDIA A")],
            },
            json!({ "type": "choose_gpu", "there": ["NVIDIA A"] }),
        ),
        (
            Remedy::UnsetVariable {
                variable: text("V"),
            },
            json!({ "type": "unset_variable", "variable": "V" }),
        ),
        (
            Remedy::ComputeInFloat32 {
                variable: text("V"),
            },
            json!({ "type": "compute_in_float32", "variable": "V" }),
        ),
        (
            Remedy::FetchModel { name: text("m") },
            json!({ "type": "fetch_model", "name": "m" }),
        ),
        (
            Remedy::FetchModelAgain { name: text("m") },
            json!({ "type": "fetch_model_again", "name": "m" }),
        ),
        (
            Remedy::ChooseStem {
                there: vec![text("drums")],
            },
            json!({ "type": "choose_stem", "there": ["drums"] }),
        ),
        (
            Remedy::ChooseBits { bits: 24 },
            json!({ "type": "choose_bits", "bits": 24 }),
        ),
        (
            Remedy::SetFolder {
                variable: text("V"),
            },
            json!({ "type": "set_folder", "variable": "V" }),
        ),
    ];

    plain.into_iter().chain(with_data).collect()
}

#[test]
fn remedies_are_on_the_wire_what_they_are_documented_to_be() {
    let page = include_str!("../../docs/worker.md");
    each_case(all(), |(remedy, wire)| {
        assert_eq!(serde_json::to_value(&remedy).unwrap(), wire);
        assert_eq!(
            serde_json::from_value::<Remedy>(wire.clone()).unwrap(),
            remedy
        );

        let tag = wire["type"].as_str().unwrap();
        assert!(page.contains(&format!("`{tag}`")), "{tag} is documented");
    });
    println!("{} remedies tried", all().len());
}

#[test]
fn a_phrase_names_no_front_ends_controls() {
    each_case(all(), |(remedy, wire)| {
        let phrase = remedy.phrase();
        assert!(!phrase.is_empty() && !phrase.ends_with('.'), "{wire}");
        each_case(["--", "`sextet", "settings"], |control| {
            assert!(!phrase.contains(control), "{wire}: {phrase}");
        });
    });
}
