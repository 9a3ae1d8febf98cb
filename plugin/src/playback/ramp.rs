//! A level that moves to its target in a straight line, sample by sample.

/// A smoothed level. It ends exactly at the target. Levels that move together add up on the way,
/// because each is computed anew for every sample instead of step upon step.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ramp {
    /// Level at which the current move began.
    start: f64,
    target: f64,
    /// Number of samples of the whole move; `left` counts those that remain.
    frames: u32,
    left: u32,
}

impl Ramp {
    pub(super) fn at(value: f32) -> Self {
        Self {
            start: value.into(),
            target: value.into(),
            frames: 1,
            left: 0,
        }
    }

    /// Moves to `target` within `frames` from now on, unless it is on its way there already.
    pub(super) fn aim(&mut self, target: f32, frames: u32) {
        if f64::from(target) == self.target {
            return;
        }
        self.start = self.value();
        self.target = target.into();
        (self.frames, self.left) = (frames.max(1), frames);
    }

    /// Jumps to the target.
    pub(super) fn snap(&mut self) {
        self.left = 0;
    }

    /// Returns whether it is silent and stays so.
    pub(super) fn is_off(&self) -> bool {
        self.left == 0 && self.target == 0.0
    }

    /// Returns the level of the next sample.
    #[inline]
    pub(super) fn next(&mut self) -> f64 {
        self.left = self.left.saturating_sub(1);
        self.value()
    }

    /// Returns the level if it does not move.
    pub(super) fn steady(&self) -> Option<f64> {
        (self.left == 0).then_some(self.target)
    }

    /// Skips `frames` samples.
    pub(super) fn skip(&mut self, frames: usize) {
        self.left = self
            .left
            .saturating_sub(u32::try_from(frames).unwrap_or(u32::MAX));
    }

    fn value(&self) -> f64 {
        if self.left == 0 {
            return self.target;
        }
        let part = f64::from(self.left) / f64::from(self.frames);
        self.target * (1.0 - part) + self.start * part
    }
}

#[cfg(test)]
mod tests {
    use sextet_cases::each_case;

    use super::*;

    #[test]
    fn it_arrives_exactly_without_a_jump() {
        let mut ramp = Ramp::at(0.0);
        ramp.aim(0.7, 100);

        let mut last = 0.0;
        for _ in 0..100 {
            let next = ramp.next();
            assert!((next - last - 0.007).abs() < 1e-7);
            last = next;
        }

        assert_eq!(
            (ramp.next(), ramp.steady()),
            (f64::from(0.7_f32), Some(f64::from(0.7_f32)))
        );
    }

    #[test]
    fn passing_samples_is_taking_them() {
        each_case([0, 1, 49, 50, 51, 1000], |passed| {
            let (mut a, mut b) = (Ramp::at(1.0), Ramp::at(1.0));
            a.aim(0.25, 50);
            b.aim(0.25, 50);
            a.skip(passed);
            (0..passed).for_each(|_| {
                b.next();
            });
            assert!((a.next() - b.next()).abs() < 1e-6);
        });
    }
}
