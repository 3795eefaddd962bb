"""The states of a teaching session, who may take which step, and which answer a state takes: one table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from derm_kit.errors import RecordError
from derm_kit.records.people import Person, Role


class Mode(StrEnum):
    """When a reader sees the model's view of a case."""

    BLIND_FIRST = "blind_first"
    AI_AT_ONCE = "ai_at_once"
    CROSSOVER = "crossover"


class Phase(StrEnum):
    """Whether an answer was given before the model's view of the case was shown with it, or after."""

    BEFORE = "before"
    AFTER = "after"


class State(StrEnum):
    """Where a session stands."""

    LOBBY = "lobby"
    READING = "reading"
    AFTER = "after"
    REVEALED = "revealed"
    ENDED = "ended"


JOINABLE = (State.LOBBY, State.READING, State.AFTER)
"""States in which readers may join: truth is not out yet."""


class Action(StrEnum):
    """What a facilitator does with a session."""

    MAKE = "make"
    OPEN_FIRST = "open the first reading"
    OPEN_SECOND = "open the second reading"
    CLOSE = "close the reading"
    REVEAL = "reveal"
    END = "end"


@dataclass(frozen=True)
class Step:
    """One line of the table: from which states, into which, in which modes, and who may beside the facilitator."""

    before: tuple[State, ...]
    after: State
    modes: tuple[Mode, ...]
    others: tuple[Role, ...]
    entry: str


_ANY, _TWO_READINGS = tuple(Mode), (Mode.BLIND_FIRST, Mode.CROSSOVER)
STEPS: Mapping[Action, Step] = {
    Action.MAKE: Step((), State.LOBBY, _ANY, tuple(Role), "teaching session made"),
    Action.OPEN_FIRST: Step((State.LOBBY, State.AFTER), State.READING, _TWO_READINGS, (), "first reading opened"),
    Action.OPEN_SECOND: Step((State.LOBBY, State.READING), State.AFTER, _ANY, (), "second reading opened"),
    Action.CLOSE: Step((State.READING, State.AFTER), State.LOBBY, _ANY, (), "reading closed"),
    Action.REVEAL: Step(JOINABLE, State.REVEALED, _ANY, (), "teaching session revealed"),
    Action.END: Step((*JOINABLE, State.REVEALED), State.ENDED, _ANY, (Role.ADMINISTRATOR,), "teaching session ended"),
}
"""The one table of states and rights. Readings open and close as often as the facilitator likes until the truth is out.

A session that is ended without a reveal was broken off: its truth is never shown.
"""


def require_step(action: Action, person: Person, *, facilitator: str, state: State, mode: Mode, case: str) -> None:
    """Raise RecordError unless the table lets `person` take the step."""
    step = STEPS[action]
    if person.id != facilitator and person.role not in step.others:
        also = f" or an {step.others[0]}" if step.others else ""
        raise RecordError(
            f"{action}: only the facilitator{also} may", case=case, next_step="Ask whoever made the session."
        )
    if mode not in step.modes:
        raise RecordError(
            f"{action}: a session with the AI at once has one reading, the second", case=case, value=mode.value,
            next_step=f"Take the step: {Action.OPEN_SECOND}.",
        )  # fmt: skip
    if state not in step.before:
        raise RecordError(
            f"{action}: only a session in {' or '.join(step.before)} can be taken there", case=case, value=state.value,
            next_step="Look at the session as it stands now; somebody took another step meanwhile.",
        )  # fmt: skip


def open_phase(mode: Mode, state: State, *, model_first: bool) -> Phase | None:
    """The answer that a session in `state` takes to a case, None where it takes none.

    `model_first`: the case is of the reader's half that comes with the model's view first; only a crossover has halves.
    """
    if state not in (State.READING, State.AFTER):
        return None
    swapped = mode is Mode.CROSSOVER and model_first
    return Phase.AFTER if (state is State.AFTER) != swapped else Phase.BEFORE
