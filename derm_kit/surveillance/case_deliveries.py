"""One delivery of cases, whoever wrote it -> rows of a feed: scores as runs hold them, and what a service recorded."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from derm_kit import plain_json
from derm_kit.cases import values
from derm_kit.cases.cohort import id_faults
from derm_kit.cases.parquets import read_parquet
from derm_kit.cases.tables import read_table
from derm_kit.model.run import CASES_FILE, MOST_ROWS, ScoreRun, read_run
from derm_kit.model.run_tables import run_columns, sound_meta, wrong_cells
from derm_kit.surveillance.case_tables import CATEGORIES, MOMENTS, SCHEMA, SCORES, WORDS, read_at_once
from derm_kit.surveillance.feed import FeedError
from derm_kit.surveillance.moments import Moments, as_text, read_moments
from derm_kit.surveillance.oddities import Oddities, found
from derm_kit.surveillance.service_words import Recorded, as_recorded, filled_in, not_understood
from derm_kit.triage.definition import TriagePolicy

_PLACES: Final = ("site", "device", "product")
_DECIDED: Final = ("suspected", "disposition")
_SERVICE: Final = ("imaged_at", "decided_at", *_PLACES, *_DECIDED)
"""Columns that a feed adds to a table of scores; `site` is where the service is, not where on the body."""


@dataclass(frozen=True)
class _Opened:
    """A delivery as it lies on disk: columns by name, rows by number, what its run says of itself, its features."""

    table: pd.DataFrame
    numbers: npt.NDArray[np.int64]
    meta: dict[str, Any]
    features: pd.DataFrame | None = None


def read_cases(
    path: Path, delivery: str, policy: TriagePolicy | None, timezone: str, oddities: Oddities
) -> tuple[pa.Table, npt.NDArray[np.int64], pd.DataFrame | None]:
    """The rows of a delivery as a table of `case_tables.SCHEMA`, in their order; where each stood; its features if any.

    A row without a sound id or a time of its image, with a score that is none or a word that nobody knows, is set
    aside. Raises DermKitError where the delivery as a whole cannot be read, or what was suspected is neither recorded
    nor to be had from `policy`.
    """
    quick = read_at_once(path) if path.suffix.lower() == ".parquet" and path.is_file() else None
    if quick is not None:
        return quick, _numbers(quick.num_rows), None
    opened = _open(path, delivery, oddities)
    service = {re.sub(r"[^a-z0-9]+", "_", name.casefold()).strip("_"): name for name in map(str, opened.table)}
    recorded: dict[str, pd.Series[Any]] = {key: opened.table[service[key]] for key in _SERVICE if key in service}
    if "imaged_at" not in recorded:
        raise FeedError(
            "a delivery of cases says when each case was imaged, in the column imaged_at",
            case=delivery,
            value=", ".join(map(str, opened.table.columns[:12])),
            next_step="Add the column (2026-03-05T14:30:00+00:00), or move the file out of the feed.",
        )
    named = run_columns(opened.table.drop(columns=[service[key] for key in recorded]), delivery)
    named["case_id"] = values.trimmed(as_text(named["case_id"]))
    _tell_of_truth(named, delivery, oddities)
    said = _decided(recorded, len(named))
    moments: dict[str, Moments] = {key: read_moments(recorded[key], timezone) for key in MOMENTS if key in recorded}
    written = {
        key: column.reset_index(drop=True) if key in MOMENTS else as_text(column.reset_index(drop=True))
        for key, column in recorded.items()
    }
    kept = _kept(named.assign(**written, row=opened.numbers), moments["imaged_at"], said, delivery, oddities)
    moments = {key: moment.where(kept) for key, moment in moments.items()}
    places: dict[str, pd.Series[str]] = {
        key: written[key][kept].reset_index(drop=True) for key in _PLACES if key in written
    }
    run = _run(named[kept].drop(columns="truth", errors="ignore").reset_index(drop=True), opened.meta, delivery)
    _tell_of_moments(moments, run, delivery, timezone, oddities)
    decided = filled_in(run, said.where(kept), policy, delivery, oddities)
    return _in_columns(run, moments, places, decided), opened.numbers[kept], opened.features


def _open(path: Path, delivery: str, oddities: Oddities) -> _Opened:
    if path.is_dir():
        run = read_run(path)
        table = read_parquet(path / CASES_FILE).to_pandas(ignore_metadata=True)
        scores = run.scores.drop(columns="case_id")
        table = table.drop(columns=[name for name in scores if name in table]).reset_index(drop=True)
        return _Opened(pd.concat([table, scores], axis=1), _numbers(len(table)), run.meta, run.features)
    if path.suffix.lower() == ".csv":
        return _Opened(*read_text(path, delivery, oddities), {})
    with pq.ParquetFile(path) as file:
        if file.metadata.num_rows > MOST_ROWS:
            raise FeedError(
                f"a delivery has at most {MOST_ROWS:,} rows",
                case=delivery,
                value=f"{file.metadata.num_rows:,} rows",
                next_step="Split it, by month say.",
            )
        about = (file.schema_arrow.metadata or {}).get(b"derm_kit", b"{}")
    table = read_parquet(path).to_pandas(ignore_metadata=True)
    require_once(table.columns, delivery)
    try:
        return _Opened(table, _numbers(len(table)), sound_meta(plain_json.parse(about), delivery))
    except ValueError:
        raise FeedError(
            "what a run says of itself is a JSON object",
            case=delivery,
            value=about[:40],
            next_step="Write the run again.",
        ) from None


def _numbers(n: int) -> npt.NDArray[np.int64]:
    return np.arange(1, n + 1)


def read_text(path: Path, delivery: str, oddities: Oddities) -> tuple[pd.DataFrame, npt.NDArray[np.int64]]:
    """A text table, every cell as text, and the line of each row; those that cannot be read are set aside by theirs.

    Lines count from the header's, as a spreadsheet numbers its rows.
    """
    table = read_table(path, lambda header: list(range(len(header))))
    for note in table.notes:
        oddities.tell(note, [delivery])
    by_rule: dict[tuple[str, str], list[tuple[str, int, str]]] = {}
    for line, cells, rule, next_step in table.refused:
        by_rule.setdefault((rule, next_step), []).append(("" if not cells else cells[0], line, " | ".join(cells)))
    for (rule, next_step), rows in by_rule.items():
        frame = pd.DataFrame(rows, columns=["case_id", "row", "cells"])
        every = np.ones(len(rows), np.bool_)
        oddities.set_aside(frame, every, delivery=delivery, what="row", rule=rule, next_step=next_step)
    require_once(table.header, delivery)
    return table.frame.set_axis(list(table.header), axis=1), table.line


def require_once(names: Iterable[str], delivery: str) -> None:
    """Raise FeedError where two columns of a delivery have one name."""
    columns = pd.Index(list(names))
    repeated = columns[columns.duplicated()]
    if len(repeated):
        raise FeedError(
            "a column stands in a table once",
            case=delivery,
            value=", ".join(map(str, repeated)),
            next_step="Rename or remove one of them.",
        )


def _tell_of_truth(named: pd.DataFrame, delivery: str, oddities: Oddities) -> None:
    if "truth" not in named:
        return
    known = values.tidy(as_text(named["truth"].reset_index(drop=True))) != ""
    oddities.tell(
        f"{delivery} has truth for {{n:,}} cases beside the scores. It is not counted: only outcomes with the time "
        "and the way they became known are.",
        named["case_id"][known.to_numpy()],
    )


def _decided(recorded: dict[str, pd.Series[Any]], n: int) -> Recorded:
    """What was recorded as suspected and as disposition, "" where nothing was."""
    empty = pd.Series("", index=range(n), dtype="str")
    said = [
        values.trimmed(as_text(recorded[name].reset_index(drop=True))) if name in recorded else empty
        for name in _DECIDED
    ]
    return as_recorded(said[0], said[1])


def _kept(
    rows: pd.DataFrame, imaged: Moments, said: Recorded, delivery: str, oddities: Oddities
) -> npt.NDArray[np.bool_]:
    """Rows (n,) that can be read; the others are set aside, each with the first rule that it breaks."""
    if rows.empty:
        raise FeedError(
            "a delivery of cases has at least one row", case=delivery, next_step="Deliver it again, with its rows."
        )
    kept = np.ones(len(rows), np.bool_)
    for wrong, rule, next_step in _broken(rows, imaged, said):
        bad = wrong & kept
        oddities.set_aside(rows, bad, delivery=delivery, what="case", rule=rule, next_step=next_step)
        kept &= ~bad
    if not kept.any():
        raise FeedError(
            "of a delivery of cases at least one row can be taken",
            case=delivery,
            value=f"{len(rows):,} set aside, the last by the rule that {oddities.aside[-1]['rule'].iloc[0]}",
            next_step="Mend it and deliver it again.",
        )
    return kept


def _broken(rows: pd.DataFrame, imaged: Moments, said: Recorded) -> Iterator[tuple[npt.NDArray[np.bool_], str, str]]:
    """Rows (n,) that break a rule, the rule and the next step."""
    faults = id_faults(rows["case_id"])
    for rule in faults[faults != ""].unique():
        yield (faults == rule).to_numpy(), rule, "Give it a sound id of its own in the delivery."
    yield (
        imaged.utc.isna().to_numpy(),
        "a case says when it was imaged, as ISO 8601: 2026-03-05T14:30:00+00:00",
        "Mend its imaged_at in the delivery.",
    )
    for cells in wrong_cells(rows):
        yield cells.rows, cells.rule, f"{cells.next_step} ({found(cells.said[cells.rows])})"
    for name, unknown, rule in not_understood(said):
        words = found(rows[name][unknown]) if unknown.any() else ""
        yield unknown, rule, f"Write {name} in these words, or leave it empty for a policy to fill ({words})."


def _run(named: pd.DataFrame, meta: dict[str, Any], delivery: str) -> ScoreRun:
    scores = [name for name in SCORES if name in named]
    if not scores:
        raise FeedError(
            "a delivery of cases has at least one column named as a lesion type",
            case=delivery,
            value=", ".join(map(str, named.columns[:12])),
            next_step=f"Name the scores {', '.join(SCORES)}; a missing type counts as not trained.",
        )
    return ScoreRun(named[["case_id", *scores]], named.drop(columns=scores), meta=meta)


def _tell_of_moments(
    moments: dict[str, Moments], run: ScoreRun, delivery: str, timezone: str, oddities: Oddities
) -> None:
    ids = run.scores["case_id"]
    for name, moment in moments.items():
        tell_of_clock(moment, ids, f"{delivery}, {name}", timezone, oddities)
    if "decided_at" in moments:
        decided = moments["decided_at"]
        oddities.tell(
            f"{delivery}: {{n:,}} times of decided_at are no time as ISO 8601 and are left empty.", ids[decided.unread]
        )


def tell_of_clock(moments: Moments, ids: pd.Series[str], where: str, timezone: str, oddities: Oddities) -> None:
    """Say which times the change of the clock leaves open or never was."""
    oddities.tell(
        f"{where}: {{n:,}} times lie in the hour that the clock of {timezone} shows twice and do not say which; the "
        "first is taken. Write times with their offset.",
        ids[moments.twice],
    )
    oddities.tell(
        f"{where}: {{n:,}} times lie in the hour that the clock of {timezone} leaves out in spring; its end is taken. "
        "Write times with their offset.",
        ids[moments.never],
    )


def _in_columns(
    run: ScoreRun,
    moments: dict[str, Moments],
    places: dict[str, pd.Series[str]],
    decided: tuple[pd.Series[str], pd.Series[str]],
) -> pa.Table:
    n, cases = len(run), run.cases
    empty = pd.Series("", index=range(n), dtype="str")
    words = {name: values.tidy(column) for name, column in places.items()}
    product = words.get("product", empty)
    sex = values.sexes(values.tidy(as_text(cases["sex"]))) if "sex" in cases else empty
    made: dict[str, pd.Series[Any]] = {
        "case_id": run.scores["case_id"],
        "product": product.mask(product == "", run.model_hash),
        "site": words.get("site", empty),
        "device": words.get("device", empty),
        "imaged_at": moments["imaged_at"].utc,
        "decided_at": moments["decided_at"].utc if "decided_at" in moments else pd.Series(pd.NaT, index=range(n)),
        "suspected": decided[0],
        "disposition": decided[1],
        **{name: run.scores[name] for name in SCORES},
        "quality_fail": cases["quality_fail"],
        "quality_reason": cases["quality_reason"],
        "age_years": cases["age_years"],
        "sex": sex,
        "skin_type": cases["skin_type"],
    }
    return pa.table([_array(made[field.name], field) for field in SCHEMA], schema=SCHEMA)


def _array(column: pd.Series[Any], field: pa.Field) -> pa.Array:
    if field.name in CATEGORIES:
        return pa.array(column.astype("str"), pa.large_string()).dictionary_encode().cast(WORDS)
    if pa.types.is_timestamp(field.type):
        return pa.array(column.dt.as_unit("us") if column.notna().any() else [None] * len(column), field.type)
    if pa.types.is_floating(field.type):
        return pa.array(column.to_numpy(np.float32, na_value=np.nan), field.type, from_pandas=False)
    return pa.array(column, field.type)
