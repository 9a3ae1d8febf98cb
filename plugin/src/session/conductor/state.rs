//! The state of an instance's work, and its transitions as a pure function. The table in
//! ARCHITECTURE.md is this function; a test reads it there and compares every cell.

use std::sync::Arc;

use crate::capture::Take;
use crate::playback::Deck;
use crate::session::view::{Phase, StemOrigin};
use crate::worker::{Fault, Job};

/// The state of an instance's work. Each state owns what it needs, so that there is no separation
/// without a job and nothing ready without stems.
///
/// Stems that are held beside other work are older ones, which are played meanwhile.
///
/// `T` is a take, `J` the job of a separation, `S` a clip's stems. Transitions move them and do not
/// look into them, so tests can put names in their places.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum State<T = Take, J = Job, S = Stems> {
    /// There is no clip.
    #[default]
    Empty,
    /// The track is being captured.
    Capturing { take: T, stems: Option<S> },
    /// The take is being made a capture.
    Keeping { stems: Option<S> },
    /// There is a clip without stems, and no work on it.
    Captured,
    /// The stems are being made.
    Separating { job: J, stems: Option<S> },
    /// The stems are there.
    Ready(S),
    /// Making or playing stems has failed.
    Failed { fault: Fault, stems: Option<S> },
}

/// A clip's stems, which are open.
pub(super) struct Stems {
    pub(super) stem_origin: Arc<StemOrigin>,
    /// Model and engine, for people.
    pub(super) engine: Arc<str>,
    /// Deck that plays them; `None` until the host has said the session's rate.
    pub(super) deck: Option<Arc<Deck>>,
}

/// An event that may change the state.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Event<T = Take, J = Job, S = Stems> {
    /// A take begins.
    TakeBegun(T),
    /// The take is over.
    TakeEnded,
    /// The take cannot be kept, or is empty: the clip is the one before, if there was one.
    TakeAbandoned { has_clip: bool },
    /// Another clip is the clip.
    ClipReplaced,
    /// The clip was removed.
    ClipRemoved,
    /// The capture was missing and is there again.
    CaptureFound,
    /// The clip's stems were opened.
    StemsOpened(S),
    /// The cache has no stems of the clip.
    StemsMissing,
    /// The cache has stems that cannot be played.
    StemsUnreadable(Fault),
    /// The stems that are played turn out to be damaged.
    StemsDamaged,
    /// A separation was started.
    SeparationStarted(J),
    /// The separation has ended, and the stems are in the cache.
    SeparationDone,
    /// The separation cannot be started, or has ended without stems.
    SeparationFailed(Fault),
    /// The user cancels the separation.
    SeparationCancelled,
}

/// Something to be done about a transition.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Effect<T = Take, J = Job> {
    /// Makes a capture of the take.
    FinishTake(T),
    /// Cancels the job, and keeps its worker if its engine is free at once.
    CancelJob(J),
    /// Keeps the worker of a job that is done.
    KeepWorker(J),
    /// Makes the clip's stems again.
    Separate,
}

impl<T, J, S> State<T, J, S> {
    /// Returns the next state, and what is to be done. An event that the state does not allow
    /// changes nothing.
    pub(super) fn apply(self, event: Event<T, J, S>) -> (Self, Option<Effect<T, J>>) {
        match event {
            Event::TakeBegun(_) | Event::TakeEnded | Event::TakeAbandoned { .. } => {
                self.apply_take(event)
            }
            Event::ClipReplaced => self.change_clip(Self::Captured),
            Event::ClipRemoved => self.change_clip(Self::Empty),
            Event::CaptureFound => match self {
                Self::Failed {
                    fault: Fault::Missing { .. },
                    ..
                } => (Self::Captured, None),
                other => (other, None),
            },
            Event::StemsOpened(_)
            | Event::StemsMissing
            | Event::StemsUnreadable(_)
            | Event::StemsDamaged => self.apply_stems(event),
            Event::SeparationStarted(_)
            | Event::SeparationDone
            | Event::SeparationFailed(_)
            | Event::SeparationCancelled => self.apply_separation(event),
        }
    }

    fn apply_take(self, event: Event<T, J, S>) -> (Self, Option<Effect<T, J>>) {
        match (self, event) {
            (state, Event::TakeBegun(take)) => {
                let (stems, job) = state.into_parts();
                (Self::Capturing { take, stems }, job.map(Effect::CancelJob))
            }
            (Self::Capturing { take, stems }, Event::TakeEnded) => {
                (Self::Keeping { stems }, Some(Effect::FinishTake(take)))
            }
            (Self::Capturing { .. } | Self::Keeping { .. }, Event::TakeAbandoned { has_clip }) => {
                let next = if has_clip {
                    Self::Captured
                } else {
                    Self::Empty
                };
                (next, None)
            }
            (other, _) => (other, None),
        }
    }

    /// A running take outlives a change of the clip that it will replace or extend.
    fn change_clip(self, next: Self) -> (Self, Option<Effect<T, J>>) {
        match self {
            Self::Capturing { take, .. } => (Self::Capturing { take, stems: None }, None),
            state => (next, state.into_parts().1.map(Effect::CancelJob)),
        }
    }

    fn apply_stems(self, event: Event<T, J, S>) -> (Self, Option<Effect<T, J>>) {
        match (self, event) {
            (state @ (Self::Empty | Self::Keeping { .. }), Event::StemsOpened(_)) => (state, None),
            (state, Event::StemsOpened(stems)) => (state.with_stems(stems), None),

            (state, Event::StemsUnreadable(fault)) => match state.without_stems() {
                Self::Captured | Self::Failed { .. } => (Self::Failed { fault, stems: None }, None),
                busy => (busy, None),
            },
            (state @ (Self::Ready(_) | Self::Failed { .. }), Event::StemsDamaged) => {
                (state.without_stems(), Some(Effect::Separate))
            }
            (state, _) => (state.without_stems(), None),
        }
    }

    fn apply_separation(self, event: Event<T, J, S>) -> (Self, Option<Effect<T, J>>) {
        match (self, event) {
            (state, Event::SeparationStarted(job)) if state.can_separate() => {
                let stems = state.into_parts().0;
                (Self::Separating { job, stems }, None)
            }
            (state, Event::SeparationStarted(job)) => (state, Some(Effect::CancelJob(job))),

            (state, Event::SeparationFailed(fault))
                if state.can_separate() || matches!(state, Self::Separating { .. }) =>
            {
                let stems = state.into_parts().0;
                (Self::Failed { fault, stems }, None)
            }
            (Self::Separating { job, .. }, Event::SeparationDone) => {
                (Self::Captured, Some(Effect::KeepWorker(job)))
            }
            (Self::Separating { job, stems }, Event::SeparationCancelled) => {
                let next = stems.map_or(Self::Captured, Self::Ready);
                (next, Some(Effect::CancelJob(job)))
            }
            (other, _) => (other, None),
        }
    }

    /// Returns whether a separation can be started.
    pub(super) fn can_separate(&self) -> bool {
        matches!(self, Self::Captured | Self::Ready(_) | Self::Failed { .. })
    }

    /// Returns whether a take is running.
    pub(super) fn is_capturing(&self) -> bool {
        matches!(self, Self::Capturing { .. })
    }

    /// Returns the running take.
    pub(super) fn take_mut(&mut self) -> Option<&mut T> {
        match self {
            Self::Capturing { take, .. } => Some(take),
            _ => None,
        }
    }

    /// Returns the job of the separation.
    pub(super) fn job(&self) -> Option<&J> {
        match self {
            Self::Separating { job, .. } => Some(job),
            _ => None,
        }
    }

    /// Returns the job of the separation.
    pub(super) fn job_mut(&mut self) -> Option<&mut J> {
        match self {
            Self::Separating { job, .. } => Some(job),
            _ => None,
        }
    }

    /// Returns the stems that are played.
    pub(super) fn stems(&self) -> Option<&S> {
        match self {
            Self::Ready(stems) => Some(stems),
            Self::Capturing { stems, .. }
            | Self::Keeping { stems }
            | Self::Separating { stems, .. }
            | Self::Failed { stems, .. } => stems.as_ref(),
            Self::Empty | Self::Captured => None,
        }
    }

    /// Replaces the stems. Work that is going on goes on.
    fn with_stems(self, stems: S) -> Self {
        match self {
            Self::Capturing { take, .. } => Self::Capturing {
                take,
                stems: Some(stems),
            },
            Self::Separating { job, .. } => Self::Separating {
                job,
                stems: Some(stems),
            },
            _ => Self::Ready(stems),
        }
    }

    /// Drops the stems. Work that is going on goes on.
    fn without_stems(self) -> Self {
        match self {
            Self::Empty => Self::Empty,
            Self::Capturing { take, .. } => Self::Capturing { take, stems: None },
            Self::Keeping { .. } => Self::Keeping { stems: None },
            Self::Captured | Self::Ready(_) => Self::Captured,
            Self::Separating { job, .. } => Self::Separating { job, stems: None },
            Self::Failed { fault, .. } => Self::Failed { fault, stems: None },
        }
    }

    fn into_parts(self) -> (Option<S>, Option<J>) {
        match self {
            Self::Empty | Self::Captured => (None, None),
            Self::Capturing { stems, .. }
            | Self::Keeping { stems }
            | Self::Failed { stems, .. } => (stems, None),
            Self::Separating { job, stems } => (stems, Some(job)),
            Self::Ready(stems) => (Some(stems), None),
        }
    }
}

impl State {
    /// Returns the phase, as the editor shows it.
    pub(super) fn phase(&self) -> Phase {
        match self {
            Self::Empty => Phase::Empty,
            Self::Capturing { .. } => Phase::Capturing,
            Self::Keeping { .. } => Phase::Keeping,
            Self::Captured => Phase::Captured,
            Self::Separating { job, .. } => Phase::Separating(job.stage().clone()),
            Self::Ready(_) => Phase::Ready,
            Self::Failed { fault, .. } => Phase::Failed(fault.clone()),
        }
    }

    /// Returns the engine and the model in use, for people: of the separation that is going on, or
    /// of the stems.
    pub(super) fn engine(&self) -> Option<Arc<str>> {
        match self.job() {
            Some(job) => job.engine.clone(),
            None => self.stems().map(|stems| stems.engine.clone()),
        }
    }

    /// Returns the deck that is played.
    pub(super) fn deck(&self) -> Option<&Arc<Deck>> {
        self.stems().and_then(|stems| stems.deck.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type NamedState = State<&'static str, &'static str, &'static str>;
    type NamedEvent = Event<&'static str, &'static str, &'static str>;
    type NamedEffect = Effect<&'static str, &'static str>;

    /// Page that draws the transitions as a table.
    const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../ARCHITECTURE.md");
    /// Stems that are played when an event comes, or none.
    const OLDER: [Option<&str>; 2] = [None, Some("older")];

    fn missing() -> Fault {
        Fault::Missing {
            path: "capture".into(),
        }
    }

    fn damaged() -> Fault {
        Fault::Stems("damaged".to_owned())
    }

    /// Returns the state that a column of the table names. `None`: it cannot hold these stems.
    fn state(column: &str, stems: Option<&'static str>) -> Option<NamedState> {
        Some(match (column, stems) {
            ("Empty", None) => State::Empty,
            ("Capturing", stems) => State::Capturing {
                take: "old take",
                stems,
            },
            ("Keeping", stems) => State::Keeping { stems },
            ("Captured", None) => State::Captured,
            ("Separating", stems) => State::Separating {
                job: "old job",
                stems,
            },
            ("Ready", Some(stems)) => State::Ready(stems),
            ("Failed", stems) => State::Failed {
                fault: missing(),
                stems,
            },
            ("Empty" | "Captured", Some(_)) | ("Ready", None) => return None,
            _ => panic!("there is no state {column}"),
        })
    }

    /// Every event, by its name in the table.
    fn events() -> [(&'static str, NamedEvent); 15] {
        [
            ("take begins", Event::TakeBegun("new take")),
            ("take ends", Event::TakeEnded),
            (
                "take abandoned, no clip",
                Event::TakeAbandoned { has_clip: false },
            ),
            (
                "take abandoned, a clip",
                Event::TakeAbandoned { has_clip: true },
            ),
            ("clip replaced", Event::ClipReplaced),
            ("clip removed", Event::ClipRemoved),
            ("missing capture found", Event::CaptureFound),
            ("stems opened", Event::StemsOpened("new")),
            ("stems missing", Event::StemsMissing),
            ("stems unreadable", Event::StemsUnreadable(damaged())),
            ("stems damaged", Event::StemsDamaged),
            ("separation started", Event::SeparationStarted("new job")),
            ("separation done", Event::SeparationDone),
            ("separation failed", Event::SeparationFailed(damaged())),
            ("separation cancelled", Event::SeparationCancelled),
        ]
    }

    fn name(state: &NamedState) -> &'static str {
        match state {
            State::Empty => "Empty",
            State::Capturing { .. } => "Capturing",
            State::Keeping { .. } => "Keeping",
            State::Captured => "Captured",
            State::Separating { .. } => "Separating",
            State::Ready(_) => "Ready",
            State::Failed { .. } => "Failed",
        }
    }

    fn effect_name(effect: &NamedEffect) -> &'static str {
        match effect {
            Effect::FinishTake("old take") => "finish the take",
            Effect::CancelJob("old job") => "cancel",
            Effect::CancelJob("new job") => "cancel the new job",
            Effect::KeepWorker("old job") => "keep the worker",
            Effect::Separate => "separate",
            other => panic!("{other:?}"),
        }
    }

    /// Returns the cells of the table's rows, the head first.
    fn table() -> Vec<Vec<String>> {
        let page = std::fs::read_to_string(PAGE).unwrap();
        let rows = page
            .lines()
            .skip_while(|line| !line.starts_with("| event | Empty |"))
            .take_while(|line| line.starts_with('|'));
        rows.filter(|row| !row.starts_with("|---"))
            .map(|row| {
                let cells = row.trim_matches('|').split('|');
                cells.map(|cell| cell.trim().to_owned()).collect()
            })
            .collect()
    }

    /// Compares a transition with a cell of the table: "-" is an event that changes nothing,
    /// "stays" one that changes the stems alone.
    fn check(cell: &str, older: Option<&str>, before: &NamedState, event: &NamedEvent) {
        let case = format!("{before:?}, {event:?}");
        let (after, effect) = before.clone().apply(event.clone());
        if cell == "-" {
            assert_eq!((&after, effect), (before, None), "{case}");
            return;
        }

        let (state, effect_expected) = cell.split_once(", ").unwrap_or((cell, ""));
        let expected = match (state, older) {
            ("stays", _) => name(before),
            ("Ready or Captured", Some(_)) => "Ready",
            ("Ready or Captured", None) => "Captured",
            (state, _) => state,
        };
        assert_eq!(name(&after), expected, "{case}");
        assert_eq!(
            effect.as_ref().map_or("", effect_name),
            effect_expected,
            "{case}"
        );
    }

    /// Checks the stems after a transition that is allowed.
    fn check_stems(rule: &str, older: Option<&str>, before: &NamedState, event: &NamedEvent) {
        let (after, _) = before.clone().apply(event.clone());
        let expected = match rule {
            "stay" => older,
            "go" => None,
            "new" => Some("new"),
            _ => panic!("there is no rule {rule}"),
        };
        assert_eq!(after.stems().copied(), expected, "{before:?}, {event:?}");
    }

    #[test]
    fn every_state_answers_every_event_as_the_table_says() {
        let mut rows = table().into_iter();
        let head = rows.next().unwrap();
        let columns = &head[1..head.len() - 1];
        let rows: Vec<_> = rows.collect();
        let names: Vec<&str> = rows.iter().map(|row| row[0].as_str()).collect();
        assert_eq!(names, events().map(|(name, _)| name));

        let mut cases = 0;
        for (row, (_, event)) in rows.iter().zip(events()) {
            for (column, cell) in columns.iter().zip(&row[1..]) {
                for older in OLDER {
                    let Some(before) = state(column, older) else {
                        continue;
                    };
                    check(cell, older, &before, &event);
                    if cell != "-" {
                        check_stems(&row[row.len() - 1], older, &before, &event);
                    }
                    cases += 1;
                }
            }
        }
        println!("{cases} transitions");
    }

    #[test]
    fn only_a_missing_capture_is_found() {
        let failed: NamedState = State::Failed {
            fault: damaged(),
            stems: None,
        };
        let (after, _) = failed.clone().apply(Event::CaptureFound);
        assert_eq!(after, failed);
    }

    #[test]
    fn takes_jobs_and_faults_are_those_of_the_event() {
        let (state, _) = NamedState::Captured.apply(Event::SeparationStarted("new job"));
        assert_eq!(state.job(), Some(&"new job"));

        let (state, _) = state.apply(Event::SeparationFailed(damaged()));
        let failed = State::Failed {
            fault: damaged(),
            stems: None,
        };
        assert_eq!(state, failed);

        let (mut state, _) = state.apply(Event::TakeBegun("new take"));
        assert_eq!(state.take_mut(), Some(&mut "new take"));
    }
}
