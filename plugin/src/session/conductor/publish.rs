//! Publishing the state: the editor's view of it, and the part that a project saves.

use super::Conductor;
use super::state::State;
use crate::saved::SavedClip;

static NO_NAME: String = String::new();

impl Conductor {
    /// Updates the editor's view. Parts that are unchanged are compared and not copied.
    pub(super) fn publish(&mut self) {
        let rate_hz = self.shared.session_hz().unwrap_or(44_100);
        if let Some(take) = self.state.take_mut() {
            self.waveforms.show_take(take, rate_hz);
        }

        let differs_from_settings = self.differs_from_settings();
        let has_stems = matches!(self.state, State::Ready(_)) || self.state.deck().is_some();
        let stem_origin = self.state.stems().map(|stems| stems.stem_origin.clone());
        let background_job = self.background_job();
        let clip = self.history.clip();

        let draft = &mut self.draft;
        draft.put(|view| &mut view.phase, self.state.phase());
        draft.put_ref(|view| &mut view.name, clip.map_or(&NO_NAME, name));
        draft.put_ref(|view| &mut view.clip, self.waveforms.clip());
        draft.put_ref(|view| &mut view.stems, self.waveforms.stems());
        draft.put_ref(|view| &mut view.closeups, &self.closeups.shown);
        draft.put(|view| &mut view.lost_frames, self.lost_frames);
        let silenced = clip.map(|clip| clip.silenced.description(clip.placement()));
        draft.put(|view| &mut view.silenced, silenced.unwrap_or_default());

        draft.put(|view| &mut view.engine, self.state.engine());
        draft.put(|view| &mut view.stem_origin, stem_origin);
        draft.put(
            |view| &mut view.differs_from_settings,
            differs_from_settings,
        );
        draft.put(|view| &mut view.has_stems, has_stems);

        draft.put(|view| &mut view.background_job, background_job);
        if let Some(shown) = self.upkeep.take_changed() {
            draft.put(|view| &mut view.upkeep, shown);
        }
        draft.put(|view| &mut view.has_gpu_hint, self.hint.is_shown());
        draft.put_ref(|view| &mut view.notice, &self.notice);
        draft.put_ref(|view| &mut view.rendered, &self.rendered);
        draft.put_ref(|view| &mut view.captures, &self.capture_list);

        draft.put_ref(|view| &mut view.settings, &self.settings);
        draft.put(|view| &mut view.can_undo, self.history.can_undo());
        draft.put(|view| &mut view.can_redo, self.history.can_redo());

        if let Some(view) = draft.take_changed() {
            self.view.set(view);
            self.shared.repaint.request_repaint();
        }
    }

    /// Saves the state as the project keeps it.
    pub(super) fn save(&self) {
        let status = self.state.phase().description();
        self.saved.save(self.history.clip(), &self.settings, status);
    }
}

fn name(clip: &SavedClip) -> &String {
    &clip.name
}
