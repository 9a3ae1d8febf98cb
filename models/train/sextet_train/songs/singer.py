"""Machine singers: a source-filter singer whose syllables come from espeak-ng or from vowel
formants of our own.

Source: a band-limited pulse wave that follows the melody (glides, scoops, vibrato, drift), and
breath noise. Filter: the spectral envelope of each syllable over time, by linear prediction
(Makhoul 1975) of espeak-ng's speech, or resonances at the formants that Peterson and Barney
measured (1952). The vowel's middle is held for as long as the note lasts; consonants keep their own
pace. espeak-ng is run as a program: `ESPEAK` in the environment names another one.
"""

import functools
import os
import shlex
import subprocess
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.signal import resample_poly

from sextet_train.arrays import Array, Rng
from sextet_train.pcm import FOREIGN_FULL_SCALE
from sextet_train.songs.score import Note
from sextet_train.stems import RATE_HZ

# Envelope [frames, 513], voicing [frames], loudness [frames] of a syllable, one frame every 5 ms.
Syllable = tuple[Array, Array, Array]

FFT, HOP = 1024, 256
FRAME_S = 0.005
LANGUAGES = (
    "en en-us en-gb-scotland en-029 de fr-fr es es-419 it pt pt-br nl sv da nb fi pl cs sk hu "
    "ro tr el ru uk bg hr sr lt lv et is cy ga sw id ms vi hi bn ta te mr ur fa af sq ca eo "
    "la eu gl hy ka ja ko"
).split()
VARIANTS = [
    *"m1 m2 m3 m4 m5 m6 m7 m8 f1 f2 f3 f4 f5 croak klatt klatt2 klatt3 klatt4".split(),
    *[""] * 1,
]
ONSETS = [*"b d f g h j k l m n p r s t v w y sh ch th st tr bl fl gr sl".split(), *[""] * 3]
VOWELS = "a e i o u ay ee oo ow ar or er ai aa oh ah".split()
CODAS = [*"n m l s t ng nd ld k d".split(), *[""] * 8]
# Formants 1 to 3 in Hz of ten vowels, men's averages of Peterson and Barney 1952, table II.
FORMANTS = (
    (270, 2290, 3010),
    (390, 1990, 2550),
    (530, 1840, 2480),
    (660, 1720, 2410),
    (730, 1090, 2440),
    (570, 840, 2410),
    (440, 1020, 2240),
    (300, 870, 2240),
    (640, 1190, 2390),
    (490, 1350, 1690),
)


def random_voice(rng: Rng, kind: str | None = None) -> dict[str, Any]:
    """Numbers that one singer is made from."""
    female = rng.random() < 0.5
    return {
        "kind": kind or str(rng.choice(("espeak", "espeak", "espeak", "formant"))),
        "name": f"{rng.choice(LANGUAGES)}+{rng.choice(VARIANTS)}".rstrip("+"),
        "tract": rng.uniform(1.0, 1.28) if female else rng.uniform(0.82, 1.08),
        "tilt": rng.uniform(0.0, 0.7),
        "breath": 10 ** rng.uniform(-2.2, -0.6),
        "vibrato_hz": rng.uniform(4.3, 6.8),
        "vibrato": rng.uniform(0, 0.7) ** 2,
        "glide_s": rng.uniform(0.015, 0.09),
        "scoop": rng.uniform(0, 2.5),
        "drift": rng.uniform(0.02, 0.15),
        "speed": int(rng.integers(110, 200)),
        "pitch": int(rng.integers(20, 80)),
        "ring_db": rng.uniform(0, 9),
        "dispersion": rng.uniform(0, 6),
        "air_db": rng.uniform(-30, -6),
    }


def random_syllable(rng: Rng) -> str:
    """Letters that espeak-ng reads as one syllable."""
    return str(rng.choice(ONSETS) + rng.choice(VOWELS) + rng.choice(CODAS))


@functools.lru_cache(maxsize=512)
def speak(text: str, name: str, speed: int, pitch: int) -> Array:
    """espeak-ng's speech as float32 at 22,050 Hz, silence trimmed."""
    program = shlex.split(os.environ.get("ESPEAK", "espeak-ng"))
    command = [*program, "-v", name, "-s", str(speed), "-p", str(pitch), "--stdout", text]
    wave = subprocess.run(command, capture_output=True, check=False).stdout[44:]
    sound = (
        np.frombuffer(wave[: len(wave) // 2 * 2], np.int16).astype(np.float32) / FOREIGN_FULL_SCALE
    )
    loud = np.flatnonzero(np.abs(sound) > 0.01)
    return sound[loud[0] : loud[-1]] if loud.size else sound[:0]


def linear_prediction(r: Array, order: int) -> tuple[Array, Array]:
    """Levinson's recursion on many frames at once: autocorrelations [frames, > order] to A
    [frames, order + 1], error."""
    a = np.zeros((len(r), order + 1))
    a[:, 0], error = 1, r[:, 0] + 1e-9
    for i in range(1, order + 1):
        k = -(a[:, :i] * r[:, i:0:-1]).sum(1) / error
        a[:, 1 : i + 1] = a[:, 1 : i + 1] + k[:, None] * a[:, i - 1 :: -1][:, :i]
        error = error * (1 - k * k)
    return a, np.maximum(error, 1e-12)


def analyse(sound: Array) -> Syllable:
    """Speech at 22,050 Hz to (envelope [frames, 513] on the 44.1 kHz grid, voicing [frames],
    loudness [frames])."""
    window, hop, rate = 512, 110, 22050
    emphasised = np.append(sound[:1], sound[1:] - 0.95 * sound[:-1])
    starts = np.arange(0, max(1, len(sound) - window), hop)
    padded = np.pad(emphasised, (0, window))
    frames = padded[starts[:, None] + np.arange(window)] * np.hanning(window)
    power = np.abs(np.fft.rfft(frames, 1024)) ** 2
    r = np.fft.irfft(power)[:, :512]
    r[:, 0] *= 1.0001
    a, error = linear_prediction(r, 26)
    response = np.sqrt(error / 200)[:, None] / np.abs(np.fft.rfft(a, 512))
    response /= np.abs(
        1 - 0.95 * np.exp(-2j * np.pi * np.arange(257) / 512)
    )  # undo the pre-emphasis
    lags = r[:, rate // 400 : rate // 70]
    voicing = np.clip((lags.max(1) / (r[:, 0] + 1e-9) - 0.2) / 0.25, 0, 1)
    above = response[:, -8:].mean(1)[:, None] * 10 ** (
        -np.linspace(0, 18, 256) * (0.3 + voicing[:, None]) / 20
    )
    return (
        np.concatenate([response, above], 1).astype(np.float32),
        voicing,
        response[:, :120].mean(1),
    )


def espeak_syllable(rng: Rng, voice: dict[str, Any], text: str) -> Syllable:
    """A syllable by espeak-ng (as `analyse` gives it), or by formants where it says nothing."""
    sound = speak(text, voice["name"], voice["speed"], voice["pitch"])
    if len(sound) < 1500:
        return formant_syllable(rng, voice, text)
    return analyse(sound)


def formant_syllable(rng: Rng, voice: dict[str, Any], text: str) -> Syllable:
    """Thirty to sixty frames: perhaps a consonant (noise or hum), then a vowel or a glide
    between two."""
    f = np.arange(FFT // 2 + 1) * RATE_HZ / FFT

    def resonate(formants: tuple[int, int, int], gain: float) -> Array:
        env = np.full(f.size, 0.02)
        for i, hz in enumerate((*formants, 3400, 4500)):
            width = (60, 90, 120, 180, 250)[i]
            env += (0.9**i) * (0.8 if i else 1) / np.sqrt(1 + ((f - hz) / width) ** 2)
        return gain * env / (1 + (f / 1500) ** 2) ** 0.35

    first, last = (FORMANTS[i] for i in rng.integers(len(FORMANTS), size=2))
    if rng.random() < 0.65:
        last = first
    count = int(rng.integers(30, 60))
    mix = np.clip((np.arange(count) / count - 0.5) * 3, 0, 1)[:, None]
    vowel = (1 - mix) * resonate(first, 0.5) + mix * resonate(last, 0.5)
    rise = np.minimum(np.arange(count) / 6, 1)[:, None]
    env, voicing = vowel * rise, np.ones(count)
    manner = rng.random()
    if manner < 0.45:  # a fricative or a burst
        size, centre = int(rng.integers(3, 18)), rng.uniform(1500, 9000)
        noise = rng.uniform(0.02, 0.2) * np.exp(-(((f - centre) / (0.5 * centre)) ** 2))
        env, voicing = (
            np.concatenate([np.tile(noise, (size, 1)), env]),
            np.concatenate([np.zeros(size), voicing]),
        )
    elif manner < 0.7:  # a nasal or a liquid
        size = int(rng.integers(6, 14))
        hum = resonate((260, 1100, 2300), 0.15)
        env, voicing = (
            np.concatenate([np.tile(hum, (size, 1)), env]),
            np.concatenate([np.ones(size), voicing]),
        )
    return env.astype(np.float32), voicing, env[:, :60].mean(1) * voicing


def pitch_curve(rng: Rng, notes: Sequence[Note], frames: int, voice: dict[str, Any]) -> Array:
    """Fractional MIDI pitch at every HOP, and its glides."""
    count = frames // HOP + 2
    t = np.arange(count) * HOP / RATE_HZ
    starts = np.array([n.start_s for n in notes])
    curve = np.array([n.pitch for n in notes])[
        np.clip(np.searchsorted(starts, t, "right") - 1, 0, None)
    ].astype(float)
    size = max(3, int(voice["glide_s"] * RATE_HZ / HOP) * 2 + 1)
    curve = np.convolve(
        np.pad(curve, size, "edge"), np.hanning(size + 2)[1:-1] / np.hanning(size + 2).sum(), "same"
    )[size:-size]
    previous = -1.0
    for n in notes:
        since = t - n.start_s
        inside = (since >= 0) & (since < n.duration_s)
        late = np.clip((since - 0.18) / 0.3, 0, 1)
        depth = voice["vibrato"] * rng.uniform(0.5, 1.3)
        curve += inside * late * depth * np.sin(2 * np.pi * voice["vibrato_hz"] * since)
        if n.start_s - previous > 0.15:
            curve -= inside * voice["scoop"] * rng.random() * np.exp(-np.maximum(since, 0) / 0.05)
        previous = n.start_s + n.duration_s
    slow = np.convolve(rng.normal(size=count + 80), np.hanning(81) / 6, "same")[40 : 40 + count]
    return curve + voice["drift"] * slow


def source(
    rng: Rng, curve: Array, notes: Sequence[Note], frames: int, voice: dict[str, Any]
) -> tuple[Array, Array]:
    """The glottal wave and the breath, both of about unit power."""
    pitch = np.interp(np.arange(frames), np.arange(len(curve)) * HOP, curve)
    hz = 440 * 2 ** ((pitch - 69) / 12)
    phase = np.cumsum(hz * (1 + 0.004 * rng.normal(size=frames))) / RATE_HZ
    index = ((phase % 1) * 2048).astype(np.int32) & 2047
    wave = np.zeros(frames, np.float32)
    edges = [0, *[int(n.start_s * RATE_HZ) for n in notes[1:]], frames]
    for note, a, b in zip(notes, edges[:-1], edges[1:]):
        top = 440 * 2 ** ((note.pitch + 2 - 69) / 12)
        k = np.arange(1, int(np.clip(17000 / top, 4, 400)))
        spectrum = np.zeros(1025, complex)
        spectrum[k] = k ** -voice["tilt"] * np.exp(1j * voice["dispersion"] * np.sqrt(k))
        cycle = np.fft.irfft(spectrum, 2048).astype(np.float32)
        wave[a:b] = (cycle / cycle.std())[index[a:b]]
    breath = rng.normal(size=frames).astype(np.float32) * (
        0.7 + 0.3 * np.cos(2 * np.pi * phase)
    ).astype(np.float32)
    return wave, breath


def timeline(
    rng: Rng, notes: Sequence[Note], syllables: Sequence[Syllable], count: int
) -> tuple[Array, Array, Array]:
    """Which syllable and which of its frames sounds at every HOP: the vowel is held, consonants
    are not; -1 is silence."""
    which, frame, gain = np.full(count, -1), np.zeros(count), np.zeros(count)
    for i, n in enumerate(notes):
        env, voicing, loud = syllables[i]
        size = len(env)
        middle = int(np.argmax(np.convolve(loud * voicing, np.ones(7), "same")))
        first, last = (int(s * RATE_HZ / HOP) for s in (n.start_s, n.start_s + n.duration_s))
        last = min(last, count)
        t = (np.arange(first, last) - first) * HOP / RATE_HZ / FRAME_S
        wanted = (last - first) * HOP / RATE_HZ / FRAME_S
        if wanted <= 0:
            continue
        if wanted < size:
            at = t * size / wanted
        else:
            tail = np.minimum(size - middle, wanted * 0.4)
            at = np.where(
                t < middle, t, np.where(t < wanted - tail, middle, middle + t - (wanted - tail))
            )
            at = at + (at == middle) * 2 * np.sin(t / 37 + i)
        which[first:last], frame[first:last] = i, np.clip(at, 0, size - 1)
        gain[first:last] = n.velocity * np.minimum(1, np.minimum(t / 2 + 0.3, (wanted - t) / 6))
    return which, frame.astype(int), gain


def sing(rng: Rng, notes: Sequence[Note], frames: int, voice: dict[str, Any]) -> Array:
    """Mono float32 [frames] of a melody sung on syllables drawn from a small vocabulary."""
    count = frames // HOP + 2
    make = espeak_syllable if voice["kind"] == "espeak" else formant_syllable
    words = [make(rng, voice, random_syllable(rng)) for _ in range(int(rng.integers(5, 11)))]
    syllables = [words[i] for i in rng.integers(len(words), size=len(notes))]
    which, frame, gain = timeline(rng, notes, syllables, count)
    curve = pitch_curve(rng, notes, frames, voice)
    wave, breath = source(rng, curve, notes, frames, voice)
    env, voicing = np.zeros((count, FFT // 2 + 1), np.float32), np.zeros(count, np.float32)
    for i, (e, v, loud) in enumerate(syllables):
        mine = which == i
        level = loud.max() + 1e-6
        env[mine], voicing[mine] = e[frame[mine]] / level * gain[mine, None], v[frame[mine]]
    f = np.arange(FFT // 2 + 1)
    stretched = np.clip(f / voice["tract"], 0, FFT // 2).astype(int)
    env = env[:, stretched] * (
        1 + (10 ** (voice["ring_db"] / 20) - 1) * np.exp(-(((f * RATE_HZ / FFT - 2900) / 500) ** 2))
    )
    smooth = np.interp(np.arange(frames), np.arange(count) * HOP, voicing).astype(np.float32)
    noisy = breath * ((1 - smooth) + voice["breath"])
    return filter_frames(wave * smooth + noisy, env, frames)


def filter_frames(sound: Array, env: Array, frames: int) -> Array:
    """Short-time filtering: each windowed frame's spectrum times its envelope, overlapped and
    added."""
    window = np.sqrt(np.hanning(FFT + 1)[:-1]).astype(np.float32)
    count = len(env)
    padded = np.pad(sound, (FFT // 2, FFT + HOP * 2))
    index = np.arange(count)[:, None] * HOP + np.arange(FFT)
    filtered = (
        np.fft.irfft(np.fft.rfft(padded[index] * window) * env).astype(np.float32) * window * 0.5
    )
    out = np.zeros(count * HOP + FFT, np.float32)
    for k in range(FFT // HOP):
        part = filtered[:, k * HOP : (k + 1) * HOP].ravel()
        out[k * HOP : k * HOP + part.size] += part
    return out[FFT // 2 : FFT // 2 + frames]


def recite(rng: Rng, notes: Sequence[Note], frames: int, voice: dict[str, Any]) -> Array:
    """Speech on the beat: phrases of espeak-ng's own sound begin where the melody's phrases
    begin."""
    out, free = np.zeros(frames, np.float32), 0
    for n in notes:
        start = int(n.start_s * RATE_HZ)
        if start < free:
            continue
        text = " ".join(random_syllable(rng) for _ in range(int(rng.integers(3, 8))))
        sound = resample_poly(
            speak(text, voice["name"], voice["speed"] + 40, voice["pitch"]), 2, 1
        ).astype(np.float32)
        sound = sound[: frames - start]
        out[start : start + len(sound)] += sound * n.velocity
        free = start + len(sound) + int(rng.uniform(0.02, 0.3) * RATE_HZ)
    return out
