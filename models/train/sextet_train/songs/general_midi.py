"""General MIDI programs by stem and way of playing (General MIDI 1 Sound Set, from 0).

A program that stands twice is drawn twice as often.
"""

Program = int | tuple[int, int]  # of bank 0, or (bank, program)


def programs(text: str) -> tuple[Program, ...]:
    """Programs, or BANK:PROGRAM, separated by spaces."""
    found: list[Program] = []
    for word in text.split():
        bank, _, program = word.rpartition(":")
        found.append((int(bank), int(program)) if bank else int(program))
    return tuple(found)


PIANOS = programs("0 0 0 1 1 2 3 4 4 5 5 8:0 8:4 8:5")
BASSES = programs("32 33 33 34 34 35 36 37 38 39 43 8:38 8:39")
GUITARS = {
    "power": programs("29 30 30 27 26"),
    "chug": programs("29 30 28 27"),
    "lead": programs("29 30 27 26 25 24 8:30"),
    "muted": programs("28 27 27 8:28"),
    "skank": programs("27 28 26 25"),
    "comp": programs("26 27 24 25"),
    "strum": programs("24 25 25 25 27 8:25 8:24"),
    "pick": programs("24 25 25 26 27 8:25 8:26"),
}
OTHERS = {
    "pad": programs(
        "16 17 18 19 20 21 44 48 48 49 50 51 61 62 63 60 88 89 90 92 93 94 95 8:16 8:48"
    ),
    "line": programs(
        "6 9 11 12 13 21 22 40 41 42 45 46 56 57 58 59 60 61 64 65 66 67 68 69 70 71 72 "
        "73 74 75 77 78 79 80 81 82 83 104 107 109 110 40 42 56 65 66 71 73"
    ),
    "arp": programs("8 9 10 11 12 13 14 6 7 45 46 80 81 84 86 87 96 98 99 100 107 108 15 114 38"),
    "stab": programs("7 16 17 18 55 56 57 61 61 62 63 65 48 21 22 81 90"),
}
