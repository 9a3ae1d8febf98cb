//! Silence in the place of audio that is damaged, so that the rest keeps its time.

use symphonia::core::codecs::audio::well_known::CODEC_ID_VORBIS;
use symphonia::core::formats::well_known::FORMAT_ID_FLAC;
use symphonia::core::packet::Packet;

use super::{Block, PacketReader, SILENCE_FRAMES};
use crate::audio::Layout;
use crate::audio::guard::guard;
use crate::audio::mend::Gap;
use crate::audio::read_error::ReadError;

impl PacketReader {
    /// Fills a gap before a FLAC packet with silence. FLAC packets state their position, so audio
    /// that symphonia skipped before this one was damaged.
    ///
    /// The positions of a file that was cut begin where the cut was, and those of a joined one
    /// begin anew.
    pub(super) fn fill_gap(&mut self, packet: &Packet) {
        if self.format.format_info().format != FORMAT_ID_FLAC {
            return;
        }

        let first = self.part.flac_start().unwrap_or(0);
        let offset = *self
            .flac_offset
            .get_or_insert(i64::try_from(first).unwrap_or(0));
        let here = i64::try_from(self.position + self.silence).unwrap_or(i64::MAX);
        let gap = packet.pts.get().saturating_sub(here.saturating_add(offset));

        match u64::try_from(gap) {
            Ok(0) => {}
            Ok(gap) if gap <= self.longest_gap() => self.lose(gap),
            _ => self.flac_offset = Some(offset.saturating_add(gap)),
        }
    }

    pub(super) fn lose(&mut self, frames: u64) {
        self.condition.lost_packets += 1;
        self.condition.silent_frames += frames;
        self.silence += frames;
    }

    /// Returns `packet` of an Ogg stream, or the next one to be decoded in its place if it is the
    /// first behind damaged pages. What is lost becomes silence.
    ///
    /// symphonia passes over damaged pages, and gives the page behind them the time of the first of
    /// them. That page states where it ends.
    pub(super) fn bridged(&mut self, packet: Packet) -> Result<Option<Packet>, ReadError> {
        while self
            .gaps
            .front()
            .is_some_and(|gap| gap.stream < self.stream)
        {
            self.gaps.pop_front();
        }
        let is_behind = |gap: &mut Gap| {
            gap.stream == self.stream
                && gap.serial == self.track_id
                && gap.start.unwrap_or(0) <= packet.pts.get()
        };
        let Some(gap) = self.gaps.pop_front_if(is_behind) else {
            return Ok(Some(packet));
        };

        let mut found = u64::try_from(packet.pts.get() - gap.start.unwrap_or(0)).unwrap_or(0);
        let lost = match gap.start {
            // Without a page before it, the first one has its own time.
            None => found,
            Some(start) => {
                let mut page = vec![packet.clone()];
                while page.len() < gap.packets && !self.is_exhausted() {
                    page.extend(self.next_packet()?);
                }
                found += page
                    .iter()
                    .map(|packet| packet.block_dur().get())
                    .sum::<u64>();
                self.ahead.extend(page.drain(1..));
                u64::try_from(gap.end - start)
                    .unwrap_or(0)
                    .saturating_sub(found)
            }
        };
        Ok(self.go_on_after(lost, packet))
    }

    /// Returns the next block of silence before audio of `layout`.
    pub(super) fn silent_block(&mut self, layout: Layout) -> Block {
        let frames = self.silence.min(SILENCE_FRAMES);
        self.silence -= frames;
        Block {
            planes: vec![vec![0.0; frames as usize]; layout.channels],
            rate_hz: layout.rate_hz,
        }
    }

    /// Returns the next block of silence behind the last packet, where pages were lost before it
    /// and it gives no audio of its own.
    pub(super) fn last_silence(&mut self) -> Option<Block> {
        let spec = self.spec.as_ref()?;
        let layout = Layout {
            channels: spec.channels().count(),
            rate_hz: spec.rate(),
        };
        let is_wanted = self.silence > 0 && self.condition.page_silence_frames > 0;
        is_wanted.then(|| self.silent_block(layout))
    }

    /// Puts `lost` frames of silence before `packet`. Returns the packet to be decoded, if any.
    fn go_on_after(&mut self, lost: u64, packet: Packet) -> Option<Packet> {
        if lost == 0 || lost > self.longest_gap() {
            return Some(packet);
        }
        let mut silence = lost;
        let is_lapped = self.params.codec == CODEC_ID_VORBIS;
        if is_lapped {
            // A block of Vorbis gives audio together with the one before it alone, which is lost.
            silence += packet.block_dur().get();
            let _ = guard(|| {
                self.decoder.reset();
                self.decoder.decode(&packet).map(|_| ())
            });
        }
        self.condition.page_silence_frames += silence;
        self.silence += silence;
        (!is_lapped).then_some(packet)
    }

    /// Returns the longest gap that is believed, in frames: what the song has left, or a minute
    /// where its length is not known.
    fn longest_gap(&self) -> u64 {
        self.condition
            .announced_frames
            .map(|total| total.saturating_sub(self.position))
            .unwrap_or_else(|| 60 * u64::from(self.params.sample_rate.unwrap_or(0)))
    }
}
