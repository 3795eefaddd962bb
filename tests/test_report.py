"""Documents as HTML and as Word files: the same content, nothing that runs or comes from outside, nobody's name."""

from __future__ import annotations

import getpass
import io
import re
import socket
import zipfile
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import docx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from derm_kit.errors import DermKitError
from derm_kit.records.report import (
    PAGE_CHARACTERS,
    Chart,
    Document,
    Mark,
    Paragraph,
    Points,
    Section,
    Table,
    write,
)
from derm_kit.records.report_axes import LINE, Axes, Curve, apart, curves, pen, ticks
from derm_kit.records.report_picture import ACCENT, Box, Dots, Line, Pen, Picture, Words

HOSTILE = "<script>alert('x')</script> & \x00\x07\x0b\x1b[31m \ud800 \ufffe \u202egnp.exe\u202c 'quoted\" ]]> {{x}}"
SHOWN = r"<script>alert('x')</script> & \x00\x07 \x1b[31m \ud800 \ufffe \u202egnp.exe\u202c 'quoted" + '" ]]> {{x}}'
"""The same on one line (a vertical tab is a space), what cannot be seen spelt out."""
HARMLESS = {
    "html", "head", "meta", "title", "style", "body", "main", "h1", "h2", "p", "strong", "nav", "ol", "ul", "li", "a",
    "section", "div", "table", "caption", "colgroup", "col", "thead", "tbody", "tr", "th", "td", "footer", "figure",
    "figcaption", "svg", "polyline", "path", "rect", "text",
}  # fmt: skip


class Read(HTMLParser):
    """Tags, attributes, text, and the cells of each table, as a browser would see them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.text: list[str] = []
        self.tables: list[list[list[str]]] = []
        self.in_cell = False
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")
            self.in_cell = True

    def handle_endtag(self, tag: str) -> None:
        self.in_cell = self.in_cell and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        self.text.append(data)
        if self.in_cell:
            self.tables[-1][-1][-1] += data


def document(text: str = "plain") -> Document:
    table = Table(f"caption {text}", (f"head {text}", "b"), ((f"first {text}", "1"), ("second", text)), f"mark {text}")
    drawn = Picture(200, 100, (Box(20, 30, 40, 50, ACCENT), Dots(((150, 50),), 5, ACCENT), Words(9, 9, f"drawn {text}"),
                               Line(((0, 99), (200, 99)), Pen(ACCENT, 2, (4, 2)))))  # fmt: skip
    chart = Chart(f"chart {text}", drawn, f"to be seen: {text}", f"mark {text}")
    blocks = (
        Paragraph(f"paragraph {text}"), Mark(f"stop {text}"), Points((f"point {text}", "other")), table, chart,
    )  # fmt: skip
    return Document(f"title {text}", (f"stamp {text}",), (Section(f"section {text}", blocks),), f"foot {text}")


def word(of: Document) -> docx.document.Document:
    return docx.Document(io.BytesIO(of.to_docx()))


def word_tables(of: Document) -> list[list[list[str]]]:
    return [[[cell.text for cell in row.cells] for row in table.rows] for table in word(of).tables]


def test_html_and_word_say_the_same():
    made = document()
    rows = [["head plain", "b"], ["first plain", "1"], ["second", "plain"]]
    assert Read(made.to_html()).tables == word_tables(made) == [rows]
    said = [p.text for p in word(made).paragraphs]
    for text in ("title plain", "stamp plain", "1. section plain", "paragraph plain", "stop plain", "point plain"):
        assert text in said
        assert text in Read(made.to_html()).text
    assert "caption plain [mark plain]" in said
    assert "chart plain [mark plain]" in said
    (shown,) = word(made).inline_shapes
    assert shown._inline.docPr.get("descr") == "to be seen: plain"
    assert ("aria-label", "to be seen: plain") in Read(made.to_html()).attributes
    assert "drawn plain" in Read(made.to_html()).text
    assert word(made).sections[0].footer.paragraphs[0].text.startswith("foot plain")


def test_text_from_outside_stays_text_in_html():
    read = Read(document(HOSTILE).to_html())
    assert read.tags <= HARMLESS
    assert {name for name, _ in read.attributes} <= {
        "lang", "charset", "http-equiv", "content", "name", "id", "class", "href", "scope", "tabindex", "role",
        "aria-label", "style", "viewbox", "preserveaspectratio", "x", "y", "d", "points", "width", "height", "fill",
        "stroke", "stroke-width", "stroke-dasharray", "stroke-linecap", "text-anchor", "font-size", "font-weight",
    }  # fmt: skip
    assert [value for name, value in read.attributes if name == "href"] == ["#s1"]
    for text in ("title", "stamp", "paragraph", "stop", "point", "caption", "head", "first", "chart", "drawn"):
        assert any(f"{text} {SHOWN}" in said for said in read.text), text
    assert read.tables[0][2][1] == SHOWN
    document(HOSTILE).to_html().encode()


def test_text_that_xml_forbids_is_spelt_out_in_word_and_every_part_is_sound_xml():
    made = document(HOSTILE)
    assert word_tables(made)[0][2][1] == SHOWN
    with zipfile.ZipFile(io.BytesIO(made.to_docx())) as archive:
        assert archive.testzip() is None
        for name in archive.namelist():
            if name.endswith((".xml", ".rels")):
                ElementTree.fromstring(archive.read(name))  # noqa: S314


def test_nothing_comes_from_outside_and_nothing_runs():
    html = document().to_html()
    assert not re.search(r"https?:|//|url\(|@import|javascript:|src=", html)
    assert "default-src 'none'" in html
    with zipfile.ZipFile(io.BytesIO(document().to_docx())) as archive:
        for name in archive.namelist():
            assert not name.endswith((".bin", ".vbs", ".exe", ".ole"))
            content = archive.read(name)
            if name.endswith(".rels"):
                assert b"TargetMode" not in content
                assert b"vbaProject" not in content
            if name == "[Content_Types].xml":
                assert b"macroEnabled" not in content
            fields = re.findall(rb"<w:instrText[^>]*>([^<]*)<", content)
            assert fields == ([b"PAGE"] if name == "word/footer1.xml" else [])


def test_a_word_file_says_nothing_of_who_made_it_where_or_when():
    content = document().to_docx()
    said = docx.Document(io.BytesIO(content)).core_properties
    assert (said.author, said.last_modified_by, said.comments, said.title) == (
        "derm-kit",
        "derm-kit",
        "",
        "title plain",
    )
    assert said.created == said.modified
    assert said.created.year == 1980
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert {part.date_time for part in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        everything = b"".join(archive.read(name) for name in archive.namelist())
    for own in (str(Path.cwd()), str(Path.home()), socket.gethostname()):
        assert len(own) < 4 or own.encode() not in everything
    assert f">{getpass.getuser()}<".encode() not in everything


def test_the_same_document_gives_the_same_bytes():
    assert document().to_docx() == document().to_docx()
    assert document().to_html() == document().to_html()


def test_a_picture_s_shapes_stand_at_their_places_in_the_png():
    drawn = document("$\\frac{").sections[0].blocks[-1]
    assert isinstance(drawn, Chart)
    png = drawn.picture.to_png()
    assert png == drawn.picture.to_png()
    seen = np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))
    assert seen.shape == (200, 400, 3)
    accent = (seen == tuple(bytes.fromhex(ACCENT[1:]))).all(axis=2)
    assert accent[62:158, 42:118].all(), "the box, two dots to a unit"
    assert not accent[50:58].any()
    assert accent[100, 300]
    assert not accent[100, 320]
    dashed = accent[197, 10:390]
    assert 0.5 < dashed.mean() < 0.8, "four on, two off"
    assert (seen[:20, 18:120] < 128).any(), "words"


@given(st.lists(st.tuples(st.floats(-50, 500), st.integers(1, 3)), max_size=12))
def test_names_of_lines_never_lie_over_each_other_nor_outside(wanted: list[tuple[float, int]]):
    heights = [LINE * lines for _, lines in wanted]
    high = max(300.0, sum(heights))
    placed = apart([top for top, _ in sorted(wanted)], heights, 0, high)
    ends = [top + tall for top, tall in zip(placed, heights, strict=True)]
    assert all(top >= end - 1e-9 for end, top in zip(ends, placed[1:], strict=False))
    assert all(top >= -1e-9 for top in placed)
    assert all(end <= high + 1e-9 for end in ends)


def test_twelve_lines_that_end_at_one_place_are_told_apart_by_pen_and_by_name():
    names = [f"an arm of the pathway with the rather long name {n}" for n in range(12)]
    rise = np.array([0.0, 1.0])
    shapes = list(curves(Axes(0, 0, 500, 600, (0, 1)), [Curve(name, rise, rise) for name in names]))
    said = " ".join(shape.text for shape in shapes if isinstance(shape, Words))
    assert all(name in said for name in names)
    drawn = [shape.pen for shape in shapes if isinstance(shape, Line) and shape.pen.width == 2]
    assert len({(one.colour, one.dashes) for one in drawn}) == 12
    assert len({(pen(n).colour, pen(n).dashes) for n in range(20)}) == 20


@given(st.floats(-1e9, 1e9), st.floats(1e-6, 1e9))
def test_ticks_are_few_and_within_their_range(low: float, span: float):
    high = low + span
    found = ticks(low, high) if high - low > 1e-7 * max(1, abs(low)) else [low, high]
    assert 2 <= len(found) <= 8
    assert low - span * 1e-6 <= found[0]
    assert found[-1] <= high + span * 1e-6


def test_columns_are_as_wide_as_their_cells_need_and_a_row_fits_the_page():
    short, long = "7", "a sentence of some length " * 12
    table = Table("c", ("place", "said", "more"), ((short, long, long[:60]), ("9", "", "an/unbroken/word")))
    made = Document("t", (), (Section("s", (table,)),), "f")
    assert sum(table.characters) <= PAGE_CHARACTERS + 1
    assert table.characters[1] > 1.5 * table.characters[2] > 3 * table.characters[0]
    (shown,) = word(made).tables
    widths = [cell.width.cm for cell in shown.rows[0].cells]
    assert sum(widths) == pytest.approx(26.1, abs=0.3)
    assert widths[1] > 1.5 * widths[2]
    narrow = Table("c", ("a", "b"), (("1", "2"),))
    assert sum(narrow.characters) < PAGE_CHARACTERS / 5


def test_heads_of_a_long_table_are_repeated_and_rows_stay_whole():
    rows = tuple((str(n), "x") for n in range(200))
    made = Document("t", (), (Section("s", (Table("c", ("a", "b"), rows),)),), "f")
    xml = zipfile.ZipFile(io.BytesIO(made.to_docx())).read("word/document.xml")
    assert xml.count(b"<w:tblHeader/>") == 1
    assert xml.count(b"<w:cantSplit/>") == 201
    assert len(word(made).tables[0].rows) == 201


def test_a_row_of_another_length_is_refused():
    with pytest.raises(ValueError, match="a row has 1 cells for 2 heads"):
        Table("c", ("a", "b"), (("1",),))


@pytest.mark.parametrize("name", ["report.html", "REPORT.DOCX"])
def test_a_file_is_written_by_its_suffix_and_never_over_another(tmp_path: Path, name: str):
    write(document(), tmp_path / name)
    start = (tmp_path / name).read_bytes()
    assert start.startswith(b"<!doctype html>" if name.endswith("html") else b"PK")
    with pytest.raises(DermKitError, match="this one exists"):
        write(document("other"), tmp_path / name)
    assert (tmp_path / name).read_bytes() == start


def test_where_no_report_can_be_written_it_says_so(tmp_path: Path):
    with pytest.raises(DermKitError, match=r"written as \.html or \.docx \(found: \.pdf\)"):
        write(document(), tmp_path / "report.pdf")
    with pytest.raises(DermKitError, match="found: no suffix"):
        write(document(), tmp_path / "report")
    with pytest.raises(DermKitError, match="cannot be written"):
        write(document(), tmp_path / "nowhere" / "report.html")
    (tmp_path / "link.html").symlink_to(tmp_path / "not there")
    with pytest.raises(DermKitError, match="this one exists"):
        write(document(), tmp_path / "link.html")
