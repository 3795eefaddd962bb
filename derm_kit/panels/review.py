"""Page 02: the cases of a run one by one, what readers decide of them, and how far readers agree."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import ipywidgets as w
import numpy as np

from derm_kit.errors import DermKitError
from derm_kit.panels.changes_policy import PolicyPanel
from derm_kit.panels.parts import Panel, guarded, notice_html
from derm_kit.panels.review_agreement import AgreementPanel
from derm_kit.panels.review_case import CasePanel
from derm_kit.panels.review_controls import BEFORE, MAP, NEXT, NOTHING_SAID, PAUSE, ReviewControls
from derm_kit.panels.review_list import ROWS, list_html, page_of, pages_of
from derm_kit.panels.review_setting import Looking
from derm_kit.panels.sign_in import SignInPanel
from derm_kit.panels.stopwatch import Stopwatch
from derm_kit.records.conflicts import ConflictError
from derm_kit.records.desk import Desk
from derm_kit.records.reviews import Review
from derm_kit.triage.definition import Disposition
from derm_kit.triage.opening import Opening, policy_for
from derm_kit.triage.policy import TriagePolicy, require_match
from derm_kit.triage.proportions import BoolArray
from derm_kit.triage.worklist import Positions, Worklist


class ReviewPanel(Panel):
    """`looking` is what is on show: `look()` is the one way it changes, `decide()` the one way anything is stored."""

    def __init__(self, opening: Opening, desk: Desk) -> None:
        super().__init__()
        named = opening.policy if opening.policy_named else None
        self.in_force = PolicyPanel(opening.policy, named, lambda found: require_match(opening.run, found))
        policy = policy_for(opening.run, self.in_force.policy)
        self.desk, self.worklist = desk, Worklist.of(opening.run, policy)
        self.controls, self.clock = ReviewControls(), Stopwatch()
        self.case = CasePanel(desk, self.worklist, policy, self._pictures_wanted, self._on_fetched)
        self.sign_in = SignInPanel(desk, self._arrive)
        self.agreement = AgreementPanel(desk)
        self.looking = Looking()
        self.positions: Positions = np.zeros(0, np.intp)
        self._row = {str(case): at for at, case in enumerate(self.worklist.table["case_id"])}
        self._drafts: dict[str, dict[str, Any]] = {}
        self._unblinded: set[str] = set()
        self._own: Review | None = None
        self._showing = False
        self.controls.offer(self.worklist)
        self._wire()
        self.view = self.controls.frame(self)
        self.look(self.looking)

    @property
    def hidden(self) -> bool:
        """Whether model and truth are kept back of the open case."""
        return self.looking.blind and not self.desk.has_read(self.looking.case)

    @guarded
    def look(self, looking: Looking, *, turn: bool = False) -> None:
        """Show another list or case; one that does not exist changes nothing. `turn` has the page follow the case."""
        try:
            marks = self._marks()
            self.worklist.positions(looking.wanted, marks)  # a filter that is not there is told in blind mode too
            positions = self.worklist.positions(looking.listed, marks)
            case = looking.case or (self._id(positions[0]) if len(positions) else "")
            self._require(case)
            own = self.desk.own(case)
        except Exception:
            self._show_inputs()
            raise
        page = min(max(looking.page, 0), pages_of(len(positions)) - 1)
        at = np.flatnonzero(positions == self._row.get(case, -1))
        if turn and len(at):
            page = page_of(int(at[0]))
        another = case != self.looking.case
        self.looking, self.positions, self._own = replace(looking, page=page, case=case), positions, own
        self.notice.value = ""
        self._show(another)

    @guarded
    def step(self, by: int) -> None:
        """Open the case `by` places further down the list, which turns its page with it."""
        at = np.flatnonzero(self.positions == self._row.get(self.looking.case, -1))
        target = int(at[0]) + by if len(at) else 0
        if not 0 <= target < len(self.positions):
            where = "the last" if by > 0 else "the first"
            self.notice.value = notice_html("info", f"This is {where} case of the list.")
            return
        self.look(replace(self.looking, case=self._id(self.positions[target])), turn=True)

    @guarded
    def decide(self, disposition: Disposition) -> None:
        """Store where the open case goes next, at once; another decision is its next version."""
        case, c = self.looking.case, self.controls
        if not case:
            return
        model = Disposition(self.worklist.table["disposition"].iloc[self._row[case]])
        with self._storing():
            self.clock.require_look(on_screen=c.keys.seen == case)
            saved = self.desk.save(
                case, disposition, self._own, verdict=c.verdict.value, agrees=disposition is model,
                confidence_percent=c.confidence.value or None, note=c.note.value, seconds=self.clock.seconds,
                blind=self.hidden and case not in self._unblinded,
            )  # fmt: skip
        self._stored(saved)

    @guarded
    def pause(self) -> None:
        """Stop the clock and put the case out of sight, or go on."""
        self.clock.paused = not self.clock.paused
        self._show_clock()

    # reader -> looking

    def _wire(self) -> None:
        c = self.controls
        for name, choice in c.filters.items():
            choice.observe(lambda change, name=name: self._want(**{name: change["new"] or ""}), "value")
        c.blind.observe(lambda change: self._enter(blind=change["new"], page=0), "value")
        c.picker.observe(lambda change: self._enter(case=change["new"]), "chosen")
        c.address.observe(lambda change: self._on_address(change["new"]), "opened_with")
        c.earlier.on_click(lambda _: self._enter(page=self.looking.page - 1))
        c.later.on_click(lambda _: self._enter(page=self.looking.page + 1))
        c.before.on_click(lambda _: self.step(-1))
        c.next.on_click(lambda _: self.step(1))
        c.pause.on_click(lambda _: self.pause())
        for disposition, button in c.dispositions.items():
            button.on_click(lambda _, d=disposition: self.decide(d))
        for name, said in c.said.items():
            said.observe(lambda change, name=name: self._on_said({name: change["new"] or NOTHING_SAID[name]}), "value")
        c.keys.then = self._on_key
        c.keys_on.observe(lambda change: c.keys.set_trait("on", change["new"]), "value")
        self.in_force.then = self._decide_by
        self.in_force.arrival.observe(lambda _: self._on_arrival(), "times")

    def _enter(self, **fields: Any) -> None:  # noqa: ANN401 - fields of what is looked at
        if not self._showing:
            self.look(replace(self.looking, **fields))

    def _want(self, **fields: str) -> None:
        if "grouping" in fields:
            fields["group"] = ""
        self._enter(wanted=replace(self.looking.wanted, **fields), page=0)

    @guarded
    def _on_address(self, text: str) -> None:
        if text:
            self.controls.address.opened_with = ""
            self.look(Looking.from_text(text, self.desk.run_id))

    def _on_key(self, key: str, case: str) -> None:
        """Walk and pause whichever case is open; all else is for the one on the screen when the key was pressed."""
        walks = {NEXT: lambda: self.step(1), BEFORE: lambda: self.step(-1), PAUSE: self.pause}
        if key in walks:
            walks[key]()
        elif case != self.looking.case:
            self.controls.saved.value = notice_html(
                "warning", f"{key} was pressed for {case or 'no case'}, on the screen then: not taken for this one."
            )
        elif key == MAP:
            self.case.show_map()
        else:
            self.decide(list(Disposition)[int(key) - 1])

    @guarded
    def _on_said(self, said: dict[str, Any]) -> None:
        """What is said belongs to the review that stands; before there is one it waits here for the decision."""
        case, seen, own = self.looking.case, self.controls.keys.seen, self._own
        if self._showing or not case:
            return
        if seen != case and seen in self._row:  # it was said before this case came on the screen
            self._drafts[seen] = self._drafts.get(seen, {}) | said
            self._show_inputs()
            self.controls.saved.value = notice_html("info", f"What you entered was for {seen}: it waits there.")
            return
        self._drafts[case] = self._drafts.get(case, {}) | said
        if own is None:
            return
        with self._storing():
            saved = self.desk.save_again(replace(own, **self._drafts[case]))
        self._stored(saved)

    def _arrive(self) -> None:
        """Somebody signed in or out: what is read, and by whom, is another matter."""
        if self.desk.person is None:
            self._drafts, self._unblinded = {}, set()
        self.controls.saved.value = ""
        self.agreement.refresh()
        self.look(self.looking)
        self.clock.restart()

    def _on_arrival(self) -> None:
        """The page is on a screen: who there is and what others did since it was made ready."""
        told = self.notice.value
        self.sign_in.look()
        self.look(self.looking)
        self.notice.value = self.notice.value or told

    def _decide_by(self, policy: TriagePolicy) -> None:
        """Another policy has come into force. The open case stays, unless nobody has chosen one."""
        policy, untouched = policy_for(self.desk.run, policy), self._looks_as_opened
        self.worklist = Worklist.of(self.desk.run, policy)
        self.case.decide_by(self.worklist, policy)
        self.look(Looking() if untouched else self.looking)

    def _pictures_wanted(self) -> list[str]:
        """The open case, then those that the list shows."""
        return [self.looking.case, *(self._id(at) for at in self.positions[self.looking.page * ROWS :][:ROWS])]

    def _on_fetched(self) -> None:
        self.case.look_for_picture()
        self.look(self.looking)

    @contextmanager
    def _storing(self) -> Iterator[None]:
        """Where nothing was stored that is said beside the buttons too; what was entered stays."""
        case, c = self.looking.case, self.controls
        c.saved.value = ""
        try:
            yield
        except Exception as error:
            if isinstance(error, ConflictError):  # both are shown: deciding again is the reader's choice
                self._own = self.desk.own(case)
                self.case.show(case, self._row[case], hidden=self.hidden)
            c.saved.value = notice_html("warning", "Not stored: the message above the worklist says why.")
            raise

    def _stored(self, saved: Review) -> None:
        self._own = saved
        self._drafts.pop(saved.case, None)
        self.notice.value = ""
        version = "" if saved.version == 1 else f" as version {saved.version}"
        self.controls.saved.value = notice_html("success", f"Stored{version}: {saved.disposition}.")
        self._show(False)

    # looking -> view

    def _show(self, another: bool) -> None:
        c, looking, row = self.controls, self.looking, self._row.get(self.looking.case, -1)
        if another:  # before the case is seen: what was stored of the one before is not said of this one
            c.saved.value = ""
        self._show_inputs()
        read = self.desk.words()
        c.listed.value = list_html(self.worklist, self.positions, looking.page, read, hidden=looking.blind)
        c.earlier.disabled, c.later.disabled = looking.page == 0, looking.page + 1 >= pages_of(len(self.positions))
        c.one_case.layout.display = "" if row >= 0 else "none"
        c.address.state = "" if self._looks_as_opened else looking.text(self.desk.run_id)
        if row < 0:
            c.keys.about = ""
            return
        if not self.hidden:
            self._unblinded.add(looking.case)
        self.case.show(looking.case, row, hidden=self.hidden)
        c.keys.about = looking.case
        if another:
            self.clock.restart()
        self._show_clock()

    def _show_inputs(self) -> None:
        c, looking = self.controls, self.looking
        self._showing = True
        try:
            c.show(looking, self.worklist, tuple(self.desk.proposed()))
            c.show_review(self._own, self._drafts.get(looking.case, {}), able=self.desk.person is not None)
        finally:
            self._showing = False

    def _show_clock(self) -> None:
        c, paused = self.controls, self.clock.paused
        c.pause.description = f"Go on ({PAUSE})" if paused else f"Pause the clock ({PAUSE})"
        c.away.value = notice_html("info", "Paused: the case is out of sight and the clock stands.") if paused else ""
        c.in_sight.layout.display = "none" if paused else ""

    def _marks(self) -> dict[str, BoolArray]:
        """What readers did and what changes under way would do."""
        proposed = {mark: self.worklist.changes_sides(t) for mark, t in self.desk.proposed().items()}
        return self.desk.marks(self.worklist.table["disposition"]) | proposed

    def _require(self, case: str) -> None:
        if case and case not in self._row:
            raise DermKitError("the case is one of these scores", value=case, next_step="Choose one of the list.")

    @property
    def _looks_as_opened(self) -> bool:
        first = self._id(self.worklist.by_risk[0]) if len(self.worklist.by_risk) else ""
        return self.looking == Looking(case=first)

    def _id(self, position: int) -> str:
        return str(self.worklist.table["case_id"].iloc[int(position)])


def review_page() -> w.VBox:
    """The page for what the workbench was opened on: the reference cohort and the policy in force, if nothing else."""
    opening = Opening.named()
    return ReviewPanel(opening, Desk(opening.run)).view
