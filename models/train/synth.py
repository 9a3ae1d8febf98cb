"""Electronic instruments: a wavetable subtractive synthesiser, FM, and drums made of sines and noise.

Every instrument is drawn by a `random_*` function and played by one that makes a note; numbers are ranges of ours.
"""

import numpy as np
from scipy.signal import butter, sosfilt

RATE = 44100


def envelope(frames, attack_s, decay_s, sustain, release_s, held_s):
    t = np.arange(frames, dtype=np.float32) / RATE
    env = np.minimum(t / max(attack_s, 1e-3), 1)
    env *= sustain + (1 - sustain) * np.exp(-np.maximum(t - attack_s, 0) / decay_s)
    return env * np.where(t > held_s, np.exp(-np.maximum(t - held_s, 0) / release_s * 4), 1).astype(np.float32)


def random_subtractive(rng, part):
    slow = part == "pad"
    return {
        "shape": str(rng.choice(("saw", "saw", "square", "pulse", "triangle", "mix"))), "width": rng.uniform(0.1, 0.45),
        "voices": int(rng.choice((1, 1, 2, 3, 5))) if part != "bass" else int(rng.choice((1, 1, 2))),
        "detune_cents": rng.uniform(3, 22), "spread": rng.uniform(0, 1) if part != "bass" else 0.1,
        "attack_s": rng.uniform(0.05, 0.6) if slow else rng.uniform(0.002, 0.04), "decay_s": rng.uniform(0.1, 1.5),
        "sustain": rng.uniform(0.5, 1) if slow else rng.uniform(0, 0.9), "release_s": rng.uniform(0.3, 1) if slow else rng.uniform(0.05, 0.3),
        "dark_hz": rng.uniform(150, 1200), "bright_hz": rng.uniform(1500, 9000) if part != "bass" else rng.uniform(400, 4000),
        "filter_s": rng.uniform(0.05, 1.0), "sub": rng.uniform(0, 0.8) if part == "bass" else rng.uniform(0, 0.3),
        "vibrato_hz": rng.uniform(4, 7), "vibrato_cents": rng.choice((0, 0, 8, 20)), "resonance": rng.uniform(0, 4),
    }  # fmt: skip


def table(shape, hz, cutoff_hz, resonance, width, rng):
    """One band-limited cycle of 2048 samples below a two-pole filter with a resonant bump."""
    n = np.arange(1, 1025)
    amp = {
        "saw": 1.0 / n, "square": (n % 2) / n, "triangle": (n % 2) / n**2.0,
        "pulse": np.abs(np.sin(np.pi * n * width)) / n, "mix": (0.5 + 0.5 * (n % 2)) / n,
    }[shape]  # fmt: skip
    f = n * hz
    amp = amp / (1 + (f / cutoff_hz) ** 2) * (1 + resonance * np.exp(-(((f - cutoff_hz) / (0.25 * cutoff_hz)) ** 2)))
    amp = np.where(f < 20000, amp, 0)
    spectrum = np.zeros(1025, complex)
    spectrum[1:] = amp * -1j
    return np.fft.irfft(spectrum, 2048).astype(np.float32) * 1024


def subtractive(rng, pitch, duration_s, velocity, tone):
    """Stereo [2, frames] of one note; brightness falls from one filter setting to another."""
    hz = 440 * 2 ** ((pitch - 69) / 12)
    frames = int((duration_s + tone["release_s"]) * RATE)
    t = np.arange(frames, dtype=np.float64) / RATE
    args = tone["resonance"], tone["width"], rng
    bright = table(tone["shape"], hz, max(hz, tone["bright_hz"] * (0.4 + 0.8 * velocity)), *args)
    dark = table(tone["shape"], hz, max(hz, tone["dark_hz"]), *args)
    sweep = np.exp(-t / tone["filter_s"]).astype(np.float32)
    wobble = tone["vibrato_cents"] / 1200 * np.sin(2 * np.pi * tone["vibrato_hz"] * t) * np.minimum(t / 0.4, 1)
    out = np.zeros((2, frames), np.float32)
    for v in range(tone["voices"]):
        place = 0 if tone["voices"] == 1 else 2 * v / (tone["voices"] - 1) - 1
        cycles = np.cumsum(hz * 2 ** (place * tone["detune_cents"] / 1200 + wobble)) / RATE + rng.random()
        index = ((cycles % 1) * 2048).astype(np.int32) & 2047
        one = bright[index] * sweep + dark[index] * (1 - sweep)
        if tone["sub"]:
            one = one + tone["sub"] * np.sin(2 * np.pi * cycles * (0.5 if pitch > 45 else 1)).astype(np.float32)
        side = place * tone["spread"]
        out[0] += one * np.sqrt((1 - side) / 2)
        out[1] += one * np.sqrt((1 + side) / 2)
    env = envelope(frames, tone["attack_s"], tone["decay_s"], tone["sustain"], tone["release_s"], duration_s)
    return out * env * velocity / np.sqrt(tone["voices"])


def random_fm(rng, part):
    """Two operators (Chowning 1973). Electric pianos have ratio 1 or 14 and a fast-falling index; bells odd ratios."""
    if part == "epiano":
        return {"ratio": float(rng.choice((1, 1, 14, 7))), "index": rng.uniform(0.3, 1.8), "fall_s": rng.uniform(0.1, 0.6),
                "attack_s": 0.002, "decay_s": rng.uniform(0.8, 2.5), "sustain": 0.0, "release_s": 0.15, "tine": rng.uniform(0, 0.4), "tremolo": rng.choice((0.0, 0.3))}  # fmt: skip
    if part == "bass":
        return {"ratio": float(rng.choice((0.5, 1, 2))), "index": rng.uniform(1, 5), "fall_s": rng.uniform(0.05, 0.4),
                "attack_s": 0.003, "decay_s": rng.uniform(0.3, 1.5), "sustain": rng.uniform(0, 0.7), "release_s": 0.06, "tine": 0.0, "tremolo": 0.0}  # fmt: skip
    return {"ratio": float(rng.choice((1, 2, 3, 1.41, 3.5, 2.76, 5))), "index": rng.uniform(0.5, 5), "fall_s": rng.uniform(0.1, 2),
            "attack_s": rng.choice((0.002, 0.002, 0.1)), "decay_s": rng.uniform(0.3, 3), "sustain": rng.choice((0.0, 0.0, 0.6)),
            "release_s": rng.uniform(0.1, 0.6), "tine": rng.uniform(0, 0.3), "tremolo": rng.choice((0.0, 0.0, 0.3))}  # fmt: skip


def fm(rng, pitch, duration_s, velocity, tone):
    hz = 440 * 2 ** ((pitch - 69) / 12)
    frames = int((duration_s + tone["release_s"]) * RATE)
    t = np.arange(frames, dtype=np.float32) / RATE
    ratio = tone["ratio"] if hz * tone["ratio"] < 12000 else 1.0
    index = tone["index"] * velocity * np.exp(-t / tone["fall_s"]) + 0.15
    phase = 2 * np.pi * hz * t.astype(np.float64)
    sound = np.sin(phase + index * np.sin(ratio * phase))
    if tone["tine"]:
        sound += tone["tine"] * np.exp(-t / 0.08) * np.sin(min(6.27, 15000 / hz) * phase)
    env = envelope(frames, tone["attack_s"], tone["decay_s"], tone["sustain"], tone["release_s"], duration_s)
    sound = sound * env * velocity * (1 - tone["tremolo"] * (0.5 + 0.5 * np.sin(2 * np.pi * 5 * t)))
    return np.stack([sound, sound]).astype(np.float32)


# Drums -----------------------------------------------------------------------------------------------------------------


def noise_band(rng, frames, low_hz, high_hz):
    sos = butter(2, (low_hz, min(high_hz, 20000)), "bandpass", fs=RATE, output="sos")
    return sosfilt(sos, rng.normal(size=frames))


def random_kit(rng):
    """Numbers that all drums of one kit are made from."""
    return {k: rng.uniform(*v) for k, v in {
        "kick_hz": (38, 62), "kick_drop": (2, 7), "kick_drop_s": (0.01, 0.06), "kick_s": (0.08, 0.5), "click": (0, 0.6),
        "snare_hz": (150, 260), "snare_s": (0.06, 0.25), "snap": (0.4, 2.5), "snare_low": (700, 2500), "hat_low": (5000, 9000),
        "hat_s": (0.015, 0.06), "open_s": (0.12, 0.5), "metal": (0, 1), "cymbal_s": (0.5, 1.6), "tom_s": (0.15, 0.4), "drive": (1, 4),
    }.items()}  # fmt: skip


def metal(rng, frames, low_hz):
    """Six square waves at inharmonic ratios, as in the analogue rhythm machines, and noise, high-passed."""
    t = np.arange(frames) / RATE
    squares = sum(np.sign(np.sin(2 * np.pi * f * t)) for f in rng.uniform(250, 900, 6))
    return sosfilt(butter(2, low_hz, "highpass", fs=RATE, output="sos"), squares) * 0.4


def drum(rng, voice, kit):
    """Mono sound of one General MIDI drum at full velocity."""
    seconds = 1.8 if voice in (49, 51, 53, 55, 57, 59, 52) else 0.7
    frames = int(seconds * RATE)
    t = np.arange(frames) / RATE
    fall = lambda s: np.exp(-t / s)
    if voice in (35, 36):
        hz = kit["kick_hz"] * (1 + kit["kick_drop"] * fall(kit["kick_drop_s"]))
        sound = np.sin(2 * np.pi * np.cumsum(hz) / RATE) * fall(kit["kick_s"])
        sound += kit["click"] * noise_band(rng, frames, 1500, 6000) * fall(0.004)
        return np.tanh(sound * kit["drive"])
    if voice in (38, 40):
        body = sum(np.sin(2 * np.pi * kit["snare_hz"] * k * t + 3 * fall(0.01)) for k in (1, 1.6)) * fall(kit["snare_s"] * 0.6)
        return np.tanh(body * 0.5 + kit["snap"] * noise_band(rng, frames, kit["snare_low"], 12000) * fall(kit["snare_s"]))
    if voice == 37:
        return np.sin(2 * np.pi * 1700 * t) * fall(0.012) + 0.3 * noise_band(rng, frames, 2000, 9000) * fall(0.01)
    if voice == 39:
        bursts = sum(np.where(t > d, np.exp(-(t - d) / (0.008 if d < 0.03 else 0.09)), 0) for d in (0, 0.011, 0.023, 0.034))
        return noise_band(rng, frames, 800, 4500) * bursts
    if voice in (42, 44, 46, 70, 82, 69, 54):
        length = {46: kit["open_s"], 70: 0.03, 82: 0.05, 69: 0.04, 54: 0.12}.get(voice, kit["hat_s"])
        sound = noise_band(rng, frames, kit["hat_low"], 17000) + kit["metal"] * metal(rng, frames, kit["hat_low"])
        return sound * fall(length) * np.minimum(t / (0.012 if voice in (70, 82) else 0.001), 1)
    if voice in (49, 51, 52, 53, 55, 57, 59):
        low = 2500 if voice in (49, 57, 55, 52) else 4000
        sound = noise_band(rng, frames, low, 16000) * (1 if low == 2500 else 0.4) + 0.8 * metal(rng, frames, low)
        return sound * fall(kit["cymbal_s"] * (1 if low == 2500 else 0.5))
    if voice in (56, 75, 76, 77):
        return sum(np.sign(np.sin(2 * np.pi * f * t)) for f in ((545, 815) if voice == 56 else (2100, 2500))) * 0.4 * fall(0.06 if voice == 56 else 0.02)
    hz = {50: 220, 48: 185, 47: 150, 45: 125, 43: 105, 41: 85, 63: 330, 64: 220, 62: 350}.get(voice, 200)
    hz = hz * (1 + 0.5 * fall(0.04))
    sound = np.sin(2 * np.pi * np.cumsum(hz) / RATE) * fall(kit["tom_s"] * (0.5 if voice in (62, 63, 64) else 1))
    return sound + 0.15 * noise_band(rng, frames, 300, 4000) * fall(0.02)
