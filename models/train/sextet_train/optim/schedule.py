"""The learning rate and the loss's floor over a run.

They follow the clock, not the count of steps, so that the decay always completes in the time there
is, however fast steps are.
"""

from dataclasses import dataclass


@dataclass
class Schedule:
    """`seconds` and `peak` may change while a run goes on (train/overrides.py).

    `hold` and `floor_hold` are the shares of the time before the rate and the floor fall.
    """

    seconds: float
    peak: float
    warmup_steps: int
    hold: float
    floor: float
    floor_hold: float
    floor_end: float

    def learning_rate(self, step: int, elapsed_s: float) -> float:
        """A rise over the warm-up, the peak, then a line to zero at the end."""
        left = max(0.0, 1 - elapsed_s / self.seconds)
        falling = left / max(1e-9, 1 - self.hold)
        return self.peak * min(1.0, (step + 1) / self.warmup_steps, falling)

    def loss_floor(self, elapsed_s: float) -> float:
        """`floor`, then geometrically to `floor_end`; over the mix's power."""
        past = max(0.0, min(1.0, elapsed_s / self.seconds) - self.floor_hold)
        falling = past / max(1e-9, 1 - self.floor_hold)
        return self.floor * (self.floor_end / self.floor) ** falling
