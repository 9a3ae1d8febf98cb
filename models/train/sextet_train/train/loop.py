"""Trains HTDemucs on a pool that the generator fills, on one GPU or several, for a given time.

  python -m sextet_train generate POOL --workers 28 --valid 16 &
  torchrun --nproc-per-node 2 -m sextet_train train POOL OUT --seconds 1200

The learning rate warms up, is constant for --hold of the time, and falls in a line that reaches
zero when the time is up, however fast steps are. OUT/log.jsonl has a line every --log-every
seconds; OUT/last.pt and OUT/mini.safetensors are written every --save-every seconds. --resume
continues from OUT/last.pt. `override OUT` changes length and peak of the schedule meanwhile.
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from sextet_train.data.augmentation import Shares
from sextet_train.data.examples import examples
from sextet_train.data.pool import Pool
from sextet_train.data.prefetch import prefetched
from sextet_train.model.inference import run
from sextet_train.stems import RATE_HZ
from sextet_train.train.config import parse
from sextet_train.train.overrides import Overrides
from sextet_train.train.run_log import RunLog
from sextet_train.train.trainer import Trainer
from sextet_train.train.validation import Validation

CLOCK_EVERY = 5  # steps


class Timer:
    """Says when more than `every_s` of the run's clock have passed since it last did."""

    def __init__(self, every_s: float, now_s: float) -> None:
        self.every_s = every_s
        self.last_s = now_s

    def is_due(self, now_s: float) -> bool:
        """Whether it is time."""
        return now_s - self.last_s > self.every_s

    def restart(self, now_s: float) -> None:
        """Counts from now on."""
        self.last_s = now_s


class TrainingLoop:
    """Feeds a trainer from the pool until its time is up; logs, validates and saves."""

    def __init__(self, trainer: Trainer) -> None:
        config, process = trainer.config, trainer.process
        self.trainer, self.config, self.process = trainer, config, process
        self.log = RunLog(config.out, process.is_first)
        self.overrides = Overrides(config.out)
        song_frames = int(config.song_s * RATE_HZ)
        self.pool = Pool(
            config.pool, config.capacity, song_frames, process.device, process.rank, process.world
        )
        self.validation = Validation(config.pool / "valid", config.batch, process.device)
        self.losses: list[torch.Tensor] = []
        self.first_step = trainer.step

    def run(self) -> None:
        """The whole run."""
        trainer, process = self.trainer, self.process
        self._prepare()
        self.started = time.monotonic() - trainer.elapsed_s
        self.log_timer = Timer(self.config.log_every, trainer.elapsed_s)
        self.validate_timer = Timer(self.config.validate_every, trainer.elapsed_s)
        self.save_timer = Timer(self.config.save_every, trainer.elapsed_s)

        batches = self._batches()
        while not self._is_over():
            self.losses.append(trainer.one_step(*next(batches)))
            if trainer.step % CLOCK_EVERY == 0:
                self._synchronise_clock()
            self._report()

        if process.is_first:
            trainer.save()
        self.log.write(event="end", **self._position(), songs=self._songs(), valid=self._validate())
        process.leave()

    def _prepare(self) -> None:
        """Compiles and captures the step while the pool fills, then waits for enough songs."""
        config = self.config
        begun = time.monotonic()
        self.trainer.gradient_step.capture(config.batch, int(config.crop_s * RATE_HZ))
        prepared_s = round(time.monotonic() - begun, 1)
        waited_s = self._wait_for_songs(min(config.min_songs, config.capacity))
        self.log.write(
            event="start",
            songs=self.pool.added,
            prepared_s=prepared_s,
            waited_s=waited_s,
            valid=self._validate(),
        )

    def _wait_for_songs(self, wanted: int) -> float:
        """Seconds waited. SystemExit if fewer songs come in --patience seconds."""
        begun = time.monotonic()
        if not self.pool.wait_for(wanted, self.config.patience):
            raise SystemExit(
                f"only {self.pool.count} of {wanted} songs came in {self.config.patience} s: "
                "is the generator running?"
            )
        self.process.barrier()
        return round(time.monotonic() - begun, 1)

    def _batches(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        config, process = self.config, self.process
        rng = np.random.default_rng([config.seed, process.rank, self.trainer.step])
        frames = int(config.crop_s * RATE_HZ)
        shares = Shares(config.sparse, config.trio)
        return prefetched(
            lambda: examples(self.pool, rng, config.batch, frames, shares), process.device
        )

    def _is_over(self) -> bool:
        timed_out = self.trainer.elapsed_s >= self.trainer.schedule.seconds
        return timed_out or self.trainer.step >= self.config.max_steps

    def _synchronise_clock(self) -> None:
        """Takes over the first process's clock and overrides, so that all stop at the same step,
        and its weights: products in bfloat16 need not be equal to the last bit on every GPU."""
        schedule, process = self.trainer.schedule, self.process
        values, complaint = self.overrides.read()
        if complaint:
            self.log.write(event="override", rejected=complaint)
        clock = torch.tensor(
            [
                time.monotonic() - self.started,
                values.get("seconds", schedule.seconds),
                values.get("lr", schedule.peak),
            ],
            dtype=torch.float64,
            device=process.device,
        )
        process.broadcast(clock)
        process.broadcast(self.trainer.vector.values)
        self.trainer.elapsed_s, schedule.seconds, schedule.peak = clock.tolist()

    def _report(self) -> None:
        """Logs, validates and saves, whichever is due."""
        now_s = self.trainer.elapsed_s
        if self.log_timer.is_due(now_s):
            self._log_progress(now_s - self.log_timer.last_s)
            self.log_timer.restart(now_s)
        if not self.process.is_first:
            return
        if self.validate_timer.is_due(now_s):
            self.log.write(**self._position(), valid=self._validate())
            self.validate_timer.restart(now_s)
        if self.save_timer.is_due(now_s):
            self.trainer.save()
            self.save_timer.restart(now_s)

    def _log_progress(self, since_s: float) -> None:
        trainer = self.trainer
        self.log.write(
            **self._position(),
            loss=round(float(torch.stack(self.losses).mean()), 4),
            lr=round(trainer.learning_rate, 6),
            norm=round(float(trainer.clip.grad_norm_ema), 4),
            songs=self._songs(),
            rate=round((trainer.step - self.first_step) / max(1e-3, since_s), 2),
        )
        self.losses, self.first_step = [], trainer.step

    def _position(self) -> dict[str, Any]:
        return {"step": self.trainer.step, "t": round(self.trainer.elapsed_s, 1)}

    def _songs(self) -> int:
        return self.pool.added * self.process.world

    def _validate(self) -> dict[str, Any]:
        """The average's scores, in the first process."""
        if not self.process.is_first:
            return {}
        return self.validation.validate(lambda mix: run(self.trainer.average, mix))


def allow_tf32() -> None:
    """Lets PyTorch choose the fastest kernels for float32."""
    torch.backends.cudnn.benchmark = True
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.backends.cudnn.allow_tf32 = True


def main(arguments: Sequence[str] | None = None) -> None:
    """The command `train`."""
    parser = argparse.ArgumentParser(
        prog="python -m sextet_train train",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    config = parse(arguments, parser)
    config.out.mkdir(parents=True, exist_ok=True)
    allow_tf32()
    try:
        trainer = Trainer(config)
    except ValueError as error:
        parser.error(str(error))
    TrainingLoop(trainer).run()
