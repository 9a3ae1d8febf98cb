"""Songs: seeds reproduce, compositions are playable, stems sum to the mix."""

import numpy as np
import pytest

from sextet_train.songs import singer, training_players
from sextet_train.songs.composer import compose
from sextet_train.songs.renderer import render
from sextet_train.songs.score import Note
from sextet_train.songs.seeds import EVAL_SEEDS, SAMPLE_SEED, TRAIN_SEEDS, VALID_SEEDS
from sextet_train.songs.styles import STYLES
from sextet_train.stems import STEMS


def test_compositions_are_valid_in_every_style() -> None:
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


def test_seeds_reproduce_and_differ() -> None:
    assert compose(5).tracks == compose(5).tracks
    assert compose(5).tracks != compose(6).tracks


def test_seed_ranges_do_not_meet() -> None:
    training = range(TRAIN_SEEDS, TRAIN_SEEDS + 10**7)
    for seed in (SAMPLE_SEED, VALID_SEEDS, VALID_SEEDS + 99, EVAL_SEEDS, EVAL_SEEDS + 5999):
        assert seed not in training
    assert VALID_SEEDS + 99 < EVAL_SEEDS


def test_rendering_reproduces_whatever_was_rendered_before(instruments: None) -> None:
    first = render(compose(VALID_SEEDS, 6.0), training_players.play)
    render(compose(VALID_SEEDS + 1, 6.0), training_players.play)
    again = render(compose(VALID_SEEDS, 6.0), training_players.play)
    assert np.abs(first - again).max() < 1e-4


def test_rendered_stems_are_finite_and_their_sum_does_not_clip(instruments: None) -> None:
    song = compose(VALID_SEEDS + 2, 8.0)
    stems = render(song, training_players.play)
    assert np.isfinite(stems).all() and np.abs(stems.sum(0)).max() <= 1.0
    for name, stem in zip(STEMS, stems):
        assert (np.abs(stem).max() > 1e-3) == (name in song.stems())


@pytest.mark.parametrize("kind", ["espeak", "formant"])
def test_the_singer_sings_the_melody(kind: str, instruments: None) -> None:
    rng = np.random.default_rng(3)
    voice = singer.random_voice(rng, kind) | {
        "vibrato": 0,
        "drift": 0,
        "scoop": 0,
        "breath": 0.01,
        "name": "en",
    }
    sound = singer.sing(rng, [Note(0.0, 1.5, 57.0, 0.9)], 2 * 44100, voice)
    spectrum = np.abs(np.fft.rfft(sound[22050:52050] * np.hanning(30000), 1 << 18))
    hz = np.arange(spectrum.size) * 44100 / (1 << 18)
    harmonics = sum(spectrum[np.abs(hz - 220 * k) < 6].max() for k in range(1, 9))
    between = sum(spectrum[np.abs(hz - 220 * (k + 0.5)) < 6].max() for k in range(1, 9))
    assert harmonics > 5 * between
