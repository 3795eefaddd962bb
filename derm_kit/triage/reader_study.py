"""analyse_study(): what a reader study shows of its readers, before and after they saw the model's view.

A study is two tables, see `reader_study_tables`. Figures of the whole group take readers and cases both as drawn at
random, so that they speak of other readers and other cases like these; figures of one reader take his or her answers as
independent cases. Results are for teaching and for safety work: none of them ranks readers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import pandas as pd

from derm_kit.errors import DermKitError
from derm_kit.lesions import LesionType
from derm_kit.triage.multi_reader import Contrast, MultiReader, Random, analyse_readers
from derm_kit.triage.multi_reader_figures import Ratings, read_ratings
from derm_kit.triage.reader_study_agreement import reader_agreement
from derm_kit.triage.reader_study_confidence import calibration, calibration_bins, times
from derm_kit.triage.reader_study_estimates import rough, too_few_of
from derm_kit.triage.reader_study_rates import compare_modes, differences, rates
from derm_kit.triage.reader_study_reliance import corrections, reliance
from derm_kit.triage.reader_study_tables import (
    GROUP,
    PHASES,
    Study,
    attendance,
    counted,
    read_study,
)

__all__ = ["GROUP", "FullBlock", "ReaderStudy", "Study", "analyse_study", "compare_readings", "read_study"]


@dataclass(frozen=True)
class ReaderStudy:
    """The tables of one study, one row a reader and figure, GROUP for all readers; columns as in the functions named.

    attendance, `reader_study_tables.attendance`; rates, differences and modes, `reader_study_rates`; corrections and
    reliance, `reader_study_reliance`; calibration, bins and times, `reader_study_confidence`; agreement,
    `reader_study_agreement`.
    """

    study: Study
    level: float
    attendance: pd.DataFrame
    rates: pd.DataFrame
    differences: pd.DataFrame
    modes: pd.DataFrame
    corrections: pd.DataFrame
    reliance: pd.DataFrame
    calibration: pd.DataFrame
    bins: pd.DataFrame
    times: pd.DataFrame
    agreement: pd.DataFrame


@dataclass(frozen=True)
class FullBlock:
    """Readers and cases of which every answer is there, and who and what was left out to get it."""

    readers: tuple[str, ...]
    case_ids: tuple[str, ...]
    readers_left_out: tuple[str, ...]
    cases_left_out: tuple[str, ...]


def analyse_study(answers: pd.DataFrame, cases: pd.DataFrame, *, level: float = 0.95) -> ReaderStudy:
    """Analyse the answers of a session. Raises DermKitError as `reader_study_tables.read_study`."""
    study = read_study(answers, cases)
    return ReaderStudy(
        study, level, attendance(study), rates(study, level=level), differences(study, level=level),
        compare_modes(study, level=level), corrections(study, level=level), reliance(study, level=level),
        calibration(study, level=level), calibration_bins(study, level=level), times(study),
        reader_agreement(study, level=level),
    )  # fmt: skip


def full_block(answers: pd.DataFrame) -> FullBlock:
    """The readers who answered at least half of the cases that anybody did, and the cases that all of these answered.

    `answers` has one row a reader and case.
    """
    given = pd.crosstab(answers["case_id"], answers["reader"]) > 0
    kept = given.mean() >= 0.5
    cases = given.loc[:, kept].all(axis=1)
    return FullBlock(*(tuple(map(str, index)) for index in (
        kept.index[kept], cases.index[cases], kept.index[~kept], cases.index[~cases],
    )))  # fmt: skip


def compare_readings(
    study: Study, figure: str = "auc", *, random: Random = "readers and cases", level: float = 0.95
) -> tuple[MultiReader, FullBlock]:
    """Obuchowski and Rockette's analysis of before against after the model, over the full block of readers and cases.

    `figure` is accuracy (of the diagnosis), sensitivity or specificity (of management), or auc: cancers against benign
    types by confidence, counted up where the diagnosis is a cancer and down where it is not, a convention of this
    module. Which intervals there are goes by the one rule of all results, `reader_study_estimates.too_few_of`, on the
    cases of the smaller side where the figure needs both. Raises DermKitError for another figure, and where no reader
    answered a case both before and after.
    """
    pairs = study.pairs
    kept = pairs["side"] != "neither" if figure == "auc" else counted(pairs["side"].to_numpy(), figure)
    pairs = pairs[kept]
    block = full_block(pairs)
    if not block.case_ids:
        raise DermKitError(
            "readers are compared on cases that all of them answered before and after the model",
            value=f"no such case for {figure}",
            next_step="Analyse the rates instead: they need no full table.",
        )
    full = pairs[pairs["reader"].isin(block.readers) & pairs["case_id"].isin(block.case_ids)]
    found = analyse_readers(_ratings(full, figure), figure, random=random, level=level)
    cases = min(found.n_positive, found.n_cases - found.n_positive) if figure == "auc" else found.n_cases
    return _by_the_one_rule(found, cases), block


_OF_INTERVALS = ("standard_error", "df", "statistic", "p_value", "low", "high")


def _by_the_one_rule(found: MultiReader, cases: int) -> MultiReader:
    """Without the intervals and tests for which readers or cases are too few, and with a word on rough ones."""
    why, own = too_few_of(found.n_readers, cases), too_few_of(1, cases)
    none = Contrast(math.nan, found.contrast.df, math.nan, math.nan, math.nan, why)
    return replace(
        found, contrast=none if why else found.contrast, means=_remarked(found.means, why, rough(cases)),
        differences=_remarked(found.differences, why, rough(cases)), by_reader=_remarked(found.by_reader, own, ""),
    )  # fmt: skip


def _remarked(table: pd.DataFrame, why: str, remark: str) -> pd.DataFrame:
    if why:
        return table.assign(**dict.fromkeys(set(_OF_INTERVALS) & set(table), math.nan), reason=why)
    return table.assign(reason=table["reason"].where(table["reason"] != "", remark))


def _ratings(pairs: pd.DataFrame, figure: str) -> Ratings:
    cancers = [t.value for t in LesionType if t.cancer]
    parts = []
    for phase in PHASES:
        if figure == "auc":
            sure = pairs[f"confidence_prob_{phase}"]
            rating = sure.where(pairs[f"diagnosis_{phase}"].isin(cancers), -sure)
        else:
            rating = pairs[f"right_{phase}" if figure == "accuracy" else f"held_{phase}"].astype(float)
        part = pairs[["reader", "case_id"]]
        parts.append(part.assign(modality=phase, positive=pairs["side"] == "cancer", rating=rating))
    return read_ratings(pd.concat(parts, ignore_index=True), modalities=PHASES)
