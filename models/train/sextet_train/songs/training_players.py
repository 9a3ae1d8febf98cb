"""Who plays a track in training: soundfonts, samples and synthesisers, by stem and way of playing.

What counts as which stem: `piano` is acoustic and electric pianos; `guitar` acoustic and electric
guitars, the ukulele and twelve strings among them; `bass` bass guitars, contrabass as a bass and
synthesiser basses; `vocals` singing, speech and sampled choirs; `drums` all percussion without a
melody; `other` everything else (organs, strings, winds, brass, mallets, harps, synthesisers).

SOUNDFONTS in the environment names the folders with FluidR3Mono_GM.sf3, TimGM6mb.sf2 and
sf_GMbank.sf2 (Debian packages fluidr3mono-gm-soundfont, timgm6mb-soundfont, csound-soundfont),
ONESHOTS the folder of sonic-pi-samples.
"""

import functools
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.io import wavfile
from scipy.signal import resample_poly

from sextet_train import pcm
from sextet_train.arrays import Array, Rng
from sextet_train.songs import drums, singer, strings, synthesiser
from sextet_train.songs.general_midi import BASSES, GUITARS, OTHERS, PIANOS, Program
from sextet_train.songs.score import Note, Track
from sextet_train.songs.soundfont import SoundFont
from sextet_train.stems import RATE_HZ

FONT_FOLDERS = os.environ.get("SOUNDFONTS", "/usr/share/sounds/sf3:/usr/share/sounds/sf2").split(
    ":"
)
ONESHOT_FOLDER = os.environ.get("ONESHOTS", "/usr/share/sonic-pi/samples")
FONTS = ("FluidR3Mono_GM.sf3", "TimGM6mb.sf2", "sf_GMbank.sf2")
FONT_ODDS = (0.6, 0.2, 0.2)
UNUSED_KITS = (56, 57, 58, 59, 95, 96, 127)  # sound effects and orchestras


@functools.cache
def font(name: str) -> SoundFont:
    """A soundfont of the folders in SOUNDFONTS, loaded once."""
    for folder in FONT_FOLDERS:
        if (Path(folder) / name).exists():
            return SoundFont(Path(folder) / name)
    raise FileNotFoundError(
        f"{name} is in none of {FONT_FOLDERS}; install the Debian packages or set SOUNDFONTS"
    )


def random_font(rng: Rng) -> SoundFont:
    """One of the fonts, by their odds."""
    return font(str(rng.choice(FONTS, p=FONT_ODDS)))


def from_font(rng: Rng, notes: Sequence[Note], frames: int, programs: Sequence[Program]) -> Array:
    """A preset of a random font, a few cents away from concert pitch."""
    source = random_font(rng)
    choice = programs[int(rng.integers(len(programs)))]
    bank, program = choice if isinstance(choice, tuple) else (0, choice)
    if (bank, program) not in source.presets:
        bank = 0
    return source.render(notes, bank, program, frames, bend=rng.normal(0, 0.06))


def drums_from_font(rng: Rng, notes: Sequence[Note], frames: int) -> Array:
    """A drum kit of a random font."""
    source = random_font(rng)
    kits = [k for k in source.presets if k[0] == 128 and k[1] not in UNUSED_KITS]
    bank, program = kits[int(rng.integers(len(kits)))]
    return source.render(notes, bank, program, frames)


def notes_of(
    make: Callable[..., Array], rng: Rng, notes: Sequence[Note], frames: int, tone: dict[str, Any]
) -> Array:
    """Notes from a function `make(rng, pitch, duration, velocity, tone)`, mono or stereo, laid
    on the timeline. Similar notes are made once."""
    out, made = np.zeros((2, frames), np.float32), {}
    for n in notes:
        key = (n.pitch, round(n.duration_s * 8), round(n.velocity * 5))
        if key not in made:
            made[key] = make(
                rng, n.pitch, max(0.08, round(n.duration_s * 8) / 8), max(0.15, key[2] / 5), tone
            )
        start = int(n.start_s * RATE_HZ)
        sound = made[key][..., : frames - start]
        out[:, start : start + sound.shape[-1]] += sound
    return out


# File names of one-shot samples by General MIDI drum; patterns are separated by |.
ONESHOTS = {
    36: "bd_*|drum_heavy_kick|drum_bass_*|elec_hollow_kick|elec_soft_kick",
    38: "sn_*|drum_snare_*|elec_*snare",
    39: "perc_snap*|elec_snare|sn_dolf",
    42: "drum_cymbal_closed|elec_tick|elec_cymbal",
    44: "drum_cymbal_pedal",
    46: "drum_cymbal_open",
    49: "drum_cymbal_hard|drum_splash_*",
    57: "drum_cymbal_soft|drum_splash_*",
    51: "drum_cymbal_soft",
    50: "drum_tom_hi_*|elec_fuzz_tom",
    48: "drum_tom_hi_*",
    47: "drum_tom_mid_*",
    45: "drum_tom_mid_*",
    43: "drum_tom_lo_*",
    41: "drum_tom_lo_*",
    56: "drum_cowbell",
    63: "tabla_na*|tabla_te*",
    64: "tabla_ghe*|tabla_ke*",
    37: "elec_wood|perc_till|tabla_tas*",
}


@functools.cache
def oneshots(patterns: str) -> list[Array]:
    """Mono sounds of all samples that fit the patterns."""
    paths = [
        p
        for pattern in patterns.split("|")
        for p in sorted(Path(ONESHOT_FOLDER).glob(pattern + ".*"))
    ]
    return [load_mono(p) for p in paths]


def load_mono(path: Path) -> Array:
    """At most two seconds of a FLAC file, or of a 16-bit WAV where soundfile is not installed."""
    if path.suffix == ".wav":
        rate, sound = wavfile.read(path)
        sound = sound.reshape(len(sound), -1).astype(np.float32) / pcm.FOREIGN_FULL_SCALE
    else:
        import soundfile

        sound, rate = soundfile.read(path, dtype="float32", always_2d=True)
    sound = sound.mean(1)[: rate * 2]
    return resample_poly(sound, RATE_HZ, rate).astype(np.float32) if rate != RATE_HZ else sound


def drums_from(rng: Rng, notes: Sequence[Note], frames: int, sampled: bool) -> Array:
    """A kit of one-shot samples (where there is one for a voice) or of synthesised drums."""
    kit, made = drums.random_kit(rng), {}
    out = np.zeros((2, frames), np.float32)
    for n in notes:
        voice = int(n.pitch)
        if voice not in made:
            pool = oneshots(ONESHOTS[voice]) if sampled and voice in ONESHOTS else []
            sound = pool[int(rng.integers(len(pool)))] if pool else drums.drum(rng, voice, kit)
            speed = 2 ** rng.normal(0, 0.15)
            sound = np.interp(np.arange(0, len(sound) - 1, speed), np.arange(len(sound)), sound)
            made[voice] = (
                sound
                / (np.abs(sound).max() + 1e-9)
                * (0.45 if voice in (42, 44, 46, 49, 51, 57, 70, 82) else 1),
                rng.uniform(-0.6, 0.6),
            )
        sound, side = made[voice]
        if voice in (36, 38):
            side *= 0.2
        start = int(n.start_s * RATE_HZ)
        sound = sound[: frames - start] * n.velocity**1.3
        out[0, start : start + len(sound)] += sound * np.sqrt((1 - side) / 2)
        out[1, start : start + len(sound)] += sound * np.sqrt((1 + side) / 2)
    return out


def play_drums(rng: Rng, track: Track, frames: int) -> Array:
    """Drums by soundfont, samples or synthesis."""
    draw = rng.random()
    if draw < 0.55:
        return drums_from_font(rng, track.notes, frames)
    return drums_from(rng, track.notes, frames, sampled=draw < 0.8)


def play_bass(rng: Rng, track: Track, frames: int) -> Array:
    """A bass by soundfont, string or synthesiser."""
    draw = rng.random()
    if draw < 0.62:
        return from_font(rng, track.notes, frames, BASSES)
    if draw < 0.75:
        tone = strings.random_pluck(rng) | {
            "brightness_hz": rng.uniform(300, 2500),
            "tilt": rng.uniform(0.6, 1.4),
        }
        return notes_of(strings.pluck, rng, track.notes, frames, tone)
    if draw < 0.93:
        return notes_of(
            synthesiser.subtractive,
            rng,
            track.notes,
            frames,
            synthesiser.random_subtractive(rng, "bass"),
        )
    return notes_of(synthesiser.fm, rng, track.notes, frames, synthesiser.random_fm(rng, "bass"))


def play_guitar(rng: Rng, track: Track, frames: int) -> Array:
    """A guitar by soundfont or plucked strings."""
    if rng.random() < 0.65:
        return from_font(rng, track.notes, frames, GUITARS[track.part])
    tone = strings.random_pluck(rng)
    if track.part in ("muted", "chug"):
        tone |= {"decay_s": rng.uniform(0.15, 0.5)}
    return notes_of(strings.pluck, rng, track.notes, frames, tone)


def play_piano(rng: Rng, track: Track, frames: int) -> Array:
    """A piano by soundfont, struck strings or FM."""
    draw = rng.random()
    if draw < 0.62:
        return from_font(rng, track.notes, frames, PIANOS)
    if draw < 0.86:
        return notes_of(strings.strike, rng, track.notes, frames, strings.random_strike(rng))
    return notes_of(synthesiser.fm, rng, track.notes, frames, synthesiser.random_fm(rng, "epiano"))


def play_other(rng: Rng, track: Track, frames: int) -> Array:
    """Another instrument by soundfont or synthesiser."""
    draw = rng.random()
    if draw < 0.62:
        return from_font(rng, track.notes, frames, OTHERS[track.part])
    if draw < 0.88 or track.part == "pad":
        return notes_of(
            synthesiser.subtractive,
            rng,
            track.notes,
            frames,
            synthesiser.random_subtractive(rng, track.part),
        )
    return notes_of(synthesiser.fm, rng, track.notes, frames, synthesiser.random_fm(rng, "bell"))


def play_vocals(rng: Rng, track: Track, frames: int) -> Array:
    """Singing, speech or a choir."""
    if track.part == "choir" and rng.random() < 0.5:
        return from_font(rng, track.notes, frames, (52, 53))
    if track.part == "speech":
        mono = singer.recite(rng, track.notes, frames, singer.random_voice(rng, "espeak"))
        return np.stack([mono, mono])
    if track.part == "choir":
        return choir(rng, track, frames)
    voice = singer.random_voice(rng)
    out = np.stack([singer.sing(rng, track.notes, frames, voice)] * 2)
    if rng.random() < 0.2:  # the same singer once more, to the sides
        for c in (0, 1):
            out[c] += 0.7 * singer.sing(rng, track.notes, frames, voice)
    return out


def choir(rng: Rng, track: Track, frames: int) -> Array:
    """One singer for each voice of the chords: notes dealt by rank within each chord."""
    ranks, chord_start, rank = {}, -1.0, 0
    for n in sorted(track.notes):
        rank = rank + 1 if n.start_s - chord_start < 0.08 else 0
        chord_start = n.start_s if rank == 0 else chord_start
        ranks.setdefault(rank, []).append(n)
    out = np.zeros((2, frames), np.float32)
    for notes in list(ranks.values())[:5]:
        side = rng.uniform(-0.8, 0.8)
        mono = singer.sing(rng, notes, frames, singer.random_voice(rng))
        out += mono / (np.abs(mono).max() + 1e-6) * np.sqrt(np.array([[1 - side], [1 + side]]) / 2)
    return out


PLAY = {
    "drums": play_drums,
    "bass": play_bass,
    "guitar": play_guitar,
    "piano": play_piano,
    "other": play_other,
    "vocals": play_vocals,
}


def play(rng: Rng, track: Track, frames: int) -> Array:
    """Stereo float32 [2, frames] of a track on an instrument that training may use."""
    return PLAY[track.stem](rng, track, frames)
