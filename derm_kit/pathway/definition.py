"""Pathway: conditions, stages, exits, clocks and arms, as written in a YAML file and held to rules on reading."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, StrictBool, ValidationError, model_validator

from derm_kit.lesions import LesionType
from derm_kit.pathway.quantities import Amount, Number, Part, Quantity, Share
from derm_kit.pathway.refusals import in_plain_words, near, refusal
from derm_kit.pathway.rules import broken_rule
from derm_kit.pathway.stages import Calendar, Count, Exit, Name, Referrals, Stage, Text, To, Week
from derm_kit.pathway.valuation import Economics
from derm_kit.pathway.yaml_file import Lines, read_yaml

SUFFIX = ".yaml"


class Condition(Part):
    """What people turn out to have: its share of all referrals, and whether the pathway is there to find it.

    `types` are the lesion types that make it up where cases come from scores. `progression_per_30_days` is the chance
    that a target condition has advanced to a later stage by each 30 days between referral and treatment. Conditions of
    one `group` are told together; left out, a condition stands for itself.
    """

    share: Share
    target: StrictBool = False
    types: tuple[LesionType, ...] = ()
    progression_per_30_days: Share = Quantity(value=0, source="does not advance")
    group: Name | None = None


class Clock(Part):
    """A time standard: how long from `starts` to the first of `stops`, and the share that must be within `limit`.

    `starts` is "referral", a stage, or "stage / outcome"; `stops` are stages, outcomes of stages, or exits. `only`
    names the conditions that the standard is for; left out, all.
    """

    limit: Annotated[Number, Field(gt=0)]
    starts: str = "referral"
    stops: Annotated[tuple[str, ...], Field(min_length=1)]
    target: Share
    only: tuple[Name, ...] = ()


class Arm(Part):
    """One way of running the pathway: where people enter, and what differs from the stages as written.

    `routes` replace single routes by stage and outcome ("seen" for a stage with one way on); `slots` and `servers`
    replace capacity by stage. `uptake` of the people enter at `entry`, the others as in the arm that is today's.
    `autonomous` lets a policy discharge cases that reach no threshold. `yearly_cost_gbp` is what the arm costs however
    many are referred.
    """

    title: Text = ""
    entry: Name
    today: StrictBool = False
    autonomous: StrictBool = False
    uptake: Share = Quantity(value=1, source="everybody")
    routes: dict[Name, dict[Name, To]] = Field(default_factory=dict)
    slots: dict[Name, Week] = Field(default_factory=dict)
    servers: dict[Name, Count] = Field(default_factory=dict)
    yearly_cost_gbp: Amount = Quantity(value=0, source="no cost of its own")


class Pathway(Part):
    """A diagnostic pathway that can be simulated.

    `time_unit` is the one in which waits and clock limits are counted: whole days (the referral's day is day 0), or
    minutes. Raises ValidationError, a ValueError, where a field breaks its rule or the parts do not hold together.
    """

    schema_version: Literal[1] = 1
    name: Name
    summary: Text
    time_unit: Literal["days", "minutes"] = "days"
    calendar: Calendar
    referrals: Referrals
    priorities: Annotated[tuple[Name, ...], Field(min_length=1, max_length=8)] = ("routine",)
    conditions: Annotated[dict[Name, Condition], Field(min_length=1, max_length=30)]
    stages: Annotated[dict[Name, Stage], Field(min_length=1, max_length=60)]
    exits: Annotated[dict[Name, Exit], Field(min_length=1, max_length=30)]
    clocks: Annotated[dict[Name, Clock], Field(max_length=8)] = Field(default_factory=dict)
    arms: Annotated[dict[Name, Arm], Field(min_length=1, max_length=12)]
    economics: Economics | None = None

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        broken = broken_rule(self)
        if broken:
            raise refusal(broken.rule, broken.at, broken.value)
        return self

    @property
    def today(self) -> str:
        """Name of the arm that the others are held against."""
        return next(name for name, arm in self.arms.items() if arm.today)

    @property
    def reads_policy(self) -> bool:
        """Whether any stage needs a triage policy and scores."""
        return any(stage.reads == "policy" for stage in self.stages.values())

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of the conditions that the pathway is there to find."""
        return tuple(name for name, condition in self.conditions.items() if condition.target)

    @property
    def target_groups(self) -> dict[str, tuple[str, ...]]:
        """Target conditions by the group that they are told in, in their order."""
        groups: dict[str, tuple[str, ...]] = {}
        for name in self.targets:
            group = self.conditions[name].group or name
            groups[group] = (*groups.get(group, ()), name)
        return groups

    @classmethod
    def read(cls, named: str | Path) -> Pathway:
        """The preset of that name, or a pathway's YAML file.

        Raises PathwayError with file, line, value, rule and next step.
        """
        shipped = presets()
        path = preset(str(named)) if str(named) in shipped else Path(named)
        content, lines = read_yaml(path, near(named, shipped))
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            raise in_plain_words(error, str(path), lines) from None

    def changed(self, **fields: object) -> Pathway:
        """The pathway with other values in some fields. Raises PathwayError with the field and the rule it breaks."""
        try:
            return Pathway.model_validate(self.model_dump(exclude_unset=True) | fields)
        except ValidationError as error:
            raise in_plain_words(error, self.name, Lines({})) from None


def presets() -> tuple[str, ...]:
    """Names of the pathways that ship."""
    folder = files("derm_kit.pathway") / "presets"
    return tuple(sorted(item.name.removesuffix(SUFFIX) for item in folder.iterdir() if item.name.endswith(SUFFIX)))


def preset(name: str) -> Path:
    """The file of a pathway that ships."""
    return Path(str(files("derm_kit.pathway") / "presets" / f"{name}{SUFFIX}"))
