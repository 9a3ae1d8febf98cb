//! The waveforms that the editor draws: of the clip or of the take that is growing, and of the
//! stems, as far as a scan has read them.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use sextet_protocol::{Fingerprint, Stem};

use crate::capture::Take;
use crate::overview::{BIN_FRAMES, Overview};
use crate::placement::Placement;
use crate::playback::StemFiles;
use crate::saved::SavedClip;
use crate::session::scan::{Scan, ScanEvent, ScanSubject};
use crate::session::view::Wave;

/// Interval at which the editor shows a growing take.
const GROWTH: Duration = Duration::from_millis(80);

/// The waveforms, and the scan that reads them.
pub(super) struct Waveforms {
    clip: Option<Wave>,
    stems: [Option<Arc<Overview>>; Stem::ALL.len()],
    scan: Option<Scan>,
    /// Key of the stems that the scan reads or has read.
    scanned_key: Option<Fingerprint>,
    grown_at: Instant,
}

impl Default for Waveforms {
    fn default() -> Self {
        Self {
            clip: None,
            stems: Default::default(),
            scan: None,
            scanned_key: None,
            grown_at: Instant::now(),
        }
    }
}

impl Waveforms {
    pub(super) fn clip(&self) -> &Option<Wave> {
        &self.clip
    }

    pub(super) fn stems(&self) -> &[Option<Arc<Overview>>; Stem::ALL.len()] {
        &self.stems
    }

    /// Shows a clip without its waveforms, and starts the scan that reads its capture, if it is
    /// there.
    pub(super) fn show_clip(&mut self, clip: Option<&SavedClip>, capture: Option<PathBuf>) {
        self.stop_scan();
        self.stems = Default::default();
        self.clip = clip.map(|clip| Wave {
            placement: clip.placement(),
            overview: Arc::default(),
        });

        self.scan = capture
            .filter(|path| path.is_file())
            .and_then(|path| Scan::start(ScanSubject::Clip(path), thread::current()));
    }

    /// Shows a capture whose waveform is known, so that no scan is needed.
    pub(super) fn show_capture(&mut self, placement: Placement, overview: Overview) {
        self.stop_scan();
        self.show(placement, overview);
    }

    /// Shows a take as far as it has grown, if it was not shown just now.
    pub(super) fn show_take(&mut self, take: &Take, rate_hz: u32) {
        if self.grown_at.elapsed() < GROWTH {
            return;
        }

        self.grown_at = Instant::now();
        let (start_frame, overview) = take.overview();
        let placement = Placement {
            start_frame,
            frames: overview.bins.len() as u64 * BIN_FRAMES as u64,
            rate_hz,
        };
        self.show(placement, overview);
    }

    /// Shows the clip's waveform in another place.
    pub(super) fn move_clip(&mut self, placement: Placement) {
        if let Some(wave) = &mut self.clip {
            wave.placement = placement;
        }
    }

    /// Starts the scan of a clip's stems. `verify`: the files may have changed since they were
    /// made.
    ///
    /// Stems that are opened again, for another place or another rate, are the same: their scan
    /// goes on, and what it has read stays.
    pub(super) fn scan_stems(&mut self, key: Fingerprint, files: StemFiles, verify: bool) {
        if !verify && self.scanned_key == Some(key) {
            return;
        }
        let subject = ScanSubject::Stems {
            files: Box::new(files),
            verify,
        };
        self.scan = Scan::start(subject, thread::current());
        self.scanned_key = self.scan.is_some().then_some(key);
    }

    pub(super) fn stop_scan(&mut self) {
        (self.scan, self.scanned_key) = (None, None);
    }

    /// Takes the findings of the scan over. The clip's place is `None` while a take is shown in its
    /// stead. Returns the reason for which the stems are damaged, if they are.
    pub(super) fn poll_scan(&mut self, placement: Option<Placement>) -> Option<String> {
        let mut damage = None;
        while let Some(event) = self.scan.as_ref().and_then(Scan::poll) {
            let clip = match event {
                ScanEvent::Clip(clip) => Some(clip),
                ScanEvent::Stems(stems, clip) => {
                    self.stems = stems.map(|overview| Some(Arc::new(overview)));
                    Some(clip)
                }
                ScanEvent::Damaged(reason) => {
                    damage = Some(reason);
                    None
                }
            };
            if let (Some(overview), Some(placement)) = (clip, placement) {
                self.show(placement, overview);
            }
        }
        damage
    }

    fn show(&mut self, placement: Placement, overview: Overview) {
        self.clip = Some(Wave {
            placement,
            overview: Arc::new(overview),
        });
    }
}

#[cfg(test)]
mod tests {
    use sextet_protocol::cache::Entry;

    use super::*;
    use crate::test_folders::TestFolders;
    use sextet_plugin_testing::entry;

    const FRAMES: u64 = 50_000;
    const PLACEMENT: Placement = Placement {
        start_frame: 0,
        frames: FRAMES,
        rate_hz: 48_000,
    };
    const PATIENCE: Duration = Duration::from_secs(60);

    fn wait_for_stems(waveforms: &mut Waveforms) -> Arc<Overview> {
        let begun = Instant::now();
        loop {
            assert_eq!(waveforms.poll_scan(Some(PLACEMENT)), None);
            let is_whole = |stem: &&Arc<Overview>| stem.bins.last().is_some_and(|bin| bin[1] > 0.0);
            if let Some(stem) = waveforms.stems()[0].as_ref().filter(is_whole) {
                return stem.clone();
            }
            assert!(begun.elapsed() < PATIENCE);
            thread::park_timeout(Duration::from_millis(20));
        }
    }

    #[test]
    fn stems_that_are_opened_again_keep_their_waveforms() {
        let home = TestFolders::new();
        let key = entry::make(&home.folders, 48_000, FRAMES, |_, _, _| 0.5);
        let open = || StemFiles::open(Entry::open(&home.folders, &key).unwrap()).unwrap();

        let mut waveforms = Waveforms::default();
        waveforms.scan_stems(key, open(), false);
        let first = wait_for_stems(&mut waveforms);

        // A second scan would deliver other overviews than the first.
        waveforms.scan_stems(key, open(), false);
        thread::sleep(Duration::from_millis(300));
        assert!(Arc::ptr_eq(&first, &wait_for_stems(&mut waveforms)));

        // Damaged stems that were made again are read again.
        waveforms.stop_scan();
        waveforms.scan_stems(key, open(), false);
        let begun = Instant::now();
        while Arc::ptr_eq(&first, &wait_for_stems(&mut waveforms)) {
            assert!(begun.elapsed() < PATIENCE);
            thread::park_timeout(Duration::from_millis(20));
        }
    }
}
