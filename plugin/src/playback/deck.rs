//! The deck: a clip's stems, ready to be played. The session thread makes it and the audio thread
//! plays it.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Thread;

use super::CHANNELS;
use super::geometry::Geometry;
use super::page_source::PageSource;
use super::pages::Pages;
use super::prefetch::Prefetcher;
use super::shared::{DeckFault, Shared};
use super::stem_files::StemFiles;
use crate::placement::Placement;

/// Largest size in bytes of one instance's pages, however long the clip: half a minute of stems at
/// 44.1 kHz.
const MOST_BYTES: usize = 96 << 20;
/// Number of pages that are held even where they are so long that they exceed that size.
const FEWEST_SLOTS: usize = 8;

/// A deck of one clip. Dropping it ends the prefetching thread.
pub(crate) struct Deck {
    shared: Arc<Shared>,
    /// Handle of the prefetching thread, which the audio thread wakes when it needs pages.
    reader: Thread,
    prefetcher: Prefetcher,
}

impl Deck {
    /// Creates a deck for a session at `session_hz`. The thread `session` is woken when reading
    /// fails later.
    ///
    /// # Errors
    /// When the rates do not fit, or the system gives no thread.
    pub(crate) fn new(
        files: StemFiles,
        placement: Placement,
        session_hz: u32,
        session: Thread,
    ) -> Result<Self, DeckFault> {
        let geometry = Geometry::new(placement, session_hz);
        let source = PageSource::new(files, geometry)?;
        let page_bytes = CHANNELS * geometry.page_frames as usize * size_of::<f32>();
        let slots = (MOST_BYTES / page_bytes)
            .max(FEWEST_SLOTS)
            .min(geometry.pages().max(1));

        let shared = Arc::new(Shared {
            geometry,
            pages: Pages::new(geometry.page_frames as usize, geometry.pages(), slots),
            head: AtomicI64::new(0),
            loop_start: AtomicI64::new(i64::MIN),
            asked: AtomicU64::new(1),
            stop: AtomicBool::new(false),
            failed: AtomicBool::new(false),
            fault: Mutex::new(None),
        });

        let prefetcher =
            Prefetcher::start(shared.clone(), source, session).map_err(|_| DeckFault::Thread)?;
        Ok(Self {
            shared,
            reader: prefetcher.thread(),
            prefetcher,
        })
    }

    /// Returns the fault that has occurred since, if any.
    pub(crate) fn fault(&self) -> Option<DeckFault> {
        self.shared
            .fault
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Returns the largest size of the deck's pages in bytes.
    #[cfg(test)]
    pub(crate) fn most_bytes(&self) -> usize {
        self.shared.pages.slots()
            * CHANNELS
            * self.shared.geometry.page_frames as usize
            * size_of::<f32>()
    }

    pub(super) fn geometry(&self) -> &Geometry {
        &self.shared.geometry
    }

    /// Stores the position of the transport, in frames from the clip's start, and the position that
    /// it will jump to. Wakes the prefetching thread when the transport has reached another page.
    /// Neither locks nor allocates.
    pub(super) fn ask(&self, head: i64, loop_start: Option<i64>) {
        let page = self.shared.geometry.page_frames.cast_signed();
        let before = self.shared.head.swap(head, Ordering::Relaxed);
        let loop_start = loop_start.unwrap_or(i64::MIN);
        let loops = self.shared.loop_start.swap(loop_start, Ordering::Relaxed) != loop_start;
        if loops || before.div_euclid(page) != head.div_euclid(page) {
            self.wake();
        }
    }

    /// Wakes the prefetching thread, because a page is missing.
    pub(super) fn wake(&self) {
        self.shared.asked.fetch_add(1, Ordering::Release);
        self.reader.unpark();
    }

    /// Copies frames from `first` of the clip on to `out`. Returns the number of frames in a row
    /// that were in memory, at most `frames`.
    pub(super) fn read<const N: usize>(
        &self,
        first: u64,
        frames: usize,
        out: &mut [[f32; N]; CHANNELS],
    ) -> usize {
        let page_frames = self.shared.geometry.page_frames;
        let mut done = 0;
        while done < frames {
            let at = first + done as u64;
            let (page, offset) = ((at / page_frames) as usize, (at % page_frames) as usize);
            let run = (page_frames as usize - offset).min(frames - done);
            if !self.shared.pages.read(page, offset, run, out, done) {
                break;
            }
            done += run;
        }

        done
    }

    /// Returns whether `frames` frames from `first` on, or all up to the clip's end, are in memory.
    pub(super) fn has(&self, first: u64, frames: usize) -> bool {
        let geometry = &self.shared.geometry;
        let end = (first + frames as u64).min(geometry.frames);
        let mut pages = first / geometry.page_frames..end.div_ceil(geometry.page_frames);
        pages.all(|page| self.shared.pages.holds(page as usize))
    }

    /// Returns whether reading has failed, so that missing pages will never come.
    pub(super) fn is_broken(&self) -> bool {
        self.shared.failed.load(Ordering::Acquire)
    }
}

impl Drop for Deck {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        self.prefetcher.join();
    }
}
