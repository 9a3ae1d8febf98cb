//! The clip, and the clips that can be undone and done again.

use sextet_protocol::Fingerprint;

use crate::saved::SavedClip;

/// Number of clips that can be undone.
const MOST_UNDO: usize = 50;

/// The clip and its history.
#[derive(Debug, Default)]
pub(super) struct History {
    clip: Option<SavedClip>,
    undo: Vec<Option<SavedClip>>,
    redo: Vec<Option<SavedClip>>,
}

impl History {
    /// Returns a history that begins with a clip.
    pub(super) fn starting_with(clip: Option<SavedClip>) -> Self {
        Self {
            clip,
            ..Self::default()
        }
    }

    pub(super) fn clip(&self) -> Option<&SavedClip> {
        self.clip.as_ref()
    }

    /// Returns the clip and all those that can be undone or done again.
    pub(super) fn all(&self) -> impl Iterator<Item = &SavedClip> {
        let others = self.undo.iter().chain(&self.redo).flatten();
        self.clip.iter().chain(others)
    }

    /// Replaces the clip, so that the change can be undone. Returns whether it differs.
    pub(super) fn replace(&mut self, clip: Option<SavedClip>) -> bool {
        if self.clip == clip {
            return false;
        }

        self.undo.push(std::mem::replace(&mut self.clip, clip));
        if self.undo.len() > MOST_UNDO {
            self.undo.remove(0);
        }
        self.redo.clear();
        true
    }

    /// Sets the key of the clip's stems. Undo does not remove it.
    pub(super) fn set_key(&mut self, key: Fingerprint) {
        if let Some(clip) = &mut self.clip {
            clip.key = Some(key);
        }
    }

    /// Returns to the previous clip; false if there is none.
    pub(super) fn undo(&mut self) -> bool {
        let Some(before) = self.undo.pop() else {
            return false;
        };
        self.redo.push(std::mem::replace(&mut self.clip, before));
        true
    }

    /// Returns to the clip that was undone; false if there is none.
    pub(super) fn redo(&mut self) -> bool {
        let Some(after) = self.redo.pop() else {
            return false;
        };
        self.undo.push(std::mem::replace(&mut self.clip, after));
        true
    }

    pub(super) fn can_undo(&self) -> bool {
        !self.undo.is_empty()
    }

    pub(super) fn can_redo(&self) -> bool {
        !self.redo.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::Silenced;

    fn clip(start_frame: i64) -> Option<SavedClip> {
        Some(SavedClip {
            audio: Fingerprint::of(b"audio"),
            start_frame,
            frames: 10,
            rate_hz: 48_000,
            name: "Take".to_owned(),
            key: None,
            silenced: Silenced::default(),
            file: None,
        })
    }

    fn start(history: &History) -> Option<i64> {
        history.clip().map(|clip| clip.start_frame)
    }

    #[test]
    fn undo_and_redo_go_through_the_clips() {
        let mut history = History::starting_with(clip(0));
        assert!(!history.undo() && !history.redo());

        assert!(history.replace(clip(1)) && !history.replace(clip(1)));
        assert!(history.replace(None));
        assert!(history.undo() && start(&history) == Some(1));
        assert!(history.undo() && start(&history) == Some(0) && !history.can_undo());
        assert!(history.redo() && start(&history) == Some(1) && history.can_redo());

        // A new clip makes the undone one unreachable.
        assert!(history.replace(clip(2)) && !history.can_redo());
        assert!(history.undo() && start(&history) == Some(1));
    }

    #[test]
    fn the_oldest_clips_are_forgotten() {
        let mut history = History::default();
        for start_frame in 1..=MOST_UNDO as i64 + 10 {
            history.replace(clip(start_frame));
        }

        let mut undone = 0;
        while history.undo() {
            undone += 1;
        }
        assert_eq!((undone, start(&history)), (MOST_UNDO, Some(10)));
    }
}
