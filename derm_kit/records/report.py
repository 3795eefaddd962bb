"""A document of titled sections, written from one structure as an HTML page that prints and as a Word file.

Neither holds a script, a macro or a link to anything outside itself, and the same document gives the same bytes.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from derm_kit.errors import DermKitError, RecordError, printable

if TYPE_CHECKING:
    from docx.document import Document as Word

MOST_CHARACTERS = 20_000
"""Of one cell or paragraph."""
NO_DATE = datetime(1980, 1, 1)
"""Stands for a date in files that must not depend on when they were made: the first that a ZIP archive can hold."""
MADE_BY = "derm-kit"


@dataclass(frozen=True)
class Paragraph:
    """Some sentences."""

    text: str


@dataclass(frozen=True)
class Mark:
    """What must not be overlooked: it stands in a frame."""

    text: str


@dataclass(frozen=True)
class Points:
    """Sentences one below the other."""

    texts: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """Rows of cells under their heads; the first cell of a row names it. `mark` stands beside the caption."""

    caption: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    mark: str = ""

    def __post_init__(self) -> None:
        uneven = next((row for row in self.rows if len(row) != len(self.heads)), None)
        if uneven is not None:
            raise ValueError(f"{self.caption}: a row has {len(uneven)} cells for {len(self.heads)} heads")


Block = Paragraph | Mark | Points | Table


@dataclass(frozen=True)
class Section:
    """A title and what stands below it."""

    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Document:
    """A report: its title, marks that stand below the title, and sections, which are numbered from 1.

    `foot` is said on every page of the Word file, and at the end of the HTML.
    """

    title: str
    marks: tuple[str, ...]
    sections: tuple[Section, ...]
    foot: str

    @property
    def numbered(self) -> tuple[tuple[str, Section], ...]:
        """Each section with its number and title as they are shown."""
        return tuple((f"{n}. {section.title}", section) for n, section in enumerate(self.sections, 1))

    def to_html(self) -> str:
        """One page without script or anything from outside."""
        marks = "".join(_html_of(Mark(text)) for text in self.marks)
        contents = "".join(
            f"<li><a href='#s{n}'>{_shown(section.title)}</a></li>" for n, section in enumerate(self.sections, 1)
        )
        body = "".join(
            f"<section id='s{n}'><h2>{_shown(title)}</h2>{''.join(map(_html_of, section.blocks))}</section>"
            for n, (title, section) in enumerate(self.numbered, 1)
        )
        return (
            f"{_HEAD}<title>{_shown(self.title)}</title><style>{_STYLE}</style></head><body><main>"
            f"<h1>{_shown(self.title)}</h1>{marks}<nav aria-label='Sections'><ol>{contents}</ol></nav>{body}</main>"
            f"<footer>{_shown(self.foot)}</footer></body></html>\n"
        )

    def to_docx(self) -> bytes:
        """A Word file: A4 across, heads of tables repeated on every page, no relation to anything outside it."""
        import docx

        word = docx.Document()
        _set_up(word, self)
        word.add_heading(_plain(self.title), 0)
        for text in self.marks:
            _add(word, Mark(text))
        for title, section in self.numbered:
            word.add_heading(_plain(title), 1)
            for block in section.blocks:
                _add(word, block)
        file = io.BytesIO()
        word.save(file)
        return _undated(file.getvalue())


WRITERS: dict[str, Callable[[Document], bytes]] = {
    ".html": lambda document: document.to_html().encode(),
    ".docx": lambda document: document.to_docx(),
}
"""How a document is written, by the suffix of its file."""


def require_report_file(path: Path) -> None:
    """Raise DermKitError unless `path` is a file to be, of a kind that a report is written as."""
    if path.suffix.lower() not in WRITERS:
        raise DermKitError(
            f"a report is written as {' or '.join(WRITERS)}",
            case=str(path),
            value=path.suffix or "no suffix",
            next_step="End the file's name in one of these.",
        )
    if path.exists() or path.is_symlink():
        raise _exists(path)


def write(document: Document, path: Path) -> None:
    """Write a document to a new file, by its suffix. Raises DermKitError where it exists or cannot be written."""
    require_report_file(path)
    content = WRITERS[path.suffix.lower()](document)
    try:
        with path.open("xb") as file:
            file.write(content)
    except FileExistsError:
        raise _exists(path) from None
    except OSError as error:
        raise RecordError(
            f"the report cannot be written ({error.strerror})", case=str(path), next_step="Name another folder."
        ) from None


def _exists(path: Path) -> DermKitError:
    return DermKitError(
        "a report is written to a new file, so that none is lost; this one exists",
        case=str(path),
        next_step="Name a file that does not exist.",
    )


def _plain(text: str) -> str:
    """Text on one line; characters that cannot be seen, which XML forbids or which turn its order, are spelt out."""
    return printable(" ".join(text.split()), MOST_CHARACTERS)


def _shown(text: str) -> str:
    return escape(_plain(text))


def _html_of(block: Block) -> str:
    match block:
        case Paragraph(text):
            return f"<p>{_shown(text)}</p>"
        case Mark(text):
            return f"<p class='mark'><strong>{_shown(text)}</strong></p>"
        case Points(texts):
            return f"<ul>{''.join(f'<li>{_shown(text)}</li>' for text in texts)}</ul>"
        case Table():
            return _table_html(block)


def _table_html(table: Table) -> str:
    heads = "".join(f"<th scope='col'>{_shown(head)}</th>" for head in table.heads)
    rows = "".join(
        f"<tr><th scope='row'>{_shown(row[0])}</th>{''.join(f'<td>{_shown(cell)}</td>' for cell in row[1:])}</tr>"
        for row in table.rows
    )
    mark = f" <strong class='mark'>{_shown(table.mark)}</strong>" if table.mark else ""
    return (
        f"<div class='wide' tabindex='0' role='region' aria-label='{_shown(table.caption)}'><table>"
        f"<caption>{_shown(table.caption)}{mark}</caption><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
        "</div>"
    )


def _set_up(word: Word, document: Document) -> None:
    """Page, language and foot; nothing about who made the file, where or when."""
    from docx.enum.section import WD_ORIENT
    from docx.oxml.ns import qn
    from docx.shared import Cm, Pt

    page = word.sections[0]
    page.orientation, page.page_width, page.page_height = WD_ORIENT.LANDSCAPE, Cm(29.7), Cm(21)
    page.left_margin = page.right_margin = page.top_margin = page.bottom_margin = Cm(1.8)
    word.styles["Normal"].font.size = Pt(10)
    for language in word.styles.element.iter(qn("w:lang")):
        language.set(qn("w:val"), "en-GB")
    said = word.core_properties
    said.title, said.author, said.last_modified_by = _plain(document.title)[:255], MADE_BY, MADE_BY
    said.comments, said.language, said.created, said.modified = "", "en-GB", NO_DATE, NO_DATE
    foot = page.footer.paragraphs[0]
    foot.add_run(f"{_plain(document.foot)} Page ")
    number: Any = foot.add_run()
    for name, text in (("begin", ""), ("", "PAGE"), ("end", "")):
        part = number._r.makeelement(
            qn("w:fldChar" if name else "w:instrText"), {qn("w:fldCharType"): name} if name else {}
        )
        part.text = text or None
        number._r.append(part)


def _add(word: Word, block: Block) -> None:
    match block:
        case Paragraph(text):
            word.add_paragraph(_plain(text))
        case Mark(text):
            word.add_paragraph(_plain(text), style="Intense Quote")
        case Points(texts):
            for text in texts:
                word.add_paragraph(_plain(text), style="List Bullet")
        case Table():
            _add_table(word, block)


def _add_table(word: Word, table: Table) -> None:
    from docx.oxml.ns import qn
    from docx.shared import Pt

    caption = word.add_paragraph(style="Caption")
    caption.paragraph_format.keep_with_next = True
    caption.add_run(_plain(table.caption))
    if table.mark:
        caption.add_run(f" [{_plain(table.mark)}]").italic = True
    made = word.add_table(1 + len(table.rows), len(table.heads), style="Table Grid")
    for row, texts in zip(made.rows, (table.heads, *table.rows), strict=True):
        for cell, text in zip(row.cells, texts, strict=True):
            run = cell.paragraphs[0].add_run(_plain(text))
            run.font.size, run.bold = Pt(8), texts is table.heads
        whole = row._tr.get_or_add_trPr()
        whole.append(whole.makeelement(qn("w:cantSplit"), {}))
        if texts is table.heads:
            whole.append(whole.makeelement(qn("w:tblHeader"), {}))
    word.add_paragraph()


def _undated(content: bytes) -> bytes:
    """The same archive with NO_DATE on every part."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as given, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
        for name in given.namelist():
            made.writestr(zipfile.ZipInfo(name, NO_DATE.timetuple()[:6]), given.read(name), zipfile.ZIP_DEFLATED)
    return file.getvalue()


_HEAD = (
    "<!doctype html><html lang='en-GB'><head><meta charset='utf-8'>"
    "<meta http-equiv='Content-Security-Policy' content=\"default-src 'none'; style-src 'unsafe-inline'\">"
    "<meta name='viewport' content='width=device-width, initial-scale=1'>"
)
_STYLE = (
    "body{font:15px/1.5 sans-serif;color:#212b32;background:#fff;margin:0}main,footer{max-width:72rem;margin:0 auto;"
    "padding:0 1rem}h1{font-size:1.7rem;line-height:1.25}h2{font-size:1.25rem;border-bottom:2px solid #2a6f97;"
    "padding-bottom:.2rem;margin-top:2rem}nav ol{columns:2}a{color:#1c5274}p.mark{border:2px solid #8a5a00;"
    "padding:.5rem .8rem;background:#fff8e8}caption{text-align:left;font-weight:600;padding:.6rem 0 .3rem}"
    "caption .mark{border:1px solid #8a5a00;background:#fff8e8;padding:0 .4rem;white-space:nowrap}"
    ".wide{overflow-x:auto}"
    "table{border-collapse:collapse;font-size:13px;margin-bottom:.8rem}th,td{border:1px solid #aeb7bd;"
    "padding:.25rem .5rem;text-align:left;vertical-align:top;overflow-wrap:anywhere;min-width:4rem}"
    "thead th{background:#eef3f6}tbody th{font-weight:400}footer{border-top:1px solid #aeb7bd;margin-top:2rem}"
    "@page{size:A4 landscape;margin:15mm}@media print{body{font-size:10pt}main{max-width:none}.wide{overflow:visible}"
    "table{font-size:8pt}thead{display:table-header-group}tr{break-inside:avoid}h2,caption{break-after:avoid}}"
)
