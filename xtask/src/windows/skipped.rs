//! The tests that Windows or Wine cannot play, each with the reason.

use crate::suite::Skipped;

/// Tests that are built for Windows and not run under Wine.
pub(super) const UNDER_WINE: &[Skipped] = &[
    Skipped {
        program: "cli: unit tests",
        test: "models::cache::tests::a_file_gets_its_name_with_links_or_without",
        why: "Wine 8 makes no symbolic link and says that it did",
    },
    Skipped {
        program: "plugin: lifecycle",
        test: "a_thousand_instances_are_created_automated_and_destroyed",
        why: PLACES,
    },
    Skipped {
        program: "plugin: vst3_host",
        test: "a_thousand_instances_are_created_automated_and_destroyed",
        why: PLACES,
    },
];

/// A process on Windows has a number of places for values that each thread has its own of.
const PLACES: &str = "it loads the library a thousand times; what MinGW builds gives no place for thread-local values back \
                      when it is unloaded, and a process has 1,088";

/// Tests of one file that are not built for Windows.
pub(super) struct NotBuilt {
    /// Its path in the workspace.
    pub(super) file: &'static str,
    pub(super) why: &'static str,
    pub(super) tests: &'static [&'static str],
}

/// A shell script stands in for a program that fails in a certain way.
const SCRIPT: &str = "a script of sh stands in for another program";
/// C code is compiled into a library that stands in for the driver.
const DRIVER: &str = "a library that cc compiles stands in for a driver or NVIDIA's library";

/// Tests that are not built for Windows: what they try is Unix's, or is tried by its means.
pub(super) const NOT_BUILT: &[NotBuilt] = &[
    NotBuilt {
        file: "cli/src/separate/inputs.rs",
        why: "links to folders need rights on Windows that users lack",
        tests: &["links_in_a_circle_end"],
    },
    NotBuilt {
        file: "cli/src/stems/disk.rs",
        why: "Windows takes no name that Unix alone takes",
        tests: &["a_disk_of_unix_takes_all_names_and_nothing_is_left_of_the_trial"],
    },
    NotBuilt {
        file: "cli/tests/command/bad_inputs.rs",
        why: "a limit of sh on the length of files, and pipes that are closed early",
        tests: &[
            "a_disk_that_fills_up_leaves_nothing",
            "a_reader_that_goes_away_is_no_failure",
        ],
    },
    NotBuilt {
        file: "cli/tests/command/batch.rs",
        why: "sh starts the command, with limits, signals and disks of Unix",
        tests: &[
            "standard_input_is_a_song",
            "files_that_are_left_out_are_told",
            "no_tags_are_no_tags",
            "signals_that_were_ignored_stay_ignored",
            "a_song_that_is_written_to_is_told_and_the_batch_goes_on",
            "a_folder_that_vanishes_is_told_and_the_batch_goes_on",
            "a_full_disk_is_told_and_the_batch_goes_on",
            "names_are_the_songs_where_the_disk_takes_them",
        ],
    },
    NotBuilt {
        file: "cli/tests/command/formats.rs",
        why: SCRIPT,
        tests: &["a_failing_encoder_leaves_nothing"],
    },
    NotBuilt {
        file: "cli/tests/command/help.rs",
        why: SCRIPT,
        tests: &["the_doctor_finds_a_gpu"],
    },
    NotBuilt {
        file: "cli/tests/command/inputs.rs",
        why: "names of Windows are text, but for halves of surrogates",
        tests: &["names_that_are_no_text_work"],
    },
    NotBuilt {
        file: "cli/tests/command/interrupt.rs",
        why: "signals of Unix",
        tests: &["a_signal_ends_the_work_within_a_second_and_leaves_nothing"],
    },
    NotBuilt {
        file: "cli/tests/command/machine.rs",
        why: "containers, homes and loaders of Linux",
        tests: &[
            "the_cpu_engine_has_no_more_threads_than_the_containers_quota",
            "a_user_without_a_home_can_separate_and_finds_no_engine_cache_missing",
            "a_gpu_that_is_not_there_is_told_by_what_is",
            "gpus_that_cannot_be_used_are_left_out",
        ],
    },
    NotBuilt {
        file: "cli/tests/command/page.rs",
        why: SCRIPT,
        tests: &["an_ffmpeg_that_fails_leaves_flac_and_a_warning"],
    },
    NotBuilt {
        file: "cli/tests/command/page/played.rs",
        why: "the browser that plays the page is this system's",
        tests: &[
            "the_sample_song_plays_in_step_and_does_what_it_is_told",
            "names_of_a_song_are_texts_in_its_page",
        ],
    },
    NotBuilt {
        file: "cli/tests/command/worker/death.rs",
        why: "signals of Unix",
        tests: &["a_signal_ends_the_worker_and_leaves_nothing"],
    },
    NotBuilt {
        file: "cli/tests/command/worker/faults.rs",
        why: "permissions of Unix, and a limit of sh on the length of files",
        tests: &[
            "a_read_only_cache_still_gives_what_it_has",
            "a_disk_that_fills_up_leaves_nothing_and_the_worker_goes_on",
        ],
    },
    NotBuilt {
        file: "cli/tests/command/worker/gpu.rs",
        why: DRIVER,
        tests: &[
            "a_driver_or_gpu_that_will_not_do_is_told_with_what_helps",
            "a_gpu_for_which_there_are_kernels_is_ready_without_being_set_up",
            "a_library_that_is_missing_or_will_not_do_is_to_be_set_up",
            "the_doctor_tells_the_same_of_the_gpu",
            "all_that_is_needed_is_ready",
            "what_was_set_up_is_used_by_the_same_worker",
            "what_is_built_ahead_holds_up_no_clip_that_the_cpu_does_sooner",
            "a_song_that_the_cpu_does_sooner_does_not_wait_for_the_gpu",
            "what_was_cut_off_is_gone_on_with_by_the_next_worker_until_the_gpu_is_ready",
            "what_a_host_serves_wrongly_is_thrown_away",
            "a_folder_that_cannot_be_written_to_is_said_so",
        ],
    },
    NotBuilt {
        file: "fs/src/file.rs",
        why: "permissions of Unix",
        tests: &["the_users_umask_decides_who_may_read_it"],
    },
    NotBuilt {
        file: "plugin/src/session/tests/faults.rs",
        why: SCRIPT,
        tests: &[
            "a_command_that_is_not_there",
            "a_command_that_is_not_executable",
            "a_command_that_ends_at_once",
            "a_command_that_prints_something_else",
            "a_command_that_prints_a_long_binary_line",
            "a_worker_of_a_newer_protocol",
            "a_worker_that_refuses_the_plugin",
            "a_worker_that_dies_in_the_middle_of_a_job",
            "a_worker_that_goes_on_printing_something_else",
            "a_command_that_never_answers",
        ],
    },
    NotBuilt {
        file: "plugin/src/worker/tests.rs",
        why: "kill, and processes as /proc shows them",
        tests: &[
            "a_worker_that_died_while_nobody_needed_it_is_noticed_and_costs_no_clip",
            "a_separation_that_is_given_up_frees_its_worker_or_ends_it",
        ],
    },
    NotBuilt {
        file: "plugin/tests/faults.rs",
        why: "ps, kill and /proc; what can be replaced while it is open",
        tests: &[
            "a_worker_that_is_killed",
            "a_worker_that_is_stopped_goes_with_its_instance",
            "a_worker_in_the_middle_of_a_job_goes_with_its_instance",
            "a_cache_that_cannot_be_written",
            "captures_that_cannot_be_written",
            "an_entry_that_is_corrupted",
        ],
    },
    NotBuilt {
        file: "plugin/tests/python_hosts.rs",
        why: "the hosts are Python packages of this system",
        tests: &["python_hosts_capture_separate_play_back_and_show_the_editor"],
    },
    NotBuilt {
        file: "plugin/tests/sandbox.rs",
        why: "the folders of a sandbox are those of XDG",
        tests: &["with_moved_folders_the_command_is_found_and_so_is_what_it_wrote"],
    },
    NotBuilt {
        file: "plugin/tests/window.rs",
        why: "densities of X11; window_on_windows.rs has what Windows has instead",
        tests: &[
            "window_has_the_density_of_its_screen",
            "shown_in_a_process_of_its_own",
        ],
    },
    NotBuilt {
        file: "protocol/src/worker/wire.rs",
        why: "paths of Windows are text, but for halves of surrogates",
        tests: &["a_path_that_is_no_text_cannot_be_sent"],
    },
    NotBuilt {
        file: "separator/src/engine/tensorrt/whole.rs",
        why: "libraries of Linux, which say how long they are",
        tests: &["this_very_program_is_whole_and_any_part_of_it_is_not"],
    },
    NotBuilt {
        file: "separator/tests/audio_bad_inputs.rs",
        why: "permissions of Unix",
        tests: &["a_file_that_may_not_be_read_says_so"],
    },
    NotBuilt {
        file: "separator/tests/audio_encode.rs",
        why: "this system's ffmpeg, and scripts that stand in for it",
        tests: &[
            "a_real_ffmpeg_encodes_the_song_whole",
            "a_cover_goes_along_and_no_tags_are_none",
            "files_do_not_depend_on_the_time",
            "a_file_of_stems_has_its_tracks_and_their_names",
            "every_failure_of_ffmpeg_is_an_error",
            "a_name_is_never_an_option_or_an_address",
            "a_writer_that_is_dropped_ends_its_process",
            "ffmpeg_gives_the_length_of_what_states_it",
            "a_file_can_have_another_rate",
            "a_long_comment_goes_along",
        ],
    },
    NotBuilt {
        file: "separator/tests/audio_ffmpeg.rs",
        why: "this system's ffmpeg, and scripts that stand in for it",
        tests: &[
            "without_ffmpeg_the_error_names_the_file_and_ffmpeg",
            "what_ffmpeg_gives_is_the_song_and_is_said_once",
            "what_sextet_decodes_does_not_start_ffmpeg",
            "every_failure_of_ffmpeg_is_an_error",
            "a_reader_that_is_dropped_ends_its_process",
            "a_name_is_never_an_option_or_an_address",
            "a_real_ffmpeg_leaves_every_channel_of_surround_in_its_place",
            "a_real_ffmpeg_gives_short_surround_whole",
            "a_real_ffmpeg_reads_what_sextet_does_not",
            "a_program_without_the_encoder_is_known",
        ],
    },
    NotBuilt {
        file: "separator/tests/tensorrt.rs",
        why: DRIVER,
        tests: &["a_library_that_is_not_the_right_one_is_refused_by_name"],
    },
];

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::step::root;

    /// Tests by their files' paths in the workspace.
    type Found = BTreeMap<String, BTreeSet<String>>;

    /// Whether a line leaves what follows it out of Windows.
    fn leaves_out(line: &str) -> bool {
        let attribute = line.starts_with("#[cfg(") || line.starts_with("#![cfg(");
        attribute && !line.contains("not(") && (line.contains("unix") || line.contains("linux"))
    }

    /// Adds the tests of `text`, the file at `path`, that Windows does not get; `whole` if that are
    /// all of them. Returns the names of modules that are left out as well.
    fn collect(path: &str, text: &str, whole: bool, found: &mut Found) -> Vec<String> {
        let mut modules = Vec::new();
        let whole = whole
            || text
                .lines()
                .any(|line| line.starts_with("#!") && leaves_out(line));
        let (mut out, mut test, mut inside) = (false, false, false);

        for line in text.lines() {
            inside &= line != "}";
            let line = line.trim();
            out |= leaves_out(line);
            test |= line == "#[test]";
            if line.starts_with("#[") || line.starts_with("//") {
                continue;
            }

            if let Some(module) = line.strip_prefix("mod ").filter(|_| out) {
                inside |= module.ends_with('{');
                modules.extend(module.strip_suffix(';').map(str::to_owned));
            }
            if let Some(name) = line
                .strip_prefix("fn ")
                .filter(|_| test && (out || whole || inside))
            {
                let name = name.split('(').next().unwrap().to_owned();
                found.entry(path.to_owned()).or_default().insert(name);
            }
            (out, test) = (false, false);
        }
        modules
    }

    /// Adds the tests of all files below `folder` that Windows does not get.
    fn walk(folder: &Path, found: &mut Found) {
        let mut left_out = Vec::new();
        let mut files = Vec::new();
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|end| end == "rs") {
                files.push(path);
            }
        }

        let name = |path: &Path| {
            let path = path.strip_prefix(root()).unwrap().to_string_lossy();
            path.replace('\\', "/")
        };
        for path in &files {
            let text = fs::read_to_string(path).unwrap();
            let modules = collect(&name(path), &text, false, found);

            // `a/mod.rs` has its modules beside it, `a.rs` in the folder `a`.
            let home = match path.file_stem().unwrap().to_str().unwrap() {
                "mod" | "lib" | "main" => folder.to_owned(),
                stem => folder.join(stem),
            };
            left_out.extend(
                modules
                    .iter()
                    .map(|module| home.join(format!("{module}.rs"))),
            );
        }
        for path in left_out {
            let text = fs::read_to_string(&path).unwrap();
            collect(&name(&path), &text, true, found);
        }
    }

    #[test]
    fn every_test_that_windows_does_not_get_is_named() {
        let mut found = Found::new();
        for package in ["cli", "cpu", "fs", "plugin", "protocol", "separator", "wav"] {
            for folder in ["src", "tests"] {
                let folder = root().join(package).join(folder);
                if folder.is_dir() {
                    walk(&folder, &mut found);
                }
            }
        }

        let listed = NOT_BUILT.iter().map(|out| {
            let tests = out.tests.iter().map(|&test| test.to_owned());
            (out.file.to_owned(), tests.collect())
        });
        assert_eq!(found, listed.collect());
        println!("{} files with tests that Windows does not get", found.len());
    }

    #[test]
    fn what_is_left_out_is_told_from_what_is_not() {
        let text = "#[cfg(unix)]\n#[test]\nfn a() {\n}\n#[test]\nfn b() {\n}\n#[cfg(not(unix))]\n#[test]\nfn c() {\n}\n\
                    #[cfg(target_os = \"linux\")]\nmod d;\n";
        let mut found = Found::new();
        assert_eq!(collect("x.rs", text, false, &mut found), ["d"]);
        assert_eq!(found["x.rs"], BTreeSet::from(["a".to_owned()]));
    }
}
