"""Modes, states and steps of a teaching session in the words of whoever leads it."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from derm_kit.panels.parts import notice_html
from derm_kit.panels.tuning_words import counted
from derm_kit.records.teaching import TeachingSession
from derm_kit.records.teaching_results import ReaderProgress
from derm_kit.records.teaching_steps import JOINABLE, Action, Mode, State

MODES = {
    Mode.BLIND_FIRST: (
        "Own view first, then the model’s",
        "Everybody answers every case alone. Then the model’s view opens, case by case, and everybody may revise. It "
        "shows who changes their mind, and whether for better or worse: the one for a seminar.",
    ),
    Mode.AI_AT_ONCE: (
        "The model’s view at once",
        "Every case comes with the model’s view and is answered once, as in a hurry. It is quick, and shows nothing of "
        "what anybody thought before.",
    ),
    Mode.CROSSOVER: (
        "Half with the model and half without, then the other way round",
        "Everybody reads every case twice, with the model’s view and without it; chance says which comes first. For a "
        "study, with a break between the two halves.",
    ),
}
CONSENT = (
    "Taking part is voluntary, and you may stop at any time. For each case is stored what you think it is, what you "
    "would do, how sure you are and how long it took, under the name that you give today, on the facilitator’s "
    "machine. Answers that were given stay, also if you stop. The results show the group; they name readers only if "
    "every one of them agrees. Once the session has ended the facilitator can erase the names. This is teaching: no "
    "answer concerns the care of a patient, and none is an assessment of you."
)
OPEN = {
    (Mode.BLIND_FIRST, State.READING): "The first reading is open: everybody answers alone.",
    (Mode.BLIND_FIRST, State.AFTER): "The second reading is open: the model’s view is shown, and everybody may revise.",
    (Mode.AI_AT_ONCE, State.AFTER): "The reading is open: every case comes with the model’s view.",
    (Mode.CROSSOVER, State.READING): "The first half is open: each reader has half of the cases with the model’s view.",
    (Mode.CROSSOVER, State.AFTER): "The second half is open: each reader has the other half with the model’s view.",
}
NOT_OPEN = {
    State.LOBBY: "No reading is open. Readers can join, and wait.",
    State.REVEALED: "The truth is out. Phones show each reader their own debrief while the readers’ page runs.",
    State.ENDED: "The session has ended.",
}
ASKS_AGAIN = {
    Action.REVEAL: "Reveal the truth of every case, here and on every phone? No answer can be given after that.",
    Action.END: "End the session? Nobody can open it again; results and debrief stay.",
}
BROKEN_OFF = "End the session without its results? Their truth is never shown then. What was answered stays stored."
YES = {Action.REVEAL: "Yes, reveal it", Action.END: "Yes, end it"}


def step_words(action: Action, mode: Mode) -> str:
    """What stands on the button of a step."""
    if action is Action.REVEAL:
        return "Reveal the truth"
    if action is Action.END:
        return "End the session"
    if mode is Mode.AI_AT_ONCE:
        return "Close the reading" if action is Action.CLOSE else "Open the reading"
    which, reading = ("first", "second")[action is Action.OPEN_SECOND], "half" if mode is Mode.CROSSOVER else "reading"
    return f"Close the {reading}" if action is Action.CLOSE else f"Open the {which} {reading}"


def next_step(session: TeachingSession) -> Action:
    """The step that a session usually takes next."""
    if session.state is State.LOBBY:
        return Action.OPEN_SECOND if session.mode is Mode.AI_AT_ONCE else Action.OPEN_FIRST
    return {State.READING: Action.OPEN_SECOND, State.AFTER: Action.REVEAL}.get(session.state, Action.END)


def asked(action: Action, session: TeachingSession) -> str:
    """What is asked before a step that cannot be undone."""
    broken_off = action is Action.END and session.revealed_at is None
    return BROKEN_OFF if broken_off else ASKS_AGAIN[action]


def stands(session: TeachingSession) -> str:
    """Where a session stands, in a sentence."""
    if session.state is State.ENDED and session.revealed_at is None:
        return "The session was ended before its results: their truth is not shown."
    return OPEN.get((session.mode, session.state)) or NOT_OPEN[session.state]


def listed_words(session: TeachingSession) -> str:
    """A session on one line of a list."""
    state = {State.LOBBY: "nothing open", State.REVEALED: "results", State.ENDED: "ended"}.get(session.state, "open")
    return f"{session.title} · {session.code} · {state} · {session.made_at[:10]}"


def list_words(session: TeachingSession) -> str:
    """What the list of a session is, without a word on what is in it."""
    cases, n = session.cases, len(session.cases.cases)
    what = "phantoms: drawn test pictures, a dry run" if cases.phantoms else "pictures of real lesions with known truth"
    return f"{n} cases, {what}. {MODES[session.mode][0]}."


def given(reader: ReaderProgress, mode: Mode) -> tuple[int, int]:
    """How many answers a reader gave, and of how many."""
    return reader.before + reader.after, reader.of * (1 if mode is Mode.AI_AT_ONCE else 2)


def is_through(reader: ReaderProgress, session: TeachingSession) -> bool:
    """Whether a reader has answered all that the open reading asks."""
    if session.mode is Mode.BLIND_FIRST and session.state is State.AFTER:
        return reader.after >= reader.before
    whole, every = given(reader, session.mode)
    first = session.state is State.READING
    return whole >= (reader.of if first else every)


def progress_html(session: TeachingSession, readers: Sequence[ReaderProgress]) -> str:
    """Who has joined and how far they are; names as the readers gave them."""
    if not readers:
        return "<p class='dk-room-count'>Nobody has joined yet.</p>" if session.state in JOINABLE else ""
    through = sum(is_through(reader, session) for reader in readers)
    open_now = session.state in (State.READING, State.AFTER)
    done = f"; <b>{through}</b> through with what is open" if open_now else ""
    joined = counted(len(readers), "reader has joined", "readers have joined")
    rows = "".join(_reader_html(reader, session) for reader in readers)
    return f"<p class='dk-room-count'>{joined}{done}.</p><ol class='dk-room-readers'>{rows}</ol>"


def _reader_html(reader: ReaderProgress, session: TeachingSession) -> str:
    answers, of = given(reader, session.mode)
    name = escape(reader.alias) or "name erased"
    return (
        f"<li><bdi>{name}</bdi><span>{answers} of {of}</span>"
        f"<i aria-hidden='true'><b style='width:{100 * answers / of:.0f}%'></b></i></li>"
    )


def phantoms_html(session: TeachingSession) -> str:
    """What is to be said of a dry run."""
    if not session.cases.phantoms:
        return ""
    return notice_html(
        "warning", "A dry run: these pictures are drawn test objects. Nobody learns dermoscopy from them."
    )
