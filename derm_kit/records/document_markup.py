"""The plain mark-up of a report's template: titles, paragraphs, points, marks, and tables and charts called by name.

    # Title of the document            ! What must not be overlooked, in a frame
    ## Title of a section              - A point
    [table: name]   [chart: name]      Anything else is a paragraph; an empty line ends it.

What stands between GUARD and its END came from outside the template: it is text, whatever it looks like.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from derm_kit.records.report import Block, Chart, Mark, Paragraph, Points, Section, Table
from derm_kit.records.report_picture import plain

GUARD, END = "\ue000", "\ue001"
"""Characters for private use; in a text from outside they are spelt out."""
CALL = re.compile(r"\[(table|chart): *([a-z][a-z0-9_]*)\]")
_STARTS = ("## ", "# ", "! ", "- ")


class MarkupError(Exception):
    """A line breaks a rule: `line` counts from 1, 0 where no single line does."""

    def __init__(self, line: int, rule: str, next_step: str) -> None:
        self.line, self.rule, self.next_step = line, rule, next_step
        super().__init__(rule)


@dataclass
class _Reading:
    """What was read so far."""

    title: str = ""
    marks: list[str] = field(default_factory=list)
    sections: list[tuple[str, list[Block]]] = field(default_factory=list)
    start: str = ""
    lines: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Marked:
    """A text that was read: title, marks below it, sections."""

    title: str
    marks: tuple[str, ...]
    sections: tuple[Section, ...]


def guarded(text: str) -> str:
    """A text from outside on one line, kept from being read as mark-up."""
    return f"{GUARD}{plain(text)}{END}"


def check_lines(source: str, tables: Mapping[str, Table], charts: Mapping[str, Chart]) -> None:
    """Raise MarkupError for the first line of a template that no text can make good."""
    titles = 0
    for n, line in enumerate(source.splitlines(), 1):
        titles += line.startswith("# ")
        if titles > 1:
            raise MarkupError(n, "a document has one title, on a line that begins with #", "Begin a section with ##.")
        if re.match(r"#{3,}|#+[^ #]", line):
            raise MarkupError(n, "a title begins with # and a space, a section with ## and a space", "Mend the line.")
        if line.lstrip().startswith(("[table", "[chart")):
            _require_known(n, line.strip(), tables, charts)
    if not titles:
        raise MarkupError(0, "a document has a title", "Begin a line with # and a space.")


def _require_known(n: int, line: str, tables: Mapping[str, Table], charts: Mapping[str, Chart]) -> None:
    call = CALL.fullmatch(line)
    if call is None:
        rule = "a table or chart stands on a line of its own, as [table: name] or [chart: name]"
        raise MarkupError(n, rule, "Mend the line.")
    known = tables if call[1] == "table" else charts
    if call[2] not in known:
        names = ", ".join(known) or "none"
        raise MarkupError(n, f"this report has no {call[1]} of that name", f"It has: {names}.")


def parse(text: str, tables: Mapping[str, Table], charts: Mapping[str, Chart]) -> Marked:
    """The text of a filled template as title, marks and sections. Raises MarkupError."""
    reading = _Reading()
    for line in text.splitlines():
        _take(reading, line.rstrip(), tables, charts)
    _end(reading)
    if not reading.title:
        raise MarkupError(0, "a document has a title", "Keep the line that begins with # outside of conditions.")
    sections = tuple(Section(title, tuple(_together(blocks))) for title, blocks in reading.sections)
    return Marked(reading.title, tuple(reading.marks), sections)


def _take(reading: _Reading, line: str, tables: Mapping[str, Table], charts: Mapping[str, Chart]) -> None:
    if not line.strip():
        _end(reading)
        return
    call = CALL.fullmatch(line.strip())
    if call:
        _end(reading)
        _add(reading, tables[call[2]] if call[1] == "table" else charts[call[2]])
        return
    start = next((one for one in _STARTS if line.startswith(one)), "")
    if start:
        _end(reading)
        reading.start = start
    reading.lines.append(line.removeprefix(start).strip())
    if start in ("# ", "## "):
        _end(reading)


def _end(reading: _Reading) -> None:
    """Put away what the lines since the last end say."""
    text = " ".join(reading.lines).replace(GUARD, "").replace(END, "")
    start, reading.start, reading.lines = reading.start, "", []
    if not text:
        return
    match start:
        case "# ":
            reading.title = text
        case "## ":
            reading.sections.append((text, []))
        case "! " if not reading.sections:
            reading.marks.append(text)
        case "! ":
            _add(reading, Mark(text))
        case "- ":
            _add(reading, Points((text,)))
        case _:
            _add(reading, Paragraph(text))


def _add(reading: _Reading, block: Block) -> None:
    if not reading.sections:
        raise MarkupError(
            0, "text, tables and charts stand in a section; above the first are only the title and marks",
            "Begin a section with ## and a space.",
        )  # fmt: skip
    reading.sections[-1][1].append(block)


def _together(blocks: list[Block]) -> Iterator[Block]:
    """Points that follow one another as one list."""
    points: list[str] = []
    for block in blocks:
        if isinstance(block, Points):
            points += block.texts
            continue
        if points:
            yield Points(tuple(points))
            points = []
        yield block
    if points:
        yield Points(tuple(points))
