"""What an officer set on the threshold page: what undo goes through, the address holds and a preset fills in."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final
from urllib.parse import parse_qsl, urlencode

from derm_kit.errors import DermKitError
from derm_kit.lesions import LesionType
from derm_kit.triage.guarantee import Guarantee
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


@dataclass(frozen=True)
class Setting:
    """All that was set. Targets are sensitivities to hold (0: none), `cancers` the share of cancers among the lesions
    of the officer's clinic (0: not said), `within` a grouping in each group of which targets are to hold.

    `guarantees` are those of the last search; the `case` on show does not count as a change.
    """

    thresholds: dict[LesionType, float]
    targets: dict[LesionType, float]
    confidence: float = 0.95
    within: str = ""
    cancers: float = 0.0
    lesson: bool = False
    guarantees: tuple[Guarantee, ...] = field(default=(), compare=False)
    case: str = field(default="", compare=False)

    def text(self) -> str:
        """As the address holds it; guarantees are found anew."""
        parts = {t.value: repr(v) for t, v in self.thresholds.items()}
        parts |= {f"hold.{t.value}": repr(v) for t, v in self.targets.items()}
        parts |= {"confidence": repr(self.confidence), "within": self.within, "cancers": repr(self.cancers)}
        parts |= {"lesson": "1"} if self.lesson else {}
        parts |= {"case": self.case} if self.case else {}
        return urlencode(parts)

    @classmethod
    def from_text(cls, text: str, start: Setting, within: tuple[str, ...]) -> Setting:
        """What an address holds, for the types of `start`; `within` are the groupings there are.

        Raises DermKitError where it holds anything that this page does not write.
        """
        try:
            given = dict(parse_qsl(text, keep_blank_values=True, strict_parsing=True, max_num_fields=40))
            thresholds = {t: float(given.pop(t.value)) for t in start.thresholds}
            targets = {t: float(given.pop(f"hold.{t.value}")) for t in start.targets}
            found = cls(
                thresholds, targets, float(given.pop("confidence")), given.pop("within"), float(given.pop("cancers")),
                given.pop("lesson", "") == "1", case=given.pop("case", ""),
            )  # fmt: skip
            shares = (*targets.values(), found.cancers)
            sound = all(0 <= share <= 1 for share in shares) and 0.5 <= found.confidence < 1
            if given or not sound or max(targets.values(), default=0) == 1 or found.within not in ("", *within):
                raise ValueError(text)  # noqa: TRY301
        except (ValueError, KeyError):
            raise DermKitError(
                "what follows the # in the address is a setting as this page wrote it, for the same cases",
                value=text[:80],
                next_step="Open the page without it: it starts with the policy in force.",
            ) from None
        return found


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
        return replace(now, cancers=LESSON[3], lesson=True), (
            "The share of cancers at your clinic is set to that of the lesson. Read it under “At my clinic”."
        )
    return start, "Thresholds, targets and case mix are as the page opened."
