//! Pages of audio in memory, written by one thread and read by the audio thread without locks.
//!
//! A page table gives the slot of a page. Each slot's tag gives the page that it holds and the
//! number of times that it was written. The reader copies samples out and reads the tag again (a
//! seqlock): a page that was replaced meanwhile counts as missing. Samples are atomic words, so
//! that the race is a defined one; relaxed loads and stores of them are plain moves.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

use super::CHANNELS;

/// Tag that no written slot has: generations begin with 1.
const NOTHING: u64 = 0;

/// The pages of one deck.
pub(crate) struct Pages {
    page_frames: usize,
    /// Number of the slot that holds each page of the clip, plus one; 0 if none.
    table: Box<[AtomicU32]>,
    slots: Box<[Slot]>,
}

struct Slot {
    /// Generation in the upper half, page in the lower half.
    tag: AtomicU64,
    /// Planar samples as bits of float32: all frames of channel 0, of channel 1 and so on. Empty
    /// until first used.
    samples: std::sync::OnceLock<Box<[AtomicU32]>>,
}

impl Pages {
    /// Creates `slots` slots for `pages` pages. A slot takes memory when it is first filled.
    pub(crate) fn new(page_frames: usize, pages: usize, slots: usize) -> Self {
        let slot = |_| Slot {
            tag: AtomicU64::new(NOTHING),
            samples: std::sync::OnceLock::new(),
        };
        Self {
            page_frames,
            table: (0..pages).map(|_| AtomicU32::new(0)).collect(),
            slots: (0..slots).map(slot).collect(),
        }
    }

    /// Returns the number of slots.
    pub(crate) fn slots(&self) -> usize {
        self.slots.len()
    }

    /// Returns whether a page can be read now.
    pub(crate) fn holds(&self, page: usize) -> bool {
        self.table
            .get(page)
            .is_some_and(|slot| slot.load(Ordering::Acquire) != 0)
    }

    /// Fills a slot with a page, in place of `replaced`. Only one thread may call this: the
    /// prefetching thread.
    ///
    /// # Panics
    /// If `planar` has not all channels of a page.
    pub(crate) fn put(&self, slot: usize, replaced: Option<usize>, page: usize, planar: &[f32]) {
        assert_eq!(planar.len(), CHANNELS * self.page_frames);
        let number = slot as u32 + 1;
        let slot = &self.slots[slot];

        // Take the old page out of the table, and mark the slot as being written.
        if let Some(old) = replaced {
            self.table[old].store(0, Ordering::Release);
        }

        let generation = (slot.tag.load(Ordering::Relaxed) >> 32) + 1;
        slot.tag
            .store(generation << 32 | u64::from(u32::MAX), Ordering::Relaxed);
        fence(Ordering::Release);
        let samples = slot
            .samples
            .get_or_init(|| planar.iter().map(|_| AtomicU32::new(0)).collect());

        for (to, from) in samples.iter().zip(planar) {
            to.store(from.to_bits(), Ordering::Relaxed);
        }

        // Publish the page.
        slot.tag
            .store(generation << 32 | page as u64, Ordering::Release);
        self.table[page].store(number, Ordering::Release);
    }

    /// Copies `frames` frames of a page, from its frame `first` on, to each channel of `out` from
    /// frame `at` on. Returns false if the page is not there, or was replaced during the copy.
    /// Neither allocates nor waits.
    ///
    /// # Panics
    /// If the frames do not lie within the page or do not fit `out`.
    pub(crate) fn read<const N: usize>(
        &self,
        page: usize,
        first: usize,
        frames: usize,
        out: &mut [[f32; N]; CHANNELS],
        at: usize,
    ) -> bool {
        let Some(entry) = self.table.get(page) else {
            return false;
        };
        let Some(number) = (entry.load(Ordering::Acquire) as usize).checked_sub(1) else {
            return false;
        };

        // Copy only from a slot that holds this page.
        let slot = &self.slots[number];
        let tag = slot.tag.load(Ordering::Acquire);
        if tag & u64::from(u32::MAX) != page as u64 {
            return false;
        }

        let Some(samples) = slot.samples.get() else {
            return false;
        };

        for (channel, out) in out.iter_mut().enumerate() {
            let from = &samples[channel * self.page_frames + first..][..frames];
            for (to, from) in out[at..at + frames].iter_mut().zip(from) {
                *to = f32::from_bits(from.load(Ordering::Relaxed));
            }
        }

        // The copy is whole if the tag has not changed meanwhile.
        fence(Ordering::Acquire);
        slot.tag.load(Ordering::Relaxed) == tag
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    use super::*;

    const FRAMES: usize = 64;

    fn page_of(number: usize) -> Vec<f32> {
        vec![number as f32; CHANNELS * FRAMES]
    }

    #[test]
    fn what_is_put_is_read_and_what_is_replaced_is_gone() {
        let pages = Pages::new(FRAMES, 3, 1);
        let mut out = [[0.0; FRAMES]; CHANNELS];
        assert!(!pages.read(0, 0, FRAMES, &mut out, 0) && !pages.holds(0));
        pages.put(0, None, 2, &page_of(2));

        assert!(pages.holds(2) && pages.read(2, 10, 20, &mut out, 5));
        assert_eq!(
            (out[11][4], out[11][5], out[11][24], out[11][25]),
            (0.0, 2.0, 2.0, 0.0)
        );
        pages.put(0, Some(2), 1, &page_of(1));

        assert!(!pages.holds(2) && !pages.read(2, 0, 1, &mut out, 0));
        assert!(pages.read(1, 0, 1, &mut out, 0));
        assert!(
            !pages.read(3, 0, 1, &mut out, 0),
            "a page that the clip does not have"
        );
    }

    /// One thread replaces pages as fast as it can while another reads. No read that reports a
    /// whole page may be torn.
    #[test]
    fn a_page_replaced_while_it_is_read_is_never_taken_for_whole() {
        let pages = Arc::new(Pages::new(FRAMES, 8, 2));
        let stop = Arc::new(AtomicBool::new(false));
        let writer = std::thread::spawn({
            let (pages, stop) = (pages.clone(), stop.clone());
            let contents: Vec<_> = (0..8).map(page_of).collect();
            move || {
                let mut held = [None; 2];
                let mut round = 0_usize;
                while !stop.load(Ordering::Relaxed) {
                    let (slot, page) = (round % 2, round * 3 % 8);
                    if !pages.holds(page) {
                        pages.put(slot, held[slot], page, &contents[page]);
                        held[slot] = Some(page);
                    }
                    round += 1;
                }
            }
        });

        let mut out = [[0.0; FRAMES]; CHANNELS];
        let mut whole = 0;

        // The writer may begin long after the reader on a busy machine.
        let late = std::time::Instant::now() + std::time::Duration::from_secs(20);
        for round in 0.. {
            if round >= 200_000 && (whole > 0 || std::time::Instant::now() > late) {
                break;
            }

            let page = round % 8;
            if pages.read(page, 0, FRAMES, &mut out, 0) {
                assert!(
                    out.iter().flatten().all(|&sample| sample == page as f32),
                    "page {page} is torn"
                );
                whole += 1;
            }
        }

        stop.store(true, Ordering::Relaxed);
        writer.join().unwrap();
        println!("{whole} whole reads");

        assert!(whole > 0);
    }
}
