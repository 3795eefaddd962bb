"""A document of titled sections, written from one structure as an HTML page that prints and as a Word file.

Neither holds a script, a macro or a link to anything outside itself, and the same document gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path

from derm_kit.errors import DermKitError, RecordError
from derm_kit.records.provenance import Figure, Measured, Source, named
from derm_kit.records.report_picture import Picture, plain

PAGE_CHARACTERS = 165
"""In the cells of one row of a table, so that it fits a page."""
WIDEST, LONGEST_WORD, PADDING = 110, 28, 3
"""Characters: of a column, of a word in it that stays whole, and of the space between two columns."""
WHOLE_ROWS = 16
"""A table of so many rows or fewer is not parted by the end of a page."""


Value = str | int | float | None | Measured
"""What a cell of a table is of."""


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
    """Rows of cells under their heads; the first cell of a row names it. `mark` stands beside the caption.

    `sources` are keys of the document's sources. `values` are the same cells before they became text, where kept. One
    that `flows` may be parted by the end of a page however short it is.
    """

    caption: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    mark: str = ""
    sources: tuple[str, ...] = ()
    values: tuple[tuple[Value, ...], ...] = ()
    flows: bool = False

    def __post_init__(self) -> None:
        uneven = next((row for row in self.rows if len(row) != len(self.heads)), None)
        if uneven is not None:
            raise ValueError(f"{self.caption}: a row has {len(uneven)} cells for {len(self.heads)} heads")

    @property
    def whole(self) -> bool:
        """Whether the end of a page may not part it."""
        return len(self.rows) <= WHOLE_ROWS and not self.flows

    @property
    def characters(self) -> tuple[float, ...]:
        """Width of each column, padding included: as its cells need it, less where they would not fit a page."""
        columns = [[row[k] for row in self.rows] for k in range(len(self.heads))]
        words = [max(map(len, " ".join((head, *cells)).split()), default=1) for head, cells in
                 zip(self.heads, columns, strict=True)]  # fmt: skip
        least = [min(word, LONGEST_WORD) + PADDING for word in words]
        wanted = [
            max(min(max(map(len, cells), default=1), WIDEST) + PADDING, len(head) / 2, own)
            for head, cells, own in zip(self.heads, columns, least, strict=True)
        ]
        if sum(wanted) <= PAGE_CHARACTERS:
            return tuple(wanted)
        scale = PAGE_CHARACTERS / sum(wanted)
        return tuple(max(one * scale, own) for one, own in zip(wanted, least, strict=True))


@dataclass(frozen=True)
class Chart:
    """A picture; `alternative` says in words what is to be seen. `mark` stands beside the caption."""

    caption: str
    picture: Picture
    alternative: str
    mark: str = ""
    sources: tuple[str, ...] = ()


Block = Paragraph | Mark | Points | Table | Chart


@dataclass(frozen=True)
class Section:
    """A title and what stands below it."""

    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Document:
    """A report: its title, marks that stand below the title, and sections, which are numbered from 1.

    `foot` is said on every page of the Word file, and at the end of the HTML. `figures` are those of its sentences,
    `sources` what they and the tables come from.
    """

    title: str
    marks: tuple[str, ...]
    sections: tuple[Section, ...]
    foot: str
    figures: tuple[Figure, ...] = ()
    sources: tuple[Source, ...] = ()

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
        from derm_kit.records.report_word import word_file

        return word_file(self)


Writers = Mapping[str, Callable[[Document], bytes]]
WRITERS: Writers = {
    ".html": lambda document: document.to_html().encode(),
    ".docx": lambda document: document.to_docx(),
}
"""How a document is written, by the suffix of its file."""


def require_report_file(path: Path, writers: Writers = WRITERS) -> None:
    """Raise DermKitError unless `path` is a file to be, of a kind that a report is written as."""
    if path.suffix.lower() not in writers:
        raise DermKitError(
            f"a report is written as {' or '.join(writers)}",
            case=str(path),
            value=path.suffix or "no suffix",
            next_step="End the file's name in one of these.",
        )
    if path.exists() or path.is_symlink():
        raise _exists(path)


def write(document: Document, path: Path, writers: Writers = WRITERS) -> None:
    """Write a document to a new file, by its suffix. Raises DermKitError where it exists or cannot be written."""
    require_report_file(path, writers)
    content = writers[path.suffix.lower()](document)
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


def _shown(text: str) -> str:
    return escape(plain(text))


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
        case Chart():
            drawn = block.picture.to_svg(block.alternative)
            return f"<figure><figcaption>{_captioned(block)}</figcaption>{drawn}</figure>"


def _captioned(block: Table | Chart) -> str:
    mark = f" <strong class='mark'>{_shown(block.mark)}</strong>" if block.mark else ""
    source = f" <span class='source'>from {_shown(named(block.sources))}</span>" if block.sources else ""
    return f"{_shown(block.caption)}{mark}{source}"


def _table_html(table: Table) -> str:
    heads = "".join(f"<th scope='col'>{_shown(head)}</th>" for head in table.heads)
    rows = "".join(
        f"<tr><th scope='row'>{_shown(row[0])}</th>{''.join(f'<td>{_shown(cell)}</td>' for cell in row[1:])}</tr>"
        for row in table.rows
    )
    widths = table.characters
    fills = sum(widths) >= PAGE_CHARACTERS
    columns = "".join(f"<col style='width:{100 * one / sum(widths):.1f}%'>" for one in widths)
    kind = " ".join(name for name, so in (("fills", fills), ("whole", table.whole)) if so)
    return (
        f"<div class='wide' tabindex='0' role='region' aria-label='{_shown(table.caption)}'><table class='{kind}'>"
        f"<caption>{_captioned(table)}</caption>{f'<colgroup>{columns}</colgroup>' if fills else ''}"
        f"<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


_HEAD = (
    "<!doctype html><html lang='en-GB'><head><meta charset='utf-8'>"
    "<meta http-equiv='Content-Security-Policy' content=\"default-src 'none'; style-src 'unsafe-inline'\">"
    "<meta name='viewport' content='width=device-width, initial-scale=1'>"
)
_STYLE = (
    "body{font:15px/1.5 Arial,Helvetica,sans-serif;color:#212b32;background:#fff;margin:0}main,footer{max-width:72rem;"
    "margin:0 auto;padding:0 1rem}h1{font-size:1.7rem;line-height:1.25}h2{font-size:1.25rem;border-bottom:2px solid "
    "#2a6f97;padding-bottom:.2rem;margin-top:2rem}nav ol{columns:2}a{color:#1c5274}p.mark{border:2px solid #8a5a00;"
    "padding:.5rem .8rem;background:#fff8e8}caption,figcaption{text-align:left;font-weight:600;padding:.6rem 0 .3rem}"
    "caption .mark,figcaption .mark{border:1px solid #8a5a00;background:#fff8e8;padding:0 .4rem;white-space:nowrap}"
    ".wide{overflow-x:auto}caption,figcaption{font-size:13px}.source{font-weight:400;color:#4c6272}"
    "table{border-collapse:collapse;font-size:13px;margin-bottom:.8rem}th,td{border:1px solid #aeb7bd;"
    "padding:.25rem .5rem;text-align:left;vertical-align:top;overflow-wrap:anywhere;min-width:4rem}"
    "table.fills{width:100%;min-width:60rem}thead th{background:#eef3f6}tbody th{font-weight:400}"
    "figure{margin:0 0 1rem;overflow-x:auto}svg{display:block;width:100%;min-width:40rem;height:auto;"
    "font-family:Arial,Helvetica,sans-serif}footer{border-top:1px solid #aeb7bd;margin-top:2rem}"
    "@page{size:A4 landscape;margin:15mm}@media print{body{font-size:10pt}main{max-width:none;padding:0}"
    ".wide,figure{overflow:visible}table{font-size:8pt;line-height:1.3}th,td{padding:2px 5px}"
    "table.fills,svg{min-width:0}svg{max-height:98mm}p{orphans:3;widows:3}"
    "nav{display:none}thead{display:table-header-group}tr,figure,table.whole,p,li{break-inside:avoid}"
    "h2,caption,figcaption,thead,thead tr,p:has(+.wide),p:has(+figure){break-after:avoid}"
    "tbody tr:nth-child(-n+3):not(:last-child){break-after:avoid}tbody tr:nth-last-child(-n+3){break-before:avoid}}"
)
