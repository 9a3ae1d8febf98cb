//! The prefetching thread, which reads pages before they are played.

use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::thread::{JoinHandle, Thread};
use std::time::Duration;

use super::CHANNELS;
use super::page_source::PageSource;
use super::shared::{DeckFault, Head, Shared};

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
    pub(super) fn start(shared: Arc<Shared>, source: PageSource) -> io::Result<Self> {
        let work = move || Work::new(&shared, source).run();
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

    fn run(mut self) {
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
                    return;
                }
                None if self.shared.asked.load(Ordering::Acquire) != asked => {}
                None => std::thread::park_timeout(IDLE),
            }
        }
    }

    /// Plans the wanted pages, the most urgent first: each transport's page and the next one, those
    /// that it may jump to, a few behind it, then the rest ahead and the rest behind. There are no
    /// more of them than slots.
    fn make_plan(&mut self) {
        self.wanted.clear();
        self.plan += 1;

        let shared = self.shared;
        let taken = |head: &&Head| head.is_taken.load(Ordering::Acquire);
        let pages = shared.geometry.pages();
        for head in shared.heads.iter().filter(taken) {
            let at = self.page_of_head(head);
            self.want(at..at + 2);
        }
        for head in shared.heads.iter().filter(taken) {
            let (at, jump) = (self.page_of_head(head), self.page_of_jump(head));
            self.want(jump..jump + KEPT_AT_JUMPS);
            self.want(0..KEPT_AT_JUMPS);
            self.want(at.saturating_sub(KEPT_BEHIND)..at);
        }

        // Pages that are further away are wanted by all players in turn.
        for ahead in 2..pages {
            if self.wanted.len() == self.held.len() {
                return;
            }
            for head in shared.heads.iter().filter(taken) {
                let at = self.page_of_head(head) + ahead;
                self.want(at..at + 1);
            }
        }

        // Near the clip's end there is room for all pages before the transport.
        let last = shared
            .heads
            .iter()
            .filter(taken)
            .map(|head| self.page_of_head(head));
        let last = last.max().unwrap_or(0);
        self.want((0..last).rev());
    }

    /// Returns the page that a player is at. A transport behind the clip can only come back by a
    /// jump, most likely to the clip's beginning.
    fn page_of_head(&self, head: &Head) -> usize {
        let page = self.page_of(head.position.load(Ordering::Relaxed));
        if page < self.shared.geometry.pages() {
            page
        } else {
            0
        }
    }

    /// Returns the page that a player's transport may jump to.
    fn page_of_jump(&self, head: &Head) -> usize {
        match head.loop_start.load(Ordering::Relaxed) {
            i64::MIN => 0,
            start => self.page_of(start),
        }
    }

    fn page_of(&self, frame: i64) -> usize {
        (frame.max(0).cast_unsigned() / self.shared.geometry.page_frames) as usize
    }

    /// Adds pages to the plan, as far as they exist, are not in it and there is room.
    fn want(&mut self, pages: impl Iterator<Item = usize>) {
        for page in pages {
            if self.wanted.len() == self.held.len() {
                return;
            }
            if page < self.shared.geometry.pages() && self.wanted_by[page] != self.plan {
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
        drop(fault);
        self.shared.failed.store(true, Ordering::Release);

        let sessions = self.shared.sessions.lock();
        let sessions = sessions.unwrap_or_else(PoisonError::into_inner);
        sessions.iter().for_each(Thread::unpark);
    }
}
