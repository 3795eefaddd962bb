"""A report as a Word file."""

from __future__ import annotations

import io
import zipfile
from datetime import datetime
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

import docx
from docx.enum.section import WD_ORIENT
from docx.enum.style import WD_STYLE_TYPE
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls, qn
from docx.shared import Cm, Pt

from derm_kit.records.provenance import named
from derm_kit.records.report import (
    PAGE_CHARACTERS,
    Block,
    Chart,
    Document,
    Mark,
    Paragraph,
    Points,
    Table,
)
from derm_kit.records.report_picture import plain

if TYPE_CHECKING:
    from docx.document import Document as Word

NO_DATE = datetime(1980, 1, 1)
"""Stands for a date in files that must not depend on when they were made: the first that a ZIP archive can hold."""
MADE_BY = "derm-kit"
FONT = "Arial"
WIDTH_CM, HEIGHT_CM = 26.1, 11.2
"""What stands on a page: from margin to margin, and of a picture below its caption."""
FRAME, HEAD = "8A5A00", "EEF3F6"
CELL, KEPT_CELL = "Cell", "Cellkept"
"""Styles of a table's text, the second for rows that stay on the page of the next."""


def word_file(document: Document) -> bytes:
    """The document's bytes, the same for the same document."""
    word = docx.Document()
    _set_up(word, document)
    word.add_heading(plain(document.title), 0)
    for text in document.marks:
        _add(word, Mark(text))
    for title, section in document.numbered:
        word.add_heading(plain(title), 1)
        for block, after in zip(section.blocks, (*section.blocks[1:], None), strict=True):
            _add(word, block, leads=isinstance(after, Table | Chart))
    file = io.BytesIO()
    word.save(file)
    return _undated(file.getvalue())


def _set_up(word: Word, document: Document) -> None:
    """Page, type, language and foot; nothing about who made the file, where or when."""
    page = word.sections[0]
    page.orientation, page.page_width, page.page_height = WD_ORIENT.LANDSCAPE, Cm(29.7), Cm(21)
    page.left_margin = page.right_margin = page.top_margin = page.bottom_margin = Cm(1.8)
    for style in word.styles:
        for fonts in style.element.iter(qn("w:rFonts")):
            fonts.attrib.clear()
            for letters in ("w:ascii", "w:hAnsi", "w:cs", "w:eastAsia"):
                fonts.set(qn(letters), FONT)
    word.styles["Normal"].font.name, word.styles["Normal"].font.size = FONT, Pt(10)
    word.styles["Title"].font.size = Pt(20)
    for name in (CELL, KEPT_CELL):
        cell = word.styles.add_style(name, WD_STYLE_TYPE.PARAGRAPH)
        cell.base_style, cell.font.size = word.styles["Normal"], Pt(8)
        cell.paragraph_format.space_before = cell.paragraph_format.space_after = Pt(2)
        cell.paragraph_format.keep_with_next = name == KEPT_CELL
    for language in word.styles.element.iter(qn("w:lang")):
        language.set(qn("w:val"), "en-GB")
    said = word.core_properties
    said.title, said.author, said.last_modified_by = plain(document.title)[:255], MADE_BY, MADE_BY
    said.comments, said.language, said.created, said.modified = "", "en-GB", NO_DATE, NO_DATE
    foot = page.footer.paragraphs[0]
    foot.add_run(f"{plain(document.foot)} Page ")
    number: Any = foot.add_run()
    for name, text in (("begin", ""), ("", "PAGE"), ("end", "")):
        part = number._r.makeelement(
            qn("w:fldChar" if name else "w:instrText"), {qn("w:fldCharType"): name} if name else {}
        )
        part.text = text or None
        number._r.append(part)


def _add(word: Word, block: Block, *, leads: bool = False) -> None:
    """Add a block; one that `leads` to a table or picture stays on its page."""
    match block:
        case Paragraph(text):
            word.add_paragraph(plain(text)).paragraph_format.keep_with_next = leads
        case Mark(text):
            _add_mark(word, text)
        case Points(texts):
            for text in texts:
                word.add_paragraph(plain(text), style="List Bullet").paragraph_format.keep_together = True
        case Table():
            _add_table(word, block)
        case Chart():
            _add_chart(word, block)


def _add_mark(word: Word, text: str) -> None:
    paragraph: Any = word.add_paragraph()
    paragraph.add_run(plain(text)).bold = True
    whole = paragraph._p.get_or_add_pPr()
    frame = whole.makeelement(qn("w:pBdr"), {})
    for side in ("top", "left", "bottom", "right"):
        line = {"w:val": "single", "w:sz": "12", "w:space": "4", "w:color": FRAME}
        frame.append(whole.makeelement(qn(f"w:{side}"), {qn(name): value for name, value in line.items()}))
    whole.append(frame)


def _add_caption(word: Word, block: Table | Chart) -> None:
    caption = word.add_paragraph(style="Caption")
    caption.paragraph_format.keep_with_next = True
    caption.add_run(plain(block.caption))
    if block.mark:
        caption.add_run(f" [{plain(block.mark)}]").italic = True
    if block.sources:
        caption.add_run(f" (from {plain(named(block.sources))})").bold = False


def _add_chart(word: Word, chart: Chart) -> None:
    _add_caption(word, chart)
    picture = chart.picture
    width_cm = min(WIDTH_CM, HEIGHT_CM * picture.width / picture.height)
    shown: Any = word.add_picture(io.BytesIO(picture.to_png()), width=Cm(width_cm))
    shown._inline.docPr.set("descr", plain(chart.alternative))


def _add_table(word: Word, table: Table) -> None:
    """Columns as wide as their cells need, heads on every page, rows whole, and a short table on one page.

    Written as XML at once: cell by cell through python-docx, long tables are most of a report's time.
    """
    _add_caption(word, table)
    widths = [Cm(WIDTH_CM * one / max(sum(table.characters), PAGE_CHARACTERS)).twips for one in table.characters]
    rows = []
    for n, texts in enumerate((table.heads, *table.rows)):
        stays = n < len(table.rows) and (table.whole or n < 3 or n >= len(table.rows) - 2)
        cells = "".join(_cell(plain(text), width, stays, n == 0) for text, width in zip(texts, widths, strict=True))
        about = "<w:cantSplit/><w:tblHeader/>" if n == 0 else "<w:cantSplit/>"
        rows.append(f"<w:tr><w:trPr>{about}</w:trPr>{cells}</w:tr>")
    columns = "".join(f'<w:gridCol w:w="{width}"/>' for width in widths)
    style = '<w:tblStyle w:val="TableGrid"/><w:tblW w:type="auto" w:w="0"/><w:tblLayout w:type="fixed"/>'
    grid = f"<w:tblPr>{style}</w:tblPr><w:tblGrid>{columns}</w:tblGrid>"
    made: Any = parse_xml(f"<w:tbl {nsdecls('w')}>{grid}{''.join(rows)}</w:tbl>")
    word.element.body.insert_element_before(made, "w:sectPr")
    word.add_paragraph()


def _cell(text: str, width: int, stays: bool, head: bool) -> str:
    """A table's cell as XML; one that `stays` is kept on the page of the next row."""
    shade = f'<w:shd w:val="clear" w:color="auto" w:fill="{HEAD}"/>' if head else ""
    about = f'<w:tcPr><w:tcW w:type="dxa" w:w="{width}"/>{shade}</w:tcPr>'
    style = f'<w:pPr><w:pStyle w:val="{KEPT_CELL if stays else CELL}"/></w:pPr>'
    run = f'<w:r>{"<w:rPr><w:b/></w:rPr>" if head else ""}<w:t xml:space="preserve">{escape(text)}</w:t></w:r>'
    return f"<w:tc>{about}<w:p>{style}{run}</w:p></w:tc>"


def _undated(content: bytes) -> bytes:
    """The same archive with NO_DATE on every part."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as given, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
        for name in given.namelist():
            made.writestr(zipfile.ZipInfo(name, NO_DATE.timetuple()[:6]), given.read(name), zipfile.ZIP_DEFLATED)
    return file.getvalue()
