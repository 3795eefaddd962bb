"""A reader study as two tables that hold together: what readers answered, and the cases they answered on.

A reader answers a case before and after the model's view is shown (mode "blind_first"), or only with it in sight
("ai_at_once": an answer after, and none before).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from derm_kit.errors import DermKitError
from derm_kit.lesions import LESION_TYPES, LesionType
from derm_kit.triage.definition import Disposition
from derm_kit.triage.proportions import BoolArray
from derm_kit.triage.reader_study_management import home, sent

BEFORE, AFTER = PHASES = ("before", "after")
BLIND_FIRST, AT_ONCE = MODES = ("blind_first", "ai_at_once")
GROUP = ""
"""Stands in the column `reader` for all readers together: no reader has an empty name."""

VIEWS = ("diagnosis", "management")
MEASURES = ("accuracy", "sensitivity", "specificity")
ANSWERS = ("reader", "case_id", "phase", "diagnosis", "disposition", "confidence", "seconds")
CASES = ("case_id", "truth", "model_diagnosis", "model_disposition")


@dataclass(frozen=True)
class Study:
    """Answers and cases of one session, checked against each other.

    answers  reader, case_id, phase, mode, diagnosis, disposition, confidence_prob (0..1), seconds (NaN: not timed), the
             columns of its case, and what the answer comes to: right (its diagnosis is the truth), held (not
             discharged), managed (a cancer held, a benign type discharged; False elsewhere) and sent (a value of
             reader_study_management.Sent).
    cases    case_id, truth, truth_disposition (where the truth goes), model_diagnosis, model_disposition and model_sent
             ("": the model gave none), side ("cancer", "benign", or "neither": actinic keratosis and atypical naevus,
             which count for no rate of management).
    """

    answers: pd.DataFrame
    cases: pd.DataFrame

    @cached_property
    def readers(self) -> tuple[str, ...]:
        """Everybody who gave an answer, in order of name."""
        return tuple(sorted(self.answers["reader"].unique()))

    @cached_property
    def pairs(self) -> pd.DataFrame:
        """One row a reader and case answered before and after: the columns of both answers, as diagnosis_before."""
        blind = self.answers[self.answers["mode"] == BLIND_FIRST]
        keys = ["reader", *self.cases.columns]
        sides = [blind[blind["phase"] == phase].drop(columns=["phase", "mode"]) for phase in PHASES]
        return sides[0].merge(sides[1], on=keys, suffixes=("_before", "_after"))


@dataclass(frozen=True)
class Answers:
    """N answers, or pairs of answers, as arrays (a hundred times quicker to cut than a table).

    `reader` and `case` (N,) are codes, `columns` arrays (N,) by name; a reader answers a case at most once in it.
    """

    reader: npt.NDArray[np.intp]
    case: npt.NDArray[np.intp]
    columns: Mapping[str, npt.NDArray[Any]]

    @classmethod
    def of(cls, study: Study, table: pd.DataFrame, **columns: npt.ArrayLike) -> Answers:
        """`columns` (N,) of a table that has the columns reader and case_id of the study."""
        reader = pd.Index(study.readers).get_indexer(pd.Index(table["reader"]))
        case = pd.Index(study.cases["case_id"]).get_indexer(pd.Index(table["case_id"]))
        return cls(reader, case, {name: np.asarray(column) for name, column in columns.items()})

    def __len__(self) -> int:
        return len(self.reader)

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        return self.columns[name]

    def where(self, kept: BoolArray) -> Answers:
        """The answers that are `kept` (N,)."""
        return Answers(self.reader[kept], self.case[kept], {name: c[kept] for name, c in self.columns.items()})

    def by_reader(self, study: Study) -> Iterator[tuple[str, Answers]]:
        """All answers under the name GROUP, then each reader's, also where a reader has none."""
        yield GROUP, self
        for code, reader in enumerate(study.readers):
            yield reader, self.where(self.reader == code)


def read_study(answers: pd.DataFrame, cases: pd.DataFrame) -> Study:
    """The tables `answers` (columns ANSWERS, and `mode` where not all were blind first) and `cases` (CASES) as a Study.

    Where `cases` has no column truth_disposition, a truth goes where the default policy sends it, a benign one home.

    Confidence is 0 to 100, seconds 0 or more or missing; diagnoses and truth are values of LesionType, dispositions
    those of Disposition. Raises DermKitError, which names case, value and rule, for anything else, for an answer given
    twice, on a case that is not in the list, or before the model where the model was shown at once.
    """
    known = _cases(cases)
    _require(answers, ANSWERS, "answers")
    made = pd.DataFrame({name: answers[name] for name in ("reader", "case_id", "phase", "diagnosis", "disposition")})
    made["mode"] = answers.get("mode", BLIND_FIRST)
    made = _texts(made.reset_index(drop=True))
    _refuse(made, made["reader"] == "", made["reader"], "an answer has a reader", "Name the reader by an alias.")
    _one_of(made, "phase", PHASES)
    _one_of(made, "mode", MODES)
    _one_of(made, "diagnosis", LESION_TYPES)
    _one_of(made, "disposition", tuple(Disposition))
    strange = ~made["case_id"].isin(known["case_id"])
    _refuse(made, strange, made["case_id"], "an answer is on a case of the list", "Add the case, with its truth.")
    twice = made.duplicated(["reader", "case_id", "phase"])
    _refuse(made, twice, made["phase"], "a reader answers a case once in a phase", "Keep the answer that counts.")
    blind = (made["mode"] == AT_ONCE) & (made["phase"] == BEFORE)
    _refuse(made, blind, made["phase"], "a reader who sees the model at once has no answer before it",
            "Give the answer the phase 'after', or the mode 'blind_first'.")  # fmt: skip
    modes = made.groupby(["reader", "case_id"])["mode"].transform("nunique") > 1
    _refuse(made, modes, made["mode"], "a reader reads a case in one mode", "Give both answers the same mode.")
    confidence = _numbers(made, answers["confidence"], "confidence is a number from 0 to 100", required=True, most=100)
    made["confidence_prob"] = confidence / 100
    made["seconds"] = _numbers(made, answers["seconds"], "seconds are 0 or more, or missing", required=False)
    made = made.merge(known, on="case_id", how="left")
    made["right"] = made["diagnosis"] == made["truth"]
    made["held"] = made["disposition"] != Disposition.DISCHARGE_ADVICE
    made["managed"] = np.where(made["side"] == "benign", ~made["held"], made["held"] & (made["side"] == "cancer"))
    made["sent"] = _sent(made, made["disposition"])
    return Study(made, known)


def counted(side: npt.NDArray[Any], measure: str) -> BoolArray:
    """Which answers (N,) count for one of MEASURES, by the side of their cases.

    Accuracy: share of answers whose diagnosis, of eleven, is right. Sensitivity: share of cancers that were managed,
    which is not discharged. Specificity: share of benign types that were managed, which is discharged.
    """
    if measure == "accuracy":
        return np.ones(len(side), np.bool_)
    return np.asarray(side == ("cancer" if measure == "sensitivity" else "benign"), np.bool_)


def hit_of(measure: str) -> str:
    """The column of Study.answers that holds the hits of one of MEASURES."""
    return "right" if measure == "accuracy" else "managed"


def attendance(study: Study) -> pd.DataFrame:
    """What each reader answered of the list's cases, and all readers together: nothing is dropped unseen.

    Columns: reader, cases; both, before_only, after_only (blind first), at_once, none.
    """
    given = study.answers.assign(
        kind=np.where(study.answers["mode"] == AT_ONCE, AT_ONCE, study.answers["phase"].to_numpy(object))
    )
    n, rows = len(study.cases), []
    for reader, own in given.groupby("reader"):
        seen = {kind: set(own["case_id"][own["kind"] == kind]) for kind in (*PHASES, AT_ONCE)}
        both = len(seen[BEFORE] & seen[AFTER])
        before, after, once = len(seen[BEFORE]) - both, len(seen[AFTER]) - both, len(seen[AT_ONCE])
        rows.append((reader, n, both, before, after, once, n - both - before - after - once))
    columns = ["reader", "cases", "both", "before_only", "after_only", "at_once", "none"]
    made = pd.DataFrame(rows, columns=columns)
    total = made[columns[1:]].sum().to_frame().T.assign(reader=GROUP)[columns]
    return pd.concat([total, made], ignore_index=True)


def _cases(cases: pd.DataFrame) -> pd.DataFrame:
    _require(cases, CASES, "cases")
    given = [*CASES, *(name for name in ("truth_disposition",) if name in cases)]
    made = _texts(cases[given].reset_index(drop=True))
    _refuse(made, made["case_id"] == "", made["case_id"], "a case has an id", "Give the image id or the file name.")
    twice = made.duplicated("case_id")
    _refuse(made, twice, made["case_id"], "a case stands in the list once", "Keep one of the rows.")
    _one_of(made, "truth", LESION_TYPES)
    _one_of(made, "model_diagnosis", ("", *LESION_TYPES))
    _one_of(made, "model_disposition", ("", *Disposition))
    if "truth_disposition" not in made:
        made["truth_disposition"] = [home(LesionType(truth)).value for truth in made["truth"]]
    _one_of(made, "truth_disposition", tuple(Disposition))
    made["model_sent"] = _sent(made, made["model_disposition"])
    cancers = [t.value for t in LesionType if t.cancer]
    between = [t.value for t in LesionType if t.flagged and not t.cancer]
    sides = [made["truth"].isin(cancers), made["truth"].isin(between)]
    made["side"] = np.select(sides, ["cancer", "neither"], "benign")
    return made


def _sent(table: pd.DataFrame, to: pd.Series[str]) -> list[str]:
    """What sending each row's case `to` a disposition comes to; "" where there is none."""
    known = zip(table["truth"], to, table["truth_disposition"], strict=True)
    return [sent(LesionType(t), Disposition(d), Disposition(wanted)).value if d else "" for t, d, wanted in known]


def _require(table: pd.DataFrame, columns: tuple[str, ...], name: str) -> None:
    absent = [column for column in columns if column not in table]
    if absent:
        raise DermKitError(
            f"the table of {name} has the columns {', '.join(columns)}",
            value=f"no {absent[0]}",
            next_step="Add the column.",
        )


def _texts(table: pd.DataFrame) -> pd.DataFrame:
    """Every column as text, "" where a value is missing."""
    texts = {name: ["" if pd.isna(value) else str(value) for value in table[name]] for name in table}
    return pd.DataFrame(texts, index=table.index, dtype=object)


def _one_of(table: pd.DataFrame, column: str, allowed: tuple[str, ...]) -> None:
    names = [str(name) for name in allowed]
    rule = f"{column.replace('_', ' ')}: one of the names that are known"
    known = "; ".join(name or "nothing" for name in names)
    _refuse(table, ~table[column].isin(names), table[column], rule, f"Use one of: {known}.")


def _numbers(
    made: pd.DataFrame, given: pd.Series, rule: str, *, required: bool, most: float = np.finfo(float).max
) -> pd.Series:
    numbers = pd.to_numeric(given, errors="coerce").reset_index(drop=True).astype(np.float64)
    missing = given.reset_index(drop=True).isna()
    bad = ~numbers.between(0, most) & (~missing | required)
    _refuse(made, bad, given.reset_index(drop=True), rule, "Correct the value.")
    return numbers


def _refuse(table: pd.DataFrame, bad: pd.Series, value: pd.Series, rule: str, next_step: str) -> None:
    found: BoolArray = bad.to_numpy(np.bool_)
    if found.any():
        row = int(found.argmax())
        who = f" (reader {table['reader'].iloc[row]}, row {row + 1})" if "reader" in table else f" (row {row + 1})"
        shown = value.iloc[row]
        case = str(table["case_id"].iloc[row])
        raise DermKitError(f"{rule}{who}", case=case, value="nothing" if shown == "" else shown, next_step=next_step)
