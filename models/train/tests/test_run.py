"""A run from end to end on the CPU: its files, its record, resuming, overrides."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import CPU, one_example, small_config
from demucs.hf import load_safetensors_model

from sextet_train.model import model_file, rounding
from sextet_train.train import overrides, record
from sextet_train.train.config import TrainConfig, parse
from sextet_train.train.loop import TrainingLoop
from sextet_train.train.overrides import Overrides
from sextet_train.train.process import Process
from sextet_train.train.trainer import EXPORT, LAST, Trainer


def tiny_run(pool: Path, out: Path, **changed: object) -> TrainingLoop:
    """Six steps of two examples of 0.2 s."""
    rng = np.random.default_rng(0)
    pool.mkdir(exist_ok=True)
    for seed in range(3):
        np.save(pool / f"{seed}.npy", rng.integers(-9000, 9000, (6, 2, 22050), np.int16))
    out.mkdir(exist_ok=True)
    options: dict = {"pool": pool, "crop_s": 0.2, "song_s": 0.5, "capacity": 3, "min_songs": 3}
    options |= {"batch": 2, "max_steps": 6, "log_every": 0.0, "patience": 30.0}
    config = small_config(out, **options | changed)
    return TrainingLoop(Trainer(config, Process(0, 1, CPU)))


def log_of(out: Path) -> list[dict]:
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


def test_a_run_ends_with_a_model_that_says_how_it_was_made(tmp_path: Path) -> None:
    out = tmp_path / "out"
    tiny_run(tmp_path / "pool", out, frozen=("crosstransformer",), seed=5).run()
    events = [line.get("event") for line in log_of(out)]
    assert events[0] == "start" and events[-1] == "end"
    assert log_of(out)[-1]["step"] == 6
    assert not list((tmp_path / "pool").glob("*.npy")), "the pool takes songs out of its folder"

    training = model_file.read(out / EXPORT).training
    assert training is not None
    assert training["config"]["frozen"] == ["crosstransformer"]
    assert training["config"]["lr"] == 1e-3 and training["seed"] == 5 and training["step"] == 6
    assert training["parent"] is None
    assert training["frozen"] and all(n.startswith("crosstransformer") for n in training["frozen"])
    saved = torch.load(out / LAST)
    assert saved["record"] == {k: training[k] for k in saved["record"]}

    model = load_safetensors_model(out / EXPORT)
    assert getattr(model, "samplerate") == 44100, "demucs reads a file with our entry"  # noqa: B009


def test_a_record_has_the_source_commit() -> None:
    git = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    head = subprocess.run(git, capture_output=True, text=True)
    if head.returncode != 0:
        pytest.skip("not a checkout")
    commit = record.source_commit()
    assert commit is not None and commit.removesuffix("-dirty") == head.stdout.strip()


def test_a_chain_of_runs_is_told_by_its_last_model(
    tmp_path: Path, trainer: Callable[..., Trainer]
) -> None:
    first = trainer(lr=2e-3)
    first.one_step(*one_example(0))
    first.save()
    part = tmp_path / "part1.safetensors"
    rounding.round_file(tmp_path / EXPORT, part, (6, 3))

    second = trainer(init=part)
    second.save()
    third = trainer(resume=True)
    resumed = third.record["parent"]
    begun = resumed["record"]["parent"]
    assert resumed["file"] == LAST and begun["file"] == part.name
    assert resumed["sha256"] == model_file.sha256(tmp_path / LAST)
    assert begun["sha256"] == model_file.sha256(part)
    assert begun["record"]["config"]["lr"] == 2e-3
    assert begun["record"]["rounded_bits"] == [6, 3]
    json.dumps(third.record)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"frozen": ("crosstransformer",)}, r"--frozen \(none\) .* found crosstransformer"),
        ({"optimiser": "adamw"}, "--optimiser muon .* found adamw"),
        ({"channels": 24}, "--channels 16 .* found 24"),
        ({"t_layers": 2}, "--t-layers 1 .* found 2"),
    ],
)
def test_resuming_with_another_network_or_optimiser_is_refused(
    changed: dict, expected: str, trainer: Callable[..., Trainer]
) -> None:
    trainer().save()
    with pytest.raises(ValueError, match=f"expected {expected}"):
        trainer(resume=True, **changed)
    trainer(resume=True, lr=5e-4, seed=9)


def test_resuming_from_a_checkpoint_without_a_record_is_refused(
    tmp_path: Path, trainer: Callable[..., Trainer]
) -> None:
    trainer().save()
    state = torch.load(tmp_path / LAST)
    del state["record"]
    torch.save(state, tmp_path / LAST)
    with pytest.raises(ValueError, match=r"does not say how it was made .* --init"):
        trainer(resume=True)


def test_overrides_change_a_run_that_goes_on(tmp_path: Path) -> None:
    out = tmp_path / "out"
    loop = tiny_run(tmp_path / "pool", out, max_steps=10**6, seconds=1000.0)
    overrides.write(out, {"seconds": 0.5, "lr": 1e-4})
    loop.run()
    assert loop.trainer.schedule.seconds == 0.5 and loop.trainer.schedule.peak == 1e-4
    assert loop.trainer.elapsed_s >= 0.5


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "expected JSON"),
        ('{"seconds": 10', "expected JSON"),
        ("[1]", "expected an object"),
        ('{"second": 10}', "expected an object with seconds or lr"),
        ('{"seconds": -1}', "seconds: expected a number above 0, found -1"),
        ('{"lr": "1e-3"}', "lr: expected a number above 0, found '1e-3'"),
        ('{"lr": true}', "lr: expected a number above 0, found True"),
    ],
)
def test_unusable_overrides_are_reported_once_and_change_nothing(
    text: str, complaint: str, tmp_path: Path
) -> None:
    reader = Overrides(tmp_path)
    assert reader.read() == ({}, None)
    (tmp_path / "overrides.json").write_text(text)
    values, said = reader.read()
    assert values == {} and said is not None and complaint in said
    assert reader.read() == ({}, None)


def test_the_command_line_has_every_field_with_its_default() -> None:
    assert parse(["POOL", "OUT"]) == TrainConfig(Path("POOL"), Path("OUT"))
    given = "P O --seconds 9 --frozen a b --optimiser adamw --init x --resume --validate-every 7"
    config = parse(given.split())
    assert config == TrainConfig(
        Path("P"),
        Path("O"),
        seconds=9.0,
        frozen=("a", "b"),
        optimiser="adamw",
        init=Path("x"),
        resume=True,
        validate_every=7.0,
    )
    json.dumps(config.as_dict())


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"batch": 0}, "--batch: expected more than 0, found 0"),
        ({"hold": 1.5}, "--hold: expected 0 to 1, found 1.5"),
        ({"warmup": 0}, "--warmup: expected 1 or more, found 0"),
        ({"song_s": 2.0}, r"--song-s: expected --crop-s \(7.8\) or more, found 2.0"),
    ],
)
def test_what_no_run_can_be_told_is_refused(changed: dict, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        small_config(Path("."), **changed)


def test_a_run_without_songs_gives_up(tmp_path: Path) -> None:
    loop = tiny_run(tmp_path / "pool", tmp_path / "out", min_songs=3, patience=0.1, capacity=4)
    for path in (tmp_path / "pool").glob("*.npy"):
        path.unlink(missing_ok=True)
    loop.pool.wait_for(3, 1.0)
    with pytest.raises(SystemExit, match=r"of 9 songs came in 0.1 s"):
        loop._wait_for_songs(9)
