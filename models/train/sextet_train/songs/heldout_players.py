"""Who plays a track in the second evaluation set: only instruments and voices that training never
heard.

Melodic parts: the MuseScore General soundfont. Drums: its kits, the AVL kits, Hydrogen's kits.
Voices: flite's and festival's, made to sing by the WORLD vocoder (Morise 2016), which shares no
code and no method with `singer.py`. Debian packages: musescore-general-soundfont,
avldrums.lv2-soundfont, hydrogen-drumkits, flite, festival, festvox-kallpc16k, festvox-kdlpc16k,
festvox-italp16k, festvox-us-slt-hts; PyPI: pyworld, soundfile.
"""

import functools
import subprocess
import tempfile
import xml.etree.ElementTree
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyworld  # pyright: ignore[reportMissingImports] (no wheel; tests do without)
import soundfile
from scipy.signal import resample_poly

from sextet_train.arrays import Array, Rng
from sextet_train.songs.general_midi import BASSES, GUITARS, OTHERS, PIANOS, Program
from sextet_train.songs.score import Note, Track
from sextet_train.songs.soundfont import SoundFont
from sextet_train.stems import RATE_HZ

MUSESCORE = "/usr/share/sounds/sf3/MuseScore_General_Full.sf3"
AVL = (
    "/usr/share/sounds/sf2/Black_Pearl_4_LV2.sf2",
    "/usr/share/sounds/sf2/Red_Zeppelin_4_LV2.sf2",
)
HYDROGEN = Path("/usr/share/hydrogen/data/drumkits")
KITS = (
    "ColomboAcousticDrumkit",
    "BJA_Pacific",
    "ElectricEmpireKit",
    "Millo_MultiLayered2",
    "VariBreaks",
    "HardElectro1",
    "rumpf_kit_z01_h2",
)
VOICES = (
    "flite:slt",
    "flite:rms",
    "flite:awb",
    "flite:kal16",
    "festival:kal_diphone",
    "festival:ked_diphone",
    "festival:lp_diphone",
    "festival:cmu_us_slt_arctic_hts",
)
# Which General MIDI drum a Hydrogen instrument is, by words in its name; the first that fits.
DRUM_WORDS = (
    (46, ("open",)),
    (44, ("pedal", "foot")),
    (42, ("closed", "hihat", "hi-hat", "hat", "hh")),
    (36, ("kick", "bassdrum", "bass drum", "bd", "bass")),
    (37, ("stick", "rim")),
    (39, ("clap",)),
    (38, ("snare", "sd")),
    (51, ("ride",)),
    (49, ("crash", "splash", "china", "cymbal")),
    (56, ("cowbell", "bell")),
    (50, ("hi tom", "high tom", "tom 1", "tomh", "tom1")),
    (41, ("floor", "low tom", "tom 3", "tom3")),
    (47, ("tom",)),
)
NEAREST = {
    44: 42,
    46: 42,
    57: 49,
    55: 49,
    52: 49,
    53: 51,
    59: 51,
    48: 50,
    47: 45,
    50: 47,
    45: 47,
    43: 41,
    41: 47,
    40: 38,
    35: 36,
    39: 38,
    37: 38,
}


@functools.cache
def font(path: str) -> SoundFont:
    """A soundfont, loaded once."""
    return SoundFont(path)


@functools.cache
def hydrogen_kit(name: str) -> dict[int, Array]:
    """{General MIDI drum: stereo sound} of a Hydrogen drumkit, its loudest layers."""
    kit = {}
    for instrument in (
        xml.etree.ElementTree.parse(HYDROGEN / name / "drumkit.xml").getroot().iter("instrument")
    ):
        label = (instrument.findtext("name") or "").lower()
        files = [e.text for e in instrument.iter("filename") if e.text]
        voice = next((v for v, words in DRUM_WORDS if any(w in label for w in words)), None)
        if voice is None or voice in kit or not files or not (HYDROGEN / name / files[-1]).exists():
            continue
        sound, rate = soundfile.read(HYDROGEN / name / files[-1], dtype="float32", always_2d=True)
        sound = (
            resample_poly(sound[: rate * 3], RATE_HZ, rate)
            if rate != RATE_HZ
            else sound[: rate * 3]
        )
        kit[voice] = np.ascontiguousarray(sound.T[[0, -1]]).astype(np.float32)
    return kit


def hydrogen_drums(rng: Rng, notes: Sequence[Note], frames: int) -> Array:
    """A track on a Hydrogen kit; drums that it lacks are played on similar ones."""
    kit = hydrogen_kit(str(rng.choice(KITS)))
    out = np.zeros((2, frames), np.float32)
    for n in notes:
        voice = int(n.pitch)
        for _ in range(3):
            voice = voice if voice in kit else NEAREST.get(voice, voice)
        if voice not in kit:
            continue
        start = int(n.start_s * RATE_HZ)
        sound = kit[voice][:, : frames - start] * n.velocity**1.4
        out[:, start : start + sound.shape[1]] += sound
    return out


def play_drums(rng: Rng, track: Track, frames: int) -> Array:
    """Drums by Hydrogen, AVL or MuseScore."""
    draw = rng.random()
    if draw < 0.4:
        return hydrogen_drums(rng, track.notes, frames)
    if draw < 0.7:
        return font(AVL[int(rng.integers(2))]).render(track.notes, 0, 0, frames)
    source = font(MUSESCORE)
    kits = [k for k in source.presets if k[0] == 128 and k[1] in (0, 8, 16, 24, 25, 32, 40)]
    return source.render(track.notes, *kits[int(rng.integers(len(kits)))], frames)


def from_musescore(
    rng: Rng, notes: Sequence[Note], frames: int, programs: Sequence[Program]
) -> Array:
    """A preset of MuseScore General."""
    source = font(MUSESCORE)
    choice = programs[int(rng.integers(len(programs)))]
    bank, program = choice if isinstance(choice, tuple) else (0, choice)
    if (bank, program) not in source.presets:
        bank = 0
    return source.render(notes, bank, program, frames)


@functools.lru_cache(maxsize=256)
def speak(text: str, name: str) -> Array:
    """A word of a flite or festival voice, float64 at 16 kHz."""
    engine, voice = name.split(":")
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        if engine == "flite":
            subprocess.run(
                ["flite", "-voice", voice, "-t", text, "-o", file.name],
                check=True,
                capture_output=True,
            )
        else:
            command = ["text2wave", "-eval", f"(voice_{voice})", "-o", file.name]
            subprocess.run(command, input=text.encode(), check=True, capture_output=True)
        sound, rate = soundfile.read(file.name)
    sound = resample_poly(sound, 16000, rate) if rate != 16000 else sound
    loud = np.flatnonzero(np.abs(sound) > 0.01 * np.abs(sound).max())
    return sound[loud[0] : loud[-1]] if loud.size else sound


WORDS = (
    "love you me light night day sun rain home road time star sea dream blue fire go away "
    "show no more low high sky fly say play stay mine shine one long song gone world turn"
).split()


def held(f0: Array, count: int) -> Array | None:
    """Which of a word's frames sounds at each of `count`: its voiced middle is held. None if the
    word is hardly voiced. f0 [frames] in Hz."""
    voiced = np.flatnonzero(f0 > 0)
    if voiced.size < 4:
        return None
    middle = voiced[len(voiced) // 2]
    edge = min(middle, count // 3)
    tail = min(len(f0) - 1 - middle, count // 3)
    parts = [
        np.linspace(middle - edge, middle, edge),
        np.full(max(0, count - edge - tail), middle),
        np.linspace(middle, middle + tail, tail),
    ]
    return np.concatenate(parts).astype(int)


def sing(rng: Rng, notes: Sequence[Note], frames: int, name: str) -> Array:
    """Every note a word: WORLD takes it apart at 5 ms, its frames are stretched to the note, f0
    becomes the melody."""
    out = np.zeros(frames)
    vibrato_hz, depth = rng.uniform(4.8, 6.2), rng.uniform(0, 0.4)
    for n in notes:
        sound = speak(str(rng.choice(WORDS)), name)
        f0, t = pyworld.harvest(sound, 16000)
        envelope, noise = pyworld.cheaptrick(sound, f0, t, 16000), pyworld.d4c(sound, f0, t, 16000)
        at = held(f0, max(8, int(n.duration_s / 0.005)))
        if at is None:
            continue
        since = np.arange(len(at)) * 0.005
        melody = (
            n.pitch
            + depth * np.sin(2 * np.pi * vibrato_hz * since) * np.clip((since - 0.2) / 0.3, 0, 1)
            - rng.uniform(0, 1) * np.exp(-since / 0.04)
        )
        pitch = np.where(f0[at] > 0, 440 * 2 ** ((melody - 69) / 12), 0.0)
        note = pyworld.synthesize(
            pitch, np.ascontiguousarray(envelope[at]), np.ascontiguousarray(noise[at]), 16000
        )
        note *= np.minimum(
            1, np.minimum(np.arange(len(note)) / 80, (len(note) - np.arange(len(note))) / 400)
        )
        note = resample_poly(note, 441, 160)
        start = int(n.start_s * RATE_HZ)
        note = note[: frames - start]
        out[start : start + len(note)] += note * n.velocity
    return out.astype(np.float32)


def play_vocals(rng: Rng, track: Track, frames: int) -> Array:
    """Vocals by flite or festival: speech, or up to four singers."""
    name = str(rng.choice(VOICES))
    if track.part == "speech":
        out, free = np.zeros(frames, np.float32), 0
        for n in track.notes:
            start = int(n.start_s * RATE_HZ)
            if start < free:
                continue
            phrase = " ".join(rng.choice(WORDS, int(rng.integers(3, 7))))
            sound = resample_poly(speak(phrase, name), 441, 160)[: frames - start]
            out[start : start + len(sound)] += sound
            free = start + len(sound) + 2000
    else:
        ranks = {}
        for n in track.notes:
            ranks.setdefault(
                sum(abs(n.start_s - m.start_s) < 0.05 and m.pitch < n.pitch for m in track.notes),
                [],
            ).append(n)
        out = sum(sing(rng, notes, frames, name) for notes in list(ranks.values())[:4])
    return np.stack([out, out])


def play(rng: Rng, track: Track, frames: int) -> Array:
    """Stereo float32 [2, frames] of a track on an instrument that training never heard."""
    if track.stem == "drums":
        return play_drums(rng, track, frames)
    if track.stem == "vocals":
        return play_vocals(rng, track, frames)
    programs = {"bass": BASSES, "piano": PIANOS}.get(track.stem) or {
        "guitar": GUITARS,
        "other": OTHERS,
    }[track.stem][track.part]
    return from_musescore(rng, track.notes, frames, programs)
