"""The compiled loop: every person of some replications of one arm, from referral to exit.

One function, because what it turns on is one state. `plan` makes the arrays that it reads, `tallies` those it fills.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from numba import njit

from derm_kit.pathway.events import plan_event, pop, push
from derm_kit.pathway.open_hours import NO_TIME, finish, opening
from derm_kit.pathway.random_numbers import drawn, number, person_key

if TYPE_CHECKING:
    from derm_kit.pathway.plan import Plan
    from derm_kit.pathway.tallies import Tally

Array = npt.NDArray[Any]

SLOTS, SERVERS, DELAY = range(3)
ONE_WAY, BY_POLICY, BY_CONDITION = range(3)
JOIN, DONE, REBOOKED, LOST, RETURNING, OPENS = range(6)
"""What a person does next: join a stage, be done there, join it again without having attended, be lost to it, or be
referred again; OPENS: a stage with servers lets people in."""
END_OF_DAY = 1 - 1e-6
MOST_VISITS = 1_000
GOES_ROUND = 1
BACKLOG_IDS = 1 << 40
CONDITION, CASE, UPTAKE, PROGRESS = range(4)
SERVICE, OUTCOME, ATTENDS, REBOOKS, RETURNS, RETURN_TIME = range(6)
"""Of the eight numbers that a visit may draw: which is for what."""

PERSON = np.dtype(
    [
        ("person", np.int64),
        ("own", np.uint64),  # the key of their random numbers
        ("referred", np.float64),
        ("joined", np.float64),  # the stage, the first time if rebooked
        ("queued", np.float64),  # the last time
        ("time", np.float64),  # of the next event, where it is on another day
        ("order", np.int64),
        ("next", np.int32),
        ("behind", np.int32),  # the row of who queues next
        ("case", np.int32),
        ("total", np.int32),
        ("condition", np.int16),
        ("stage", np.int16),
        ("left_by", np.int16),
        ("priority", np.int8),
        ("phase", np.int8),
        ("way", np.int8),
        ("counted", np.bool_),
    ],
    align=True,
)
"""What is known of a person who is in the pathway, side by side in memory, as it is needed at the same time."""


@njit(cache=True, nogil=True)
def run(
    plan: Plan,
    keys: Array,
    arrivals: Array,
    moments: Array,
    cases: Array,
    case_from: Array,
    disposition: Array,
    tally: Tally,
) -> int:
    """Simulate len(keys) replications of one arm and fill `tally`; 0, or GOES_ROUND where somebody never leaves.

    plan         `plan.Plan`: the arm as arrays, times in days.
    keys         (R,) uint64: the key of each replication's random numbers.
    arrivals     (R, D) referrals on each day, warm-up and follow-up included.
    moments      (R, N) when each person is referred, in their order, as `arrivals.arrival_moments` draws them.
    cases        (R, M) positions of cases, those of condition g from case_from[g] to case_from[g + 1]; M may be 0.
    disposition  (cases of the cohort,) code of the policy's disposition of each case.
    tally        `tallies.Tally`: what is counted, first axis R.
    """
    for r in range(keys.size):
        if _replication(plan, r, keys[r], arrivals[r], moments[r], cases[r], case_from, disposition, tally):
            return GOES_ROUND
    return 0


@njit(cache=True, nogil=True)
def _replication(
    plan: Plan,
    r: int,
    key: np.uint64,
    arrivals: Array,
    moments: Array,
    cases: Array,
    case_from: Array,
    disposition: Array,
    tally: Tally,
) -> int:
    n_stages, n_outcomes = plan.to.shape[1], plan.to.shape[2]
    n_conditions, n_priorities = plan.condition_until.size, plan.n_priorities
    n_clocks = plan.clock_starts.shape[0]
    n_days = arrivals.size
    first_day, last_day = plan.first_day, plan.last_day
    bins = tally.stage_wait.shape[-1]
    records = tally.record_exit.shape[1] > 0

    # The people who are in the pathway now: one row each, used again when somebody has left. There is room for
    # everybody, and the machine gives memory to the rows that are used only.
    rows = max(1, arrivals.sum() + plan.backlog.sum())
    people = np.empty(rows + n_stages, PERSON)
    person, condition, case, priority = people["person"], people["condition"], people["case"], people["priority"]
    own = people["own"]
    stage, phase, way, counted = people["stage"], people["phase"], people["way"], people["counted"]
    referred, joined, queued = people["referred"], people["joined"], people["queued"]
    left_by, total, behind = people["left_by"], people["total"], people["behind"]
    times_at = np.empty((rows, n_stages), np.int16)
    clock_at = np.empty((rows, max(n_clocks, 1)), np.float64)
    free = np.empty(rows, np.int32)
    n_free, n_rows = 0, 0

    # What is to come: who is done when, and (rows from `rows` on) stages that open with people waiting. Later days have
    # their events in lists, today has them in a heap.
    heap_time, heap_what = np.empty(rows + n_stages, np.float64), np.empty(rows + n_stages, np.int64)
    n_heap, n_pushed = 0, 0
    due, due_time, due_order, due_next = np.full(n_days, -1, np.int32), people["time"], people["order"], people["next"]
    opening_due = np.zeros(n_stages, np.bool_)
    first = np.full((n_stages, n_priorities), -1, np.int32)
    last = np.full((n_stages, n_priorities), -1, np.int32)
    waiting = np.zeros(n_stages, np.int64)
    busy = np.zeros(n_stages, np.int64)
    timed = np.zeros((n_stages, n_outcomes), np.bool_)  # outcomes and exits at which some clock starts or stops
    timed_exit = np.zeros(plan.treated.size, np.bool_)
    for c in range(n_clocks):
        timed |= plan.clock_starts[c] | plan.clock_stops[c]
        timed_exit |= plan.clock_exits[c]
    always = np.empty(n_stages, np.bool_)
    for s in range(n_stages):
        always[s] = plan.opens[s] <= 0 and plan.closes[s] >= 1 and plan.open_days[s].all()

    next_person, first_counted, n_open, n_backlog = 0, 0, 0, 0
    for day in range(n_days):
        if day == first_day:
            first_counted = next_person
        if day > last_day and n_open == 0:
            for later in range(day, n_days):
                for s in range(n_stages):
                    tally.backlog[r, later, s] = -1
            break
        n_today = arrivals[day]
        i_today = 0
        arrival = moments[next_person] if n_today else math.inf
        row = due[day]
        while row >= 0:
            push(heap_time, heap_what, n_heap, due_time[row], row, due_order[row])
            n_heap += 1
            row = due_next[row]
        tick, left, kept, used = 0, -1, 0, 0
        short = np.zeros(n_stages, np.int64)
        if day == first_day:
            for s in range(n_stages):
                short[s] = max(0, plan.backlog[s] - waiting[s])
        s_short = 0

        while True:
            # What happens next.
            row, s, action, now = -1, -1, JOIN, 0.0
            while s_short < n_stages and short[s_short] == 0:
                s_short += 1
            new = s_short < n_stages
            if new or (arrival < math.inf and (n_heap == 0 or arrival <= heap_time[0])):
                if n_free:
                    n_free -= 1
                    row = free[n_free]
                else:
                    row = n_rows
                    n_rows += 1
                if new:
                    short[s_short] -= 1
                    s, now = s_short, float(day)
                    person[row] = BACKLOG_IDS + n_backlog
                    own[row] = person_key(key, person[row])
                    n_backlog += 1
                    priority[row], way[row] = plan.backlog_priority[s], 0
                    counted[row] = False
                else:
                    now = arrival
                    person[row] = next_person
                    own[row] = person_key(key, next_person)
                    next_person += 1
                    priority[row] = plan.referral_priority
                    way[row] = 0 if plan.uptake >= 1 or number(own[row], UPTAKE) < plan.uptake else 1
                    s = plan.other_entry if way[row] else plan.entry
                    counted[row] = first_day <= day <= last_day
                    i_today += 1
                    arrival = moments[next_person] if i_today < n_today else math.inf
                u = number(own[row], CONDITION)
                g = 0
                while g < n_conditions - 1 and u >= plan.condition_until[g]:
                    g += 1
                condition[row], case[row] = g, -1
                if cases.size:
                    n_cases = case_from[g + 1] - case_from[g]
                    case[row] = cases[case_from[g] + int(number(own[row], CASE) * n_cases)]
                referred[row], left_by[row], total[row] = now, -1, 0
                for other in range(n_stages):
                    times_at[row, other] = 0
                for c in range(n_clocks):
                    clock_at[row, c] = now if plan.clock_from_referral[c] else -1.0
                if counted[row]:
                    n_open += 1
                    tally.referred[r, g] += 1
                    tally.entered[r, s, g] += 1
                    if records:
                        at = person[row] - first_counted
                        tally.record_referred[r, at], tally.record_condition[r, at] = now, g
                        tally.record_case[r, at] = case[row]
            elif n_heap:
                now = heap_time[0]
                row = pop(heap_time, heap_what, n_heap)
                n_heap -= 1
                if row >= rows:
                    s, action = row - rows, OPENS
                    opening_due[s] = False
                else:
                    s, action = stage[row], phase[row]
                    if action == RETURNING:
                        action = JOIN
            elif tick < n_stages:
                s = tick
                if plan.kind[s] != SLOTS:
                    tick += 1
                    continue
                if left < 0:
                    left, kept, used = plan.slots[s, day], plan.kept[s, day], 0
                for p in range(n_priorities):
                    row = first[s, p]
                    if row < 0 or math.floor(queued[row]) + plan.lead_days[s] > day:
                        row = -1
                        continue
                    if kept > 0 and p <= plan.kept_priority[s]:
                        kept -= 1
                    elif left > 0:
                        left -= 1
                    else:
                        row = -1
                        continue
                    first[s, p] = behind[row]
                    if first[s, p] < 0:
                        last[s, p] = -1
                    break
                if row < 0:
                    if kept > 0 and plan.kept_released[s]:
                        left, kept = left + kept, 0
                        continue
                    if first_day <= day <= last_day:
                        tally.slots_used[r, s] += used
                        tally.slots_offered[r, s] += plan.slots[s, day] + plan.kept[s, day]
                    tick, left = tick + 1, -1
                    continue
                used += 1
                waiting[s] -= 1
                now, action = day + END_OF_DAY, DONE
                g, visit = condition[row], times_at[row, s] - 1
                tag = (s * 32_768 + visit) * 8
                if plan.did_not_attend[s] > 0 and number(own[row], 64 + tag + ATTENDS) < plan.did_not_attend[s]:
                    if counted[row]:
                        tally.not_attended[r, s, g] += 1
                    action = LOST
                    if number(own[row], 64 + tag + REBOOKS) < plan.rebooked[s]:
                        phase[row] = REBOOKED
                        later = now + max(1, plan.rebooked_days[s] - plan.lead_days[s])
                        n_heap += plan_event(later, row, n_pushed, day, heap_time, heap_what, n_heap, due, people)
                        n_pushed += 1
                        continue
            else:
                break

            # Follow the person until they wait, are served, or leave.
            while True:
                if action in (JOIN, REBOOKED):
                    total[row] += 1
                    if total[row] > MOST_VISITS:
                        return GOES_ROUND
                    if action == JOIN:
                        joined[row] = now
                    stage[row], phase[row], queued[row] = s, DONE, now
                    times_at[row, s] += 1
                    tag = (s * 32_768 + times_at[row, s] - 1) * 8 + 64
                    if plan.kind[s] != DELAY:
                        p = priority[row]
                        behind[row] = -1
                        if last[s, p] < 0:
                            first[s, p] = row
                        else:
                            behind[last[s, p]] = row
                        last[s, p] = row
                        waiting[s] += 1
                        if plan.kind[s] == SLOTS or busy[s] >= plan.servers[s]:
                            break
                        action = OPENS
                    else:
                        work = drawn(
                            plan.time_kind[s], plan.time_a[s], plan.time_b[s], plan.time_c[s],
                            own[row], tag + SERVICE,
                        )  # fmt: skip
                        if work > 0:
                            n_heap += plan_event(
                                now + work, row, n_pushed, day, heap_time, heap_what, n_heap, due, people
                            )
                            n_pushed += 1
                            break
                        action = DONE

                # Servers that are free, and open, take who is next.
                if plan.kind[s] == SERVERS and action in (DONE, OPENS):
                    if action == DONE:
                        busy[s] -= 1
                    while waiting[s] > 0 and busy[s] < plan.servers[s]:
                        opens = now
                        if not always[s]:
                            opens = opening(now, plan.opens[s], plan.closes[s], plan.open_days[s])
                        if opens > now:
                            if not opening_due[s]:
                                opening_due[s] = True
                                n_heap += plan_event(
                                    opens, rows + s, n_pushed, day, heap_time, heap_what, n_heap, due, people
                                )
                                n_pushed += 1
                            break
                        p = 0
                        while first[s, p] < 0:
                            p += 1
                        other = first[s, p]
                        first[s, p] = behind[other]
                        if first[s, p] < 0:
                            last[s, p] = -1
                        waiting[s] -= 1
                        busy[s] += 1
                        tag = (s * 32_768 + times_at[other, s] - 1) * 8 + 64
                        work = drawn(
                            plan.time_kind[s], plan.time_a[s], plan.time_b[s], plan.time_c[s],
                            own[other], tag + SERVICE,
                        )  # fmt: skip
                        if counted[other]:
                            wait = now - joined[other]
                            tally.wait_days[r, s] += wait
                            tally.delayed[r, s] += wait > NO_TIME
                            tally.stage_wait[r, s, min(bins - 1, int(wait * plan.units_per_day))] += 1
                        if first_day <= day <= last_day:
                            tally.busy_days[r, s] += work
                        ends = now + work
                        if not always[s]:
                            ends = finish(now, work, plan.opens[s], plan.closes[s], plan.open_days[s])
                        n_heap += plan_event(ends, other, n_pushed, day, heap_time, heap_what, n_heap, due, people)
                        n_pushed += 1
                    if action == OPENS:
                        break

                # Done at stage s, or lost to it: which way now?
                g = condition[row]
                if action == LOST:
                    to, out = -1 - plan.lost_to[s], -1
                    if counted[row]:
                        tally.lost[r, s, g] += 1
                else:
                    out = 0
                    if plan.reads[s] == BY_POLICY:
                        out = plan.of_disposition[s, disposition[case[row]]]
                    elif plan.reads[s] == BY_CONDITION:
                        u = number(own[row], (s * 32_768 + times_at[row, s] - 1) * 8 + 64 + OUTCOME)
                        while out < n_outcomes - 1 and u >= plan.outcome_until[s, g, out]:
                            out += 1
                    to = plan.to[way[row], s, out]
                    if plan.priority[way[row], s, out] >= 0:
                        priority[row] = plan.priority[way[row], s, out]
                    if counted[row]:
                        tally.flow[r, s, out, g] += 1
                        if way[row]:
                            tally.flow_today[r, s, out, g] += 1
                        if plan.kind[s] == SLOTS:
                            wait = math.floor(now) - math.floor(joined[row])
                            tally.wait_days[r, s] += wait
                            tally.delayed[r, s] += wait > 0
                            tally.stage_wait[r, s, min(bins - 1, int(wait * plan.units_per_day))] += 1
                        if records and tally.record_seen[r, person[row] - first_counted, s] < 0:
                            tally.record_seen[r, person[row] - first_counted, s] = now
                if counted[row] and ((out >= 0 and timed[s, out]) or (to < 0 and timed_exit[-1 - to])):
                    for c in range(n_clocks):
                        if not plan.clock_conditions[c, g]:
                            continue
                        if out >= 0 and plan.clock_starts[c, s, out] and clock_at[row, c] == -1.0:
                            clock_at[row, c] = now
                        stops = (out >= 0 and plan.clock_stops[c, s, out]) or (to < 0 and plan.clock_exits[c, -1 - to])
                        if stops and clock_at[row, c] >= 0:
                            took = now - clock_at[row, c]
                            if plan.whole_days:
                                took = math.floor(now) - math.floor(clock_at[row, c])
                            tally.clock[r, c, min(bins - 1, int(took * plan.units_per_day))] += 1
                            tally.clock_within[r, c] += took * plan.units_per_day <= plan.clock_limit[c]
                            clock_at[row, c] = -2.0
                if to >= 0:
                    s, action = to, JOIN
                    continue

                # Out of the pathway, for good or until they come back.
                e = -1 - to
                back = False
                if plan.target[g] and plan.treated[e]:
                    took = now - referred[row]
                    if counted[row]:
                        again = 1 if left_by[row] >= 0 else 0
                        tally.found[r, again, g] += 1
                        tally.found_days[r, again, g] += took
                        tally.found_delay[r, again, min(bins - 1, int(took * plan.units_per_day))] += 1
                        chance = 1 - (1 - plan.progression[g]) ** (took / 30)
                        if number(own[row], PROGRESS) < chance:
                            tally.advanced[r, again, g] += 1
                elif plan.target[g] and left_by[row] < 0:
                    left_by[row] = e
                    if counted[row]:
                        tally.missed[r, e, g] += 1
                    if number(own[row], 8 * e + 8_000_000_000 + RETURNS) < plan.return_share[e, g]:
                        back = True
                if records and counted[row]:
                    at = person[row] - first_counted
                    tally.record_exit[r, at], tally.record_left[r, at] = e, now
                if back:
                    returns = now + drawn(
                        plan.return_kind[e], plan.return_a[e], plan.return_b[e], plan.return_c[e],
                        own[row], 8 * e + 8_000_000_000 + RETURN_TIME,
                    )  # fmt: skip
                    stage[row], phase[row] = plan.return_to[e], RETURNING
                    if plan.return_priority[e] >= 0:
                        priority[row] = plan.return_priority[e]
                    n_heap += plan_event(
                        max(returns, now), row, n_pushed, day, heap_time, heap_what, n_heap, due, people
                    )
                    n_pushed += 1
                    break
                if counted[row]:
                    n_open -= 1
                    tally.ended[r, e, g] += 1
                person[row] = -1
                free[n_free] = row
                n_free += 1
                break
        for s in range(n_stages):
            tally.backlog[r, day, s] = waiting[s]

    # Who is still in the pathway, or out of it and yet to come back.
    for row in range(n_rows):
        if person[row] < 0 or not counted[row]:
            continue
        g = condition[row]
        if phase[row] == RETURNING:
            tally.ended[r, left_by[row], g] += 1
        else:
            tally.still_in[r, stage[row], g] += 1
            if records:
                at = person[row] - first_counted
                tally.record_exit[r, at], tally.record_left[r, at] = -1, -1
        for c in range(n_clocks):
            if plan.clock_conditions[c, g] and clock_at[row, c] >= 0:
                if (n_days - clock_at[row, c]) * plan.units_per_day > plan.clock_limit[c]:
                    tally.clock_overdue[r, c] += 1
                else:
                    tally.clock_open[r, c] += 1
    return 0
