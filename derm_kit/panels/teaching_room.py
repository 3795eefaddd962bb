"""A session in the room, for the projector: how to join, what is open, how far everybody is, and the next step."""

from __future__ import annotations

from collections.abc import Callable
from html import escape

import ipywidgets as w

from derm_kit.panels.parts import Panel, guarded, named_box, second_button
from derm_kit.panels.teaching_address import ReadersAddress, likely, qr_html
from derm_kit.panels.teaching_desk import LEADING, TeachingDesk
from derm_kit.panels.teaching_words import (
    YES,
    asked,
    list_words,
    next_step,
    phantoms_html,
    progress_html,
    stands,
    step_words,
)
from derm_kit.records import teaching, teaching_results
from derm_kit.records.teaching import TeachingSession
from derm_kit.records.teaching_results import ReaderProgress
from derm_kit.records.teaching_steps import JOINABLE, Action, State


class RoomPart(Panel):
    """One session at a time; `then` is told of the session after each step, `moved` of another readers' address."""

    def __init__(self, desk: TeachingDesk, then: Callable[[TeachingSession], None], moved: Callable[[], None]) -> None:
        super().__init__()
        self._desk, self._then, self._moved = desk, then, moved
        self.session: TeachingSession | None = None
        self.readers_at: ReadersAddress | None = None
        self._likely = likely()
        self._asked: Action | None = None
        self.head, self.join, self.stands = w.HTML(), w.HTML(), w.HTML()
        self.progress, self.question, self.command = w.HTML(), w.HTML(), w.HTML()
        self.steps = {action: w.Button() for action in LEADING}
        for action, button in self.steps.items():
            button.on_click(lambda _, action=action: self.take(action))
        self.yes, self.no = w.Button(), second_button("No, not yet")
        self.yes.on_click(lambda _: self.confirm())
        self.no.on_click(lambda _: self._ask(None))
        self.where = w.Text(description="Address of the readers’ page", continuous_update=False)
        self.show_where = w.Button(description="Show this address in the room")
        self.show_where.on_click(lambda _: self.take_address())
        self.asking = named_box("dk-room-asks", self.question, _row(self.yes, self.no))
        self.serving = named_box("dk-make", w.HTML("<h3>The readers’ page</h3>"), self.command, self.where,
                                 self.show_where)  # fmt: skip
        self.view = w.VBox([
            self.head, self.join, self.stands, _row(*self.steps.values()), self.asking, self.notice, self.progress,
            self.serving,
        ])  # fmt: skip
        self._ask(None)

    def open(self, session: TeachingSession | None) -> None:
        """Have a session on show from now on, or none."""
        self.session = session
        self._ask(None)
        for place in (self.notice, self.head, self.join, self.stands, self.progress, self.command):
            place.value = ""
        self.where.value = (self.readers_at or self._likely).text

    def _show(self, session: TeachingSession, readers: tuple[ReaderProgress, ...]) -> None:
        if self.session is None or self.session.state is not session.state:
            self._ask(None)
        self.session = session
        self.head.value = (
            f"{phantoms_html(session)}<h2 class='dk-room-title'>{escape(session.title)}</h2>"
            f"<p class='dk-hint'>{escape(list_words(session))}</p>"
        )
        self._show_join()
        self.stands.value = f"<p class='dk-room-stands' role='status'>{stands(session)}</p>"
        on_offer = self._desk.on_offer(session)
        for action, button in self.steps.items():
            button.description = step_words(action, session.mode)
            button.layout.display = "" if action in on_offer else "none"
            (button.remove_class if action is next_step(session) else button.add_class)("dk-second")
        self.progress.value = progress_html(session, readers)

    def look(self) -> TeachingSession | None:
        """The session on show as it stands in the register now, with everybody's progress."""
        if self.session is None:
            return None
        session = self._desk.find(self.session.id)
        self._show(session, teaching_results.progress(self._desk.register, session.id))
        return session

    @guarded
    def take(self, action: Action) -> None:
        """Take a step; one that cannot be undone is asked about first."""
        self.notice.value = ""
        if action in YES:
            self._ask(action)
        else:
            self._take(action)

    @guarded
    def confirm(self) -> None:
        """The second press."""
        action = self._asked
        self._ask(None)
        if action is not None:
            self._take(action)

    @guarded
    def take_address(self) -> None:
        """Show the readers' address in the room, with its QR code."""
        self.notice.value = ""
        if self.session is not None:
            self.readers_at = ReadersAddress.from_text(self.where.value, self.session.code)
            self._show_join()
            self._moved()

    def _take(self, action: Action) -> None:
        session = self.session
        if session is None:
            return
        try:
            teaching.take_step(self._desk.register, session.id, action, self._desk.leader.id)
        finally:
            now = self.look()
        if now is not None:
            self._then(now)

    def _ask(self, action: Action | None) -> None:
        self._asked = action
        self.asking.layout.display = "none" if action is None else ""
        for button in self.steps.values():
            button.disabled = action is not None
        if action is not None and self.session is not None:
            self.yes.description = YES[action]
            self.question.value = f"<p role='alert'>{asked(action, self.session)}</p>"

    def _show_join(self) -> None:
        session = self.session
        if session is None:
            return
        self.join.layout.display = self.serving.layout.display = "" if session.state in JOINABLE else "none"
        self.join.value = join_html(session.code, self.readers_at, large=session.state is State.LOBBY)
        command = (self.readers_at or self._likely).command(session.code)
        self.command.value = (
            "<p>Readers have a page of their own, served by another command on this machine. Start it in a second "
            f"terminal and leave it running:</p><pre class='dk-command'>{escape(command)}</pre><p class='dk-hint'>It "
            "prints the address that it is open at. Phones have to be in the same network. Is the address below the "
            "one that it prints?</p>"
        )


def join_html(code: str, at: ReadersAddress | None, *, large: bool) -> str:
    """The invitation on the wall: where to go, the code in two groups, and a QR code of both."""
    half = len(code) // 2
    groups = f"<span>{escape(code[:half])}</span><span>{escape(code[half:])}</span>"
    size = " dk-room-large" if large else ""
    if at is None:
        where = "<p class='dk-room-where'>The readers’ page comes first: see below.</p>"
        drawn = ""
    else:
        where = f"<p class='dk-room-where'>Open <b>{escape(at.text)}</b> on your phone</p>"
        drawn = f"<div class='dk-room-qr'>{qr_html(at.joining(code))}</div>"
    return (
        f"<div class='dk-room-join{size}'><div>{where}<p class='dk-room-lead'>and join with the code</p>"
        f"<p class='dk-room-code'>{groups}</p></div>{drawn}</div>"
    )


def _row(*widgets: w.Widget) -> w.HBox:
    row = w.HBox(widgets)
    row.add_class("dk-buttons")
    return row
