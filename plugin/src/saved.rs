//! What a project keeps of an instance: where its clip lies, the names of its stems and its
//! capture, and the settings. Never audio.

use std::sync::{Mutex, PoisonError};

use nice_plug::params::persist::PersistentField;
use serde::{Deserialize, Serialize};
use sextet_protocol::Fingerprint;
use sextet_protocol::worker::{BUNDLED_MODEL, EngineName};

use crate::playback::Placement;

/// Version of [`Saved`]. A newer one is read as far as it is understood.
const FORMAT: u32 = 1;

/// See the module.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Saved {
    pub(crate) format: u32,
    pub(crate) clip: Option<SavedClip>,
    pub(crate) settings: Settings,
    /// What the instance was doing, in a few words, for whoever looks into a project. Not read
    /// back.
    pub(crate) status: String,
}

/// A clip, by the names of its files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct SavedClip {
    /// The capture.
    pub(crate) audio: Fingerprint,
    /// Its first frame on the timeline, at its own rate.
    pub(crate) start_frame: i64,
    /// Its length.
    pub(crate) frames: u64,
    /// Its rate.
    pub(crate) rate_hz: u32,
    /// What people call it.
    pub(crate) name: String,
    /// The stems, once they were made.
    pub(crate) key: Option<Fingerprint>,
}

/// What people choose in the editor, besides the parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Settings {
    /// Separate as soon as there is a clip.
    pub(crate) automatic: bool,
    /// A new capture is laid over the clip, instead of taking its place.
    pub(crate) extend: bool,
    /// As the worker takes it.
    pub(crate) model: String,
    pub(crate) engine: EngineName,
}

impl Settings {
    /// The model and the engine.
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

impl Default for Saved {
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
        }
    }
}

/// Called with what a host loads.
type OnLoad = Box<dyn Fn(Saved) + Send + Sync>;

/// The saved state where nice-plug finds it.
#[derive(Default)]
pub(crate) struct SavedField {
    current: Mutex<Saved>,
    on_load: Mutex<Option<OnLoad>>,
}

impl SavedField {
    /// What would be saved now.
    pub(crate) fn get(&self) -> Saved {
        self.current
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Changes what will be saved.
    pub(crate) fn update(&self, saved: Saved) {
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = saved;
    }

    /// Who is told when a host loads a state.
    pub(crate) fn on_load(&self, tell: Option<OnLoad>) {
        *self.on_load.lock().unwrap_or_else(PoisonError::into_inner) = tell;
    }
}

impl PersistentField<'_, Saved> for std::sync::Arc<SavedField> {
    fn set(&self, saved: Saved) {
        self.update(saved.clone());
        if let Some(tell) = &*self.on_load.lock().unwrap_or_else(PoisonError::into_inner) {
            tell(saved);
        }
    }

    fn map<F, R>(&self, read: F) -> R
    where
        F: Fn(&Saved) -> R,
    {
        read(&self.current.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Projects on people's disks must load for ever.
    #[test]
    fn a_project_of_today_is_read_tomorrow() {
        let text = r#"{"format":1,"clip":{"audio":"00112233445566778899aabbccddeeff","start_frame":-5,"frames":10,
            "rate_hz":48000,"name":"Take 1","key":null},"settings":{"automatic":false,"extend":true,
            "model":"htdemucs_6s","engine":"cpu"},"status":"ready","something_new":1}"#;
        let saved: Saved = serde_json::from_str(text).unwrap();

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

        let empty: Saved = serde_json::from_str("{}").unwrap();
        assert_eq!(empty, Saved::default());
    }
}
