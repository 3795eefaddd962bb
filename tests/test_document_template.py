"""Templates of reports: plain mark-up into one structure, and nothing that a hostile template or text can do."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from derm_kit.errors import DermKitError
from derm_kit.records.document_template import MISSING, MOST_BYTES, SOURCES, Given, Missing, Template, write_from
from derm_kit.records.provenance import CODE, Figure, Measured, Source, share
from derm_kit.records.report import Chart, Document, Mark, Paragraph, Points
from derm_kit.records.report_json import figures, to_json
from derm_kit.records.report_picture import ACCENT, Dots, Picture
from derm_kit.records.report_tables import table
from tests.test_report import HARMLESS, HOSTILE, SHOWN, Read, word_tables

CAUGHT = Figure("melanomas caught", share(193, 228), ("scores", "policy", CODE))
TABLE = table("A table", ("what", "n", "share"), [("first", 7, share(1, 40)), ("second", None, 0.25)], ("scores",))
CHART = Chart("A chart", Picture(90, 60, (Dots(((9, 9),), 4, ACCENT),)), "one dot", sources=("scores",))
SCORES = Source("scores", "some scores", (("SHA-256", "ab" * 32),))


def given_(**values: object) -> Given:
    return Given(
        {"caught": CAUGHT, "rows": ({"name": "one", "n": 1}, {"name": "two", "n": 2}), "none": None, **values},
        {"table": TABLE},
        (Missing("A signature", "nobody answers", "sign"),),
        (SCORES,),
        {"chart": CHART},
        ("a mark of the report's own",),
    )


def made(text: str, **values: object) -> Document:
    return write_from(Template("own.j2", text, own=True), given_(**values))


def body(text: str, **values: object) -> tuple[object, ...]:
    """The blocks of the one section that the text stands in."""
    return made(f"# T\n## S\n\n{text}\n", **values).sections[1].blocks


def test_the_mark_up_becomes_the_document():
    document = made(
        "# A title\n\n! Look\n  here.\n\n## First\nSome words\nthat go on.\n\n! Mind this.\n\n- a point\n  goes on\n"
        "- another\n\n"
        "[table: table]\n[chart: chart]\n\n## Second\n"
    )
    assert document.title == "A title"
    assert document.marks[-1] == "Look here."
    assert "Not a medical device" in document.marks[0]
    assert [section.title for section in document.sections] == [MISSING, "First", "Second", SOURCES]
    assert document.sections[1].blocks == (
        Paragraph("Some words that go on."), Mark("Mind this."), Points(("a point goes on", "another")), TABLE, CHART,
    )  # fmt: skip


def test_values_conditions_and_loops():
    text = (
        "{% for row in rows %}\n- {{ loop.index }} {{ row.name }}: {{ row.n }}\n{% endfor %}\n\n"
        "{% if none %}yes{% else %}no{% endif %} {{ none }} {{ rows | length }} {{ names | join(', ') }} {{ 1234.5 }}"
    )
    assert body(text, names=("a", "b")) == (Points(("1 one: 1", "2 two: 2")), Paragraph("no – 2 a, b 1234.5"))


def test_a_figure_is_shown_with_its_interval_and_its_sources():
    (said,) = body("Caught: {{ caught }}.")
    assert said == Paragraph("Caught: 84.6% (193 of 228; 79.3% to 89.1%) [scores, policy].")


def test_what_is_missing_is_first_and_where_figures_come_from_last_whatever_the_template_says():
    document = made("# T\n## Nothing is missing\nAll is well.\n")
    assert document.sections[0].title == MISSING
    assert document.sections[0].blocks[0].rows == (("A signature", "nobody answers", "sign"),)
    sources = document.sections[-1]
    assert sources.title == SOURCES
    cells = [cell for row in sources.blocks[1].rows for cell in row]
    assert "ab" * 32 in cells
    assert {"scores", "template", "code"} <= set(cells)
    told = write_from(Template("t", "# T\n"), Given({}, {}, (), ()))
    assert told.sections[0].blocks == (
        Paragraph("Nothing that derm-kit looks for is missing. It cannot see what it was not given."),
    )


def test_html_word_and_json_hold_the_same_cells():
    document = made("# T\n## S\n[table: table]\n")
    rows = [["what", "n", "share"], ["first", "7", "2.5% (1 of 40; 0.1% to 13.2%)"], ["second", "–", "0.25"]]
    assert rows in Read(document.to_html()).tables
    assert rows in word_tables(document)
    block = json.loads(to_json(document))["sections"][1]["blocks"][0]
    assert block["heads"] == rows[0]
    first, second = block["rows"]
    assert first[:2] == ["first", 7]
    assert first[2] == {"value": 0.025, "unit": "share", "low": 0.000633, "high": 0.131586, "count": 1, "n": 40}
    assert second == ["second", None, 0.25]


def test_every_number_is_a_figure_with_its_sources():
    document = made("# T\n## S\n{{ caught }}\n[table: table]\n")
    told = json.loads(to_json(document))
    named = {one["name"]: one for one in told["figures"]}
    assert named["melanomas caught"]["value"] == pytest.approx(193 / 228, abs=1e-6)
    assert named["melanomas caught"]["sources"] == ["scores", "policy", "code"]
    assert named["A table / first / n"]["value"] == 7
    assert named["A table / second / share"]["value"] == 0.25
    assert all(one["sources"] for one in told["figures"])
    assert len(list(figures(document))) == len(told["figures"]) == 4


# Text from outside


MARKED = (
    "# a title",
    "## a section",
    "! a mark",
    "- a point",
    "[table: table]",
    "{{ 7 * 7 }}",
    "{% if x %}",
    "\n## x\n\n- y",
)


@pytest.mark.parametrize(("text", "shown"), [(HOSTILE, SHOWN), *((text, " ".join(text.split())) for text in MARKED)])
def test_a_value_is_text_whatever_it_looks_like(text: str, shown: str):
    document = made("# T {{ value }}\n## S {{ value }}\n{{ value }}\n\n- {{ value }}\n", value=text)
    assert document.title == f"T {shown}"
    assert [section.title for section in document.sections] == [MISSING, f"S {shown}", SOURCES]
    assert document.sections[1].blocks == (Paragraph(shown), Points((shown,)))


def test_hostile_text_stays_text_in_all_three_files():
    rows = table(HOSTILE, (HOSTILE, "b"), [(HOSTILE, HOSTILE)], ("scores",))
    lacking, source = Missing(HOSTILE, HOSTILE, HOSTILE), Source("scores", HOSTILE, ((HOSTILE, HOSTILE),))
    template = Template("t", "# T {{ value }}\n! {{ value }}\n## S\n- {{ value }}\n[table: t]\n")
    document = write_from(template, Given({"value": HOSTILE}, {"t": rows}, (lacking,), (source,)))
    read = Read(document.to_html())
    assert read.tags <= HARMLESS | {"span"}
    assert [SHOWN] * 3 in [row for one in read.tables for row in one]
    assert [SHOWN, "b"] in [row for one in word_tables(document) for row in one]
    told = json.loads(to_json(document))
    assert told["sections"][0]["blocks"][0]["rows"] == [[SHOWN] * 3]


@given(st.text(max_size=60))
def test_no_text_makes_a_block_of_another_kind(text: str):
    blocks = body("start {{ value }} end", value=text)
    assert len(blocks) == 1
    assert isinstance(blocks[0], Paragraph)
    assert blocks[0].text.startswith("start ")
    assert blocks[0].text.endswith(" end")


# What a template may not


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{{ unknown }}", "line 4: the report gives nothing of this name.*'unknown' is undefined"),
        ("{{ rows[0].unknown }}", "line 4: what is named there has no such field"),
        ("{% for row in rows %}{{ row.zz }}{% endfor %}", "line 4: what is named there has no such field"),
        ("{% if unknown %}x{% endif %}", "line 4: the report gives nothing of this name"),
        ("{{ caught.__class__.__mro__ }}", "line 4: .*a name in it begins with a letter, unlike '__"),
        ("{{ caught['__class__'] }}", "line 4: what is named there has no such field"),
        ("{{ caught.name }}", "line 4: what is named there has no such field"),
        ("{{ rows.count }}", "line 4: what is named there has no such field"),
        ("{{ caught.shown.upper() }}", "line 4: .*it uses no 'call'"),
        ("{{ self.__init__ }}", "line 4: .*'__init__'"),
        ("{{ lipsum }} {{ cycler }} {{ namespace }}", "line 4: the report gives nothing of this name"),
        ("{{ range(10) }}", "it uses no 'call'"),
        ("{% include '/etc/passwd' %}", "line 4: .*it uses no 'include'"),
        ("{% import 'x' as y %}", "it uses no 'import'"),
        ("{% extends 'x' %}", "it uses no 'extends'"),
        ("{% set x = 1 %}", "it uses no 'assign'"),
        ("{% macro m() %}{% endmacro %}", "it uses no 'macro'"),
        ("{{ rows | map(attribute='name') }}", "the only filters in it are length and join, not 'map'"),
        ("{{ 9 ** 9 ** 9 }}", "it uses no 'pow'"),
        ("{{ 'a' * 999999999 }}", "it uses no 'mul'"),
        ("{{ caught ~ caught }}", "it uses no 'concat'"),
        ("{{ caught is string }}", "it uses no 'test'"),
        ("{{ rows }}", "line 4: a template shows texts, numbers and figures"),
        ("{% for row in rows %}{{ loop }}{% endfor %}", "a template shows texts, numbers and figures"),
        ("{% for c in caught %}x{% endfor %}", "line 4: a loop goes through a list"),
        ("{{ caught < 'a' }}", "line 4: what is written there cannot be worked out"),
        ("{{ (1 }}", "line 4: Jinja2 cannot read it"),
        ("{% for row in rows %}", "Jinja2 cannot read it: Unexpected end of template"),
        ("[table: other]", r"line 4: this report has no table of that name\. It has: table"),
        ("[chart: table]", r"line 4: this report has no chart of that name\. It has: chart"),
        ("[table: {{ caught }}]", "line 4: a table or chart stands on a line of its own"),
        ("# another title", "line 4: a document has one title"),
        ("### deeper", "line 4: a title begins with # and a space"),
        ("\ue000", "no characters of Unicode's private use"),
        ("{{ " + "(" * 600 + "1" + ")" * 600 + " }}", "not nested so deeply"),
        ("{{ " + "9" * 5000 + " }}", "cannot be worked out"),
        ("{% if 1 %}" * 60 + "x" + "{% endif %}" * 60, "nested"),
    ],
)  # fmt: skip
def test_a_template_that_may_not_be_is_refused_by_line_and_rule(text: str, told: str):
    with pytest.raises(DermKitError, match=told) as refused:
        body(text)
    assert str(refused.value).startswith("own.j2")
    assert refused.value.next_step


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("## S\nwords\n", "a document has a title"),
        ("# T\nwords before any section\n", "text, tables and charts stand in a section"),
        ("{% if none %}\n# T\n{% endif %}\n## S\n", "a document has a title"),
        ("", "a document has a title"),
    ],
)
def test_a_document_needs_its_title_and_its_sections(text: str, told: str):
    with pytest.raises(DermKitError, match=told):
        made(text)


def test_loops_end_and_what_they_write_is_bounded():
    many = tuple(range(3_000))
    started = time.process_time()
    with pytest.raises(DermKitError, match="loops end within about a second"):
        body("{% for a in many %}{% for b in many %}{% if a == b %}{% endif %}{% endfor %}{% endfor %}", many=many)
    with pytest.raises(DermKitError, match="a filled template has at most"):
        body("{% for a in many %}{{ long }}{% endfor %}", many=many, long="x" * 10_000)
    assert time.process_time() - started < 30, "bounded, on the slowest machine"


def test_a_trusts_own_template_is_read_and_named(tmp_path: Path):
    own = tmp_path / "our trust.j2"
    own.write_text("\ufeff# Our Trust\n## Scope\nOurs: {{ caught }}\n", encoding="utf-8")
    document = write_from(Template.read(own), given_())
    assert document.title == "Our Trust"
    assert any("a template of the reader's own" in one.what for one in document.sources)
    assert str(tmp_path) not in document.to_html(), "where it lies is nobody's business"


def test_a_file_that_is_no_template_is_told(tmp_path: Path):
    for name, content, told in (
        ("latin.j2", "# Überschrift".encode("latin-1"), "no UTF-8 text at byte 2"),
        ("long.j2", b"# T\n" + b"x" * 70_000, "more than 64 KiB"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DermKitError, match=told):
            Template.read(tmp_path / name)
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(DermKitError, match="a pipe, device or folder"):
            Template.read(path)
    with pytest.raises(DermKitError, match="cannot be read"):
        Template.read(tmp_path / "nowhere")


# Figures


def test_a_rate_carries_the_exact_interval_and_a_small_one_says_so():
    assert (share(28, 32).low, share(28, 32).high) == pytest.approx((0.71, 0.96), abs=0.005)
    assert (share(59, 68).low, share(59, 68).high) == pytest.approx((0.76, 0.94), abs=0.005)
    assert share(20, 21).shown == "95.2% (20 of 21; 76.2% to 99.9%), too few to say"
    assert "too few" not in share(59, 68).shown
    assert share(0, 0).value is None
    assert share(0, 0).shown == "– (no case)"
    assert Measured(-2.9, "per 1,000").shown == "−2.9 per 1,000"


def test_the_four_templates_travel_with_the_package():
    for name in ("change_record", "hazard_log", "monitoring", "safety_case"):
        shipped = Template.shipped(name)
        assert shipped.text.startswith("# ")
        assert not shipped.own
        assert len(shipped.text.encode()) < MOST_BYTES
