"""Charts of a simulation: how long people wait, how queues go through the year, and where people go."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, Literal

import numpy as np
import pandas as pd

from derm_kit.panels.plots import Series, chart_html
from derm_kit.panels.referral_setting import Found
from derm_kit.panels.sankey import sankey_html
from derm_kit.pathway.measures import backlogs, routes, waiting

Kind = Literal["line", "other", "third", "fourth"]
KINDS: Final[tuple[Kind, ...]] = ("line", "other", "third", "fourth")
PER = 1_000


def in_fours(title: str, arms: Sequence[str]) -> Iterator[tuple[str, dict[str, Kind]]]:
    """The title and the kinds of lines of each chart of at most four arms, so that no two lines of one are alike."""
    many = -(-len(arms) // len(KINDS))
    for n in range(max(many, 1)):
        own = arms[n * len(KINDS) : (n + 1) * len(KINDS)]
        yield title if many <= 1 else f"{title} ({n + 1} of {many})", dict(zip(own, KINDS, strict=False))


def waiting_html(found: Found, of: str) -> str:
    """Share of people seen within each time, by arm; of a clock or a stage."""
    curves = {arm: waiting(found.outcomes, arm) for arm in found.outcomes.arms}
    own = {arm: frame[frame["name"] == of] for arm, frame in curves.items()}
    some = {arm: frame for arm, frame in own.items() if len(frame)}
    reach = max(
        [10.0, *(float(frame["units"][frame["share"] < 0.995].max() + 2) for frame in some.values() if len(frame) > 1)]
    )
    charts = in_fours(f"Waits: {of}", list(some))
    return "".join(_waiting_chart(found, of, title, some, kinds, reach) for title, kinds in charts)


def _waiting_chart(
    found: Found, of: str, title: str, some: dict[str, pd.DataFrame], kinds: dict[str, Kind], reach: float
) -> str:
    unit, clock = found.outcomes.pathway.time_unit, found.outcomes.pathway.clocks.get(of)
    series = [
        Series(arm, some[arm]["units"].to_numpy(float), some[arm]["share"].to_numpy(float), kind)
        for arm, kind in kinds.items()
    ]
    words = f"The standard: {clock.target.value:.0%} within {clock.limit:g} {unit}." if clock else ""
    if clock and series:
        limit = float(clock.limit)
        if limit <= reach:
            dots = np.array([limit]), np.array([float(clock.target.value)])
            series.append(Series("the standard", *dots, "dots"))
    table = pd.concat([some[arm].assign(arm=arm) for arm in kinds]) if kinds else pd.DataFrame()
    numbers = table[["arm", "units", "share"]].rename(columns={"units": unit}) if len(table) else table
    return chart_html(
        title, (unit, "share seen within"), series, numbers, x_range=(0, reach),
        remark=words if kinds else f"Nobody comes to {of} in these arms.",
    )  # fmt: skip


def backlog_html(found: Found, of: str) -> str:
    """People who wait at a stage through the year, by arm."""
    own = {
        arm: frame[frame["stage"] == of] for arm in found.outcomes.arms if len(frame := backlogs(found.outcomes, arm))
    }
    some = {arm: frame for arm, frame in own.items() if len(frame)}
    charts = in_fours(f"Waiting at {of}", list(some))
    return "".join(_backlog_chart(of, title, some, kinds) for title, kinds in charts)


def _backlog_chart(of: str, title: str, some: dict[str, pd.DataFrame], kinds: dict[str, Kind]) -> str:
    series = [
        Series(arm, np.arange(len(some[arm])) / 7.0, some[arm]["value"].to_numpy(float), kind)
        for arm, kind in kinds.items()
    ]
    highest = max([1.0, *(float(frame["value"].max()) for frame in some.values())])
    weeks = max([1.0, *(len(frame) / 7 for frame in some.values())])
    numbers = pd.concat([some[arm].iloc[::7].assign(arm=arm) for arm in kinds]) if kinds else pd.DataFrame()
    return chart_html(
        title, ("weeks from the start", "people"), series, numbers, x_range=(0, weeks),
        y_range=(0, highest * 1.05), remark="" if kinds else f"Nobody waits at {of} in these arms.",
    )  # fmt: skip


def routes_html(found: Found, arm: str) -> str:
    """Where people go in one arm, per 1,000 referred."""
    return sankey_html(routes(found.outcomes, arm), f"Routes: {arm}", PER, f"per {PER:,} people referred")
