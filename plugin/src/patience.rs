//! The time that a host gives a block: none in real time, any in an offline render, and some where
//! it says real time and is far ahead of it, as in an export.

use std::time::{Duration, Instant};

/// Time by which a host is ahead that is left to it. Hosts that compute ahead in real time do so by
/// some tenths of a second.
const SAFE_LEAD: Duration = Duration::from_secs(1);

/// The time that may be waited for what a block needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    /// The block is due at once.
    None,
    /// The host is ahead of real time, and is not late before this moment.
    Until(Instant),
    /// The host waits as long as it takes.
    Unlimited,
}

impl Patience {
    /// Returns whether there is still time.
    pub(crate) fn has_time(self) -> bool {
        match self {
            Self::None => false,
            Self::Until(end) => Instant::now() < end,
            Self::Unlimited => true,
        }
    }

    /// Returns whether the host renders offline.
    pub(crate) fn is_unlimited(self) -> bool {
        self == Self::Unlimited
    }
}

/// The time by which a host is ahead of real time: that of the frames that it has had processed,
/// less the time that has passed.
#[derive(Debug)]
pub(crate) struct Lead {
    session_hz: f64,
    lead: Duration,
    last: Option<Instant>,
}

impl Lead {
    pub(crate) fn new(session_hz: f32) -> Self {
        Self {
            session_hz: session_hz.into(),
            lead: Duration::ZERO,
            last: None,
        }
    }

    /// Counts a block of `frames` that begins at `now`; returns what may be waited for it. A wait
    /// is never longer than the lead, so that a host that is late by then was late before.
    pub(crate) fn patience(&mut self, frames: usize, now: Instant) -> Patience {
        let passed = self
            .last
            .map_or(Duration::ZERO, |last| now.saturating_duration_since(last));
        self.last = Some(now);

        self.lead = self.lead.saturating_sub(passed);
        let spare = self.lead.saturating_sub(SAFE_LEAD);
        self.lead += Duration::from_secs_f64(frames as f64 / self.session_hz);

        if spare.is_zero() {
            Patience::None
        } else {
            Patience::Until(now + spare)
        }
    }

    /// Forgets the lead: the transport stands, or the host begins anew.
    pub(crate) fn reset(&mut self) {
        (self.lead, self.last) = (Duration::ZERO, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HZ: f32 = 48_000.0;

    /// Plays blocks of 4800 frames, a tenth of a second, at intervals; returns the number of blocks
    /// for which something could be waited, and the longest such time.
    fn played(blocks: u32, every: Duration) -> (u32, Duration) {
        let (mut lead, begun) = (Lead::new(HZ), Instant::now());
        let (mut patient, mut longest) = (0, Duration::ZERO);
        for block in 0..blocks {
            let now = begun + every * block;
            if let Patience::Until(end) = lead.patience(4_800, now) {
                patient += 1;
                longest = longest.max(end - now);
            }
        }
        (patient, longest)
    }

    #[test]
    fn only_a_host_that_is_far_ahead_waits() {
        let real_time = Duration::from_millis(100);
        assert_eq!(played(1_000, real_time), (0, Duration::ZERO));
        assert_eq!(played(1_000, real_time * 2), (0, Duration::ZERO));

        // Ten times as fast: nine tenths of every block are gained.
        let (patient, longest) = played(100, real_time / 10);
        assert_eq!(patient, 100 - 12);
        assert!(longest < Duration::from_secs(9), "{longest:?}");

        // A host that computes half a second ahead and then plays in real time.
        let mut lead = Lead::new(HZ);
        let begun = Instant::now();
        for block in 0..100_u32 {
            let now = begun + real_time * block.saturating_sub(5);
            assert_eq!(lead.patience(4_800, now), Patience::None);
        }
    }

    #[test]
    fn what_was_gained_is_forgotten_when_the_transport_stops() {
        let (mut lead, now) = (Lead::new(HZ), Instant::now());
        for _ in 0..100 {
            lead.patience(4_800, now);
        }
        assert!(matches!(lead.patience(4_800, now), Patience::Until(_)));
        lead.reset();
        assert_eq!(lead.patience(4_800, now), Patience::None);
    }
}
