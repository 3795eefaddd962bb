"""Stages of a pathway: where people wait and are seen, what comes out of it, and where they go next."""

from __future__ import annotations

from datetime import date
from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, StrictBool, StrictInt, model_validator

from derm_kit.pathway.quantities import SOURCE_REQUIRED, Amount, Number, Part, Quantity, Share, Source, Time
from derm_kit.pathway.refusals import refusal

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
FIRST_DAY, LAST_DAY = date(1900, 1, 1), date(2200, 1, 1)
WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def _readable(name: str) -> str:
    if not name.isprintable():
        raise ValueError("a name has only characters that can be seen")
    return name


def _day(given: object) -> object:
    """A date, or one as text; no number, which would count seconds."""
    if isinstance(given, str) or type(given) is date:
        return given
    raise refusal("a date is needed, as 2026-04-01", value=given)


def _of_our_time(day: date) -> date:
    if not FIRST_DAY <= day <= LAST_DAY:
        raise ValueError(f"a day lies between {FIRST_DAY} and {LAST_DAY}")
    return day


Name = Annotated[
    str, Field(min_length=1, max_length=60, pattern=r"^[^\s/]([^/\n]*[^\s/])?$"), AfterValidator(_readable)
]
Text = Annotated[str, Field(max_length=500)]
Day = Annotated[date, BeforeValidator(_day), AfterValidator(_of_our_time)]
Count = Annotated[StrictInt, Field(ge=0, le=1_000_000)]
Days = Annotated[StrictInt, Field(ge=0, le=3_650)]
Hour = Annotated[Number, Field(ge=0, le=24)]

_WORKING_WEEK: dict[Weekday, int | float] = dict.fromkeys(WEEKDAYS[:5], 1)
SHORTEST_OPENING = 0.25
NO_COST = Quantity(value=0, source="no cost of its own")
NOBODY = Quantity(value=0, source="everybody attends")


class Route(Part):
    """Where an outcome leads: a stage or an exit, and the priority there (left out: as before)."""

    to: Name
    priority: Name | None = None


def _route(given: object) -> object:
    if isinstance(given, str):
        return {"to": given}
    if isinstance(given, dict | Route):
        return given
    raise refusal(
        "a stage or exit is named here; in quotation marks where it looks like a number or yes or no", (), given
    )


def _week(given: object) -> object:
    """One number as that many on each day from Monday to Friday."""
    return dict.fromkeys(WEEKDAYS[:5], given) if isinstance(given, int) and not isinstance(given, bool) else given


To = Annotated[Route, BeforeValidator(_route, json_schema_input_type=Route | Name)]
Week = Annotated[dict[Weekday, Count], BeforeValidator(_week, json_schema_input_type=dict[Weekday, Count] | Count)]


class CarveOut(Part):
    """Slots kept for one priority and those before it; `released` gives what is left of a day to everybody."""

    priority: Name
    slots: Week
    released: StrictBool = False


class _Stage(Part):
    """What every stage has.

    `then` is the one way on. A stage with several outcomes has `routes`, one for each outcome, and `reads`, which says
    how an outcome comes about: "policy" (the dispositions of a triage policy on the person's case), or for each
    condition the share of each outcome. `cost_gbp` and `staff` (minutes by role) are those of one visit, a slot that
    nobody attends included. `alarm` marks stages that nobody without a target condition should have needed.
    """

    title: Text = ""
    then: To | None = None
    reads: Literal["policy"] | dict[Name, dict[Name, Share]] | None = None
    routes: Annotated[dict[Name, To], Field(max_length=30)] = Field(default_factory=dict)
    cost_gbp: Amount = NO_COST
    staff: dict[Name, Annotated[Number, Field(ge=0)]] = Field(default_factory=dict)
    alarm: StrictBool = False

    @model_validator(mode="after")
    def _leads_somewhere(self) -> Self:
        if (self.then is None) == (self.reads is None):
            raise ValueError("a stage has either then (one way on), or reads and routes (several outcomes)")
        if (self.reads is None) != (not self.routes):
            raise ValueError("reads and routes stand together")
        return self

    @property
    def ways(self) -> dict[str, Route]:
        """Routes by outcome; one called "seen" where there is one way on."""
        return {"seen": self.then} if self.then else dict(self.routes)


class SlotsStage(_Stage):
    """A clinic with a number of slots each weekday.

    Exact by the day: people who join are seen in the order of priority, then of joining, from `lead_days` after they
    joined; a person who joins on a day may be seen that day where lead_days is 0 and a slot is left. Those who do not
    attend (`did_not_attend`) use a slot up; `rebooked` of them may be seen from `rebooked_after_days` after that (no
    sooner than `lead_days` + 1), the others leave by the exit `lost_to`. `backlog` people wait here when counting
    starts. Closed on the calendar's holidays.
    """

    kind: Literal["slots"]
    slots: Week
    lead_days: Days = 0
    carve_out: CarveOut | None = None
    did_not_attend: Share = NOBODY
    rebooked: Share = Quantity(value=1, source="everybody is offered another slot")
    rebooked_after_days: Days = 7
    lost_to: Name | None = None
    backlog: Count = 0
    backlog_priority: Name | None = None
    open_on_holidays: StrictBool = False

    @model_validator(mode="after")
    def _the_lost_go_somewhere(self) -> Self:
        if self.did_not_attend.value and self.rebooked.value < 1 and self.lost_to is None:
            raise refusal("people who do not attend and are not rebooked need an exit", ("lost_to",))
        if self.did_not_attend.value == 1 and self.rebooked.value == 1:
            raise refusal("nobody ever attends and all are rebooked, so nobody leaves", ("did_not_attend",), 1)
        return self


class ServersStage(_Stage):
    """Desks or machines that serve one person at a time, in continuous time.

    In the order of priority, then of joining; nobody is interrupted. `open_hours` are those of the day's clock in which
    work goes on; what is not finished at closing goes on at the next opening. Closed on the calendar's holidays.
    """

    kind: Literal["servers"]
    servers: Count
    service_minutes: Time
    open_hours: tuple[Hour, Hour] = (0, 24)
    open_days: tuple[Weekday, ...] = WEEKDAYS
    open_on_holidays: StrictBool = False

    @model_validator(mode="after")
    def _opens(self) -> Self:
        if self.open_hours[1] - self.open_hours[0] < SHORTEST_OPENING:
            raise refusal("it closes at least a quarter of an hour after it opens", ("open_hours",), self.open_hours)
        if not self.open_days:
            raise refusal("it opens on at least one day", ("open_days",))
        return self


class DelayStage(_Stage):
    """Time that passes without a queue: a letter, a laboratory that always keeps its time."""

    kind: Literal["delay"]
    delay_days: Time


Stage = Annotated[SlotsStage | ServersStage | DelayStage, Field(discriminator="kind")]


class Returns(Part):
    """People with a target condition who left by an exit and are referred again.

    `share` by condition (others never come back), after `after_days`, at stage `to`.
    """

    share: dict[Name, Share]
    after_days: Time
    to: Name
    priority: Name | None = None


class Exit(Part):
    """A way out of the pathway.

    A person with a target condition is found who leaves by an exit that is `treated`, and missed who leaves by any
    other; `advice` marks leaving with safety-netting advice and no look by a clinician.
    """

    title: Text = ""
    treated: StrictBool = False
    advice: StrictBool = False
    returns: Returns | None = None


class Calendar(Part):
    """The days that are simulated.

    `warm_up_days` fill the clinics before `start`; people referred in the `days` from `start` are counted, and followed
    for at most `follow_up_days` more while others go on arriving.
    """

    start: Day
    days: Annotated[StrictInt, Field(ge=1, le=3_650)] = 365
    warm_up_days: Days = 90
    follow_up_days: Days = 180
    holidays: tuple[Day, ...] = ()

    @model_validator(mode="after")
    def _holidays_in_order(self) -> Self:
        late = [day for before, day in pairwise(self.holidays) if day <= before]
        if late:
            raise refusal("dates stand in their order, each once", ("holidays",), late[0])
        return self


class Referrals(Part):
    """How many people are referred: a week at the mean, and how they spread over weekdays, months and hours.

    `by_weekday` and `by_month` (twelve, January first) are relative: their sizes beside each other count. Arrivals are
    Poisson by the day, and evenly at random within `hours` of the clock.
    """

    per_week: Amount
    by_weekday: dict[Weekday, Annotated[Number, Field(ge=0)]] = _WORKING_WEEK
    by_month: tuple[Annotated[Number, Field(ge=0)], ...] = (1,) * 12
    hours: tuple[Hour, Hour] = (8, 18)
    priority: Name | None = None
    source: Source = SOURCE_REQUIRED

    @model_validator(mode="after")
    def _arrive_some_time(self) -> Self:
        if len(self.by_month) != 12:
            raise refusal("twelve numbers are needed, January first", ("by_month",), len(self.by_month))
        for field, numbers in (("by_weekday", tuple(self.by_weekday.values())), ("by_month", self.by_month)):
            if not sum(numbers) > 0:
                raise refusal("at least one number is above 0", (field,))
        if not self.hours[0] < self.hours[1]:
            raise refusal("the first hour is earlier than the last", ("hours",), self.hours)
        return self
