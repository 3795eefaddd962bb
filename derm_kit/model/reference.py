"""The reference cases as a show: in an order whose first few hold every type, with their pictures where at hand."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from derm_kit.cases.pictures import picture_of
from derm_kit.lesions import LESION_TYPES, LesionType, parse_truth
from derm_kit.model.card import default_model
from derm_kit.model.run import read_run

REFERENCE_FILE = "reference_scores.parquet"
"""Scores, truth and metadata of the reference cases, beside the model: the default cohort of the workbench."""


@dataclass(frozen=True)
class ReferenceCase:
    """A real lesion that the shipped model never saw: its ISIC id and what it was found to be."""

    case_id: str
    truth: LesionType

    @property
    def picture(self) -> Path | None:
        """Its picture on this machine, None where there is none."""
        return picture_of(self.case_id)


def reference_cases(n: int) -> list[ReferenceCase]:
    """The first `n` reference cases whose truth is one type, the types taking turns."""
    cases = read_run(default_model() / REFERENCE_FILE).cases
    truths = [parse_truth(truth) for truth in cases["truth"]]
    turns = dict.fromkeys(LESION_TYPES, 0)
    ranked = []
    for case_id, truth in zip(cases["case_id"], truths, strict=True):
        if len(truth) == 1:
            (lesion_type,) = truth
            turns[lesion_type] += 1
            place = (turns[lesion_type], LESION_TYPES.index(lesion_type))
            ranked.append((place, ReferenceCase(str(case_id), lesion_type)))
    return [case for _, case in sorted(ranked, key=lambda one: one[0])[:n]]
