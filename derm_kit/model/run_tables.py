"""Tables of scores and cases, ours or somebody else's, held to what a ScoreRun and a triage policy rely on."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from numbers import Number
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from derm_kit.cases import values
from derm_kit.cases.cohort import id_faults
from derm_kit.cases.columns import DETAILS, understand
from derm_kit.cases.values import Text
from derm_kit.errors import DiagnosisError, RunError
from derm_kit.lesions import LESION_TYPES, LesionType, format_truth, parse_truth

CASE_COLUMNS: Final = ("case_id", "truth", "exclusion", "quality_fail", "quality_reason")
"""What every table of cases that derm-kit wrote holds; somebody else's may leave out all but case_id."""

_OWN_NAMES: Final = (*LESION_TYPES, "quality_fail", "quality_reason")
_YES: Final = ("yes", "true", "1", "1.0")
_NO: Final = ("no", "false", "0", "0.0")


def column_positions(header: Sequence[str], where: str) -> dict[str, tuple[int, ...]]:
    """What the columns of a table are called in a run -> their positions in `header`, first choice first.

    Lesion types, quality and the cohort's columns are recognised under the names that `derm_kit.cases.columns` knows,
    whatever their case and punctuation; others keep theirs. Columns without a name are left out. Raises RunError where
    a name stands twice; `where` names the table.
    """
    keys = [re.sub(r"[^a-z0-9]+", "_", name.casefold()).strip("_") for name in header]
    often = Counter(keys)
    twice = [name for name, key in zip(header, keys, strict=True) if key and often[key] > 1]
    if twice:
        raise RunError(
            "a column stands in a score table once",
            case=where,
            value=", ".join(twice),
            next_step="Rename or remove one of them.",
        )
    understood = understand(header)
    positions: dict[str, tuple[int, ...]] = {key: (i,) for i, key in enumerate(keys) if key in _OWN_NAMES}
    positions |= understood.fields | {name: (i,) for name, i in understood.details.items()}
    used = {i for at in positions.values() for i in at}
    positions |= {name: (i,) for i, name in enumerate(header) if keys[i] and i not in used and name not in positions}
    return dict(sorted(positions.items(), key=lambda column: column[1]))


def run_columns(table: pd.DataFrame, where: str) -> pd.DataFrame:
    """`table` with its columns called as in a run; where several mean the same, the first that says something.

    Raises RunError as `column_positions` does, and where there is no column of case ids.
    """
    positions = column_positions([str(name) for name in table.columns], where)
    if "case_id" not in positions:
        raise RunError(
            "a table of scores or cases has a column of case ids",
            case=where,
            value=", ".join(map(str, table.columns[:12])),
            next_step="Name that column case_id.",
        )
    ids = table.iloc[:, positions["case_id"][0]]
    named = {}
    for name, at in positions.items():
        named[name] = table.iloc[:, at[0]]
        for i in at[1:]:
            said = values.tidy(_text(named[name], name, ids))
            named[name] = said.where(said != "", values.tidy(_text(table.iloc[:, i], name, ids)))
    return pd.DataFrame(named)


def require_sound_ids(table: pd.DataFrame, where: str) -> None:
    """Raise RunError where an id of `table` is blank, repeated, or breaks the rule for ids of cases."""
    ids = _ids(table)
    faults = id_faults(ids).mask(ids.duplicated(), "each case stands once in a score table")
    wrong = np.flatnonzero(faults != "")
    if len(wrong):
        row = int(wrong[0])
        raise RunError(
            faults.iloc[row],
            case=ids.iloc[row] or f"row {row + 1}",
            next_step=f"In {where}, give row {row + 1} below the header a sound id of its own, or remove it.",
        )


@dataclass(frozen=True)
class WrongCells:
    """The `rows` (n,) of a table whose cell in one column breaks a rule; `said` (n,) is the column."""

    rows: npt.NDArray[np.bool_]
    said: pd.Series[Any]
    rule: str
    next_step: str

    def error(self, ids: Text) -> RunError:
        """The first of them as an error."""
        row = int(np.flatnonzero(self.rows)[0])
        return RunError(self.rule, case=ids.iloc[row], value=self.said.iloc[row], next_step=self.next_step)


def wrong_cells(table: pd.DataFrame) -> Iterator[WrongCells]:
    """Every score and flag of `table`, columns named as in a run, that a ScoreRun refuses, a column at a time.

    Raises RunError where there is no case_id, or a cell is neither text nor number.
    """
    ids = _ids(table)
    found = [_scores(table, kind, ids)[1] for kind in LESION_TYPES] + [_failed(table, ids)[1]]
    yield from (wrong for wrong in found if wrong is not None)


def sound_scores(table: pd.DataFrame) -> pd.DataFrame:
    """case_id and the eleven scores of `table` as float32, NaN where a score is empty or its type has no column.

    Raises RunError where there is no case_id, or a score is no number from 0 to 1.
    """
    ids = _ids(table)
    scores = {}
    for kind in LESION_TYPES:
        scores[kind.value], wrong = _scores(table, kind, ids)
        if wrong:
            raise wrong.error(ids)
    return pd.DataFrame({"case_id": ids} | scores)


def sound_cases(table: pd.DataFrame) -> pd.DataFrame:
    """`table` with everything that a triage policy reads written one way, and its other columns as they are.

    truth is "a|b"; skin_type I to VI, skin_tone_class 0 to 5, age_years and anatomical_site are as in a Cohort;
    quality_fail is bool, and True where a reason is given and the flag is empty. An empty exclusion is filled in from
    age, site and kind of picture. An age, skin type or skin tone that is given but not understood excludes its case.
    Raises RunError without case_id, and for a truth of no lesion type, a flag not yes or no, a cell not text or number.
    """
    cases = table.reset_index(drop=True)
    ids = _ids(table)

    def text(name: str) -> Text:
        given = _text(cases[name], name, ids) if name in cases else pd.Series("", index=ids.index, dtype="str")
        return values.tidy(given)

    sites = [text(name) for name in ("anatomical_site", *DETAILS) if name.startswith("anatom") and name in cases]
    picture = text("image_type") if "image_type" in cases else None
    said = {
        "age": text("age_years"),
        "skin type": text("skin_type"),
        "skin tone": text("skin_tone_class"),
    }
    read: dict[str, pd.Series[Any]] = {
        "age": values.ages(said["age"])[0],
        "skin type": values.skin_types(said["skin type"])[0],
        "skin tone": values.tones(said["skin tone"])[0],
    }
    known = values.exclusions(read["age"], sites, picture)
    known = values.united(known, values.doubts(said, read))
    source, *_ = map(text, ("source", "sex", "device", "truth_source"))  # refused if unreadable: each makes groups
    exclusion = text("exclusion")
    exclusion = exclusion.mask(exclusion.str.casefold().isin(_NO), "")
    failed, wrong = _failed(cases, ids)
    if wrong:
        raise wrong.error(ids)
    return cases.assign(
        case_id=ids,
        truth=_truths(text("truth"), ids),
        source=source,
        age_years=read["age"],
        anatomical_site=values.sites(text("anatomical_site")),
        skin_type=read["skin type"],
        skin_tone_class=read["skin tone"],
        exclusion=exclusion.where(exclusion != "", known),
        quality_fail=failed,
        quality_reason=text("quality_reason"),
    )


def sound_meta(meta: object, where: str) -> dict[str, Any]:
    """What a run says of itself, as a dict. Raises RunError where it is none or names no lesion types as trained."""
    if not isinstance(meta, dict):
        rule, value = "what a run says of itself is a JSON object", meta
    elif not _are_types(meta.get("trained_types", list(LESION_TYPES))):
        rule, value = "trained_types lists the lesion types that the model was trained on", meta["trained_types"]
    elif not isinstance(meta.get("model_hash", ""), str):
        rule, value = "model_hash is the SHA-256 of the model's weights as text", meta["model_hash"]
    elif not isinstance(meta.get("scoring_sha256", ""), str):
        rule, value = "scoring_sha256 is the SHA-256 of how the model scores as text", meta["scoring_sha256"]
    else:
        return meta
    raise RunError(
        rule, case=where, value=value, next_step="Copy the run again from where it was made, or score the cohort again."
    )


def _are_types(named: object) -> bool:
    return isinstance(named, list) and bool(named) and all(kind in list(LESION_TYPES) for kind in named)


def _ids(table: pd.DataFrame) -> Text:
    if "case_id" not in table:
        raise RunError(
            "a table of scores or cases has the column case_id",
            value=", ".join(map(str, table.columns[:12])),
            next_step="Add the column.",
        )
    column = table["case_id"].reset_index(drop=True)
    return values.trimmed(_text(column, "case_id", column))


def _text(column: pd.Series[Any], name: str, ids: pd.Series[Any]) -> Text:
    """Cells as text, "" where missing."""
    if column.dtype == "str":
        return column.fillna("")
    if pd.api.types.is_numeric_dtype(column):
        codes, distinct = pd.factorize(column)
        return pd.Series(pd.array([*map(str, distinct), ""], dtype="str").take(codes), index=column.index)
    cells = column.astype(object).to_numpy()
    texts = []
    for row, (cell, missing) in enumerate(zip(cells, column.isna(), strict=True)):
        if not missing and not isinstance(cell, str | Number | np.bool_):
            raise RunError(
                f"{name} holds text, numbers, or yes and no",
                case=str(ids.iloc[row]),
                value=cell,
                next_step="Write one text or one number into each cell of this column.",
            )
        texts.append("" if missing else str(cell))
    return pd.Series(texts, index=column.index, dtype="str")


def _scores(table: pd.DataFrame, kind: LesionType, ids: Text) -> tuple[npt.NDArray[np.float32], WrongCells | None]:
    """The scores of one type (n,), NaN where empty, and those that are no score."""
    if kind.value not in table:
        return np.full(len(ids), np.nan, np.float32), None
    column = table[kind.value].reset_index(drop=True)
    if pd.api.types.is_float_dtype(column) or pd.api.types.is_integer_dtype(column):
        scores = column.to_numpy(np.float64, na_value=np.nan)
        empty = np.isnan(scores)
    else:
        scores, empty = _numbers(_text(column, kind.value, ids))
    rows = ~((scores >= 0) & (scores <= 1)) & ~empty
    wrong = WrongCells(
        rows,
        column,
        f"the {kind.value} score lies between 0 and 1",
        "Give scores after softmax or sigmoid, no percentages and no logits, or leave the cell empty.",
    )
    return np.where(rows, np.nan, scores).astype(np.float32), wrong if rows.any() else None


def _numbers(text: Text) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Cells as numbers (n,), NaN where they are none, and where (n,) they say nothing."""
    empty = (text == "").to_numpy()
    with suppress(ValueError):  # plain numbers are read at once: read leniently, millions take half a minute
        plain = text.mask(empty).astype("float64[pyarrow]").to_numpy(np.float64, na_value=np.nan)
        if (np.isnan(plain) == empty).all():
            return np.asarray(plain, np.float64), np.asarray(empty, np.bool_)
    said = values.tidy(text)
    numbers = pd.to_numeric(said.str.replace(",", ".", n=1, regex=False), errors="coerce")
    return numbers.to_numpy(np.float64, na_value=np.nan), (said == "").to_numpy()


def _truths(text: Text, ids: Text) -> Text:
    canonical = {}
    for said in text.unique():
        try:
            canonical[said] = format_truth(parse_truth(said))
        except DiagnosisError:
            raise RunError(
                "truth must name lesion types, joined by '|' where left open",
                case=ids[text == said].iloc[0],
                value=said,
                next_step=f"Use the names {', '.join(LESION_TYPES)}, or leave the cell empty.",
            ) from None
    return values.by_value(text, canonical.__getitem__)


def _failed(table: pd.DataFrame, ids: Text) -> tuple[npt.NDArray[np.bool_], WrongCells | None]:
    """The flag quality_fail (n,), and those that say neither yes nor no."""

    def text(name: str) -> Text:
        column = table[name].reset_index(drop=True) if name in table else pd.Series("", index=ids.index, dtype="str")
        return _text(column, name, ids)

    reason = values.tidy(text("quality_reason"))
    if "quality_fail" not in table:
        return (reason != "").to_numpy(), None
    said = values.by_value(text("quality_fail"), lambda cell: cell.strip().casefold())
    rows = ~said.isin(("", *_YES, *_NO)).to_numpy()
    wrong = WrongCells(
        rows,
        said,
        "quality_fail is yes or no (also true, false, 1, 0, or empty for no)",
        "Write yes where the picture failed its quality check, else no.",
    )
    return (said.isin(_YES) | ((said == "") & (reason != ""))).to_numpy(), wrong if rows.any() else None
