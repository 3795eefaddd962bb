"""Small pathways for tests, and the error of a mean over replications."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from derm_kit.pathway.definition import Pathway
from derm_kit.pathway.outcomes import ArmOutcomes, Outcomes
from derm_kit.pathway.simulation import simulate
from derm_kit.pathway.stages import WEEKDAYS

Floats = npt.NDArray[np.float64]

EVERY_DAY = dict.fromkeys(WEEKDAYS, 1)
MONDAY = "2026-01-05"
JANUARY_ONLY = (1, *(0,) * 11)
MINUTES_A_DAY = 1_440


def pathway(stages: dict[str, dict[str, Any]], *, per_week: float = 70, **fields: Any) -> Pathway:
    """A pathway of `stages`, entered at the first and left by the exit "out"; `fields` stand in the place of ours.

    Four weeks from a Monday without warm-up; people arrive at any hour of any day.
    """
    calendar = {"start": MONDAY, "days": 28, "warm_up_days": 0, "follow_up_days": 60}
    referrals = {"per_week": per_week, "by_weekday": EVERY_DAY, "hours": (0, 24)}
    plain: dict[str, Any] = {
        "name": "test",
        "summary": "a pathway for tests",
        "conditions": {"all": {"share": 1}},
        "stages": stages,
        "exits": {"out": {}},
        "arms": {"only": {"entry": next(iter(stages)), "today": True}},
    }
    given = {
        "calendar": calendar | fields.pop("calendar", {}),
        "referrals": referrals | fields.pop("referrals", {}),
    }
    return Pathway.model_validate(plain | given | fields)


def desk(servers: int, minutes: Any, then: Any = "out", **more: Any) -> dict[str, Any]:
    """A stage of the kind servers; `minutes` is a mean of exponential times, or a whole duration."""
    time = minutes if isinstance(minutes, dict) else {"distribution": "exponential", "mean": minutes}
    return {"kind": "servers", "servers": servers, "service_minutes": time, **_on(then, more)}


def clinic(slots: Any, then: Any = "out", **more: Any) -> dict[str, Any]:
    """A stage of the kind slots; `slots` is one number from Monday to Friday, or a week."""
    return {"kind": "slots", "slots": slots, **_on(then, more)}


def sorting(shares: dict[str, dict[str, float]], routes: dict[str, Any], days: float = 0) -> dict[str, Any]:
    """A stage of the kind delay that sends people on by condition."""
    return {"kind": "delay", "delay_days": days, "reads": shares, "routes": routes}


def only_arm(found: Outcomes) -> ArmOutcomes:
    """The one arm of `pathway`."""
    return found.arms["only"]


def recorded(of: Pathway, seed: int = 1, **settings: Any) -> ArmOutcomes:
    """One replication with records."""
    return only_arm(simulate(of, seed=seed, replications=1, records=True, **settings))


def mean_waits(arm: ArmOutcomes, stage: int = 0) -> Floats:
    """Mean wait in days at a stage, by replication (R,)."""
    waits: Floats = arm.tally.wait_days[:, stage] / arm.tally.flow[:, stage].sum(axis=(1, 2))
    return waits


def mean_and_error(values: Floats) -> tuple[float, float]:
    """Mean over replications, and its standard error."""
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))


def assert_is(values: Floats, wanted: float, *, errors: float = 4, sharp: float = 0.05) -> None:
    """The mean is as `wanted` but for chance, in a test that sees a difference of `sharp` of it."""
    mean, error = mean_and_error(values)
    assert errors * error < sharp * abs(wanted), f"too few replications: 4 errors are {errors * error / wanted:.1%}"
    assert abs(mean - wanted) < errors * error, f"{mean:.6g} +- {error:.2g}, wanted {wanted:.6g}"


def _on(then: Any, more: dict[str, Any]) -> dict[str, Any]:
    return more if "reads" in more else {"then": then, **more}
