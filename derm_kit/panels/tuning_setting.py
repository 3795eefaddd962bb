"""What an officer set on the threshold page: what undo goes through, the address holds and a preset fills in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final
from urllib.parse import parse_qsl, urlencode

from derm_kit.errors import DermKitError
from derm_kit.lesions import FLAGGED, LESION_TYPES, LesionType
from derm_kit.triage.guarantee import METHODS, Guarantee
from derm_kit.triage.tuning import MAKER_TARGETS

LESSON: Final = (0.989, 0.027, 0.998, 0.015)
"""The lesson of prevalence: a published NPV and the prevalence it was measured at, then the NPV to compare it with."""

PRESETS: Final = {
    "in force": "Everything as the page opened",
    "maker": "Targets of DERM's maker: melanoma 95, SCC 95, BCC 90",
    "hold 90": "Hold 90% of every type",
    "prevalence": "Lesson: an NPV travels with prevalence",
}
_FIND = "Press “Find the safest thresholds” to hold them."

BENIGN_FLAGGED, REVIEWED = "benign_flagged", "review"
MISTAKES: Final = (*(t.value for t in FLAGGED), BENIGN_FLAGGED, REVIEWED)
"""What may be given a harm: each flagged type not flagged, a benign lesion flagged, any case in clinician review."""
HIGHEST_HARM: Final = 1e6
_MOST_FIELDS = 60


@dataclass(frozen=True)
class Setting:
    """All that was set.

    thresholds   of the types that are called
    targets      sensitivity to hold (0: none) of every type with scores
    within       a grouping in each group of which targets are to hold ("": none)
    cancers      share of cancers among the lesions of the officer's clinic (0: not said), `shares` that of single types
    harms        of each of MISTAKES that has one, in the unit that `harm_source` names; read where that says one
    guarantees   those of the last search; like the `case` on show they do not count as a change
    """

    thresholds: Mapping[LesionType, float]
    targets: Mapping[LesionType, float]
    confidence: float = 0.95
    within: str = ""
    method: str = METHODS[0]
    cancers: float = 0.0
    shares: Mapping[LesionType, float] = field(default_factory=dict)
    harms: Mapping[str, float] = field(default_factory=dict)
    harm_source: str = ""
    lesson: bool = False
    guarantees: tuple[Guarantee, ...] = field(default=(), compare=False)
    case: str = field(default="", compare=False)

    def text(self) -> str:
        """As the address holds it; guarantees are found anew."""
        parts = {t.value: repr(v) for t, v in self.thresholds.items()}
        parts |= {f"hold.{t.value}": repr(v) for t, v in self.targets.items()}
        parts |= {"confidence": repr(self.confidence), "within": self.within, "method": self.method}
        parts |= {"cancers": repr(self.cancers)}
        parts |= {f"share.{t.value}": repr(v) for t, v in self.shares.items() if v}
        parts |= {f"harm.{name}": repr(v) for name, v in self.harms.items() if v}
        said = {"harms": self.harm_source, "lesson": "1" if self.lesson else "", "case": self.case}
        return urlencode(parts | {name: text for name, text in said.items() if text})

    @classmethod
    def from_text(cls, text: str, start: Setting, within: tuple[str, ...]) -> Setting:
        """What an address holds, for the types of `start`; `within` are the groupings there are.

        Raises DermKitError where it holds anything that this page does not write.
        """
        try:
            given = dict(parse_qsl(text, keep_blank_values=True, strict_parsing=True, max_num_fields=_MOST_FIELDS))
            found = cls(
                {t: float(given.pop(t.value)) for t in start.targets if t in start.thresholds or t.value in given},
                {t: float(given.pop(f"hold.{t.value}")) for t in start.targets},
                float(given.pop("confidence")), given.pop("within"), given.pop("method"), float(given.pop("cancers")),
                {t: float(given.pop(f"share.{t.value}")) for t in LESION_TYPES if f"share.{t.value}" in given},
                {name: float(given.pop(f"harm.{name}")) for name in MISTAKES if f"harm.{name}" in given},
                given.pop("harms", ""), given.pop("lesson", "") == "1", case=given.pop("case", ""),
            )  # fmt: skip
            if given or not found._sound(within):
                raise ValueError(text)  # noqa: TRY301
        except (ValueError, KeyError):
            raise DermKitError(
                "what follows the # in the address is a setting as this page wrote it, for the same cases",
                value=text[:80],
                next_step="Open the page without it: it starts with the policy in force.",
            ) from None
        return found

    def _sound(self, within: tuple[str, ...]) -> bool:
        shares = (*self.targets.values(), *self.shares.values(), self.cancers)
        return (
            all(0 <= share <= 1 for share in shares)
            and max(self.targets.values(), default=0) < 1
            and 0.5 <= self.confidence < 1
            and self.within in ("", *within)
            and self.method in METHODS
            and all(0 <= harm <= HIGHEST_HARM for harm in self.harms.values())
        )


def preset(name: str, start: Setting, now: Setting) -> tuple[Setting, str]:
    """The setting that a preset makes of `now`, and what it did in a sentence; `start` is the page as it opened."""
    if name == "maker":
        targets = {t: MAKER_TARGETS.get(t, 0.0) for t in now.targets}
        return replace(now, targets=targets), (
            f"Targets are those that DERM's maker publishes; types without one keep their threshold. {_FIND}"
        )
    if name == "hold 90":
        return replace(now, targets=dict.fromkeys(now.targets, 0.9)), f"Every target is 90%. {_FIND}"
    if name == "prevalence":
        return replace(now, cancers=LESSON[3], shares={}, lesson=True), (
            "The share of cancers at your clinic is set to that of the lesson. Read it under “At my clinic”."
        )
    return start, "Thresholds, targets, case mix and harms are as the page opened."
