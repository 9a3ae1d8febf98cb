//! The prefetching thread, which reads pages before they are played.

use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::thread::{JoinHandle, Thread};
use std::time::Duration;

use super::CHANNELS;
use super::page_source::PageSource;
use super::shared::{DeckFault, Shared};

/// Number of pages before the transport that are kept, for a short rewind.
const KEPT_BEHIND: usize = 2;
/// Number of pages at the loop's start and at the clip's start that are kept, because the transport
/// often jumps there.
const KEPT_AT_JUMPS: usize = 3;
/// Interval at which the thread looks for work by itself, should a wake-up ever be lost.
const IDLE: Duration = Duration::from_secs(2);

/// The handle of the prefetching thread.
pub(super) struct Prefetcher {
    thread: Option<JoinHandle<()>>,
    handle: Thread,
}

impl Prefetcher {
    pub(super) fn start(
        shared: Arc<Shared>,
        source: PageSource,
        session: Thread,
    ) -> io::Result<Self> {
        let work = move || Work::new(&shared, source).run(&session);
        let thread = std::thread::Builder::new()
            .name("sextet stems".to_owned())
            .spawn(work)?;
        let handle = thread.thread().clone();
        Ok(Self {
            thread: Some(thread),
            handle,
        })
    }

    pub(super) fn thread(&self) -> Thread {
        self.handle.clone()
    }

    /// Waits until the thread has ended, which takes no longer than the page that it is reading.
    pub(super) fn join(&mut self) {
        self.handle.unpark();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Work<'a> {
    shared: &'a Shared,
    source: PageSource,
    /// Page that each slot holds.
    held: Vec<Option<usize>>,
    planar: Vec<f32>,
    /// Pages that should be in memory, the most urgent first.
    wanted: Vec<usize>,
    /// Number of the plan that last wanted each page.
    wanted_by: Vec<u64>,
    plan: u64,
}

impl<'a> Work<'a> {
    fn new(shared: &'a Shared, source: PageSource) -> Self {
        let planar = vec![0.0; CHANNELS * shared.geometry.page_frames as usize];
        let (held, wanted_by) = (
            vec![None; shared.pages.slots()],
            vec![0; shared.geometry.pages()],
        );
        Self {
            shared,
            source,
            held,
            planar,
            wanted: Vec::new(),
            wanted_by,
            plan: 0,
        }
    }

    fn run(mut self, session: &Thread) {
        while !self.shared.stop.load(Ordering::Acquire) {
            let asked = self.shared.asked.load(Ordering::Acquire);
            self.make_plan();
            let missing = self
                .wanted
                .iter()
                .copied()
                .find(|page| !self.shared.pages.holds(*page));

            match missing.map(|page| self.fetch(page)) {
                Some(Ok(())) => {}
                Some(Err(error)) => {
                    self.fail(&error);
                    session.unpark();
                    return;
                }
                None if self.shared.asked.load(Ordering::Acquire) != asked => {}
                None => std::thread::park_timeout(IDLE),
            }
        }
    }

    /// Plans the wanted pages, the most urgent first: the transport's page and the next one, those
    /// that it may jump to, a few behind it, then the rest ahead and the rest behind. There are no
    /// more of them than slots.
    fn make_plan(&mut self) {
        let geometry = &self.shared.geometry;
        let pages = geometry.pages();
        let page_of = |frame: i64| (frame.max(0).cast_unsigned() / geometry.page_frames) as usize;
        let head = self.shared.head.load(Ordering::Relaxed);

        // A transport behind the clip can only come back by a jump, most likely to the clip's
        // beginning.
        let head = if page_of(head) < pages {
            page_of(head)
        } else {
            0
        };

        let loop_start = self.shared.loop_start.load(Ordering::Relaxed);
        let jump = if loop_start == i64::MIN {
            0
        } else {
            page_of(loop_start)
        };

        let (near, far) = (head..head + 2, head + 2..pages);
        let jumps = (jump..jump + KEPT_AT_JUMPS).chain(0..KEPT_AT_JUMPS);
        let behind = head.saturating_sub(KEPT_BEHIND)..head;

        // Near the clip's end there is room for all pages before the transport.
        let rest = (0..head).rev();
        self.wanted.clear();
        self.plan += 1;

        for page in near.chain(jumps).chain(behind).chain(far).chain(rest) {
            if self.wanted.len() == self.held.len() {
                break;
            }
            if page < pages && self.wanted_by[page] != self.plan {
                self.wanted_by[page] = self.plan;
                self.wanted.push(page);
            }
        }
    }

    fn fetch(&mut self, page: usize) -> io::Result<()> {
        self.source.read_into(page, &mut self.planar)?;
        let free = self
            .held
            .iter()
            .position(|held| held.is_none_or(|held| self.wanted_by[held] != self.plan));

        // The wanted pages are no more than the slots, and this one is in none.
        let Some(slot) = free else { return Ok(()) };

        self.shared
            .pages
            .put(slot, self.held[slot], page, &self.planar);
        self.held[slot] = Some(page);
        Ok(())
    }

    fn fail(&self, error: &io::Error) {
        let mut fault = self
            .shared
            .fault
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *fault = Some(DeckFault::Disk(error.kind()));
        self.shared.failed.store(true, Ordering::Release);
    }
}
