"""A song as a score: tempo, tracks, notes in seconds."""

from dataclasses import dataclass, field
from typing import NamedTuple


class Note(NamedTuple):
    """Start and duration in seconds, MIDI pitch (a General MIDI drum number on drums), velocity 0
    to 1."""

    start_s: float
    duration_s: float
    pitch: float
    velocity: float


@dataclass
class Track:
    """One player's notes.

    `part` is how it plays ("strum", "walk", "pad", ...): the instrument is chosen to suit.
    """

    stem: str
    part: str
    notes: list[Note]


@dataclass
class Song:
    """A seed's score of `seconds`."""

    seed: int
    style: str
    bpm: float
    seconds: float
    tracks: list[Track] = field(default_factory=list)

    def stems(self) -> set[str]:
        """The stems that sound."""
        return {t.stem for t in self.tracks if t.notes}
