//! The state that a project saves of an instance: the place of its clip, the names of its stems and
//! its capture, and the settings. Never audio.

use std::sync::{Mutex, PoisonError};

use nice_plug::params::persist::PersistentField;
use serde::{Deserialize, Serialize};
use sextet_protocol::Fingerprint;
use sextet_protocol::worker::{BUNDLED_MODEL, EngineName};

use crate::capture::Silenced;
use crate::placement::Placement;

/// Version of [`SavedState`]. A newer version is read as far as it is understood.
const FORMAT: u32 = 1;

/// The saved state of one instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct SavedState {
    pub(crate) format: u32,
    pub(crate) clip: Option<SavedClip>,
    pub(crate) settings: Settings,
    /// State of the instance in a few words, for people who look into a project file. Not read
    /// back.
    pub(crate) status: String,
}

/// A clip, given by the names of its files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct SavedClip {
    /// Fingerprint of the capture.
    pub(crate) audio: Fingerprint,
    /// Its first frame on the timeline, at its own rate.
    pub(crate) start_frame: i64,
    /// Length in frames, at its own rate.
    pub(crate) frames: u64,
    /// Sample rate in Hz.
    pub(crate) rate_hz: u32,
    /// Name of the clip for people.
    pub(crate) name: String,
    /// Key of the stems' cache entry, once they were made.
    pub(crate) key: Option<Fingerprint>,
    /// Frames that were no audio, and are silent.
    #[serde(default, skip_serializing_if = "Silenced::is_empty")]
    pub(crate) silenced: Silenced,
    /// Path of the capture, where it is in neither of the usual folders.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) file: Option<String>,
}

/// The editor's settings, apart from the parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Settings {
    /// Whether a new clip is separated at once.
    pub(crate) automatic: bool,
    /// Whether a new capture is laid over the clip, instead of replacing it.
    pub(crate) extend: bool,
    /// Name of the model, as the worker takes it.
    pub(crate) model: String,
    pub(crate) engine: EngineName,
    /// Folder that new captures go to, such as one beside the project. `None`: the user's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) captures: Option<String>,
}

impl Settings {
    /// Returns the model and the engine.
    pub(crate) fn computing(&self) -> (String, EngineName) {
        (self.model.clone(), self.engine)
    }
}

impl SavedClip {
    pub(crate) fn placement(&self) -> Placement {
        Placement {
            start_frame: self.start_frame,
            frames: self.frames,
            rate_hz: self.rate_hz,
        }
    }
}

impl Default for SavedState {
    fn default() -> Self {
        Self {
            format: FORMAT,
            clip: None,
            settings: Settings::default(),
            status: String::new(),
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            automatic: true,
            extend: false,
            model: BUNDLED_MODEL.to_owned(),
            engine: EngineName::Auto,
            captures: None,
        }
    }
}

/// Callback for a state that a host loads.
type OnLoad = Box<dyn Fn(SavedState) + Send + Sync>;

/// The saved state as a persistent field of nice-plug's.
#[derive(Default)]
pub(crate) struct SavedField {
    current: Mutex<SavedState>,
    on_load: Mutex<Option<OnLoad>>,
}

impl SavedField {
    /// Returns the current state.
    pub(crate) fn get(&self) -> SavedState {
        self.current
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Replaces the parts of the current state that differ.
    pub(crate) fn save(&self, clip: Option<&SavedClip>, settings: &Settings, status: String) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        current.format = FORMAT;
        if current.clip.as_ref() != clip {
            current.clip = clip.cloned();
        }
        if current.settings != *settings {
            current.settings = settings.clone();
        }
        current.status = status;
    }

    /// Sets the callback for a state that a host loads.
    pub(crate) fn on_load(&self, tell: Option<OnLoad>) {
        *self.on_load.lock().unwrap_or_else(PoisonError::into_inner) = tell;
    }
}

impl PersistentField<'_, SavedState> for std::sync::Arc<SavedField> {
    fn set(&self, saved: SavedState) {
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = saved.clone();
        if let Some(tell) = &*self.on_load.lock().unwrap_or_else(PoisonError::into_inner) {
            tell(saved);
        }
    }

    fn map<F, R>(&self, read: F) -> R
    where
        F: Fn(&SavedState) -> R,
    {
        read(&self.current.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Existing projects on users' disks must always load.
    #[test]
    fn a_project_of_today_is_read_tomorrow() {
        let text = r#"{"format":1,"clip":{"audio":"00112233445566778899aabbccddeeff","start_frame":-5,"frames":10,
            "rate_hz":48000,"name":"Take 1","key":null},"settings":{"automatic":false,"extend":true,
            "model":"htdemucs_6s","engine":"cpu"},"status":"ready","something_new":1}"#;
        let saved: SavedState = serde_json::from_str(text).unwrap();

        let clip = saved.clip.unwrap();
        assert_eq!(
            clip.placement(),
            Placement {
                start_frame: -5,
                frames: 10,
                rate_hz: 48_000
            }
        );

        assert_eq!(
            (saved.settings.automatic, saved.settings.extend),
            (false, true)
        );
        assert_eq!(saved.settings.engine, EngineName::Cpu);

        let empty: SavedState = serde_json::from_str("{}").unwrap();
        assert_eq!(empty, SavedState::default());
    }
}
