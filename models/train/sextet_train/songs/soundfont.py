"""FluidSynth through ctypes: notes in, stereo float32 out, one soundfont instrument at a time.

The library is found as `libfluidsynth.so.3` (set LD_LIBRARY_PATH where it is not installed).
Function signatures are those of FluidSynth 2.3's public API. Its own reverb and chorus are off:
effects are ours (`effects.py`).
"""

import ctypes
import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sextet_train.arrays import Array
from sextet_train.songs.score import Note
from sextet_train.stems import RATE_HZ

BLOCK = 64  # the synthesiser's own block; events are placed on its grid (1.5 ms)


@functools.cache
def library() -> ctypes.CDLL:
    """The FluidSynth library, with its messages switched off."""
    lib = ctypes.CDLL("libfluidsynth.so.3")
    for name in (
        "new_fluid_settings",
        "new_fluid_synth",
        "fluid_synth_get_sfont_by_id",
        "fluid_sfont_iteration_next",
    ):
        getattr(lib, name).restype = ctypes.c_void_p
    lib.fluid_preset_get_name.restype = ctypes.c_char_p
    lib.fluid_set_log_function(
        1, None, None
    )  # no errors and warnings on the console: old soundfonts cause many
    lib.fluid_set_log_function(2, None, None)
    return lib


class SoundFont:
    """One soundfont, loaded once; every track is played by a fresh synthesiser, so nothing rings
    into the next one."""

    def __init__(self, soundfont: str | Path) -> None:
        lib = library()
        settings = ctypes.c_void_p(lib.new_fluid_settings())
        for key, value in ((b"synth.sample-rate", RATE_HZ), (b"synth.gain", 0.5)):
            lib.fluid_settings_setnum(settings, key, ctypes.c_double(value))
        for key, value in (
            (b"synth.reverb.active", 0),
            (b"synth.chorus.active", 0),
            (b"synth.polyphony", 96),
        ):
            lib.fluid_settings_setint(settings, key, value)
        self.settings = settings
        loader = ctypes.c_void_p(lib.new_fluid_synth(settings))
        number = lib.fluid_synth_sfload(loader, str(soundfont).encode(), 0)
        if number < 0:
            raise OSError(f"cannot load soundfont {soundfont}")
        self.font = ctypes.c_void_p(lib.fluid_synth_get_sfont_by_id(loader, number))
        self.presets = self._presets()

    def _presets(self) -> dict[tuple[int, int], str]:
        """{(bank, program): name} of everything the soundfont holds."""
        lib, found = library(), {}
        lib.fluid_sfont_iteration_start(self.font)
        while preset := lib.fluid_sfont_iteration_next(self.font):
            preset = ctypes.c_void_p(preset)
            key = (lib.fluid_preset_get_banknum(preset), lib.fluid_preset_get_num(preset))
            found[key] = lib.fluid_preset_get_name(preset).decode("latin-1")
        return found

    def render(
        self, notes: Sequence[Note], bank: int, program: int, frames: int, bend: float | None = None
    ) -> Array:
        """Stereo float32 [2, frames] of the notes. Pitches are rounded to the semitone; `bend`
        is in semitones."""
        lib = library()
        synth = ctypes.c_void_p(lib.new_fluid_synth(self.settings))
        try:
            number = lib.fluid_synth_add_sfont(synth, self.font)
            if lib.fluid_synth_program_select(synth, 0, number, bank, program) != 0:
                raise ValueError(f"no preset {bank}:{program}")
            if bend:
                lib.fluid_synth_pitch_bend(synth, 0, int(8192 + 4096 * bend))
            return self._play(synth, notes, frames)
        finally:
            lib.fluid_synth_remove_sfont(synth, self.font)
            lib.delete_fluid_synth(synth)

    def _play(self, synth: ctypes.c_void_p, notes: Sequence[Note], frames: int) -> Array:
        lib = library()
        events = []
        for n in notes:
            key, velocity = int(round(n.pitch)), int(np.clip(n.velocity * 127, 1, 127))
            if 0 <= key <= 127:
                start = int(n.start_s * RATE_HZ) // BLOCK
                events.append((start, 1, key, velocity))
                events.append(
                    (max(start + 1, int((n.start_s + n.duration_s) * RATE_HZ) // BLOCK), 0, key, 0)
                )
        events.sort()
        total = -(-frames // BLOCK)
        out = np.zeros((2, total * BLOCK), np.float32)
        left, right = (out[c].ctypes.data_as(ctypes.c_void_p) for c in (0, 1))
        at = 0
        for block, on, key, velocity in [*events, (total, 0, 0, 0)]:
            block = min(block, total)
            if block > at:
                size, first = (block - at) * BLOCK, at * BLOCK
                lib.fluid_synth_write_float(synth, size, left, first, 1, right, first, 1)
                at = block
            if on:
                lib.fluid_synth_noteon(synth, 0, key, velocity)
            else:
                lib.fluid_synth_noteoff(synth, 0, key)
        return out[:, :frames]
