"""Page 05: a teaching session from its making to its results, for the person who leads it."""

from __future__ import annotations

from importlib import resources
from urllib.parse import parse_qsl, urlencode

import ipywidgets as w

from derm_kit.errors import DermKitError
from derm_kit.model.run import ScoreRun
from derm_kit.panels.changes_policy import PolicyPanel
from derm_kit.panels.inputs import Address, Keeper
from derm_kit.panels.parts import Panel, guarded, named_box, notice_html, page, second_button, section
from derm_kit.panels.sign_in import SignInPanel
from derm_kit.panels.teaching_address import ReadersAddress
from derm_kit.panels.teaching_desk import TeachingDesk
from derm_kit.panels.teaching_make import MakePart
from derm_kit.panels.teaching_names import NamesPart
from derm_kit.panels.teaching_pulse import Pulse
from derm_kit.panels.teaching_results import ResultsPart
from derm_kit.panels.teaching_room import RoomPart
from derm_kit.panels.teaching_words import listed_words
from derm_kit.records.teaching import TeachingSession
from derm_kit.triage.opening import Opening, policy_for
from derm_kit.triage.policy import TriagePolicy, require_match

PURPOSE = "Sign in to make a session or to go on with one of yours."


class TeachingPanel(Panel):
    """The session that is open is named in the page's address: a page that was lost goes on with it once reopened."""

    def __init__(self, run: ScoreRun, default: TriagePolicy, named: TriagePolicy | None, desk: TeachingDesk) -> None:
        super().__init__()
        self.desk = desk
        self.in_force = PolicyPanel(default, named, lambda policy: require_match(run, policy))
        self.make = MakePart(desk, run, lambda: self.in_force.policy, lambda session: self.open(session.id))
        self.room = RoomPart(desk, self._on_step, self._tell_address)
        self.results, self.names = ResultsPart(desk), NamesPart(desk)
        self.pulse = Pulse(self.refresh)
        self.address = Address()
        self.trouble = w.HTML()
        self.mine = w.Dropdown(description="My sessions")
        self.go_on, self.back = w.Button(description="Go on with it"), second_button("Back to all my sessions")
        self._wanted = ""
        self._list = section("Go on with a session", self.mine, self.go_on)
        self._make = section("Make a session", self.make.view, w.HTML("<h3>What decides</h3>"), self.in_force.view)
        self._open = w.VBox(
            [named_box("dk-section", self.room.view, self.trouble), self.results.view, self.names.view, self.back]
        )
        self.sign_in = SignInPanel(desk, self._arrive, PURPOSE, "")
        self._who, self._above, self._below = section("Who leads", self.sign_in.view), w.VBox(), w.VBox()
        self.address.observe(lambda change: self._on_address(change["new"]), "opened_with")
        self.go_on.on_click(lambda _: self.open(self.mine.value))
        self.back.on_click(lambda _: self.close())
        self.in_force.arrival.observe(lambda _: self._on_arrival(), "times")
        style = resources.files("derm_kit.panels").joinpath("teaching.css").read_text("utf-8")
        self.view = page(
            "Teaching session",
            "Readers commit to a view on their phones, see the model’s and revise. Then everybody sees the truth, also "
            "where the model was wrong and took people along.",
            w.HTML(f"<style>{style}</style>"), self.address, self.pulse, Keeper(),
            self._above, self.notice, self._open, self._list, self._make, self._below,
        )  # fmt: skip
        self._show()

    @guarded
    def open(self, session_id: str) -> None:
        """Go on with a session of one's own."""
        self.notice.value = ""
        if not session_id:
            return
        session = self.desk.find(session_id)
        self.room.open(session)
        self._wanted = session.id
        self._show()
        self._on_step(session)

    @guarded
    def close(self) -> None:
        """Back to the list; the session stays as it is, and its readers go on."""
        self.notice.value = ""
        self.room.open(None)
        self._wanted = ""
        self._on_step(None)
        self._show()

    def refresh(self) -> None:
        """What the pulse brings: the open session as it stands now. A register that does not answer is asked again."""
        before = self.room.session
        try:
            now = self.room.look()
        except DermKitError as error:
            self.trouble.value = notice_html("warning", "The register does not answer; it is asked again.", str(error))
            return
        self.trouble.value = ""
        if now is not None and before is not None and now.state is not before.state:
            self._on_step(now)

    def _on_step(self, session: TeachingSession | None) -> None:
        self.results.show(session)
        self.names.show(session)

    def _arrive(self) -> None:
        """Somebody signed in or out."""
        self.room.open(None)
        self._on_step(None)
        if self.desk.person is not None and self._wanted:
            self.open(self._wanted)
        self._show()

    @guarded
    def _on_arrival(self) -> None:
        """The page is on a screen: it may have been made ready before somebody was added to the register."""
        self.sign_in.look()
        self._show()

    @guarded
    def _on_address(self, text: str) -> None:
        if not text:
            return
        self.address.opened_with = ""
        given = dict(parse_qsl(text))
        self._wanted = given.get("session", "")
        if "readers" in given:
            self.room.readers_at = _known(given["readers"])
        if self.desk.person is not None:
            self.open(self._wanted)
        elif self._wanted:
            self.notice.value = notice_html("info", "Sign in to go on with the session that the address names.")

    def _tell_address(self) -> None:
        parts = {"session": self._wanted} if self._wanted else {}
        parts |= {"readers": self.room.readers_at.text} if self.room.readers_at else {}
        self.address.state = urlencode(parts)

    def _show(self) -> None:
        """The list and the form, or the session that is open; nothing before somebody has signed in."""
        led, session = self.desk.person is not None, self.room.session
        self._open.layout.display = "" if led and session else "none"
        self._list.layout.display = self._make.layout.display = "" if led and not session else "none"
        self.pulse.on = bool(led and session)
        (self.view.add_class if led and session else self.view.remove_class)("dk-in-room")
        self._above.children, self._below.children = ((), (self._who,)) if led and session else ((self._who,), ())
        if not led:
            return
        self._tell_address()
        if session:
            self.room.look()
        else:
            sessions = self.desk.sessions()
            self.mine.options = [(listed_words(one), one.id) for one in sessions]
            self.mine.value = sessions[0].id if sessions else None
            self._list.layout.display = "" if sessions else "none"


def _known(text: str) -> ReadersAddress | None:
    """The readers' address that a page's address holds; None where it holds none."""
    try:
        return ReadersAddress.from_text(text, "")
    except DermKitError:
        return None


def teaching_page() -> w.VBox:
    """The page for what the workbench was opened on: the reference cohort and the policy in force, if nothing else."""
    opening = Opening.named()
    named = opening.policy if opening.policy_named else None
    return TeachingPanel(opening.run, policy_for(opening.run, opening.policy), named, TeachingDesk()).view
