"""Another mix of cases: target shares of lesion types, and the case weights that reach them.

Truth is a boolean array (N, 11) as in `scores`: cases of no or several types are left out.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from derm_kit import plain_json
from derm_kit.errors import DermKitError, printable
from derm_kit.lesions import LESION_TYPES, LesionType, format_truth, parse_truth
from derm_kit.triage.proportions import BoolArray, FloatArray
from derm_kit.triage.scores import IntArray
from derm_kit.triage.subgroups import FEW

LABEL_SHIFT = (
    "Assumes label shift: within a lesion type, the cases at the place of use look like those of this cohort, and only "
    "how common each type is differs."
)


@dataclass(frozen=True)
class CaseMix:
    """Share of lesions of each type at the place of use, as (types, share) pairs; types in no pair take the rest.

    Types that share a pair, and those that take the rest, stay in the cohort's proportion to each other. Raises
    DermKitError where a type stands twice, a share is outside 0..1, or the shares add up to more than 1, or to less
    with every type named.
    """

    groups: tuple[tuple[frozenset[LesionType], float], ...]
    name: str = "case mix"
    source: str = "source required, confirm locally"

    def __post_init__(self) -> None:
        named = [t for types, _ in self.groups for t in types]
        for types, share in self.groups:
            if not types or any(named.count(t) > 1 for t in types):
                raise self._error("each lesion type stands in one share only", format_truth(types))
            if not isinstance(share, int | float) or isinstance(share, bool) or not 0 <= share <= 1:
                raise self._error(f"the share of {format_truth(types)} is a number from 0 to 1", share)
        total = math.fsum(share for _, share in self.groups)
        if total > 1 + 1e-9 or (len(named) == len(LESION_TYPES) and total < 1 - 1e-9):
            raise self._error("shares add up to 1, or to less where some types are not named", round(total, 6))

    def _error(self, rule: str, value: object) -> DermKitError:
        return DermKitError(rule, case=self.name, value=value, next_step="Mend the shares of this case mix.")

    @property
    def rest(self) -> float:
        """Share of all types that stand in no pair together."""
        left = 1 - math.fsum(share for _, share in self.groups)
        return left if left > 1e-9 else 0.0

    @classmethod
    def of(cls, shares: Mapping[str, float], **said: str) -> CaseMix:
        """From shares by type, or by types joined with "|" ("melanoma|squamous_cell_carcinoma": 0.062).

        `said` is `name` and `source`. Raises DermKitError as the class does, and for an unknown type.
        """
        return cls(tuple((parse_truth(types), share) for types, share in shares.items()), **said)

    @classmethod
    def of_clinic(cls, cancers: float, shares: Mapping[LesionType, float], **said: str) -> CaseMix:
        """From the share of all cancers together (0: not said) and those of some types (0: not said).

        Cancers that are not named share what the named ones leave of `cancers`. Raises DermKitError as the class does,
        and where the named cancers are more than all.
        """
        named = {t: share for t, share in shares.items() if share}
        groups = [(frozenset({t}), share) for t, share in named.items()]
        if cancers:
            of_named = math.fsum(share for t, share in named.items() if t.cancer)
            others = frozenset(t for t in LESION_TYPES if t.cancer and t not in named)
            left = cancers - of_named
            if left < -1e-9 or (left > 1e-9 and not others):
                raise DermKitError(
                    "the cancers that are named add up to all cancers, or to less where some are not named",
                    case=said.get("name", cls.name),
                    value=f"{of_named:.2%} named, {cancers:.2%} in all",
                    next_step="Change the share of all cancers, or of one of them.",
                )
            if others:
                groups.append((others, max(left, 0.0)))
        return cls(tuple(groups), **said)

    @classmethod
    def read(cls, path: Path) -> CaseMix:
        """From a JSON file {"name": ..., "source": ..., "shares": {type: share}}; DermKitError where it is none."""
        try:
            content = plain_json.read(path)
            if not isinstance(content, dict) or not isinstance(content.get("shares"), dict):
                raise ValueError("no shares are given")  # noqa: TRY004, TRY301
            unknown = [k for k, v in content.items() if k != "shares" and (k not in _SAID or not isinstance(v, str))]
            if unknown:
                raise ValueError(f"{unknown[0]}: not a field, or not a text")  # noqa: TRY301
        except (OSError, ValueError) as error:
            if isinstance(error, OSError):
                found = error.strerror
            elif isinstance(error, json.JSONDecodeError):
                found = f"line {error.lineno}, character {error.colno} is not JSON; a share is written 0.015"
            else:
                found = printable(error)
            raise DermKitError(
                'a case mix is a JSON object with "shares", and "name" and "source" in words',
                case=str(path),
                value=found,
                next_step='Write, say, {"source": "our referrals of 2025", "shares": {"melanoma": 0.015}}.',
            ) from None
        return cls.of(content.pop("shares"), **{"name": path.name} | content)


@dataclass(frozen=True)
class Weighted:
    """Weights (N,) that give a cohort the shares of `mix`: mean 1 over the counted cases, 0 for cases left out.

    `group` (N,) numbers the groups of equal weight, -1 for the `left_out` cases of no or several types; `assumption`
    and `remarks` belong beside every weighted figure.
    """

    weights: FloatArray
    group: IntArray
    mix: CaseMix
    left_out: int
    remarks: tuple[str, ...]
    assumption: str = LABEL_SHIFT


def case_weights(truth: BoolArray, mix: CaseMix) -> Weighted:
    """Weights that make the shares of types in `truth` (N, 11) those of `mix`.

    A case of group g weighs target share / share in the cohort (post-stratification). Raises DermKitError where a group
    of `mix` has a share above 0 and fewer than FEW cases here: a type of its own, types of one share, or the rest.
    """
    single = truth.sum(1) == 1
    n = int(single.sum())
    group_of = np.full(len(LESION_TYPES), len(mix.groups))
    for i, (types, _) in enumerate(mix.groups):
        group_of[[LESION_TYPES.index(t) for t in types]] = i
    group = np.where(single, group_of[truth.argmax(1)], -1)
    targets = [share for _, share in mix.groups] + [mix.rest]
    weights, remarks = np.zeros(len(truth)), []
    for i, target in enumerate(targets):
        own = group == i
        members = [t for t, g in zip(LESION_TYPES, group_of, strict=True) if g == i]
        if target > 0 and own.sum() < FEW:
            raise DermKitError(
                f"a lesion type that is weighted has at least {FEW} cases here",
                case=mix.name,
                value=f"meant to be {target:.1%}, with {own.sum()} cases of {_named(members)}",
                next_step="Join it with a like type in one share, leave it to the rest, or take a larger cohort.",
            )
        if own.any():
            weights[own] = target * n / own.sum()
        if own.any() and not target:
            remarks.append(f"{own.sum()} cases of {_named(members)} weigh nothing: their share is 0.")
        unseen = [t for t in members if not truth[single, LESION_TYPES.index(t)].any()]
        if target > 0 and unseen:
            remarks.append(f"No case of {_named(unseen)} here: these count as absent at the place of use too.")
    return Weighted(weights, group, mix, len(truth) - n, tuple(remarks))


def effective_sample_size(weights: npt.ArrayLike) -> float:
    """Number of equally weighted cases that say as much: (sum w)^2 / sum w^2 (Kish, Survey Sampling, 1965); 0 for none.

    Weights (N,), or those of one side.
    """
    w = np.asarray(weights, np.float64)
    return float(w.sum() ** 2 / np.square(w).sum()) if w.any() else 0.0


def _named(types: list[LesionType]) -> str:
    return " or ".join(t.label.lower() for t in types)


_SAID = ("name", "source")
