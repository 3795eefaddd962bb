"""The work behind the monitoring page: a feed read or made up, its rates counted, its signals run."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TypeVar

from derm_kit.errors import DermKitError
from derm_kit.panels.monitoring_setting import FEED_VARIABLE, Watching, own_folder, planted_by
from derm_kit.surveillance.audit_sample import audit_sample_for
from derm_kit.surveillance.choice import part_of
from derm_kit.surveillance.deliveries import read_feed
from derm_kit.surveillance.feed import Feed, FeedError, Way
from derm_kit.surveillance.findings import NO_FEATURES, Findings
from derm_kit.surveillance.input_drift import input_drift
from derm_kit.surveillance.known_outcomes import known_outcomes
from derm_kit.surveillance.late_outcomes import late_outcomes
from derm_kit.surveillance.quality_drift import quality_drift
from derm_kit.surveillance.rates import Rates, rates
from derm_kit.surveillance.scenarios import SIMULATED, TEACHING_SEED, Planted, planted_feed
from derm_kit.surveillance.signals import signals
from derm_kit.surveillance.watched import Watched
from derm_kit.triage.policy import TriagePolicy

T = TypeVar("T")
SETTLED_S = 0.3
"""So long nobody moves anything before the signals are run: the rates are there at once."""
STEPS = 7
"""Of which progress is told: read, count, four watches, the audit sample."""


@dataclass(frozen=True)
class Opened:
    """A feed with what was planted in it (None in one's own)."""

    feed: Feed
    planted: Planted | None

    @property
    def simulated(self) -> bool:
        """Whether it is made up: here, or by whoever wrote it down."""
        return self.planted is not None or any(one.sentence == SIMULATED for one in self.feed.remarks)


@dataclass(frozen=True)
class Counted:
    """Rates of what is set, quickly there."""

    watching: Watching
    opened: Opened
    watched: Watched
    rates: Rates


@dataclass(frozen=True)
class Heard:
    """What the watches found in the part that is set, and in words the audit sample that would show missed cancers."""

    counted: Counted
    part: Feed
    findings: Findings
    audit: tuple[str, ...]


def opened_by(watching: Watching, policy: TriagePolicy) -> Opened:
    """The feed that is set; `policy` says what one's own does not record. Raises FeedError where there is none."""
    scenario = planted_by(watching)
    if scenario is not None:
        name, seed = scenario
        return Opened(*planted_feed(name, seed=TEACHING_SEED if seed is None else seed))
    folder = own_folder()
    if folder is None:
        raise FeedError(
            "this machine has no feed",
            next_step=f"Whoever runs the workbench names its folder in {FEED_VARIABLE}, then starts it again.",
        )
    try:
        return Opened(read_feed(folder, policy), None)
    except DermKitError as error:  # a page is seen by others than whoever knows this machine's folders
        case = str(error.case).replace(str(folder), "FEED") if error.case else None
        raise FeedError(error.rule, case=case, value=error.value, next_step=error.next_step) from None


def seen_of(feed: Feed, watching: Watching) -> Feed:
    """The feed with the outcomes that count."""
    if watching.outcomes == "all":
        return feed
    return replace(feed, outcomes=feed.outcomes[(feed.outcomes["way"] == Way.BIOPSY).to_numpy()])


@dataclass
class Counter:
    """Counts what is set; what it read and made ready is kept for the next step."""

    opened: Opened | None = None
    _source: tuple[str, int] | None = None
    _stale: bool = False
    _watched: dict[tuple[str, str, int], Watched] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def forget(self) -> None:
        """Read again next time."""
        self._stale = True

    def count(self, watching: Watching, policy: TriagePolicy) -> Counted:
        """Rates of what is set, one at a time. Raises FeedError."""
        with self._lock:
            return self._count(watching, policy)

    def _count(self, watching: Watching, policy: TriagePolicy) -> Counted:
        opened = self.opened
        if opened is None or self._stale or self._source != watching.source:
            self._stale = False
            opened = opened_by(watching, policy)
            self.opened, self._source = opened, watching.source
            self._watched.clear()
        opened = Opened(seen_of(opened.feed, watching), opened.planted)
        key = watching.outcomes, watching.every, watching.lag_days
        if key not in self._watched:
            known = known_outcomes(opened.feed, lag_days=watching.lag_days)
            self._watched[key] = Watched(opened.feed, known, every=watching.every)
        watched = self._watched[key]
        return Counted(watching, opened, watched, rates(watched, watching.chosen))


def listen(counted: Counted, done: Callable[[int], None]) -> Heard:
    """Run every watch on what was counted; `done` is told of each step and may raise where nobody waits any more."""
    time.sleep(SETTLED_S)
    done(2)
    watching, refused = counted.watching, []
    part = part_of(counted.opened.feed, watching.chosen)

    def attempt(step: int, name: str, watch: Callable[[], T]) -> T | None:
        found = None
        try:
            found = watch()
        except DermKitError as error:
            refused.append(f"{name}: {error}")
        done(step)
        return found

    on_outcomes = attempt(3, "Signals on outcomes", lambda: signals(part, watching.plan))
    quality = attempt(4, "Quality and mix", lambda: quality_drift(part))
    late = attempt(5, "Outcomes in time", lambda: late_outcomes(part))
    inputs = attempt(6, "Input drift", lambda: input_drift(part)) if part.features is not None else None
    if part.features is None:
        refused.append(NO_FEATURES)
    sized = attempt(7, "Audit sample", lambda: audit_sample_for(part))
    plan, basis = sized or (None, "")
    audit = (*(plan.sentences if plan else ()), basis) if basis else ()
    return Heard(counted, part, Findings(on_outcomes, quality, late, inputs, tuple(refused)), audit)
