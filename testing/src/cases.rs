//! Tables of cases of which all are tried, whether earlier ones fail or not.

use std::any::Any;
use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};

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

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without a message")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_is_named_and_no_case_is_left_out() {
        let mut cases = Cases::default();
        for number in 0..5 {
            cases.run(number, || assert!(number % 2 == 0, "{number} is odd"));
        }
        assert_eq!(cases.tried, 5);
        assert_eq!(cases.failed, ["1: 1 is odd", "3: 3 is odd"]);
        assert!(catch_unwind(AssertUnwindSafe(|| cases.finish("numbers"))).is_err());
    }
}
