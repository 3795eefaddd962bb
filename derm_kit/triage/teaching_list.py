"""A list of cases to teach with: spread over lesion types and difficulty, with true errors of the model in it.

The model is right on a case where it names the truth and sends it where the policy sends that truth. It is wrong where
it sends the case elsewhere, as `reader_study_management.sent` says: a management error, and then the name is another
too. A case that it names otherwise but
sends the same way (a squamous cell carcinoma called melanoma) is neither, and in no list; nor is one that the policy
leaves to a clinician whatever the scores, one whose truth is open or unknown, or one that the model learnt from.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
import pandas as pd

from derm_kit.cases.phantom import demo_cohort
from derm_kit.cases.pictures import picture_of
from derm_kit.errors import DermKitError
from derm_kit.lesions import LESION_TYPES, LesionType
from derm_kit.model.card import ModelCard, default_model, load_card
from derm_kit.model.run import ScoreRun
from derm_kit.triage.policy import DEFAULT_DISPOSITIONS, Disposition, TriagePolicy, decide
from derm_kit.triage.reader_study_management import BENIGN_WORDS, Sent, sent
from derm_kit.triage.tuning import LEARNT_ON
from derm_kit.triage.worklist import NEAR_FACTOR, Worklist

MOST_CASES = 200
MIDDLE_FACTOR = 2.5
"""A score this many times its threshold, or that part of it, is far from it."""


class Difficulty(StrEnum):
    """How near the score that decided is to its threshold: within NEAR_FACTOR, within MIDDLE_FACTOR, or beyond."""

    NEAR = "near"
    MIDDLE = "middle"
    FAR = "far"


class WrongWay(StrEnum):
    """Where the model sends a case, held against where the policy sends its truth."""

    NONE = ""
    LESS_URGENT = "less urgent"
    MORE_URGENT = "more urgent"


ERROR_OF = {
    Sent.RIGHT: WrongWay.NONE, Sent.NO_ERROR: WrongWay.NONE,
    Sent.LESS_URGENT: WrongWay.LESS_URGENT, Sent.MORE_URGENT: WrongWay.MORE_URGENT,
}  # fmt: skip


@dataclass(frozen=True)
class TeachingCase:
    """One case: what it is, what the model makes of it, and where its picture lies.

    `model_diagnosis` is the type that the policy calls; where it calls none, the benign type with the highest score.
    `truth_disposition` is where the policy sends the truth. `times_threshold` is the score that decided over its
    threshold: of the type called, else of the one that came nearest. `reason` is the policy's sentence.
    """

    case_id: str
    truth: LesionType
    truth_disposition: Disposition
    model_diagnosis: LesionType
    model_disposition: Disposition
    error: WrongWay
    reason: str
    times_threshold: float
    difficulty: Difficulty
    picture: str
    licence: str
    attribution: str

    @property
    def model_wrong(self) -> bool:
        """Whether the model sends the case elsewhere than the policy sends its truth."""
        return self.error is not WrongWay.NONE

    @property
    def model_sent(self) -> Sent:
        """What it comes to that the model sends the case where it does."""
        return sent(self.truth, self.model_disposition, self.truth_disposition)

    @property
    def right_disposition(self) -> Disposition:
        """Where the case is sent right: a benign one is discharged, also where the policy has all read once more."""
        return self.truth_disposition if self.truth.flagged else Disposition.DISCHARGE_ADVICE

    @property
    def goes_to(self) -> str:
        """Where the case goes, in a sentence."""
        return f"Goes to: {self.truth_disposition}." if self.truth.flagged else BENIGN_WORDS

    @property
    def picture_path(self) -> Path | None:
        """Its picture on this machine, where it was or where known pictures lie; None where there is none."""
        path = Path(self.picture)
        return path if path.is_file() else picture_of(self.case_id)


@dataclass(frozen=True)
class TeachingList:
    """Cases in an order without meaning; `policy` names what decided, `phantoms` that these are drawn test objects."""

    cases: tuple[TeachingCase, ...]
    phantoms: bool
    policy: str
    model_hash: str
    seed: int

    def to_json(self) -> str:
        """The list as JSON on one line."""
        return json.dumps(asdict(self), ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> TeachingList:
        """What to_json() wrote."""
        said = json.loads(text)
        return cls(**said | {"cases": tuple(_case(**case) for case in said["cases"])})

    def table(self) -> pd.DataFrame:
        """One row a case: case_id, truth, truth_disposition, model_diagnosis, model_disposition."""
        names = ["case_id", "truth", "truth_disposition", "model_diagnosis", "model_disposition"]
        return pd.DataFrame([[str(getattr(case, name)) for name in names] for case in self.cases], columns=names)


class PicturesMissingError(DermKitError):
    """Cases of a list have no picture on this machine; `case_ids` are those to fetch."""

    def __init__(self, case_ids: tuple[str, ...], of: int) -> None:
        self.case_ids = case_ids
        super().__init__(
            "a list of real cases needs their pictures on this machine",
            case=case_ids[0],
            value=f"{len(case_ids)} of {of} missing",
            next_step="Fetch them (page 00 or 02), or take the list of phantoms for a dry run.",
        )


def draw_list(
    run: ScoreRun,
    policy: TriagePolicy,
    n: int,
    wrong: int,
    seed: int,
    *,
    only_at_hand: bool = False,
    picture: Callable[[str], Path | None] = picture_of,
    phantoms: bool = False,
) -> TeachingList:
    """`n` cases of a run with truth, spread over lesion types and difficulty, the model wrong on exactly `wrong`.

    Errors are those that the model makes, less and more urgent ones in turn. The same seed gives the same list on
    every machine, unless `only_at_hand` draws from the cases whose `picture` is here. Raises PicturesMissingError where
    a picture is not here, PolicyError where the policy cannot be read on the scores, and DermKitError where there are
    fewer cases of a kind than asked for.
    """
    _require_sizes(n, wrong, seed)
    pool = _eligible(run, policy)
    if only_at_hand:
        pool = pool[[picture(case_id) is not None for case_id in pool["case_id"]]]
    is_wrong = pool["error"] != ""
    _require_enough(int(is_wrong.sum()), wrong, "wrong on", "Ask for fewer errors, or score a larger cohort.")
    _require_enough(int((~is_wrong).sum()), n - wrong, "right on", "Ask for a shorter list, or for more errors.")
    chance, used = np.random.default_rng(seed), Counter[str]()
    chosen = [*_spread(pool[is_wrong], wrong, chance, used), *_spread(pool[~is_wrong], n - wrong, chance, used)]
    rows = [pool.loc[at] for at in chance.permutation(chosen)]
    found = {str(row["case_id"]): picture(str(row["case_id"])) for row in rows}
    missing = tuple(case_id for case_id, path in found.items() if path is None)
    if missing:
        raise PicturesMissingError(missing, n)
    cases = tuple(_case(**row.to_dict(), picture=str(found[str(row["case_id"])])) for row in rows)
    return TeachingList(cases, phantoms, f"{policy.name}, version {policy.version}", run.model_hash, seed)


def phantom_list(n: int, wrong: int, seed: int, policy: TriagePolicy | None = None) -> TeachingList:
    """A list of demo phantoms for a dry run, by the shipped model; raises as draw_list()."""
    card = load_card(default_model())
    cohort = demo_cohort()
    files = {c: cohort.root / image for c, image in zip(cohort.cases["case_id"], cohort.cases["image"], strict=True)}
    policy = TriagePolicy.from_card(card) if policy is None else policy
    return draw_list(phantom_run(card), policy, n, wrong, seed, picture=files.get, phantoms=True)


def phantom_run(card: ModelCard) -> ScoreRun:
    """The demo phantoms with the scores that a model's card gives them; how good their pictures are is not judged."""
    cases = demo_cohort().cases
    scores = pd.DataFrame.from_dict(card.constancy.scores, orient="index", columns=[*card.constancy.types])
    meta = {
        "model_hash": card.model_hash,
        "scoring_sha256": card.scoring_sha256,
        "trained_types": [t.value for t in card.types],
    }
    return ScoreRun(scores.reindex(cases["case_id"]).rename_axis("case_id").reset_index(), cases, meta=meta)


def _case(**said: str | float) -> TeachingCase:
    kinds = {
        "truth": LesionType, "truth_disposition": Disposition, "model_diagnosis": LesionType,
        "model_disposition": Disposition, "error": WrongWay, "difficulty": Difficulty, "times_threshold": float,
    }  # fmt: skip
    return TeachingCase(**{name: kinds.get(name, str)(value) for name, value in said.items()})


def _eligible(run: ScoreRun, policy: TriagePolicy) -> pd.DataFrame:
    """Cases that the model is right or wrong on, with the columns of a TeachingCase but for its picture."""
    worklist, decided = Worklist.of(run, policy).table, decide(run, policy)
    suspected = decided.table["suspected"]
    benign = [i for i, t in enumerate(LESION_TYPES) if not t.flagged]
    likeliest = np.nan_to_num(run.matrix[:, benign], nan=-1).argmax(1)
    named = np.array([LESION_TYPES[benign[i]].value for i in likeliest], object)
    table = worklist[["case_id", "truth", "reason", "times_threshold"]].assign(
        model_diagnosis=suspected.where(suspected != "", named),
        model_disposition=worklist["disposition"],
        licence=_words(run, "licence"),
        attribution=_words(run, "attribution"),
    )
    known = table["truth"].isin(list(LESION_TYPES)) & ~decided.in_review & table["times_threshold"].notna()
    if run.model_hash:
        known &= ~_words(run, "split").isin(LEARNT_ON)
    table = table[known]
    nowhere = Disposition.DISCHARGE_ADVICE if policy.autonomous else Disposition.SECOND_READ
    home = {t.value: policy.dispositions.get(t, DEFAULT_DISPOSITIONS.get(t, nowhere)) for t in LESION_TYPES}
    ratio = table["times_threshold"]
    factor = pd.concat([ratio, 1 / ratio.clip(lower=1e-12)], axis=1).max(axis=1)
    table = table.assign(
        truth_disposition=table["truth"].map(home),
        difficulty=np.select(
            [factor <= NEAR_FACTOR, factor <= MIDDLE_FACTOR], [Difficulty.NEAR, Difficulty.MIDDLE], Difficulty.FAR
        ),
    )
    table["error"] = [
        ERROR_OF[sent(LesionType(truth), Disposition(to), Disposition(wanted))]
        for truth, to, wanted in zip(
            table["truth"], table["model_disposition"], table["truth_disposition"], strict=True
        )
    ]
    return table[(table["error"] != "") | (table["model_diagnosis"] == table["truth"])]


def _spread(pool: pd.DataFrame, n: int, chance: np.random.Generator, used: Counter[str]) -> list[int]:
    """Labels of `n` rows: each next of the kind of error, then the type, then the difficulty least used so far."""
    groups: dict[tuple[str, str, str], list[int]] = {}
    kinds = pool[["error", "truth", "difficulty"]].astype(str)
    for at in chance.permutation(pool.index):
        error, truth, difficulty = kinds.loc[at]
        groups.setdefault((f"error {error}", truth, difficulty), []).append(int(at))
    chosen = []
    for _ in range(n):
        names = min(groups, key=lambda group: (*(used[name] for name in group), chance.random()))
        chosen.append(groups[names].pop())
        used.update(names)
        if not groups[names]:
            del groups[names]
    return chosen


def _words(run: ScoreRun, name: str) -> pd.Series[str]:
    cases = run.cases
    return cases[name].fillna("").astype(str) if name in cases else pd.Series("", index=cases.index, dtype="str")


def _require_sizes(n: int, wrong: int, seed: int) -> None:
    problems = (
        (1 <= n <= MOST_CASES, f"a list has 1 to {MOST_CASES} cases", n, "Give another number of cases."),
        (0 <= wrong <= n, f"the model is wrong on 0 to {n} of {n} cases", wrong, "Give another number of errors."),
        (0 <= seed < 2**31, "a seed is a whole number from 0 to 2,147,483,647", seed, "Give another seed."),
    )
    for holds, rule, value, next_step in problems:
        if not holds:
            raise DermKitError(rule, value=value, next_step=next_step)


def _require_enough(there: int, wanted: int, how: str, next_step: str) -> None:
    if there < wanted:
        raise DermKitError(
            f"there are {there:,} cases that the model is {how}; none is made up",
            value=f"{wanted:,} wanted",
            next_step=next_step,
        )
