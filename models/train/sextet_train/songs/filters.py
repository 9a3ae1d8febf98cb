"""Butterworth filters of sound."""

from typing import Any, Literal

from scipy.signal import butter, sosfilt

from sextet_train.arrays import Array
from sextet_train.stems import RATE_HZ

Kind = Literal["lowpass", "highpass", "bandpass"]


def filtered(sound: Array, kind: Kind, hz: float | tuple[float, float], order: int = 2) -> Array:
    """Sound [..., frames] through a filter with the given corner or corners."""
    sections = butter(order, hz, kind, fs=RATE_HZ, output="sos")
    out: Any = sosfilt(sections, sound)
    return out
