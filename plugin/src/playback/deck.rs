//! The deck: a clip's stems, ready to be played. The session thread makes it and the audio thread
//! plays it.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::Thread;
use std::time::SystemTime;

use sextet_protocol::cache::MANIFEST_FILE;

use super::CHANNELS;
use super::geometry::Geometry;
use super::page_source::PageSource;
use super::pages::Pages;
use super::prefetch::Prefetcher;
use super::shared::{DeckFault, Head, Shared};
use super::stem_files::StemFiles;
use crate::placement::Placement;

/// Largest size in bytes of a clip's pages, however long the clip: half a minute of stems at
/// 44.1 kHz.
const MOST_BYTES: usize = 96 << 20;
/// Number of pages that are held even where they are so long that they exceed that size.
const FEWEST_SLOTS: usize = 8;

/// Most players of one deck.
const MOST_HEADS: usize = 16;
/// Number of slots that a player needs, so that none waits for pages that the others have no room
/// for.
const SLOTS_A_HEAD: usize = 4;

/// A deck of one clip, as one instance plays it. Copies of an instance in the same process, which
/// have the same clip in the same place, share its memory and the thread that reads.
pub(crate) struct Deck {
    reel: Arc<Reel>,
    /// Number of this player's head.
    head: usize,
}

/// The part that the players of a clip share. Dropping it ends the prefetching thread.
struct Reel {
    shared: Arc<Shared>,
    /// Handle of the prefetching thread, which the audio thread wakes when it needs pages.
    reader: Thread,
    prefetcher: Prefetcher,
}

/// The stems and the place that players have to agree in.
#[derive(Clone, Debug, PartialEq)]
struct ReelKey {
    /// Folder of the cache's entry.
    entry: PathBuf,
    /// Time at which it was made: damaged stems are made again under the same name.
    made: Option<SystemTime>,
    placement: Placement,
    session_hz: u32,
}

/// The reels of this process that are played.
static REELS: Mutex<Vec<(ReelKey, Weak<Reel>)>> = Mutex::new(Vec::new());

impl Deck {
    /// Creates a deck for a session at `session_hz`, or joins the players of one. The thread
    /// `session` is woken when reading fails later.
    ///
    /// # Errors
    /// When the rates do not fit, or the system gives no thread.
    pub(crate) fn new(
        files: StemFiles,
        placement: Placement,
        session_hz: u32,
        session: Thread,
    ) -> Result<Self, DeckFault> {
        let folder = files.entry().folder();
        let manifest = std::fs::metadata(folder.join(MANIFEST_FILE));
        let key = ReelKey {
            entry: folder.to_owned(),
            made: manifest.and_then(|manifest| manifest.modified()).ok(),
            placement,
            session_hz,
        };

        let mut reels = REELS.lock().unwrap_or_else(PoisonError::into_inner);
        reels.retain(|(_, reel)| reel.strong_count() > 0);
        let there = reels.iter().filter(|(other, _)| *other == key);
        let joined = there
            .filter_map(|(_, reel)| reel.upgrade())
            .find_map(Self::join);

        let deck = match joined {
            Some(deck) => deck,
            None => {
                let reel = Arc::new(Reel::new(files, placement, session_hz)?);
                reels.push((key, Arc::downgrade(&reel)));
                // A new reel has a head for its first player.
                Self {
                    head: reel.shared.take_head().unwrap_or(0),
                    reel,
                }
            }
        };

        let sessions = deck.reel.shared.sessions.lock();
        let mut sessions = sessions.unwrap_or_else(PoisonError::into_inner);
        if sessions.iter().all(|other| other.id() != session.id()) {
            sessions.push(session);
        }
        drop(sessions);
        Ok(deck)
    }

    /// Joins the players of a reel; `None` if it has failed, or has as many as it can serve.
    fn join(reel: Arc<Reel>) -> Option<Self> {
        if reel.shared.failed.load(Ordering::Acquire) {
            return None;
        }
        let head = reel.shared.take_head()?;
        reel.reader.unpark();
        Some(Self { reel, head })
    }

    /// Returns the fault that has occurred since, if any.
    pub(crate) fn fault(&self) -> Option<DeckFault> {
        self.reel
            .shared
            .fault
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Returns whether both have one memory.
    #[cfg(test)]
    pub(crate) fn shares_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.reel, &other.reel)
    }

    /// Returns the largest size of the deck's pages in bytes.
    #[cfg(test)]
    pub(crate) fn most_bytes(&self) -> usize {
        self.reel.shared.pages.slots()
            * CHANNELS
            * self.reel.shared.geometry.page_frames as usize
            * size_of::<f32>()
    }

    pub(super) fn geometry(&self) -> &Geometry {
        &self.reel.shared.geometry
    }

    /// Stores the position of the transport, in frames from the clip's start, and the position that
    /// it will jump to. Wakes the prefetching thread when the transport has reached another page.
    /// Neither locks nor allocates.
    pub(super) fn ask(&self, head: i64, loop_start: Option<i64>) {
        let page = self.reel.shared.geometry.page_frames.cast_signed();
        let own = &self.reel.shared.heads[self.head];
        let before = own.position.swap(head, Ordering::Relaxed);
        let loop_start = loop_start.unwrap_or(i64::MIN);
        let loops = own.loop_start.swap(loop_start, Ordering::Relaxed) != loop_start;
        if loops || before.div_euclid(page) != head.div_euclid(page) {
            self.wake();
        }
    }

    /// Wakes the prefetching thread, because a page is missing.
    pub(super) fn wake(&self) {
        self.reel.shared.asked.fetch_add(1, Ordering::Release);
        self.reel.reader.unpark();
    }

    /// Copies frames from `first` of the clip on to `out`. Returns the number of frames in a row
    /// that were in memory, at most `frames`.
    pub(super) fn read<const N: usize>(
        &self,
        first: u64,
        frames: usize,
        out: &mut [[f32; N]; CHANNELS],
    ) -> usize {
        let page_frames = self.reel.shared.geometry.page_frames;
        let mut done = 0;
        while done < frames {
            let at = first + done as u64;
            let (page, offset) = ((at / page_frames) as usize, (at % page_frames) as usize);
            let run = (page_frames as usize - offset).min(frames - done);
            if !self.reel.shared.pages.read(page, offset, run, out, done) {
                break;
            }
            done += run;
        }

        done
    }

    /// Returns whether `frames` frames from `first` on, or all up to the clip's end, are in memory.
    pub(super) fn has(&self, first: u64, frames: usize) -> bool {
        let geometry = &self.reel.shared.geometry;
        let end = (first + frames as u64).min(geometry.frames);
        let mut pages = first / geometry.page_frames..end.div_ceil(geometry.page_frames);
        pages.all(|page| self.reel.shared.pages.holds(page as usize))
    }

    /// Returns whether reading has failed, so that missing pages will never come.
    pub(super) fn is_broken(&self) -> bool {
        self.reel.shared.failed.load(Ordering::Acquire)
    }
}

impl Drop for Deck {
    fn drop(&mut self) {
        let head = &self.reel.shared.heads[self.head];
        head.is_taken.store(false, Ordering::Release);
    }
}

impl Reel {
    fn new(files: StemFiles, placement: Placement, session_hz: u32) -> Result<Self, DeckFault> {
        let geometry = Geometry::new(placement, session_hz);
        let source = PageSource::new(files, geometry)?;
        let page_bytes = CHANNELS * geometry.page_frames as usize * size_of::<f32>();
        let slots = (MOST_BYTES / page_bytes)
            .max(FEWEST_SLOTS)
            .min(geometry.pages().max(1));

        // All pages of a short clip are in memory, for any number of players.
        let heads = if slots >= geometry.pages() {
            MOST_HEADS
        } else {
            (slots / SLOTS_A_HEAD).clamp(1, MOST_HEADS)
        };
        let shared = Arc::new(Shared {
            geometry,
            pages: Pages::new(geometry.page_frames as usize, geometry.pages(), slots),
            heads: (0..heads).map(|_| Head::default()).collect(),
            asked: AtomicU64::new(1),
            stop: AtomicBool::new(false),
            failed: AtomicBool::new(false),
            fault: Mutex::new(None),
            sessions: Mutex::new(Vec::new()),
        });

        let prefetcher =
            Prefetcher::start(shared.clone(), source).map_err(|_| DeckFault::Thread)?;
        Ok(Self {
            shared,
            reader: prefetcher.thread(),
            prefetcher,
        })
    }
}

impl Drop for Reel {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        self.prefetcher.join();
    }
}
