//! Songs shared out among engines: each engine takes the next song when it is free.

use std::panic::resume_unwind;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::scope;

/// The state of an engine after a song.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    /// The engine can take another song.
    Fit,
    /// The engine has failed. The remaining songs go to the others, as long as there are any.
    Failed,
}

/// The songs that are not taken yet, and the number of engines that take them.
struct Queue {
    next: usize,
    songs: usize,
    engines: usize,
}

impl Queue {
    /// Returns the number of the next song.
    fn take(&mut self) -> Option<usize> {
        let song = (self.next < self.songs).then_some(self.next)?;
        self.next += 1;
        Some(song)
    }

    /// Whether a failed engine leaves the rest to others. The last one does not, because each song
    /// needs an outcome.
    fn leave(&mut self) -> bool {
        let others = self.engines > 1;
        self.engines -= usize::from(others);
        others
    }
}

/// Runs `work` for the songs 0 to `songs`, in this order, on all `engines` at the same time.
/// Returns the results in the order of the songs, whichever ended first.
pub(super) fn share_out<E: Send, R: Send>(
    engines: &mut [E],
    songs: usize,
    work: impl Fn(&mut E, usize) -> (R, After) + Sync,
) -> Vec<R> {
    let queue = Mutex::new(Queue {
        next: 0,
        songs,
        engines: engines.len(),
    });

    let serve = |engine: &mut E| {
        let mut done = Vec::new();
        loop {
            let Some(song) = lock(&queue).take() else {
                return done;
            };
            let (result, after) = work(engine, song);
            done.push((song, result));
            if after == After::Failed && lock(&queue).leave() {
                return done;
            }
        }
    };

    let mut done = match engines {
        [only] => serve(only),
        several => scope(|scope| {
            let threads: Vec<_> = several
                .iter_mut()
                .map(|engine| scope.spawn(|| serve(engine)))
                .collect();
            // A panic in one of them goes on in this thread.
            let join = |thread: std::thread::ScopedJoinHandle<'_, _>| {
                thread.join().unwrap_or_else(|panic| resume_unwind(panic))
            };
            threads.into_iter().flat_map(join).collect()
        }),
    };

    done.sort_by_key(|(song, _)| *song);
    done.into_iter().map(|(_, result)| result).collect()
}

fn lock(queue: &Mutex<Queue>) -> MutexGuard<'_, Queue> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Barrier;
    use std::time::Duration;

    use sextet_cases::each_case;

    use super::*;

    /// An engine of a test: its number, the time that a song takes, and the number of songs after
    /// which it fails.
    struct Stub {
        number: usize,
        song_ms: u64,
        fails_at: Option<usize>,
        took: Vec<usize>,
    }

    impl Stub {
        fn new(number: usize, song_ms: u64, fails_at: Option<usize>) -> Self {
            Self {
                number,
                song_ms,
                fails_at,
                took: Vec::new(),
            }
        }

        fn work(&mut self, song: usize) -> ((usize, usize), After) {
            std::thread::sleep(Duration::from_millis(self.song_ms));
            self.took.push(song);
            let failed = self.fails_at.is_some_and(|at| self.took.len() > at);
            (
                (song, self.number),
                if failed { After::Failed } else { After::Fit },
            )
        }
    }

    #[test]
    fn every_song_is_done_once_and_told_in_its_order() {
        type Case<'a> = (&'a str, &'a [(u64, Option<usize>)], usize);
        let cases: [Case; 9] = [
            ("one engine", &[(0, None)], 5),
            ("no song", &[(0, None), (0, None)], 0),
            ("two alike", &[(2, None), (2, None)], 9),
            ("a slow one", &[(40, None), (1, None)], 9),
            (
                "more engines than songs",
                &[(1, None), (1, None), (1, None), (1, None)],
                2,
            ),
            ("one fails at once", &[(1, Some(0)), (1, None)], 9),
            ("one fails later", &[(1, None), (1, Some(2)), (1, None)], 12),
            ("all fail", &[(1, Some(0)), (1, Some(1)), (1, Some(2))], 12),
            ("the only one fails", &[(0, Some(1))], 4),
        ];

        each_case(cases, |(name, engines, songs)| {
            let stub = |(number, &(song_ms, fails_at))| Stub::new(number, song_ms, fails_at);
            let mut engines: Vec<Stub> = engines.iter().enumerate().map(stub).collect();
            let results = share_out(&mut engines, songs, Stub::work);

            let told: Vec<usize> = results.iter().map(|(song, _)| *song).collect();
            assert_eq!(told, (0..songs).collect::<Vec<_>>(), "{name}");

            let mut taken: Vec<usize> = engines
                .iter()
                .flat_map(|engine| engine.took.clone())
                .collect();
            taken.sort_unstable();

            assert_eq!(taken, told, "{name}");
            assert!(
                engines.iter().all(|engine| engine.took.is_sorted()),
                "{name}"
            );
        });

        println!("{} cases tried", cases.len());
    }

    #[test]
    fn what_has_failed_takes_no_more_while_others_work() {
        let mut engines = [Stub::new(0, 1, Some(0)), Stub::new(1, 3, None)];
        share_out(&mut engines, 10, Stub::work);
        assert_eq!(engines[0].took.len(), 1, "{:?}", engines[0].took);
        assert_eq!(engines[1].took.len(), 9, "{:?}", engines[1].took);
    }

    #[test]
    fn engines_work_at_the_same_time() {
        let (meet, together) = (Barrier::new(3), Mutex::new(BTreeSet::new()));
        share_out(&mut [0, 1, 2], 3, |engine, _| {
            // The barrier holds every engine until all are here.
            meet.wait();
            (
                (),
                if together.lock().unwrap().insert(*engine) {
                    After::Fit
                } else {
                    After::Failed
                },
            )
        });

        assert_eq!(together.into_inner().unwrap().len(), 3);
    }

    #[test]
    fn a_panic_is_heard_once_the_others_are_through() {
        let done = Mutex::new(0);
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            share_out(&mut [0, 1], 6, |_, song| {
                assert_ne!(song, 0, "the first song");
                *done.lock().unwrap() += 1;
                ((), After::Fit)
            })
        }));

        assert!(caught.is_err());
        assert_eq!(done.into_inner().unwrap(), 5);
    }
}
