//! A level that moves to its target in a straight line, sample by sample.

/// One smoothed level. Once it has arrived it is the target exactly.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ramp {
    value: f32,
    target: f32,
    step: f32,
    left: u32,
}

impl Ramp {
    pub(super) fn at(value: f32) -> Self {
        Self { value, target: value, step: 0.0, left: 0 }
    }

    /// Moves to `target` within `frames` from now on, unless it is on its way there already.
    pub(super) fn aim(&mut self, target: f32, frames: u32) {
        if target == self.target {
            return;
        }
        self.target = target;
        if frames == 0 {
            self.snap();
        } else {
            self.step = (target - self.value) / frames as f32;
            self.left = frames;
        }
    }

    /// Arrives at once.
    pub(super) fn snap(&mut self) {
        (self.value, self.left) = (self.target, 0);
    }

    /// Whether it is silent and stays so.
    pub(super) fn is_off(&self) -> bool {
        self.left == 0 && self.value == 0.0
    }

    /// The level of the next sample.
    #[inline]
    pub(super) fn next(&mut self) -> f32 {
        if self.left > 0 {
            self.left -= 1;
            self.value = if self.left == 0 { self.target } else { self.value + self.step };
        }
        self.value
    }

    /// The level if it stays as it is.
    pub(super) fn steady(&self) -> Option<f32> {
        (self.left == 0).then_some(self.value)
    }

    /// Passes `frames` samples.
    pub(super) fn skip(&mut self, frames: usize) {
        let passed = u32::try_from(frames).unwrap_or(u32::MAX).min(self.left);
        self.left -= passed;
        self.value = if self.left == 0 { self.target } else { self.value + self.step * passed as f32 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_arrives_exactly_without_a_jump() {
        let mut ramp = Ramp::at(0.0);
        ramp.aim(0.7, 100);
        let mut last = 0.0;
        for _ in 0..100 {
            let next = ramp.next();
            assert!((next - last - 0.007).abs() < 1e-5);
            last = next;
        }
        assert_eq!((ramp.next(), ramp.steady()), (0.7, Some(0.7)));
    }

    #[test]
    fn passing_samples_is_taking_them() {
        for passed in [0, 1, 49, 50, 51, 1000] {
            let (mut a, mut b) = (Ramp::at(1.0), Ramp::at(1.0));
            a.aim(0.25, 50);
            b.aim(0.25, 50);
            a.skip(passed);
            (0..passed).for_each(|_| drop(b.next()));
            assert!((a.next() - b.next()).abs() < 1e-6);
        }
    }
}
