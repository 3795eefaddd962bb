"""Numbers that carry where they come from and how sure they are, and lengths of time that vary."""

from __future__ import annotations

import difflib
import math
import re
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictFloat,
    StrictInt,
    model_validator,
)

from derm_kit.pathway.refusals import near, refusal

SOURCE_REQUIRED = "source required"
"""The mark of a value that nobody published: an editable setting, never a figure to quote."""

LEAST_WITH_SPREAD = 1e-9
"""Values nearer to a limit of their distribution could not be drawn."""
LEAST_SPREAD, MOST_SPREAD = 1e-6, 10
"""Times the value: more or less is a slip of the pen, and cannot be drawn from."""

Number = Annotated[StrictInt | StrictFloat, Field(allow_inf_nan=False, ge=-(10**12), le=10**12)]
Length = Annotated[Number, Field(ge=0, le=100_000)]
"""A length of time, in minutes or days."""


def _source(text: str) -> str:
    """The text; the mark of a value without a source in its one spelling, which all else looks for."""
    mark = re.match(r"[\W_]*source[\W_]*required", text, re.IGNORECASE)
    if mark:
        return SOURCE_REQUIRED + text[mark.end() :]
    words = " ".join(re.findall(r"[^\W_]+", text.lower()))
    misspelt = difflib.SequenceMatcher(None, words[: len(SOURCE_REQUIRED) + 2], SOURCE_REQUIRED).ratio() > 0.85
    if misspelt or words in _NOBODY:
        rule = f"a source names who said it; where nobody has, write {SOURCE_REQUIRED}, or leave the source out"
        raise refusal(rule, (), text)
    return text


_NOBODY = ("", "none", "no source", "source needed", "required", "unknown", "not known", "n a", "na", "tbc", "tbd")
Source = Annotated[str, Field(min_length=1), AfterValidator(_source)]


class Part(BaseModel):
    """A part of a pathway: frozen, and no field that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _knows_its_fields(cls, given: object) -> object:
        fields: dict[str, object] = given if isinstance(given, dict) else {}
        for name, value in fields.items():
            if name not in cls.model_fields:
                rule = f"there is no such field here{near(name, cls.model_fields)}"
                if value is None:
                    rule += " (between { and } a text with a comma stands in quotation marks)"
                raise refusal(rule, (name,), value)
        return given


class Quantity(Part):
    """A value with its source and, where it is uncertain, the distribution that it is drawn from.

    `standard_error` is the distribution's standard deviation; `low` and `high` may stand in its place as the limits of
    a 95 % interval (for uniform: the limits). A value without a source carries the mark `source required`.
    """

    value: Number
    source: Source = SOURCE_REQUIRED
    distribution: Literal["fixed", "beta", "gamma", "lognormal", "normal", "uniform"] = "fixed"
    standard_error: Annotated[Number, Field(gt=0)] | None = None
    low: Number | None = None
    high: Number | None = None

    @model_validator(mode="after")
    def _spread_is_said_once(self) -> Self:
        spread = {name: getattr(self, name) for name in ("standard_error", "low", "high")}
        given = tuple(name for name, number in spread.items() if number is not None)
        if self.distribution == "fixed":
            if given:
                rule = "a spread needs a distribution: beta, gamma, lognormal, normal or uniform"
                raise refusal(rule, given[:1], spread[given[0]])
        elif given not in (("standard_error",), ("low", "high")):
            at = given[0] if given else "distribution"
            raise refusal("a distribution has either a standard_error, or low and high", (at,), getattr(self, at))
        elif self.low is not None and self.high is not None:
            if not self.low < self.high:
                raise refusal("low is below high", ("low",), self.low)
            if not self.low <= self.value <= self.high:
                raise refusal("the value lies from low to high", ("value",), self.value)
        elif self.distribution == "uniform":
            raise refusal("a uniform distribution has low and high", ("standard_error",), self.standard_error)
        return self

    @model_validator(mode="after")
    def _spread_can_be_drawn_from(self) -> Self:
        if self.distribution in ("fixed", "normal", "uniform"):
            return self
        room = float(self.value) if self.distribution != "beta" else float(min(self.value, 1 - self.value))
        if room < LEAST_WITH_SPREAD:
            lies = "lies between 0 and 1" if self.distribution == "beta" else "is above 0"
            lies += f" (by {LEAST_WITH_SPREAD:g} or more)" if room > 0 else ""
            raise refusal(f"a {self.distribution} value {lies}", ("value",), self.value)
        at, said = ("low", self.low) if self.standard_error is None else ("standard_error", self.standard_error)
        if self.distribution == "beta" and self.sd >= math.sqrt(self.value * (1 - self.value)):
            rule = "a beta value spreads less: the standard error is below sqrt(value x (1 - value))"
            raise refusal(rule, (at,), said)
        if not room * LEAST_SPREAD <= self.sd <= room * MOST_SPREAD:
            rule = f"the standard error is a millionth of the value or more, and at most {MOST_SPREAD} times the value"
            raise refusal(rule, (at,), said)
        return self

    @property
    def sourced(self) -> bool:
        """Whether somebody is named for the value."""
        return not self.source.lower().startswith(SOURCE_REQUIRED)

    @property
    def sd(self) -> float:
        """Standard deviation of the distribution; 0 where the value is fixed."""
        if self.distribution == "fixed":
            return 0.0
        if self.standard_error is not None:
            return float(self.standard_error)
        width = float(self.high or 0) - float(self.low or 0)
        return width / math.sqrt(12) if self.distribution == "uniform" else width / (2 * 1.959963984540054)


def _quantity(given: object) -> object:
    """A bare number as a value that nobody has given a source for."""
    return given if isinstance(given, dict | Quantity) else {"value": given}


def _at_least(lowest: float, highest: float = math.inf) -> AfterValidator:
    def check(quantity: Quantity) -> Quantity:
        limits = f"{lowest:g} or more" if highest == math.inf else f"from {lowest:g} to {highest:g}"
        for name in ("value", "low", "high") if quantity.distribution == "uniform" else ("value",):
            number = getattr(quantity, name)
            if not lowest <= number <= highest:
                raise refusal(f"the value is {limits}", (name,), number)
        return quantity

    return AfterValidator(check)


_OR_A_NUMBER = BeforeValidator(_quantity, json_schema_input_type=Quantity | int | float)
Signed = Annotated[Quantity, _OR_A_NUMBER]
Amount = Annotated[Quantity, _at_least(0), _OR_A_NUMBER]
Share = Annotated[Quantity, _at_least(0, 1), _OR_A_NUMBER]


class Duration(Part):
    """A length of time that varies from person to person, in the unit of the field that holds it.

    `mean` for fixed and exponential; `low` and `high` for uniform, with `mode` for triangular; `mean` and `sd` (of the
    times, not of their logarithms) for lognormal.
    """

    distribution: Literal["fixed", "exponential", "uniform", "triangular", "lognormal"] = "fixed"
    mean: Length | None = None
    sd: Annotated[Length, Field(gt=0)] | None = None
    low: Length | None = None
    mode: Length | None = None
    high: Length | None = None
    source: Source = SOURCE_REQUIRED

    @model_validator(mode="after")
    def _has_its_own_fields(self) -> Self:
        wanted = _FIELDS[self.distribution]
        given = {name for name in ("mean", "sd", "low", "mode", "high") if getattr(self, name) is not None}
        if given != set(wanted):
            raise ValueError(f"a {self.distribution} time is given by {' and '.join(wanted)}")
        numbers = [getattr(self, name) for name in wanted]
        if self.distribution in ("uniform", "triangular") and numbers != sorted(numbers):
            raise ValueError("low, mode and high stand in this order")
        if self.distribution in ("exponential", "lognormal") and numbers[0] <= 0:
            raise ValueError(f"the mean of a {self.distribution} time is above 0")
        if self.distribution == "lognormal" and numbers[1] > 10 * numbers[0]:
            raise ValueError("the sd of a lognormal time is at most ten times its mean")
        return self

    @property
    def expected(self) -> float:
        """Mean of the times."""
        if self.distribution == "uniform":
            return (float(self.low or 0) + float(self.high or 0)) / 2
        if self.distribution == "triangular":
            return (float(self.low or 0) + float(self.mode or 0) + float(self.high or 0)) / 3
        return float(self.mean or 0)

    @property
    def parameters(self) -> tuple[float, float, float]:
        """What the engine draws from: low, mode and high; mean; mean and sigma of the logarithms for lognormal."""
        if self.distribution == "lognormal":
            mean, sd = float(self.mean or 0), float(self.sd or 0)
            variance = math.log1p((sd / mean) ** 2)
            return math.log(mean) - variance / 2, math.sqrt(variance), 0.0
        numbers = [float(getattr(self, name)) for name in _FIELDS[self.distribution]]
        low, middle, high = (*numbers, 0.0, 0.0)[:3]
        return low, middle, high

    @property
    def sourced(self) -> bool:
        """Whether somebody is named for the times."""
        return not self.source.lower().startswith(SOURCE_REQUIRED)


_FIELDS = {
    "fixed": ("mean",),
    "exponential": ("mean",),
    "uniform": ("low", "high"),
    "triangular": ("low", "mode", "high"),
    "lognormal": ("mean", "sd"),
}


def _time(given: object) -> object:
    """A bare number as a fixed time that nobody has given a source for."""
    return given if isinstance(given, dict | Duration) else {"mean": given}


Time = Annotated[Duration, BeforeValidator(_time, json_schema_input_type=Duration | int | float)]


def unsourced_inputs(part: Part) -> list[str]:
    """Places of the inputs in a part that carry SOURCE_REQUIRED, in the order of the file."""
    return list(_unsourced(part.model_dump(), ""))


def _unsourced(part: object, at: str) -> list[str]:
    if not isinstance(part, dict):
        return []
    source = part.get("source")
    own = [at] if isinstance(source, str) and source.lower().startswith(SOURCE_REQUIRED) else []
    return own + [
        name for key, value in part.items() for name in _unsourced(value, f"{at} / {key}" if at else str(key))
    ]
