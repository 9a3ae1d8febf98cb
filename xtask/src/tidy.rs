//! Conventions that no compiler checks: every file says what it is for, none grows past one
//! purpose, and comments begin with the thing they are about.

use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::step::root;

/// Lines of the longest source file that is allowed.
const LONGEST_FILE: usize = 800;
/// Lines of the longest file of tests: tables of cases are long and have one purpose.
const LONGEST_TESTS: usize = 1000;
/// Columns of the longest comment. Code is rustfmt's business, and it leaves comments alone.
const LONGEST_COMMENT: usize = 100;
/// Columns of the longest line of a kernel: rustfmt does not know them.
const LONGEST_KERNEL_LINE: usize = 120;
/// Folder whose comments are the command's help, which speaks to people.
const HELP: &str = "cli/src/args/";
/// Commands of `sextet`.
const COMMANDS: [&str; 9] = [
    "separate",
    "worker",
    "model",
    "engine",
    "setup",
    "cache",
    "doctor",
    "completions",
    "man",
];
/// Folder of the library, which knows no command line.
const LIBRARY: &str = "separator/src/";
/// Beginnings of comments that speak of a thing without naming it.
const RIDDLES: [&str; 4] = ["What ", "Where ", "Whoever ", "See the module"];

/// Checks all Rust files and kernels that git knows.
///
/// # Errors
/// A list of what is not tidy.
pub(crate) fn run() -> Result<()> {
    let list = Command::new("git")
        .args(["ls-files", "*.rs", "*.cu", "*.cuh"])
        .current_dir(root())
        .output()
        .context("cannot run git")?;

    let mut complaints = Vec::new();
    let mut count = 0;
    for name in String::from_utf8_lossy(&list.stdout).lines() {
        // A file that was just removed is still listed.
        let Ok(text) = fs::read_to_string(root().join(name)) else {
            continue;
        };
        count += 1;
        complaints.extend(if name.ends_with(".rs") {
            complaints_about(name, &text)
        } else {
            complaints_about_kernel(name, &text)
        });
    }

    if count == 0 {
        bail!("git lists no source files; is this a checkout?");
    }
    if !complaints.is_empty() {
        bail!("{}", complaints.join("\n"));
    }
    println!("    {count} files are tidy");
    Ok(())
}

/// Faults of the file `name` that holds `text`, a line each.
fn complaints_about(name: &str, text: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    if !text.starts_with("//!") {
        complaints.push(format!("{name} does not start with //! and its purpose"));
    }

    let longest = if name.contains("/tests") {
        LONGEST_TESTS
    } else {
        LONGEST_FILE
    };
    let lines = text.lines().count();
    if lines > longest {
        complaints.push(format!(
            "{name} has {lines} lines; {longest} at most: what is its second purpose?"
        ));
    }

    let mut before = "";
    for (number, line) in text.lines().enumerate() {
        let at = format!("{name}:{}", number + 1);
        let columns = line.chars().count();
        let line = line.trim_start();

        let can_be_wrapped = line.starts_with("//") && !line.contains('|') && !line.contains("://");
        if can_be_wrapped && columns > LONGEST_COMMENT {
            complaints.push(format!(
                "{at} is a comment of more than {LONGEST_COMMENT} columns"
            ));
        }

        if name.starts_with(LIBRARY)
            && let Some(word) = word_of_the_command_line(line)
        {
            complaints.push(format!(
                "{at} names '{word}' of the command line; the library gives a `Remedy` instead"
            ));
        }
        if line.contains("split") && line.contains("(\"; \")") {
            complaints.push(format!(
                "{at} splits a message; what to do about an error is a `Remedy`, not a part of it"
            ));
        }

        // A line that goes on with a sentence may begin with any word.
        let goes_on = documentation(before)
            .is_some_and(|(kind, text)| !text.is_empty() && line.starts_with(kind));
        let begins = documentation(line).filter(|_| !goes_on);
        let riddle =
            begins.and_then(|(_, text)| RIDDLES.iter().find(|riddle| text.starts_with(**riddle)));
        if let Some(riddle) = riddle.filter(|_| !name.starts_with(HELP)) {
            let riddle = riddle.trim_end();
            complaints.push(format!(
                "{at} begins with '{riddle}'; begin with the thing that the comment is about"
            ));
        }
        before = line;
    }
    complaints
}

/// Faults of the file `name` of kernels, in CUDA C++, a line each.
fn complaints_about_kernel(name: &str, text: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    let purpose = text
        .lines()
        .next()
        .and_then(|line| line.strip_prefix("// "));
    if purpose.is_none_or(|purpose| purpose.trim().is_empty()) {
        complaints.push(format!("{name} does not start with // and what it is"));
    }
    if !text.ends_with('\n') {
        complaints.push(format!("{name} does not end with a new line"));
    }

    for (number, line) in text.lines().enumerate() {
        let at = format!("{name}:{}", number + 1);
        let columns = line.chars().count();
        if columns > LONGEST_KERNEL_LINE {
            complaints.push(format!(
                "{at} has {columns} columns; {LONGEST_KERNEL_LINE} at most"
            ));
        }
        if line.contains('\t') {
            complaints.push(format!("{at} has a tab; indent by two spaces"));
        }
    }
    complaints
}

/// A flag, such as `--engine`, or a command, such as `sextet setup`, that `line` names.
fn word_of_the_command_line(line: &str) -> Option<String> {
    let flag = line.match_indices("--").find_map(|(at, dashes)| {
        let name: String = line[at + dashes.len()..]
            .chars()
            .take_while(|letter| letter.is_ascii_lowercase() || *letter == '-')
            .collect();
        let begins = at == 0 || line[..at].ends_with([' ', '`', '"', '\'', '(']);
        let is_flag = begins && name.starts_with(|letter: char| letter.is_ascii_lowercase());
        is_flag.then(|| format!("--{name}"))
    });

    let command = line.match_indices("sextet ").find_map(|(at, sextet)| {
        let name: String = line[at + sextet.len()..]
            .chars()
            .take_while(char::is_ascii_lowercase)
            .collect();
        COMMANDS
            .contains(&name.as_str())
            .then(|| format!("sextet {name}"))
    });
    flag.or(command)
}

/// The kind and the text of a documenting comment; `None` for other lines.
fn documentation(line: &str) -> Option<(&'static str, &str)> {
    let kind = ["///", "//!"]
        .into_iter()
        .find(|kind| line.starts_with(kind))?;
    Some((kind, line[kind.len()..].trim_start_matches(' ')))
}

#[cfg(test)]
mod tests {
    use super::{complaints_about, complaints_about_kernel};

    #[test]
    fn a_file_is_complained_about_for_each_fault() {
        let long = format!("//! A purpose.\n{}", "fn a() {}\n".repeat(900));
        let wide = format!("//! A purpose.\n/// {}\nfn a() {{}}\n", "word ".repeat(30));
        let cases: [(&str, &str, &[&str]); 17] = [
            ("a.rs", "//! A purpose.\n\nfn a() {}\n", &[]),
            ("a.rs", "fn a() {}\n", &["does not start"]),
            ("a/src/b.rs", &long, &["901 lines; 800 at most"]),
            ("a/tests/b.rs", &long, &[]),
            (
                "a.rs",
                &wide,
                &["a.rs:2 is a comment of more than 100 columns"],
            ),
            ("a.rs", "//! What it is.\n", &["a.rs:1 begins with 'What'"]),
            (
                "cli/src/args/a.rs",
                "//! Options.\n/// Where it goes\n",
                &[],
            ),
            (
                "a.rs",
                "//! A purpose.\n/// Whoever does it.\nfn a() {}\n",
                &["a.rs:2 begins with"],
            ),
            // A line that goes on with a sentence may begin with any word.
            ("a.rs", "//! The place\n//! Where it is.\n", &[]),
            (
                "a.rs",
                "//! A purpose.\n//!\n//! See the module.\n",
                &["a.rs:3 begins with"],
            ),
            (
                "separator/src/a.rs",
                "//! A purpose.\nlet a = \"it failed; use --engine cpu\";\n",
                &["a.rs:2 names '--engine'"],
            ),
            (
                "separator/src/a.rs",
                "//! A purpose.\n/// Takes `--fp32`.\n",
                &["a.rs:2 names '--fp'"],
            ),
            (
                "separator/src/a.rs",
                "//! A purpose.\nlet a = \"run `sextet setup tensorrt`\";\n",
                &["a.rs:2 names 'sextet setup'"],
            ),
            (
                "separator/src/a.rs",
                "//! A purpose of `sextet-mini` -- and sextet itself.\n// ----- -->\n",
                &[],
            ),
            (
                "cli/src/a.rs",
                "//! A purpose.\nlet a = \"use --engine cpu\";\n",
                &[],
            ),
            (
                "cli/src/a.rs",
                "//! A purpose.\nlet a = text.rsplit_once(\"; \");\n",
                &["a.rs:2 splits a message"],
            ),
            (
                "cli/src/a.rs",
                "//! A purpose.\nlet a = text.split(',').collect();\n",
                &[],
            ),
        ];
        for (name, text, expected) in cases {
            let found = complaints_about(name, text);
            assert_eq!(found.len(), expected.len(), "{found:?} for {text}");
            for (found, expected) in found.iter().zip(expected) {
                assert!(found.contains(expected), "{found} for {text}");
            }
        }
    }

    #[test]
    fn a_kernel_is_complained_about_for_each_fault() {
        let longest = format!("// Norms.\n// {}\n", "é".repeat(117));
        let wide = format!("// Norms.\n// {}\n", "é".repeat(118));
        let cases: [(&str, &[&str]); 8] = [
            ("// Norms.\n\nint a;\n", &[]),
            (&longest, &[]),
            (&wide, &["a.cu:2 has 121 columns; 120 at most"]),
            ("", &["does not start", "does not end"]),
            ("// \nint a;\n", &["does not start"]),
            ("#pragma once\n// Norms.\n", &["does not start"]),
            ("// Norms.\nint a;", &["does not end"]),
            ("// Norms.\n\tint a;\n", &["a.cu:2 has a tab"]),
        ];
        for (text, expected) in cases {
            let found = complaints_about_kernel("a.cu", text);
            assert_eq!(found.len(), expected.len(), "{found:?} for {text}");
            for (found, expected) in found.iter().zip(expected) {
                assert!(found.contains(expected), "{found} for {text}");
            }
        }
    }
}
