"""A scenario: what somebody changed in a pathway and its policy to see what would follow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlencode

from derm_kit.errors import DermKitError, PathwayError
from derm_kit.lesions import LesionType
from derm_kit.pathway.capacity import spread_over
from derm_kit.pathway.definition import Arm, Condition, Pathway
from derm_kit.pathway.patients import expected_referrals
from derm_kit.pathway.plan import days_of
from derm_kit.pathway.quantities import Quantity
from derm_kit.pathway.rules import broken_rule
from derm_kit.pathway.stages import SlotsStage, Stage
from derm_kit.triage.policy import TriagePolicy

SET_HERE = "source required: set for this scenario"
MOST_FIELDS = 100
MOST_SLOTS = 10_000


@dataclass(frozen=True)
class Scenario:
    """Changes to a pathway and a policy; what is empty or None stays as it is there.

    per_week            referrals a week
    groups              share of all referrals (0 to 1) that have a condition of each target group; the others keep
                        their proportions in what is left
    slots               slots a week by stage, in every arm, spread over weekdays as before
    uptake              share of people who enter by an arm's own entry, in every arm but today's
    thresholds          by flagged type
    second_read_margin  as in a policy: how far below a threshold a case still gets a second read
    arms                those that are simulated; empty for all
    """

    per_week: float | None = None
    groups: Mapping[str, float] = field(default_factory=dict)
    slots: Mapping[str, int] = field(default_factory=dict)
    uptake: float | None = None
    thresholds: Mapping[LesionType, float] = field(default_factory=dict)
    second_read_margin: float | None = None
    arms: tuple[str, ...] = ()
    replications: int = 200
    seed: int = 1

    def text(self) -> str:
        """As an address holds it: only what was changed."""
        plain = Scenario()
        said = {
            name: repr(value)
            for name in ("per_week", "uptake", "second_read_margin", "replications", "seed")
            if (value := getattr(self, name)) != getattr(plain, name)
        }
        said |= {f"group.{name}": repr(share) for name, share in self.groups.items()}
        said |= {f"slots.{name}": str(n) for name, n in self.slots.items()}
        said |= {f"threshold.{kind.value}": repr(value) for kind, value in self.thresholds.items()}
        return urlencode(said | ({"arms": "|".join(self.arms)} if self.arms else {}))

    def in_words(self) -> str:
        """What was changed, for people; "nothing" where nothing was."""
        plain = Scenario()
        said = [f"{self.per_week:g} referrals a week"] if self.per_week is not None else []
        said += [f"{name} {share:.1%} of referrals" for name, share in self.groups.items()]
        said += [f"{n:,} slots a week for {name}" for name, n in self.slots.items()]
        said += [f"uptake {self.uptake:.0%}"] if self.uptake is not None else []
        said += [f"{kind.label.lower()} threshold {value:.3f}" for kind, value in self.thresholds.items()]
        if self.second_read_margin is not None:
            said.append(f"second read within {self.second_read_margin:.0%} below a threshold")
        said += [f"arms {', '.join(self.arms)}"] if self.arms else []
        said += [f"{self.replications:,} simulated years"] if self.replications != plain.replications else []
        said += [f"seed {self.seed}"] if self.seed != plain.seed else []
        return "; ".join(said) or "nothing"

    @classmethod
    def from_text(cls, text: str) -> Scenario:
        """What an address holds. Raises DermKitError where it holds anything that `text` does not write."""
        try:
            given = dict(parse_qsl(text, keep_blank_values=True, strict_parsing=True, max_num_fields=MOST_FIELDS))
            numbers = [_number(given, name) for name in ("per_week", "uptake", "second_read_margin")]
            replications, seed = int(given.pop("replications", 200)), int(given.pop("seed", 1))
            arms = tuple(given.pop("arms").split("|")) if "arms" in given else ()
            parts: dict[str, dict[str, str]] = {"group": {}, "slots": {}, "threshold": {}}
            for name, value in given.items():
                kind, _, of = name.partition(".")
                parts[kind][of] = value
            return cls(
                per_week=numbers[0],
                uptake=numbers[1],
                second_read_margin=numbers[2],
                groups={name: float(value) for name, value in parts["group"].items()},
                slots={name: int(value) for name, value in parts["slots"].items()},
                thresholds={LesionType(name): float(value) for name, value in parts["threshold"].items()},
                arms=arms,
                replications=replications,
                seed=seed,
            )
        except (ValueError, KeyError, TypeError):
            raise DermKitError(
                "what follows the # in the address is a scenario as this page wrote it",
                value=text[:80],
                next_step="Open the page without it: it starts with the pathway as it is.",
            ) from None

    def people(self, of: Pathway) -> float:
        """People referred in all replications of all arms that are simulated, at the mean."""
        pathway = self.pathway(of)
        a_replication = float(expected_referrals(pathway.referrals, days_of(pathway)).sum())
        return a_replication * self.replications * len(self.arms or pathway.arms)

    def pathway(self, of: Pathway) -> Pathway:
        """The pathway with the scenario's changes. Raises PathwayError where one does not fit it."""
        new: dict[str, object] = {}
        stages, arms = self._stages(of)
        if self.per_week is not None:
            per_week = self._set(self.per_week, 0, 1e7, "referrals a week")
            new["referrals"] = of.referrals.model_copy(update={"per_week": per_week})
        if self.groups:
            new["conditions"] = self._conditions(of)
        if self.slots:
            new["stages"] = stages
        if self.uptake is not None:
            uptake = self._set(self.uptake, 0, 1, "uptake")
            arms = {name: arm if arm.today else arm.model_copy(update={"uptake": uptake}) for name, arm in arms.items()}
        if self.slots or self.uptake is not None:
            new["arms"] = arms
        changed = of.model_copy(update=new) if new else of
        broken = broken_rule(changed) if new else None
        if broken:
            raise PathwayError(
                broken.rule,
                case=f"{of.name}, {' / '.join(map(str, broken.at))}",
                value=broken.value,
                next_step="Choose another number.",
            )
        return changed

    def policy(self, of: TriagePolicy) -> TriagePolicy:
        """The policy with the scenario's thresholds and margin. Raises PolicyError where one breaks a rule."""
        changed: dict[str, object] = {}
        if self.thresholds:
            changed["thresholds"] = dict(of.thresholds) | dict(self.thresholds)
        if self.second_read_margin is not None:
            changed["second_read_margin"] = self.second_read_margin
        return of.changed(**changed) if changed else of

    def _set(self, value: float, low: float, high: float, what: str) -> Quantity:
        if not low <= value <= high:
            raise PathwayError(
                f"{what}: from {low:g} to {high:,.0f}", case="scenario", value=value, next_step="Choose another number."
            )
        return Quantity(value=value, source=SET_HERE)

    def _conditions(self, of: Pathway) -> dict[str, Condition]:
        groups = of.target_groups
        unknown = [name for name in self.groups if name not in groups]
        if unknown:
            raise PathwayError(
                "a share is set for a group of target conditions",
                case=of.name,
                value=unknown[0],
                next_step=f"Groups here: {', '.join(groups)}.",
            )
        named = {condition: group for group, members in groups.items() for condition in members if group in self.groups}
        before = {name: float(condition.share.value) for name, condition in of.conditions.items()}
        left, rest = 1 - sum(self.groups.values()), sum(share for name, share in before.items() if name not in named)
        fits = all(0 <= share <= 1 for share in self.groups.values()) and left >= -1e-9
        if not fits or (left > 1e-9 and not rest):
            raise PathwayError(
                "shares of target groups are 0 or more and leave something for the others",
                case=of.name,
                value=f"{sum(self.groups.values()):.1%} in all",
                next_step="Lower one of them.",
            )
        found = {}
        for name, condition in of.conditions.items():
            if name in named:
                within = sum(before[member] for member in groups[named[name]])
                part = before[name] / within if within else 1 / len(groups[named[name]])
                share = self.groups[named[name]] * part
            else:
                share = max(left, 0.0) * before[name] / rest if rest else 0.0
            found[name] = condition.model_copy(update={"share": Quantity(value=share, source=SET_HERE)})
        return found

    def _stages(self, of: Pathway) -> tuple[dict[str, Stage], dict[str, Arm]]:
        stages, arms = dict(of.stages), dict(of.arms)
        for name, slots in self.slots.items():
            stage = of.stages.get(name)
            if not isinstance(stage, SlotsStage) or not 0 <= slots <= MOST_SLOTS:
                raise PathwayError(
                    f"slots a week, from 0 to {MOST_SLOTS:,}, are set for a stage of the kind slots",
                    case=of.name,
                    value=f"{name}: {slots}",
                    next_step=f"Stages with slots: {', '.join(n for n, s in of.stages.items() if s.kind == 'slots')}.",
                )
            stages[name] = stage.model_copy(update={"slots": spread_over(dict(stage.slots), slots)})
            for arm, own in arms.items():
                if name in own.slots:
                    week = spread_over(dict(own.slots[name]), slots)
                    arms[arm] = own.model_copy(update={"slots": own.slots | {name: week}})
        return stages, arms


def _number(given: dict[str, str], name: str) -> float | None:
    return float(given.pop(name)) if name in given else None
