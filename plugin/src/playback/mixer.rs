//! The mixer of the main output: the dry signal and six stems, each at a level that changes without
//! a click.

use sextet_protocol::Stem;

use super::CHANNELS;
use super::ramp::Ramp;

const STEMS: usize = Stem::ALL.len();

/// Time in seconds in which a level reaches its new value: short enough to feel immediate, long
/// enough not to click.
const RAMP_S: f32 = 0.010;

/// The levels that the parameters ask for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Levels {
    /// Level of the dry signal within the clip.
    pub(crate) dry: f32,
    /// Level of each stem.
    pub(crate) stems: [f32; STEMS],
    /// Level of the dry signal outside of the clip.
    pub(crate) outside: f32,
}

impl Levels {
    /// The unchanged input, at any position of the transport.
    pub(crate) const DRY: Self = Self {
        dry: 1.0,
        stems: [0.0; STEMS],
        outside: 1.0,
    };
}

/// The current levels, which move towards their targets.
pub(super) struct Mixer {
    dry: Ramp,
    stems: [Ramp; STEMS],
    outside: Ramp,
    ramp_frames: u32,
}

impl Mixer {
    pub(super) fn new(session_hz: f32) -> Self {
        let (dry, stems, outside) = (Ramp::at(1.0), [Ramp::at(0.0); STEMS], Ramp::at(1.0));
        Self {
            dry,
            stems,
            outside,
            ramp_frames: (RAMP_S * session_hz) as u32,
        }
    }

    /// Sets the target levels. `at_once` applies them immediately, which is for when nothing has
    /// sounded yet.
    pub(super) fn aim(&mut self, levels: &Levels, at_once: bool) {
        let frames = if at_once { 0 } else { self.ramp_frames };
        self.dry.aim(levels.dry, frames);
        self.outside.aim(levels.outside, frames);

        for (ramp, &level) in self.stems.iter_mut().zip(&levels.stems) {
            ramp.aim(level, frames);
        }

        if at_once {
            self.dry.snap();
            self.outside.snap();
            self.stems.iter_mut().for_each(Ramp::snap);
        }
    }

    /// Mixes within the clip: `main` holds the dry signal and receives the mix. The sum is computed
    /// in float64, so that stems that add up to the clip do so here. The dry signal alone is left
    /// as it is, bit for bit.
    ///
    /// # Panics
    /// If the block is longer than `N`.
    pub(super) fn inside<const N: usize>(
        &mut self,
        main: &mut [&mut [f32]; 2],
        stems: &[[f32; N]; CHANNELS],
    ) {
        let frames = main[0].len();
        self.outside.skip(frames);
        if self.dry.steady() == Some(1.0) && self.stems.iter().all(Ramp::is_off) {
            return;
        }

        let mut sums = [[0.0_f64; N]; 2];
        let [left, right] = &*main;

        add(&mut sums, &mut self.dry, left, right);
        for (ramp, pair) in self.stems.iter_mut().zip(stems.chunks_exact(2)) {
            add(&mut sums, ramp, &pair[0][..frames], &pair[1][..frames]);
        }

        for (out, sum) in main.iter_mut().zip(&sums) {
            for (sample, &sum) in out.iter_mut().zip(sum) {
                *sample = sum as f32;
            }
        }
    }

    /// Mixes outside of the clip: `main` keeps the dry signal at its level there, which may be 0.
    pub(super) fn outside(&mut self, main: &mut [&mut [f32]; 2]) {
        let frames = main[0].len();
        self.dry.skip(frames);
        self.stems.iter_mut().for_each(|ramp| ramp.skip(frames));
        scale(main, &mut self.outside);
    }
}

/// Adds two channels to `sums`, at one level.
fn add<const N: usize>(sums: &mut [[f64; N]; 2], ramp: &mut Ramp, left: &[f32], right: &[f32]) {
    if ramp.is_off() {
        return;
    }

    let [sums_left, sums_right] = sums;
    let outs = sums_left.iter_mut().zip(sums_right.iter_mut());

    let steady = ramp.steady();
    for ((sum_left, sum_right), (&left, &right)) in outs.zip(left.iter().zip(right)) {
        let level = steady.unwrap_or_else(|| ramp.next());
        *sum_left += level * f64::from(left);
        *sum_right += level * f64::from(right);
    }
}

/// Scales two channels by one level.
fn scale(channels: &mut [&mut [f32]; 2], ramp: &mut Ramp) {
    let [left, right] = channels;
    match ramp.steady() {
        // Zeros are written because `0 * x` is not silent where `x` is not a number.
        Some(0.0) => {
            left.fill(0.0);
            right.fill(0.0);
        }
        Some(1.0) => {}
        _ => left.iter_mut().zip(right.iter_mut()).for_each(|(l, r)| {
            let level = ramp.next() as f32;
            *l *= level;
            *r *= level;
        }),
    }
}
