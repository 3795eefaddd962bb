"""The random audit sample without which missed cancers cannot be seen: how large, and what it would show when.

A sample of all cases, drawn whatever the model said and verified in full. Every figure takes lesions as independent.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from derm_kit.errors import DermKitError
from derm_kit.lesions import LesionType
from derm_kit.surveillance.cusum import design
from derm_kit.surveillance.feed import Feed, Way
from derm_kit.surveillance.known_outcomes import standing
from derm_kit.surveillance.run_lengths import RunLength, exact
from derm_kit.triage.proportions import zero_miss_sample_size

BEFORE_PROB, AFTER_PROB = 0.95, 0.88
WITHIN_MONTHS: Final = 12.0
FALSE_ALARM_MONTHS: Final = 60.0
FEWEST_A_MONTH: Final = 0.1
MOST_A_MONTH: Final = 2_000.0
_PRECISION: Final = 1.01
_DRAWN: Final = (Way.AUDIT_SAMPLE, Way.FULL_SECOND_READ)


@dataclass(frozen=True)
class AuditPlan:
    """A random audit sample for a site, so that a drop of sensitivity is seen in time.

    cases_a_month       to draw and verify whatever the model said; None where even every case would not be enough.
    cancers_a_month     of the `cancer` watched that are expected in the sample (in all cases, where it is None).
    false_alarm, found  months until the chart alarms without a change, and after the drop, at that size.
    """

    cancer: str
    volume_a_month: float
    prevalence_prob: float
    before_prob: float
    after_prob: float
    within_months: float
    cases_a_month: int | None
    cancers_a_month: float
    false_alarm: RunLength
    found: RunLength

    @property
    def share(self) -> float:
        """The sample as a share of all cases; NaN where none is large enough."""
        return self.cases_a_month / self.volume_a_month if self.cases_a_month is not None else math.nan

    @property
    def sentences(self) -> tuple[str, ...]:
        """The plan in words for a clinician."""
        drop = f"a fall of {self.cancer} sensitivity from {100 * self.before_prob:g}% to {100 * self.after_prob:g}%"
        target = 100 * self.before_prob
        without_a_miss = cases_without_a_miss(self.before_prob)
        once = (
            f"{without_a_miss:,} verified {self.cancer}, none of them missed, show a sensitivity of at least "
            f"{target:g}% (95% confidence): about {math.ceil(without_a_miss / self.prevalence_prob):,} cases drawn at "
            "random in all."
        )
        times = (
            f"found after {self.found.median:,.0f} months in half of all runs and after {self.found.p90:,.0f} in nine "
            f"of ten; without any change the chart alarms every {self.false_alarm.mean:,.0f} months on average."
        )
        if self.cases_a_month is None:
            return (
                f"At {self.volume_a_month:,.0f} cases a month, about {self.cancers_a_month:,.1f} of them "
                f"{self.cancer}, {drop} cannot be seen within {self.within_months:g} months, even if every case were "
                "verified whatever the model said.",
                f"With every case verified it is {times}",
                "Pool sites that share the product and the policy, or accept a later alarm and say so in the safety "
                "case.",
                once,
            )
        return (
            f"Draw {self.cases_a_month:,} of {self.volume_a_month:,.0f} cases a month at random "
            f"({100 * self.share:.0f}%) before anybody looks at the result, and verify every one of them whatever the "
            "model said: by biopsy, or by a dermatologist's full read with follow-up. About "
            f"{self.cancers_a_month:,.1f} a month are {self.cancer}.",
            f"With it, {drop} is seen in time: it is {times}",
            "Most services verify cases that were flagged anyway: what is added is work on those that were not.",
            once,
        )


def plan_audit_sample(
    volume_a_month: float,
    prevalence_prob: float,
    *,
    before_prob: float = BEFORE_PROB,
    after_prob: float = AFTER_PROB,
    within_months: float = WITHIN_MONTHS,
    false_alarm_months: float = FALSE_ALARM_MONTHS,
    cancer: str = "melanoma",
) -> AuditPlan:
    """The smallest audit sample whose CUSUM finds the drop within `within_months` in nine runs of ten.

    The chart is the one of `cusum.design`, with `false_alarm_months` on average between false alarms; the run lengths
    are exact. `prevalence_prob` is the share of cases that are the `cancer` watched. Raises DermKitError where a figure
    cannot be one.
    """
    _require(volume_a_month > 0, "a site has cases", volume_a_month, "Give its cases a month.")
    _require(0 < prevalence_prob < 1, "a prevalence lies between 0 and 1", prevalence_prob, "Give, say, 0.03.")
    sound = 0 < after_prob < before_prob < 1
    _require(sound, "sensitivity drops, within 0 and 1", f"{before_prob} to {after_prob}", "Give, say, 0.95 and 0.88.")
    sound = 0 < within_months < false_alarm_months
    _require(
        sound, "a drop is found sooner than a false alarm comes", f"{within_months} and {false_alarm_months} months",
        "Give, say, 12 and 60 months.",
    )  # fmt: skip
    all_cancers = volume_a_month * prevalence_prob
    needed = _fewest_cancers(before_prob, after_prob, within_months, false_alarm_months)
    cases = math.ceil(needed / prevalence_prob) if needed is not None else math.inf
    enough = cases <= volume_a_month
    cancers = cases * prevalence_prob if enough else all_cancers
    false_alarm, found = _in_months(cancers, before_prob, after_prob, false_alarm_months)
    asked = (cancer, volume_a_month, prevalence_prob, before_prob, after_prob, within_months)
    return AuditPlan(*asked, int(cases) if enough else None, cancers, false_alarm, found)


def cases_without_a_miss(target_prob: float, *, level: float = 0.95) -> int:
    """Verified cancers, none of them missed, that show a sensitivity of at least `target_prob` (one-sided bound)."""
    return zero_miss_sample_size(target_prob, level=level)


def audit_sample_for(feed: Feed, cancer: LesionType = LesionType.MELANOMA) -> tuple[AuditPlan | None, str]:
    """The audit sample for a feed's own volume and prevalence, and in a sentence what prevalence was taken and why.

    Volume: its cases a month from the first to the last. Prevalence: the share of `cancer` among cases drawn whatever
    the model said (audit sample, full second read); without any, cancers known by all ways over all cases, which is
    too low. None where no such cancer is known.
    """
    outcomes = feed.outcomes
    imaged = feed.cases["imaged_at"]
    months = max((imaged.iloc[-1] - imaged.iloc[0]).days / (365.25 / 12), 1.0)
    stands = standing(feed)
    is_cancer = (stands["truth"] == cancer.value).to_numpy()
    drawn = stands["way"].isin([way.value for way in _DRAWN]).to_numpy()
    sampled = outcomes["way"].isin([way.value for way in _DRAWN]).to_numpy()
    of, found = outcomes["case_id"][sampled].nunique(), stands["row"][drawn & is_cancer].nunique()
    name = cancer.label.lower()
    how = f"{found:,} {name} among {of:,} cases drawn whatever the model said"
    if found in (0, of):
        of, found = len(feed.cases), stands["row"][is_cancer].nunique()
        how = f"{found:,} {name} known by any way among all {of:,} cases, which is too few: missed ones are not known"
    if not found:
        return None, f"No {name} is among the outcomes yet, so that an audit sample cannot be sized."
    if found == of:
        return None, f"Each of {of:,} cases was {name}: an audit sample cannot be sized on so few."
    plan = plan_audit_sample(len(feed.cases) / months, found / of, cancer=name)
    return plan, f"Sized on {how}, and {len(feed.cases) / months:,.0f} cases a month."


def _fewest_cancers(before: float, after: float, within: float, false_alarm: float) -> float | None:
    """Cancers a month in the sample (to a hundredth) whose chart finds the drop in time; None beyond MOST_A_MONTH."""

    def late(cancers: float) -> bool:
        return _in_months(cancers, before, after, false_alarm)[1].p90 > within

    low, high = FEWEST_A_MONTH, FEWEST_A_MONTH * 2
    while late(high):
        low, high = high, high * 2
        if high > MOST_A_MONTH:
            return None
    while high / low > _PRECISION:
        middle = math.sqrt(low * high)
        low, high = (middle, high) if late(middle) else (low, middle)
    return high


def _in_months(cancers: float, before: float, after: float, false_alarm_months: float) -> tuple[RunLength, RunLength]:
    """Months until the chart of so many cancers a month alarms, without the drop and with it."""
    missed = 1 - before
    chart = design(max(false_alarm_months * cancers, 1.01), missed, changed=1 - after)
    unchanged = exact(chart, missed)
    changed = exact(chart, missed, actual_odds_ratio=chart.odds_ratio)
    return unchanged.in_months(cancers), changed.in_months(cancers)


def _require(sound: bool, rule: str, value: object, next_step: str) -> None:
    if not sound:
        raise DermKitError(rule, value=value, next_step=next_step)
