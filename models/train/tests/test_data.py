"""The pool, examples, 16-bit samples."""

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import CPU

from sextet_train import pcm
from sextet_train.data.augmentation import Shares, heard_stems
from sextet_train.data.examples import examples
from sextet_train.data.fence import Fence
from sextet_train.data.pool import Pool
from sextet_train.data.prefetch import prefetched
from sextet_train.eval.evaluation_set import songs_of
from sextet_train.stems import STEMS

FRAMES = 3 * 44100


@pytest.fixture
def pool(tmp_path: Path) -> Pool:
    rng = np.random.default_rng(0)
    for seed in range(3):
        np.save(tmp_path / f"{seed}.npy", rng.integers(-9000, 9000, (6, 2, FRAMES), np.int16))
    pool = Pool(tmp_path, 4, FRAMES, CPU)
    assert pool.wait_for(3, timeout_s=30)
    return pool


def test_examples_sum_to_their_mix(pool: Pool) -> None:
    rng = np.random.default_rng(1)
    for _ in range(3):
        mix, stems = examples(pool, rng, 4, 44100)
        assert torch.allclose(stems.sum(1), mix, atol=1e-4) and torch.isfinite(mix).all()
        assert stems.shape == (4, 6, 2, 44100)


def test_sparse_examples_have_one_to_three_stems() -> None:
    rng = np.random.default_rng(0)
    counts = heard_stems(rng, 500, Shares(sparse=1.0)).sum(1)
    assert set(counts) == {1, 2, 3}
    assert (heard_stems(rng, 2000, Shares()).sum(1) == 6).mean() > 0.65


def test_trios_are_guitar_piano_and_other() -> None:
    trio = [stem in {"guitar", "piano", "other"} for stem in STEMS]
    assert (heard_stems(np.random.default_rng(0), 50, Shares(0.0, trio=1.0)) == trio).all()

    # Chance gives the trio alone to one example in 700 by itself.
    share = (heard_stems(np.random.default_rng(0), 4000, Shares(0.2, 0.1)) == trio).all(1).mean()
    assert 0.085 < share < 0.115


def test_a_pool_says_when_too_few_songs_came(tmp_path: Path) -> None:
    assert not Pool(tmp_path, 2, 100, CPU).wait_for(1, timeout_s=0.05)


def test_songs_survive_storing_to_the_last_bit(tmp_path: Path) -> None:
    """Whatever is written is read by the scale that it was written with."""
    stored = np.arange(-32767, 32768, dtype=np.int16)
    samples = pcm.to_float(torch.from_numpy(stored))
    assert samples.abs().max() == 1.0
    assert np.array_equal(pcm.to_int16(samples.numpy()), stored)
    assert np.array_equal(pcm.to_int16(np.array([-2.0, 2.0])), [-32767, 32767])

    song = np.tile(stored[-600:], (6, 2, 1))
    np.save(tmp_path / "7.npy", song)
    ((name, read),) = songs_of(tmp_path)
    assert name == "7" and np.array_equal(pcm.to_int16(read.numpy()), song)


def test_no_draw_holds_parts_of_two_songs(tmp_path: Path) -> None:
    """A thread replaces the only song again and again, each of one value throughout."""
    pool, stop = Pool(tmp_path, 1, 20000, CPU), threading.Event()
    pool.add(torch.ones(6, 2, 20000, dtype=torch.int16))

    def write() -> None:
        value = 1
        while not stop.is_set():
            value = value % 30000 + 1
            pool.add(torch.full((6, 2, 20000), value, dtype=torch.int16))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        rng, seen = np.random.default_rng(0), set()
        for _ in range(300):
            stems = pool.draw(rng, 16000)
            assert float(stems.max() - stems.min()) < 1e-6
            seen.add(round(float(stems.max()) * 32767))
    finally:
        stop.set()
        writer.join()
    assert len(seen) > 1, "nothing was replaced meanwhile"


class RecordedDevice:
    """Streams of which nothing runs: what was issued to each, and what it waits for, is
    recorded."""

    def __init__(self) -> None:
        self.stream = "writer"
        self.issued: list[tuple[str, str]] = []
        self.waits: dict[int, set[int]] = {}  # of every operation, the operations before it
        self.pending: dict[str, set[int]] = {}

    def current_stream(self) -> Any:
        return self.stream

    def record(self, stream: Any) -> Any:
        return frozenset(self.pending.get(stream, set()))

    def wait(self, stream: Any, event: Any) -> None:
        self.pending.setdefault(stream, set()).update(event)

    def issue(self, what: str) -> int:
        before = self.pending.setdefault(self.stream, set())
        number = len(self.issued)
        self.issued.append((self.stream, what))
        self.waits[number] = set(before)
        before.add(number)
        return number


@pytest.mark.parametrize("seed", range(20))
def test_every_write_is_ordered_with_every_read_on_the_device(seed: int) -> None:
    """Whatever the order in which one writer and two readers issue: of a write and another
    operation, the later one waits for the earlier one."""
    device = RecordedDevice()
    fence, rng = Fence(device), np.random.default_rng(seed)
    for _ in range(40):
        device.stream = str(rng.choice(("writer", "reader 1", "reader 2")))
        if device.stream == "writer":
            with fence.writing():
                device.issue("write")
        else:
            with fence.reading():
                device.issue("read")
    operations = [what for _, what in device.issued]
    assert {"write", "read"} == set(operations)
    for later, what in enumerate(operations):
        for earlier in range(later):
            if "write" in (what, operations[earlier]):
                assert earlier in device.waits[later], (earlier, later)


def test_readers_do_not_wait_for_each_other() -> None:
    device = RecordedDevice()
    fence = Fence(device)
    for device.stream in ("reader 1", "reader 2"):
        with fence.reading():
            device.issue("read")
    assert device.waits[1] == set()


def test_a_failure_to_make_a_batch_ends_the_run() -> None:
    def fail() -> Any:
        raise RuntimeError("no batch")

    with pytest.raises(RuntimeError, match="no batch"):
        next(prefetched(fail, CPU))
