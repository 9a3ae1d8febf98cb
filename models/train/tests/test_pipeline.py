"""Quick checks of the pipeline: seeds reproduce, compositions are playable, stems sum to the mix, files load in demucs.

  pytest test_pipeline.py
"""

import numpy as np
import pytest
import torch

import checkpoint
import evaluate
import instruments
import mix
import settle
import sing
import train
from compose import EVAL_SEEDS, SAMPLE_SEED, STEMS, STYLES, TRAIN_SEEDS, VALID_SEEDS, compose
from render import render


def test_compositions_are_valid_in_every_style():
    seen = set()
    for seed in range(300):
        song = compose(seed, 12.0)
        seen.add(song.style)
        for track in song.tracks:
            assert track.stem in STEMS
            for note in track.notes:
                assert 0 <= note.start_s < 12.0 and note.duration_s > 0
                assert 0 < note.velocity <= 1 and 12 <= note.pitch <= 108
    assert seen == set(STYLES)


def test_seeds_reproduce_and_differ():
    assert compose(5).tracks == compose(5).tracks
    assert compose(5).tracks != compose(6).tracks


def test_seed_ranges_do_not_meet():
    farm = range(TRAIN_SEEDS, TRAIN_SEEDS + 10**7)
    for seed in (SAMPLE_SEED, VALID_SEEDS, VALID_SEEDS + 99, EVAL_SEEDS, EVAL_SEEDS + 5999):
        assert seed not in farm
    assert VALID_SEEDS + 99 < EVAL_SEEDS


def test_rendering_reproduces_whatever_was_rendered_before():
    first = render(compose(VALID_SEEDS, 6.0), instruments.play)
    render(compose(VALID_SEEDS + 1, 6.0), instruments.play)
    again = render(compose(VALID_SEEDS, 6.0), instruments.play)
    assert np.abs(first - again).max() < 1e-4


def test_rendered_stems_are_finite_and_their_sum_does_not_clip():
    song = compose(VALID_SEEDS + 2, 8.0)
    stems = render(song, instruments.play)
    assert np.isfinite(stems).all() and np.abs(stems.sum(0)).max() <= 1.0
    for name, stem in zip(STEMS, stems):
        assert (np.abs(stem).max() > 1e-3) == (name in song.stems())


@pytest.mark.parametrize("kind", ["espeak", "formant"])
def test_the_singer_sings_the_melody(kind):
    rng = np.random.default_rng(3)
    from compose import Note

    voice = sing.random_voice(rng, kind) | {"vibrato": 0, "drift": 0, "scoop": 0, "breath": 0.01, "name": "en"}
    sound = sing.sing(rng, [Note(0.0, 1.5, 57.0, 0.9)], 2 * 44100, voice)
    spectrum = np.abs(np.fft.rfft(sound[22050:52050] * np.hanning(30000), 1 << 18))
    hz = np.arange(spectrum.size) * 44100 / (1 << 18)
    harmonics = sum(spectrum[np.abs(hz - 220 * k) < 6].max() for k in range(1, 9))
    between = sum(spectrum[np.abs(hz - 220 * (k + 0.5)) < 6].max() for k in range(1, 9))
    assert harmonics > 5 * between


def fake_pool(tmp_path):
    rng = np.random.default_rng(0)
    for seed in range(3):
        np.save(tmp_path / f"{seed}.npy", rng.integers(-9000, 9000, (6, 2, 3 * 44100)).astype(np.int16))
    pool = mix.Pool(tmp_path, 4, 3 * 44100, torch.device("cpu"))
    while pool.count < 3:
        pass
    return pool


def test_examples_sum_to_their_mix(tmp_path):
    pool, rng = fake_pool(tmp_path), np.random.default_rng(1)
    for _ in range(3):
        mixed, stems = mix.examples(pool, rng, 4, 44100)
        assert torch.allclose(stems.sum(1), mixed, atol=1e-4) and torch.isfinite(mixed).all()
        assert stems.shape == (4, 6, 2, 44100)


def test_sparse_examples_have_one_to_three_stems():
    rng = np.random.default_rng(0)
    counts = mix.muted(rng, 500, 1.0).sum(1)
    assert set(counts) == {1, 2, 3}
    assert (mix.muted(rng, 2000, 0.08).sum(1) == 6).mean() > 0.65


def test_export_loads_in_demucs_and_runs_on_its_published_segment(tmp_path):
    kwargs = checkpoint.settings(channels=8, t_layers=1)
    from demucs.htdemucs import HTDemucs

    checkpoint.save(HTDemucs(**kwargs).state_dict(), kwargs, tmp_path / "m.safetensors")
    model = checkpoint.load(tmp_path / "m.safetensors")
    assert model.sources == list(STEMS) and checkpoint.SEGMENT_FRAMES == 343980
    assert int(model.segment * model.samplerate) == 343980
    out = evaluate.separate(model, torch.randn(2, 50000) * 0.1, torch.device("cpu"))
    assert out.shape == (6, 2, 50000) and torch.isfinite(out).all()


def every_float16():
    """All finite float16 values, [63488], both zeros and all subnormals among them."""
    patterns = np.arange(1 << 16, dtype=np.uint16)
    return torch.from_numpy(patterns[(patterns & 0x7C00) != 0x7C00].view(np.float16))


@pytest.mark.parametrize("bits", range(11))
def test_rounding_takes_the_nearest_value_with_so_many_bits(bits):
    values = every_float16()
    got = checkpoint.rounded(values, bits)
    allowed = values[(values.view(torch.int16) & ((1 << (10 - bits)) - 1)) == 0].double().unique()
    x = values.double()
    above = torch.searchsorted(allowed, x).clamp(max=len(allowed) - 1)
    low, high = allowed[(above - (allowed[above] > x).long()).clamp(min=0)], allowed[above]
    assert got.dtype == torch.float16 and torch.isfinite(got).all() and torch.isin(got.double(), allowed).all()
    assert torch.equal((got.double() - x).abs(), torch.minimum((low - x).abs(), (high - x).abs()))
    assert torch.equal(checkpoint.rounded(got, bits), got)
    assert torch.equal(torch.signbit(got), torch.signbit(values))
    tie = ((low - x).abs() == (high - x).abs()) & (low != high)
    assert tie.any() == (bits < 10)
    assert (got[tie].view(torch.int16) >> (10 - bits) & 1 == 0).all()


@pytest.mark.parametrize(
    ("value", "bits", "expected"),
    [
        (1 + 1 / 8, 2, 1.0),  # a tie goes to the even neighbour, down
        (1 + 3 / 8, 2, 1.5),  # and up
        (1.96875, 4, 2.0),  # the carry raises the exponent
        (-0.3, 5, -0.296875),
        (65504.0, 5, 64512.0),  # not infinity
        (2.0**-24, 5, 0.0),  # the smallest subnormal
        (2.0**-15 + 2.0**-24, 5, 2.0**-15),
        (2.0**-14 - 2.0**-24, 5, 2.0**-14),  # the largest subnormal becomes the smallest normal
    ],
)
def test_rounding_by_example(value, bits, expected):
    assert checkpoint.rounded(torch.tensor([value]), bits).item() == expected


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e6])
def test_what_is_not_finite_in_float16_is_refused(value):
    with pytest.raises(ValueError, match="infinite or not a number"):
        checkpoint.rounded(torch.tensor([0.5, value]), 5)


@pytest.mark.parametrize("bits", [-1, 11])
def test_bits_that_float16_does_not_have_are_refused(bits):
    with pytest.raises(ValueError, match="expected 0 to 10"):
        checkpoint.rounded(torch.ones(1), bits)


def test_a_rounded_file_is_smaller_once_deflated_and_differs_only_in_large_tensors(tmp_path):
    kwargs, whole, small = checkpoint.settings(channels=16, t_layers=1), tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    from demucs.htdemucs import HTDemucs

    torch.manual_seed(0)
    state = HTDemucs(**kwargs).state_dict()
    state = {k: v + 0.1 * torch.randn_like(v) for k, v in state.items()}
    checkpoint.save(state, kwargs, whole)
    checkpoint.round_file(whole, small, (6, 3))
    (before, kwargs_before), (after, kwargs_after) = checkpoint.read(whole), checkpoint.read(small)
    assert kwargs_before == kwargs_after and before.keys() == after.keys()
    for key, tensor in after.items():
        assert torch.equal(tensor, before[key]) == (tensor.dim() == 1 or tensor.numel() < checkpoint.LARGE), key
        rtol = 2.0 ** -(4 if key.startswith("crosstransformer") else 7)
        assert torch.allclose(tensor.double(), before[key].double(), rtol=rtol, atol=rtol * 2.0**-14), key
    assert small.stat().st_size == whole.stat().st_size
    large = {k: t.numel() for k, t in after.items() if t.dim() > 1 and t.numel() >= checkpoint.LARGE}
    assert {k.startswith("crosstransformer") for k in large} == {True, False}
    saved_bits = 8 * (checkpoint.deflated_size(whole) - checkpoint.deflated_size(small))
    assert saved_bits > 2 * sum(large.values())
    checkpoint.round_file(whole, whole, (6, 3))
    assert whole.read_bytes() == small.read_bytes(), "the same model makes the same file"
    assert len(list(tmp_path.iterdir())) == 2
    checkpoint.load(small)


def test_a_file_that_cannot_be_rounded_stays_as_it_is(tmp_path):
    kwargs, path = checkpoint.settings(channels=8, t_layers=1), tmp_path / "m.safetensors"
    checkpoint.save({"a.weight": torch.tensor([[1.0, float("nan")]])}, kwargs, path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="not a number"):
        checkpoint.round_file(path, path, (6, 3))
    assert path.read_bytes() == before and len(list(tmp_path.iterdir())) == 1


def test_sdr_is_what_it_says():
    x = torch.randn(2, 1000)
    assert train.sdr(x, 0.9 * x) == pytest.approx(20.0, abs=1e-3)
    assert train.sdr(x, torch.zeros_like(x)) == pytest.approx(0.0, abs=1e-3)


def test_settling_takes_constants_out_of_the_stems():
    """From the best biases for an example away by known amounts: settling takes exactly those back."""
    torch.manual_seed(0)
    model = checkpoint.HTDemucs(**checkpoint.settings(channels=8, t_layers=1)).eval()
    stems = torch.randn(6, 2, settle.FRAMES)
    example = stems / stems.sum(0).std()
    settle.settle(model, [example])
    away = torch.linspace(-3, 3, 36).view(6, 2, 3) * torch.tensor([1, 1, 0.01])
    with torch.no_grad():
        model.decoder[-1].conv_tr.bias += away[..., :2].flatten()
        model.tdecoder[-1].conv_tr.bias += away[..., 2].flatten()
        loud = model(example.sum(0)[None])[0]
    added = settle.settle(model, [example])
    assert torch.allclose(added[..., 0], -away[..., 0], atol=1e-3)
    assert torch.allclose(added[..., 1], -away[..., 1], atol=0.1), "next to inaudible"
    assert torch.allclose(added[..., 2], -away[..., 2], atol=1e-5)
    with torch.no_grad():
        quiet = model(example.sum(0)[None])[0]
    nyquist = torch.tensor([1.0, -1.0]).repeat(settle.FRAMES // 2)
    tones = [((found - example) * nyquist).mean(-1).abs().max() for found in (loud, quiet)]
    assert tones[0] > 1e-2 and tones[1] < 1e-3 * tones[0]
    with pytest.raises(ValueError, match="no songs"):
        settle.settle(model, [])
