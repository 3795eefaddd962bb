"""Text tables: encodings, separators, broken rows; every row is kept or refused by its line."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from derm_kit.cases import encodings
from derm_kit.cases.tables import Table, read_table
from derm_kit.errors import CohortError, DermKitError

PLAIN = "image_id,age,sex\na,50,female\nb,60,male\n"


def table(tmp_path: Path, content: str | bytes, name: str = "t.csv") -> Table:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_table(path, lambda header: list(range(len(header))))


def cells(read: Table) -> list[list[str]]:
    return read.frame.to_numpy().tolist()


@pytest.mark.parametrize(
    ("content", "note"),
    [
        (PLAIN.encode(), ""),
        (PLAIN.encode("utf-8-sig"), ""),
        (PLAIN.encode("utf-16"), "UTF-16"),
        (PLAIN.encode("utf-16-le"), "UTF-16"),
        (PLAIN.encode("utf-16-be"), "UTF-16"),
        (PLAIN.replace("\n", "\r\n").encode(), ""),
        (PLAIN.replace("\n", "\r").encode(), ""),
        (PLAIN.rstrip("\n").encode(), ""),
        (PLAIN.replace(",", ";").encode(), "a semicolon"),
        (PLAIN.replace(",", "\t").encode(), "a tab"),
        (PLAIN.replace(",", "|").encode(), "a bar"),
        (("sep=;\n" + PLAIN.replace(",", ";")).encode(), "a semicolon"),
        (("\n\n" + PLAIN).encode(), "2 empty lines"),
        ((PLAIN + "\n,,\n").encode(), "2 empty lines"),
        (PLAIN.replace("a,", '"a",').encode(), ""),
        (PLAIN.replace("\n", ",\n").encode(), ""),
    ],
)
def test_one_table_in_many_guises(tmp_path, content, note):
    read = table(tmp_path, content)
    assert read.header[:3] == ("image_id", "age", "sex")
    assert [row[:3] for row in cells(read)] == [["a", "50", "female"], ["b", "60", "male"]]
    assert read.refused == ()
    assert (note in " ".join(read.notes)) if note else (read.notes == ())


def test_accented_letters_of_windows(tmp_path):
    read = table(tmp_path, "image_id,site\na,Schläfe – links\n".encode("cp1252"))
    assert cells(read) == [["a", "Schläfe – links"]]
    assert "Windows-1252" in read.notes[0]


def test_bytes_that_windows_does_not_know(tmp_path):
    read = table(tmp_path, b"image_id,site\na,\x81\xe9\n")
    assert cells(read) == [["a", "\x81é"]]
    assert "Latin-1" in read.notes[0]


def test_quoted_separators_quotes_and_line_breaks(tmp_path):
    read = table(tmp_path, 'image_id,attribution\na,"Smith, J. ""Joe"""\nb,"two\nlines"\nc,x\n')
    assert cells(read) == [["a", 'Smith, J. "Joe"'], ["b", "two\nlines"], ["c", "x"]]
    assert read.line.tolist() == [2, 3, 5]
    assert "1 rows of t.csv span several lines" in read.notes[0]


def test_letters_behind_a_closing_quote_are_read_as_spreadsheets_do(tmp_path):
    assert cells(table(tmp_path, 'image_id,site\na,"left" arm\nb,"x"\n')) == [["a", "left arm"], ["b", "x"]]


@pytest.mark.parametrize(
    ("row", "word"),
    [
        ("b,60", "as many cells"),
        ("b,60,male,extra", "as many cells"),
        ("b;60;male", "as many cells"),
        ('b,"60,male', "quotes"),
        ("b,60,ma\x00le", "NUL"),
        (f"b,60,{'x' * 200_000}", "131,072"),
        (f"b,60,{'x' * 1_100_000}", "1,000,000"),
    ],
)
def test_a_broken_row_is_refused_by_its_line_and_the_others_are_kept(tmp_path, row, word):
    read = table(tmp_path, f"image_id,age,sex\na,50,female\n{row}\nc,70,male\nd,80,female\n")
    assert [row[0] for row in cells(read)] == ["a", "c", "d"]
    assert read.line.tolist() == [2, 4, 5]
    assert [(line, word in rule) for line, _, rule, _ in read.refused] == [(3, True)]
    assert read.refused[0][1][0].startswith("b")


def test_two_quotes_left_open_swallow_no_row(tmp_path):
    read = table(tmp_path, 'image_id,age,sex\na,"50,female\nb,60,male\nc,70",male\nd,80,female\n')
    assert cells(read) == [["d", "80", "female"]]
    assert [line for line, *_ in read.refused] == [2, 3, 4]


def test_a_line_longer_than_a_block_is_one_refused_row(tmp_path, monkeypatch):
    monkeypatch.setattr(encodings, "_BLOCK", 1_200_000)
    read = table(tmp_path, "image_id,site\na,x\nb," + "y" * 5_000_000 + "\nc,z\n")
    assert cells(read) == [["a", "x"], ["c", "z"]]
    assert [line for line, *_ in read.refused] == [3]


@pytest.mark.parametrize("block", [7, 16, 64])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_the_size_of_a_block_changes_nothing(tmp_path, monkeypatch, block, end):
    content = PLAIN + 'c,"70\n",female\nd,80\ne,90,male\n'
    whole = table(tmp_path, content)
    monkeypatch.setattr(encodings, "_BLOCK", block)
    read = table(tmp_path, content.replace("\n", end))
    assert cells(read) == cells(whole)
    assert read.line.tolist() == whole.line.tolist()
    assert read.refused == whole.refused


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n\n",
        b"\xef\xbb\xbf",
        b"\x00" * 5000,
        b"image_id,age\n",
        b"image_id,age\n\n,\n",
        b"PK\x03\x04 a spreadsheet",
        b"\xff\xd8\xff\xe0 a picture",
        b"\x89PNG\r\n",
        b"PAR1",
        b"\x1f\x8b",
        b'image_id,"age\na,1\n',
        b'sep="\nimage_id,age\na,1\n',
        b"\x7fELF\x02\x01\x01\x00\x00,\x00\n\x00",
    ],
)
def test_what_is_no_table_is_refused_by_name(tmp_path, content):
    with pytest.raises(CohortError) as caught:
        table(tmp_path, content)
    assert caught.value.case == str(tmp_path / "t.csv")
    assert caught.value.next_step


def test_a_table_too_big_is_refused_before_it_is_read(tmp_path):
    with (tmp_path / "t.csv").open("wb") as file:
        file.write(PLAIN.encode())
        file.truncate(encodings.MAX_BYTES + 1)
    with pytest.raises(CohortError, match="4 GiB"):
        read_table(tmp_path / "t.csv", lambda header: [0])


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00\r"), max_size=12)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.integers(1, 5).flatmap(lambda width: st.lists(st.lists(TEXT, min_size=width, max_size=width), max_size=8)))
def test_whatever_a_csv_writer_writes_comes_back(tmp_path, rows):
    width = len(rows[0]) if rows else 1
    rows = [row for row in rows if any(row) and (width == 1 or "".join(row).strip())]
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows([[f"c{i}" for i in range(width)], *rows])
    try:
        read = table(tmp_path, text.getvalue())
    except CohortError as error:
        assert not rows, error
        return
    back = cells(read)
    if not read.refused:
        assert back == rows
    else:  # only a cell with line breaks and separators that looks like whole rows is ever doubted
        assert all("\n" in "".join(row) for row in rows if row not in back)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.one_of(st.binary(max_size=200), TEXT.map(str.encode), st.from_regex(rb'([a,;"\n\r\t\x00\xe9 ]){0,60}')))
def test_no_bytes_raise_anything_but_our_error(tmp_path, content):
    for prefix in (b"", b"image_id,age\n", b"image_id,age\na,1\n"):
        try:
            read = table(tmp_path, prefix + content)
        except DermKitError:
            continue
        assert len(read.frame) == len(read.line)
        assert len(read.frame) + len(read.refused) >= 1
