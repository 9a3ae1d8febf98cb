"""Tables of what songs are composed from: scales, progressions, styles, grooves, rhythms."""

from typing import NamedTuple

MAJOR, MINOR = (0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10)
DORIAN, MIXOLYDIAN = (0, 2, 3, 5, 7, 9, 10), (0, 2, 4, 5, 7, 9, 10)

# Scale degrees from 0, one digit a bar.
PROGRESSIONS = tuple(
    tuple(int(degree) for degree in bars)
    for bars in (
        "0453 5304 0534 1405 0343 0630 0234 3425 0304 0514 0656 0033 0654 3045 0413 0055"
    ).split()
)


class Style(NamedTuple):
    """How a style is played.

    Tempo range in beats a minute, swing (0 straight, 1 triplet), and ways of playing by stem: names
    of GROOVES for drums, of BASS_STEPS for the bass, of the composer's for the others.
    """

    bpm: tuple[float, float]
    swing: float
    drums: tuple[str, ...]
    bass: tuple[str, ...]
    guitar: tuple[str, ...]
    piano: tuple[str, ...]
    other: tuple[str, ...]


def style(bpm: tuple[float, float], swing: float, **ways: str) -> Style:
    """A style whose ways of playing are words."""
    return Style(bpm, swing, **{stem: tuple(names.split()) for stem, names in ways.items()})


STYLES = {
    "rock": style(
        (96, 160),
        0.0,
        drums="rock rock2 halftime",
        bass="eighths kick",
        guitar="power strum lead",
        piano="block comp",
        other="pad line",
    ),
    "pop": style(
        (84, 128),
        0.0,
        drums="rock pop four",
        bass="kick eighths long",
        guitar="strum pick muted",
        piano="block arpeggio comp",
        other="pad arp line stab",
    ),
    "ballad": style(
        (58, 84),
        0.0,
        drums="halftime pop sparse",
        bass="long kick",
        guitar="pick strum",
        piano="ballad arpeggio",
        other="pad line",
    ),
    "funk": style(
        (92, 116),
        0.15,
        drums="funk break",
        bass="slap octave kick",
        guitar="muted strum",
        piano="comp stab",
        other="stab line pad",
    ),
    "jazz": style(
        (100, 180),
        0.85,
        drums="swing",
        bass="walk",
        guitar="comp lead pick",
        piano="comp block",
        other="line stab",
    ),
    "disco": style(
        (110, 126),
        0.0,
        drums="four disco",
        bass="octave eighths",
        guitar="muted strum",
        piano="stab block",
        other="line arp stab pad",
    ),
    "hiphop": style(
        (72, 98),
        0.35,
        drums="boom trap break",
        bass="long kick",
        guitar="pick muted",
        piano="stab arpeggio comp",
        other="pad line arp",
    ),
    "reggae": style(
        (68, 88),
        0.3,
        drums="onedrop",
        bass="riff kick",
        guitar="skank",
        piano="skank comp",
        other="stab line",
    ),
    "latin": style(
        (96, 132),
        0.0,
        drums="bossa latin",
        bass="tumbao kick",
        guitar="pick comp",
        piano="montuno comp",
        other="stab line",
    ),
    "electro": style(
        (112, 140),
        0.0,
        drums="four trap break",
        bass="eighths octave riff",
        guitar="muted pick",
        piano="stab arpeggio",
        other="arp pad stab line",
    ),
    "metal": style(
        (120, 180),
        0.0,
        drums="double rock2 halftime",
        bass="eighths kick",
        guitar="power chug lead",
        piano="block arpeggio",
        other="pad line",
    ),
    "country": style(
        (88, 132),
        0.1,
        drums="train rock",
        bass="alternate kick",
        guitar="strum pick lead",
        piano="comp block",
        other="line pad",
    ),
    "waltz": style(
        (84, 150),
        0.1,
        drums="waltz",
        bass="long alternate",
        guitar="pick strum",
        piano="arpeggio ballad comp",
        other="line pad",
    ),
    "chamber": style(
        (60, 110),
        0.0,
        drums="sparse none",
        bass="long walk",
        guitar="pick",
        piano="arpeggio ballad",
        other="line pad arp",
    ),
}

# One bar of sixteen steps (twelve for the waltz) per General MIDI drum: x a hit, o a softer one,
# ? perhaps.
GROOVES = {
    "rock": {
        36: "x.....o.x.?.....",
        38: "....x.......x...",
        42: "x.o.x.o.x.o.x.o.",
    },
    "rock2": {
        36: "x.x...x.x.x...?.",
        38: "....x.......x..?",
        51: "x.o.x.o.x.o.x.o.",
    },
    "pop": {
        36: "x......xx.......",
        38: "....x.......x...",
        42: "xoxoxoxoxoxoxoxo",
    },
    "four": {
        36: "x...x...x...x...",
        39: "....x.......x...",
        42: "o.o.o.o.o.o.o.o.",
        46: "..x...x...x...x.",
    },
    "disco": {
        36: "x...x...x...x...",
        38: "....x.......x...",
        42: "xooxxooxxooxxoox",
        46: "..?...?...?...x.",
    },
    "halftime": {
        36: "x.....?...o.....",
        38: "........x.......",
        42: "x.o.x.o.x.o.x.o.",
    },
    "sparse": {
        36: "x.........?.....",
        37: "........x.......",
        42: "o...o...o...o...",
    },
    "funk": {
        36: "x..x..?.?.x..?..",
        38: "....x..o.o..x..o",
        42: "xoxoxoxoxoxoxo.o",
        46: "..............?.",
    },
    "break": {
        36: "x.x.......xx....",
        38: "....x..o.o..x..?",
        42: "x.x.x.x.x.x.x.x.",
    },
    "swing": {
        36: "o...?...o...?...",
        44: "....x.......x...",
        51: "x...x..xx...x..x",
        38: "...?......?....?",
    },
    "boom": {
        36: "x......?..x.....",
        38: "....x.......x...",
        42: "x.x.x.x.x.x.xox.",
    },
    "trap": {
        36: "x.....x...x..?..",
        39: "........x.......",
        42: "xoxoxoxxxoxoxxxx",
        46: "......?.........",
    },
    "onedrop": {
        36: "........x.......",
        37: "........x...?...",
        42: "..x.o.x...x.o.x.",
    },
    "bossa": {
        36: "x..ox..ox..ox..o",
        37: "x..x..x...x..x..",
        42: "xoxoxoxoxoxoxoxo",
    },
    "latin": {
        36: "x...x...x...x...",
        56: "x.x.xx.xx.x.xx.x",
        63: "..xx..x...xx..x.",
        64: "......xx......xx",
        70: "xoxoxoxoxoxoxoxo",
    },
    "double": {
        36: "xxxxxxxxxxxxxxxx",
        38: "....x.......x...",
        49: "x...............",
        51: "x...x...x...x...",
    },
    "train": {
        36: "x...x...x...x...",
        38: "ooxoooxoooxoooxo",
        42: "..o...o...o...o.",
    },
    "waltz": {
        36: "x.......?...",
        38: "....o...o...",
        42: "x...x...x...",
    },
    "none": {
        82: "o...o...o...o...",
    },
}

# Steps of a bar: x the root, X an octave above, 5 the fifth, w a walk, ? perhaps.
BASS_STEPS = {
    "eighths": "x.x.x.x.x.x.x.x.",
    "kick": "x.....x.x.....?.",
    "long": "x...............",
    "octave": "x.X.x.X.x.X.x.X.",
    "slap": "x..X..x.?X..x.X.",
    "walk": "x...w...w...w...",
    "riff": "x..x..5...w.x...",
    "tumbao": "......5.....x...",
    "alternate": "x.......5.......",
}

# Alternatives of when a chord is struck.
CHORD_STEPS = {
    "strum": ("x.x.x.xxx.x.x.xx", "x...x.x...x.x.x.", "x..xx.x.x..xx.x."),
    "muted": ("x.xx..x.x.xx.xx.", "..x...x...x..xx."),
    "skank": ("....x.......x...", "..x...x...x...x."),
    "comp": ("x.....x.....x...", "...x..x....x....", "x..x....?.x....."),
    "stab": ("x..x..x.........", "..x...x...x...x.", "x.........x....."),
    "block": ("x...x...x...x...", "x.......x......."),
    "power": ("x...............", "x.x.x.x.x.x.x.x.", "x..x..x.x..x..x."),
    "chug": ("xxxxxxxxxxxxxxxx", "x.xxx.xxx.xxx.xx"),
    "montuno": ("x.xx.x.x.xx.x.x.",),
}

# How often a style's song is in a minor key, and how often it has chords of four notes.
DARKNESS = {"metal": 0.9, "hiphop": 0.8, "electro": 0.7, "country": 0.1, "reggae": 0.5}
USUAL_DARKNESS = 0.45
SEVENTHS = {"jazz": 0.95, "funk": 0.7, "ballad": 0.4, "metal": 0.0}
USUAL_SEVENTHS = 0.25

# How often a stem is in a song at all; training mutes more of them.
PRESENCE = {
    "drums": 0.93,
    "bass": 0.95,
    "other": 0.85,
    "vocals": 0.85,
    "guitar": 0.85,
    "piano": 0.8,
}
