//! Tables of cases of which all are tried, whether earlier ones fail or not.

use std::any::Any;
use std::fmt::{Debug, Display, Write};
use std::panic::{AssertUnwindSafe, Location, catch_unwind};

/// Characters of a case's value that its name has at most.
const NAME_CHARS: usize = 120;

/// Cases of one test. A test that ends at its first failure says nothing of the other cases; here
/// all run, and [`Cases::finish`] names every one that failed.
#[derive(Default)]
pub struct Cases {
    tried: usize,
    failed: Vec<String>,
}

impl Cases {
    /// Runs one case. A panic in it is its failure.
    pub fn run(&mut self, name: impl Display, case: impl FnOnce()) {
        self.tried += 1;
        if let Err(panic) = catch_unwind(AssertUnwindSafe(case)) {
            self.failed.push(format!("{name}: {}", message(&*panic)));
        }
    }

    /// Prints the number of cases of `what`.
    ///
    /// # Panics
    /// When a case has failed; the message names all that have.
    #[track_caller]
    pub fn finish(self, what: &str) {
        let Self { tried, failed } = self;
        assert!(
            failed.is_empty(),
            "{} of {tried} {what} failed:\n{}",
            failed.len(),
            failed.join("\n")
        );
        println!("{tried} {what}");
    }
}

/// Runs `case` with each of `cases`, which are named by their values, and prints their number.
///
/// # Panics
/// When a case has failed; the message names all that have.
#[track_caller]
pub fn each_case<T: Debug>(cases: impl IntoIterator<Item = T>, mut case: impl FnMut(T)) {
    let mut tried = Cases::default();
    for value in cases {
        tried.run(name(&value), || case(value));
    }
    tried.finish(&format!("cases of {}", Location::caller()));
}

/// Returns how `value` is shown, cut where it becomes too long for a name.
fn name(value: &impl Debug) -> String {
    let mut name = Name {
        text: String::new(),
        left: NAME_CHARS,
    };
    if write!(name, "{value:?}").is_err() {
        name.text.push_str(" ...");
    }
    name.text
}

/// Text that takes characters until it is as long as a name may be.
struct Name {
    text: String,
    left: usize,
}

impl Write for Name {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let before = self.text.len();
        self.text.extend(text.chars().take(self.left));
        let taken = &self.text[before..];
        self.left -= taken.chars().count();
        if taken.len() == text.len() {
            Ok(())
        } else {
            Err(std::fmt::Error)
        }
    }
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without a message")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(test: impl FnOnce()) -> String {
        let panic = catch_unwind(AssertUnwindSafe(test)).unwrap_err();
        message(&*panic).to_owned()
    }

    #[test]
    fn every_failure_is_named_and_no_case_is_left_out() {
        let mut cases = Cases::default();
        for number in 0..5 {
            cases.run(number, || assert!(number % 2 == 0, "{number} is odd"));
        }
        assert_eq!(cases.tried, 5);
        assert_eq!(cases.failed, ["1: 1 is odd", "3: 3 is odd"]);
        let said = failure(|| cases.finish("numbers"));
        assert_eq!(said, "2 of 5 numbers failed:\n1: 1 is odd\n3: 3 is odd");
    }

    #[test]
    fn cases_of_a_table_are_named_by_their_values() {
        let mut tried = Vec::new();
        let said = failure(|| {
            each_case([("a", 1), ("b", 2), ("c", 3)], |(letter, number)| {
                tried.push(letter);
                assert_eq!(number, 2);
            });
        });
        assert_eq!(tried, ["a", "b", "c"]);
        assert!(said.starts_with("2 of 3 cases of "), "{said}");
        assert!(said.contains("\n(\"a\", 1): assertion"), "{said}");
        assert!(said.contains("\n(\"c\", 3): assertion"), "{said}");
    }

    #[test]
    fn long_values_are_cut_between_characters() {
        let short = "ö".repeat(NAME_CHARS - 2);
        assert_eq!(name(&short), format!("\"{short}\""));
        let long = vec!["ö".repeat(50); 1_000_000];
        let name = name(&long);
        assert!(name.ends_with("ö ..."), "{name}");
        assert_eq!(name.chars().count(), NAME_CHARS + 4);
    }
}
