"""The hazard log as a file: CSV for a spreadsheet, JSON for programs, both read back exactly as they were written."""

from __future__ import annotations

import csv
import io
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from derm_kit.errors import RecordError, printable
from derm_kit.records.exact_json import MOST_BYTES, read_object
from derm_kit.records.hazard_cells import CONTENT_COLUMNS, cells_of, guarded, raw_of, unguarded, wrong_risk
from derm_kit.records.hazard_rules import Broken
from derm_kit.records.hazards import Hazard

FORMAT = "derm-kit hazard log 1"
LONGEST_CELL = 10_000_000
_CELL_LIMIT = threading.Lock()
TOLD = ("standing", "written_at", "written_by", "approved_at", "approved_by", "approval_reason")
"""What a file tells of a hazard and nobody reads back: who wrote and approved it is this register's own to say."""
COLUMNS = ("hazard", "version", "standing", *CONTENT_COLUMNS, *TOLD[1:])


@dataclass(frozen=True)
class Given:
    """One hazard as a file gives it: its id ("" for a new one), the version it starts from, its content.

    `row` is that of the spreadsheet, the heading being 1, or of the item in a JSON list.
    """

    row: int
    hazard: str
    version: int | None
    raw: dict[str, Any]
    broken: Broken | None = None


def as_csv(log: list[Hazard]) -> str:
    """The log for a spreadsheet, every cell quoted."""
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for hazard in log:
        told = {name: str(said or "") for name, said in _told(hazard).items()}
        cells = {"hazard": hazard.id, "version": str(hazard.version), **told, **cells_of(hazard.content)}
        writer.writerow([guarded(cells[name]) for name in COLUMNS])
    return out.getvalue()


def as_json(log: list[Hazard]) -> str:
    """The log for programs, readable."""
    hazards = [
        {
            "hazard": hazard.id,
            "version": hazard.version,
            **_told(hazard),
            "content": hazard.content.model_dump(mode="json"),
        }
        for hazard in log
    ]
    return json.dumps({"format": FORMAT, "hazards": hazards}, ensure_ascii=False, indent=1) + "\n"


def write(log: list[Hazard], path: Path) -> None:
    """Write the log to a new file, .csv or .json. Raises RecordError."""
    kind = path.suffix.lower()
    if kind not in (".csv", ".json"):
        raise RecordError("a hazard log is a .csv or a .json file", case=str(path), next_step="Name one of the two.")
    text = as_csv(log) if kind == ".csv" else as_json(log)
    try:
        with path.open("x", encoding="utf-8-sig" if kind == ".csv" else "utf-8", newline="") as file:
            file.write(text)
    except OSError as error:
        raise RecordError(
            f"the hazard log cannot be written ({error.strerror})",
            case=str(path),
            next_step="Name a file that does not exist, in a folder that may be written.",
        ) from None


def read(path: Path) -> list[Given]:
    """The hazards in a file. Raises DermKitError where the file as a whole cannot be read."""
    match path.suffix.lower():
        case ".csv":
            return list(_rows(path))
        case ".json":
            return given_in(read_object(path, "a hazard log"), str(path))
        case _:
            raise RecordError(
                "a hazard log is a .csv or a .json file", case=str(path), next_step="Name one of the two."
            )


def given_in(log: dict[str, Any], case: str) -> list[Given]:
    """The hazards in the JSON object of a log, its items counted from 1. Raises RecordError."""
    hazards = log.get("hazards")
    if log.get("format") != FORMAT or not isinstance(hazards, list) or set(log) != {"format", "hazards"}:
        raise _no_log(case, f"a JSON object with format '{FORMAT}' and the list hazards, and nothing else")
    return [_of_item(number, item) for number, item in enumerate(hazards, 1)]


def _of_item(number: int, item: object) -> Given:
    known = {"hazard", "version", "content", *TOLD}
    if not isinstance(item, dict) or not isinstance(item.get("content"), dict):
        return Given(number, "", None, {}, Broken("", str(item), "a hazard is an object with its content"))
    hazard, version = item.get("hazard", ""), item.get("version")
    unknown = sorted(set(item) - known)
    if unknown:
        broken = Broken(unknown[0], "", "a hazard of a log has no such field beside its content")
    elif not isinstance(hazard, str) or not (version is None or type(version) is int):
        broken = Broken("hazard", f"{hazard}, {version}", "a hazard's id is text, its version a whole number")
    else:
        return Given(number, hazard, version, item["content"])
    return Given(number, str(hazard), None, {}, broken)


def _rows(path: Path) -> Iterator[Given]:
    text = _text(path)
    delimiter = max(",;\t", key=text.partition("\n")[0].count)
    heading, *rows = _cells(text, delimiter, str(path)) or [[]]
    heading = [name.strip() for name in heading]
    _require_heading(heading, str(path))
    for number, cells in enumerate(rows, 2):
        if any(cell.strip() for cell in cells):
            yield _of_row(number, heading, cells)


def _cells(text: str, delimiter: str, case: str) -> list[list[str]]:
    """The rows of a table. How long a cell may be is a setting of the whole process: it is put back."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    with _CELL_LIMIT:
        before = csv.field_size_limit(LONGEST_CELL)
        try:
            return list(reader)
        except csv.Error as error:
            raise _no_log(case, f"a table of quoted cells; line {reader.line_num} is none ({error})") from None
        finally:
            csv.field_size_limit(before)


def _of_row(number: int, heading: list[str], said: list[str]) -> Given:
    if len(said) != len(heading):
        rule = f"a row has as many cells as the heading, {len(heading)}"
        return Given(number, said[0], None, {}, Broken("", f"{len(said)} cells", rule))
    cells = {name: unguarded(cell) for name, cell in zip(heading, said, strict=True)}
    hazard, version = cells.get("hazard", "").strip(), cells.get("version", "").strip()
    content = {name: cells[name] for name in CONTENT_COLUMNS if name in cells}
    broken = wrong_risk(content)
    if version and not (version.isascii() and version.isdigit()):
        broken = Broken("version", version, "a version is a whole number")
    return Given(number, hazard, int(version) if version and not broken else None, raw_of(content), broken)


def _require_heading(heading: list[str], case: str) -> None:
    unknown = sorted(set(heading) - set(COLUMNS))
    twice = sorted({name for name in heading if heading.count(name) > 1})
    if unknown or twice or "hazard" not in heading or "name" not in heading:
        what = f"unknown: {', '.join(unknown)}" if unknown else f"twice: {', '.join(twice)}" if twice else "too few"
        raise _no_log(case, f"a heading of the columns that an export has ({printable(what, 400)})")


def _text(path: Path) -> str:
    try:
        if path.exists() and not path.is_file():
            raise _no_log(str(path), "an ordinary file, no pipe, device or folder")
        if path.stat().st_size > MOST_BYTES:
            raise _no_log(str(path), f"a file of at most {MOST_BYTES // 2**20} MiB")
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise _no_log(str(path), f"a file that can be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise _no_log(str(path), "text in UTF-8: in the spreadsheet, save as CSV UTF-8") from None


def _no_log(case: str, expected: str) -> RecordError:
    return RecordError(
        f"a hazard log is {expected}",
        case=case,
        next_step="Nothing was stored. derm-kit hazards export writes such a file; keep its columns.",
    )


def _told(hazard: Hazard) -> dict[str, str | None]:
    approval = hazard.approval
    approved = (approval.at, approval.approver, approval.reason) if approval else (None, None, None)
    return dict(zip(TOLD, (hazard.standing, hazard.at, hazard.author, *approved), strict=True))
