"""Values that break careless readers: texts, numbers, and anything that JSON can hold; all chance comes from `rng`."""

from __future__ import annotations

from random import Random
from typing import Any

NASTY = (
    "",
    " ",
    "\t",
    "\x00",
    "\x1b[31m",
    "\x7f",
    "\u200b",
    "\u202egnp.exe",
    "\ufeff",
    "\ufffe",
    "é\u0301",
    "١٢٣",
    "１２",
    "𝟙",
    "ſ",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "javascript:alert(1)",
    "&lt;b&gt;",
    "]]>",
    "{{7*7}}",
    "%s%n",
    '=HYPERLINK("http://x")',
    "+1",
    "-1",
    "@SUM(A1)",
    "'",
    '"',
    '""',
    "\\",
    "\r",
    "\n",
    "a\rb",
    "a\nb",
    ",",
    ";",
    "|",
    "../",
    "..",
    "../secret.csv",
    "../../secret.csv",
    "/etc/passwd",
    "C:\\boot.ini",
    "\\\\host\\share",
    "file:///etc/passwd",
    "~",
    "~root",
    ".",
    "CON",
    "NaN",
    "nan",
    "inf",
    "-inf",
    "Infinity",
    "1e999",
    "1e-999",
    "-0.0",
    "0x1f",
    "1_000",
    "1,5",
    "0.5%",
    "1e5",
    "00",
    "9" * 5_000,
    "true",
    "yes",
    "null",
    "None",
    "[]",
    "{}",
    "melanoma|melanoma",
    "melanoma|benign_naevus",
    "|",
    "2026-02-30",
    "0000-00-00",
    "9999-12-31T23:59:59.999999+14:00",
    "0001-01-01T00:00:00-12:00",
    "2262-04-12",
    "1677-09-20",
    "2026-03-29T01:30:00",
    "24:00:00",
    "2026-W10-3",
    "20260305",
    "1700000000",
    "x" * 300,
    "x" * 20_000,
    "🩺" * 200,
    "' OR 1=1 --",
    "&a",
    "*a",
    "!!python/object/apply:os.system [id]",
)
"""Texts that break careless readers."""

NUMBERS = (
    0,
    -1,
    1,
    2**31 - 1,
    2**31,
    2**63 - 1,
    2**63,
    2**64,
    -(2**63),
    10**30,
    10**400,
    0.0,
    -0.0,
    1e-320,
    1e308,
    -1e308,
    float("nan"),
    float("inf"),
    float("-inf"),
    0.1,
    1.0000001,
    0.9999999,
)


def few(rng: Random, most: int = 4) -> range:
    """Once as a rule, `most` times at most."""
    return range(min(1 + int(rng.expovariate(1.2)), most))


def nasty_value(rng: Random, depth: int = 0) -> Any:
    """Anything that JSON can hold, and what Python's JSON takes for it."""
    kind = rng.randrange(8 if depth < 3 else 4)
    if kind < 2:
        return rng.choice(NASTY)
    if kind == 2:
        return rng.choice(NUMBERS)
    if kind == 3:
        return rng.choice((None, True, False))
    if kind == 4:
        return [nasty_value(rng, depth + 1) for _ in range(rng.randrange(4))]
    if kind == 5:
        return {rng.choice(NASTY): nasty_value(rng, depth + 1) for _ in range(rng.randrange(4))}
    if kind == 6:
        return [rng.choice((0, "", None))] * rng.choice((1_000, 50_000))
    return {str(i): i for i in range(rng.choice((300, 20_000)))}
