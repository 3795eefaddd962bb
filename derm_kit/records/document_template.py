"""Documents written from templates: Jinja2 in a sandbox, filled and read as plain mark-up into one structure.

HTML, Word and JSON come from that structure. Whatever a template says, what is missing is the document's first section
and where its figures come from the last.
"""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Self

from jinja2 import TemplateError, TemplateSyntaxError

from derm_kit.errors import RecordError
from derm_kit.records.document_markup import END, GUARD, Marked, MarkupError, check_lines, parse
from derm_kit.records.exact_json import sha256
from derm_kit.records.provenance import CODE, Figure, Source, code_source
from derm_kit.records.report import Chart, Document, Paragraph, Section, Table
from derm_kit.records.template_rules import Rules

NOT_A_DEVICE = (
    "For research and teaching. Not a medical device. This document does not make a service or a product compliant "
    "with anything: people do, and sign for it."
)
MISSING, SOURCES = "What is missing", "Where the figures come from"
MOST_BYTES, MOST_FILLED = 64 * 1024, 4 * 1024 * 1024
_FILE = "<template of a report>"


@dataclass(frozen=True)
class Missing:
    """Something that the document should rest on and does not: what follows from that, and what to do."""

    what: str
    follows: str
    next_step: str


@dataclass(frozen=True)
class Given:
    """What a report gives its template: values and figures by name, tables and charts by name.

    `values` are texts, numbers, figures, and lists (tuples) of such or of mappings of such.
    """

    values: Mapping[str, object]
    tables: Mapping[str, Table]
    missing: tuple[Missing, ...]
    sources: tuple[Source, ...]
    charts: Mapping[str, Chart] = field(default_factory=dict)
    marks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Template:
    """A template's text; `name` is what errors call it."""

    name: str
    text: str
    own: bool = False

    @classmethod
    def shipped(cls, name: str) -> Self:
        """A template that comes with derm-kit."""
        found = resources.files("derm_kit.records").joinpath("templates", f"{name}.j2")
        return cls(f"{name}.j2", found.read_text(encoding="utf-8"))

    @classmethod
    def read(cls, path: Path) -> Self:
        """Somebody's own template. Raises RecordError where it is no regular UTF-8 file, or too long."""
        try:
            if path.exists() and not path.is_file():
                raise _unreadable(path, "it is a pipe, device or folder")
            with path.open("rb") as file:
                content = file.read(MOST_BYTES + 1)
            if len(content) > MOST_BYTES:
                raise _unreadable(path, f"it has more than {MOST_BYTES // 1024} KiB")
            return cls(str(path), content.decode("utf-8-sig"), own=True)
        except OSError as error:
            raise _unreadable(path, str(error.strerror)) from None
        except UnicodeDecodeError as error:
            raise _unreadable(path, f"it is no UTF-8 text at byte {error.start:,}") from None

    @property
    def source(self) -> Source:
        """The template as a source of the document's words."""
        whose = "a template of the reader's own" if self.own else f"the template {self.name} that ships"
        return Source("template", f"{whose}: the words around the figures", (("text, SHA-256", sha256(self.text)),))


def write_from(template: Template, given: Given) -> Document:
    """The document. Raises RecordError with the template's name, the line and the rule that it breaks."""
    try:
        check_lines(template.text, given.tables, given.charts)
        marked = parse(_filled(template, given.values), given.tables, given.charts)
    except MarkupError as error:
        raise _bad(template, error.line or _line(error), error.rule, error.next_step) from None
    return _framed(template, given, marked)


def _framed(template: Template, given: Given, marked: Marked) -> Document:
    """What is missing first, what the template says, and the sources."""
    sources = (*given.sources, template.source, code_source())
    return Document(
        marked.title,
        (NOT_A_DEVICE, *given.marks, *marked.marks),
        (_missing(given.missing), *marked.sections, _sources(sources)),
        f"{marked.title}. derm-kit: for research and teaching, not a medical device.",
        tuple(_figures(given.values)),
        sources,
    )


def _filled(template: Template, values: Mapping[str, object]) -> str:
    if GUARD in template.text or END in template.text:
        raise MarkupError(0, "a template holds no characters of Unicode's private use", "Take them out.")
    rules = Rules()
    try:
        tree = rules.checked(rules.parse(template.text, filename=_FILE))
        made = rules.template_class.from_code(rules, rules.compile(tree, filename=_FILE), dict(rules.globals))
        return _bounded(made.generate(dict(values)))
    except TemplateSyntaxError as error:
        raise MarkupError(error.lineno, f"Jinja2 cannot read it: {error.message}", "Mend the line.") from None
    except (TemplateError, TypeError, ValueError) as error:
        raise MarkupError(_line(error), _plainly(error), "Mend the line; the guide lists the names.") from None
    except (RecursionError, SyntaxError, MemoryError, OverflowError):
        raise MarkupError(0, "a template's parts are not nested so deeply", "Write it more plainly.") from None


def _bounded(parts: object) -> str:
    text, length = [], 0
    for part in parts:  # type: ignore[attr-defined]
        length += len(part)
        if length > MOST_FILLED:
            raise MarkupError(0, f"a filled template has at most {MOST_FILLED:,} characters", "Write less in loops.")
        text.append(part)
    return "".join(text)


def _plainly(error: Exception) -> str:
    said = str(error)
    if "is undefined" in said:
        return f"the report gives nothing of this name ({said})"
    if "has no attribute" in said or "has no element" in said:
        return "what is named there has no such field"
    return f"what is written there cannot be worked out ({said})"


def _line(error: BaseException) -> int:
    """The template's line that Jinja2 puts into the trace of an error; 0 for none."""
    frames = traceback.extract_tb(error.__traceback__)
    return next((frame.lineno or 0 for frame in reversed(frames) if frame.filename == _FILE), 0)


def _figures(value: object) -> list[Figure]:
    """Every figure among the values, in their order, each once."""
    if isinstance(value, Figure):
        return [value]
    inside = value.values() if isinstance(value, Mapping) else value if isinstance(value, tuple | list) else ()
    return list(dict.fromkeys(figure for one in inside for figure in _figures(one)))


def _missing(missing: tuple[Missing, ...]) -> Section:
    if not missing:
        return Section(MISSING, (Paragraph("Nothing that derm-kit looks for is missing. It cannot see what it was not "
                                           "given."),))  # fmt: skip
    rows = tuple((one.what, one.follows, one.next_step) for one in missing)
    caption = f"{len(rows)} thing{'s' * (len(rows) > 1)} to add before anybody relies on this document"
    return Section(MISSING, (Table(caption, ("what is missing", "what follows", "what to do"), rows, flows=True),))


def _sources(sources: tuple[Source, ...]) -> Section:
    said = (
        "Figures name their sources in square brackets, tables beside their captions; every figure was worked out by "
        f"the source '{CODE}'. With the same sources, the same dates give this document again, byte for byte."
    )
    rows = tuple((one.key, name, value) for one in sources for name, value in (("is", one.what), *one.identity))
    return Section(SOURCES, (Paragraph(said), Table("Sources", ("key", "what is said of it", "value"), rows)))


def _bad(template: Template, line: int, rule: str, next_step: str) -> RecordError:
    where = f"{template.name}, line {line}" if line else template.name
    return RecordError(rule, case=where, next_step=next_step)


def _unreadable(path: Path, why: str) -> RecordError:
    return RecordError(
        f"the template cannot be read ({why})", case=str(path), next_step="Name a text file of at most 64 KiB."
    )
