"""Changes that a hostile or broken sender makes of bytes, text, JSON values and tables; all chance comes from `rng`."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from random import Random
from typing import Any

from tests.fuzz.nasty import NASTY, NUMBERS, few, nasty_value


def _flip(rng: Random, data: bytearray) -> bytearray:
    for _ in range(rng.choice((1, 1, 4, 32))):
        data[_place(rng, data)] ^= 1 << rng.randrange(8)
    return data


def _set(rng: Random, data: bytearray) -> bytearray:
    for _ in range(rng.choice((1, 2, 8))):
        data[_place(rng, data)] = rng.choice((0, 1, 0x7F, 0x80, 0xFE, 0xFF, rng.randrange(256)))
    return data


def _length(rng: Random, data: bytearray) -> bytearray:
    """A number of 2, 4 or 8 bytes set to an extreme, as lengths and counts are."""
    form, most = rng.choice((("H", 2**16), ("L", 2**32), ("Q", 2**64)))
    value = rng.choice((0, 1, 2, 3, 255, most // 2 - 1, most // 2, most - 2, most - 1, rng.randrange(most)))
    made = struct.pack(rng.choice("<>") + form, min(value, most - 1))
    at = _place(rng, data)
    data[at : at + len(made)] = made
    return data


def _cut(rng: Random, data: bytearray) -> bytearray:
    return data[: rng.randrange(len(data))]


def _drop(rng: Random, data: bytearray) -> bytearray:
    at = _place(rng, data)
    del data[at : at + rng.choice((1, 2, 16, 500, 5_000))]
    return data


def _again(rng: Random, data: bytearray) -> bytearray:
    """A piece repeated, sometimes very often."""
    at = _place(rng, data)
    piece = data[at : at + rng.choice((1, 4, 12, 60, 2_000))]
    times = rng.choice((1, 3, 100, 20_000))
    return data[:at] + piece * min(times, 2_000_000 // max(len(piece), 1)) + data[at:]


def _noise(rng: Random, data: bytearray) -> bytearray:
    at = _place(rng, data)
    made = Random(rng.getrandbits(32)).randbytes(rng.choice((1, 16, 700)))
    return data[:at] + made + data[at + rng.choice((0, len(made))) :]


def _zeros(rng: Random, data: bytearray) -> bytearray:
    at = _place(rng, data)
    return (
        data[:at]
        + bytes([rng.choice((0, 0, 0xFF))]) * rng.choice((8, 3_000, 1_000_000))
        + data[at + rng.choice((0, 3_000)) :]
    )


def _place(rng: Random, data: bytearray) -> int:
    """Anywhere, as a rule near the start, where headers are."""
    within = rng.choice((32, 300, 2_000, len(data)))
    return rng.randrange(max(min(within, len(data)), 1))


BYTES: tuple[Callable[[Random, bytearray], bytearray], ...] = (
    _flip,
    _set,
    _length,
    _length,
    _cut,
    _drop,
    _again,
    _noise,
    _zeros,
)


def bytes_changed(rng: Random, data: bytes, other: bytes = b"") -> bytes:
    """`data` changed in one to four places, or joined with a piece of `other`."""
    made = bytearray(data)
    for _ in few(rng):
        if not made:
            break
        if other and rng.random() < 0.08:
            made = made[: rng.randrange(len(made))] + other[rng.randrange(len(other)) :]
        else:
            made = rng.choice(BYTES)(rng, made)
    return bytes(made)


def text_changed(rng: Random, text: str) -> bytes:
    """`text` with lines and words changed, in one of many encodings."""
    for _ in few(rng):
        lines = text.split("\n")
        at = rng.randrange(len(lines))
        way = rng.randrange(9)
        if way == 0:
            lines[at] = rng.choice(NASTY)
        elif way == 1:
            lines.insert(at, lines[rng.randrange(len(lines))])
        elif way == 2:
            del lines[at]
        elif way == 3:
            lines[at] = lines[at] * rng.choice((2, 50))
        elif way == 4:
            lines = lines[: at + 1] * rng.choice((2, 30))
        else:
            line = lines[at]
            here = rng.randrange(len(line) + 1)
            lines[at] = line[:here] + rng.choice(NASTY) + line[min(here + rng.choice((0, 0, 1, 8)), len(line)) :]
        text = "\n".join(lines)[:3_000_000]
    return encoded(rng, text)


def encoded(rng: Random, text: str) -> bytes:
    """As UTF-8 as a rule, else in another encoding or with other line ends."""
    way = rng.randrange(14)
    if way == 0:
        return text.encode("utf-16", "replace")
    if way == 1:
        return text.encode("utf-16-le", "replace")
    if way == 2:
        return b"\xef\xbb\xbf" + text.encode(errors="replace")
    if way == 3:
        return text.encode("latin-1", "replace")
    if way == 4:
        return text.replace("\n", "\r").encode(errors="replace")
    if way == 5:
        return text.replace("\n", "\r\n").encode(errors="replace")
    if way == 6:
        return bytes_changed(rng, text.encode(errors="replace"))
    if way == 7:
        return text.encode("utf-32", "replace")
    return text.encode("utf-8", "surrogatepass")


def json_changed(rng: Random, value: Any) -> bytes:
    """A JSON value with some of its parts replaced, left out, added or said twice."""
    value = json.loads(json.dumps(value))
    for _ in few(rng):
        value = _node_changed(rng, value)
    way = rng.randrange(12)
    text = json.dumps(value, ensure_ascii=rng.random() < 0.5, indent=rng.choice((None, 1)))
    if way == 0:
        return text_changed(rng, text)
    if way == 1:
        return bytes_changed(rng, text.encode(errors="replace"))
    if way == 2 and text.startswith("{"):
        twice = text[1:].partition(",")[0]
        return ("{" + twice + ", " + text[1:]).encode(errors="replace")
    if way == 3:
        return text.replace("null", rng.choice(("NaN", "-Infinity", "1e999", "9" * 6_000))).encode(errors="replace")
    if way == 4:
        depth = rng.choice((30, 2_000, 200_000))
        opened = rng.choice(("[", '{"a":'))
        return (text[:-1] + ', "deep": ' + opened * depth).encode(errors="replace")
    return text.encode("utf-8", "surrogatepass")


def _node_changed(rng: Random, value: Any) -> Any:
    """One node somewhere in `value`, changed."""
    if isinstance(value, dict) and value and rng.random() < 0.85:
        name = rng.choice(list(value))
        way = rng.randrange(10)
        if way == 0:
            del value[name]
        elif way == 1:
            value[rng.choice(NASTY)] = value[name]
        elif way == 2:
            value[name] = nasty_value(rng)
        else:
            value[name] = _node_changed(rng, value[name])
        return value
    if isinstance(value, list) and value and rng.random() < 0.85:
        at = rng.randrange(len(value))
        way = rng.randrange(8)
        if way == 0:
            del value[at]
        elif way == 1:
            value.insert(at, value[at])
        elif way == 2:
            value = value * rng.choice((2, 100)) if len(value) < 500 else value
        else:
            value[at] = _node_changed(rng, value[at])
        return value
    if isinstance(value, str) and value and rng.random() < 0.5:
        at = rng.randrange(len(value) + 1)
        return value[:at] + rng.choice(NASTY) + value[at:]
    return nasty_value(rng)


Rows = list[list[str]]


def table_changed(rng: Random, rows: Rows) -> bytes:
    """A table (its header first) with cells, rows and columns changed, written with some separator and quotes."""
    rows = [list(row) for row in rows]
    for _ in few(rng, 6):
        at = rng.randrange(len(rows))
        row = rows[at]
        way = rng.randrange(12)
        if way == 0 and row:
            del row[rng.randrange(len(row))]
        elif way == 1:
            row.insert(rng.randrange(len(row) + 1), rng.choice(NASTY))
        elif way == 2:
            rows.insert(at, list(row))
        elif way == 3:
            rows[0] = [rng.choice((name, name.upper(), f" {name} ", name.replace("_", " "))) for name in rows[0]]
        elif way == 4 and rows[0]:
            rows[0][rng.randrange(len(rows[0]))] = rng.choice((*rows[0], rng.choice(NASTY)))
        elif way == 5:
            rows = rows[:1] + rows[1:] * rng.choice((1, 40))
        elif way == 6:
            rows = [[*one, *one] for one in rows[:200]]
        elif row:
            row[rng.randrange(len(row))] = (
                str(rng.choice((*NASTY, *NUMBERS)))[:400_000] if rng.random() < 0.9 else "x" * 140_000
            )
    separator = rng.choice((",", ",", ",", ";", "\t", "|"))
    quoted = rng.random()
    lines = [separator.join(f'"{cell}"' if rng.random() < quoted else cell for cell in row) for row in rows]
    if rng.random() < 0.08:
        lines.insert(0, f"sep={separator}")
    text = "\n".join(lines) + "\n"
    return text_changed(rng, text) if rng.random() < 0.2 else encoded(rng, text)
