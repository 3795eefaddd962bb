"""Which policy the threshold page starts from: the release in force, where the register of this machine has one."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import anywidget
import ipywidgets as w
import traitlets as t

from derm_kit.errors import DermKitError, RecordError
from derm_kit.model.run import ScoreRun
from derm_kit.panels.changes_words import moment_words
from derm_kit.panels.parts import Panel, guarded, notice_html
from derm_kit.panels.tuning_source import Source
from derm_kit.records.here import is_register_here, register_here
from derm_kit.triage.policy import TriagePolicy, require_match

if TYPE_CHECKING:
    from derm_kit.records.release import Release

NAMED = "This page starts from the policy that it was opened with, whatever the register of this machine says."
NOT_RELEASED = "No release of this machine’s register is in force: the default policy of the model is."


class Arrival(anywidget.AnyWidget):
    """How many `times` the page was put on a screen: a page is made ready before anybody asks for it."""

    _esm = Path(__file__).with_name("arrive.js")

    times = t.Int(0).tag(sync=True)


class InForcePanel(Panel):
    """The `policy` in force for `run`, and where it comes from; `then` is told when another has come into force.

    `policy` is what is in force without a register; one that was `named` stands whatever the register says.
    """

    def __init__(self, run: ScoreRun, policy: TriagePolicy, *, named: bool) -> None:
        super().__init__()
        self.policy, self._run, self._otherwise, self._named = policy, run, policy, named
        self.then: Callable[[TriagePolicy], None] = lambda _: None
        self.words = w.HTML()
        self.arrival = Arrival()
        self.arrival.observe(lambda _: self.look(), "times")
        self.view = w.VBox([self.arrival, self.words, self.notice])
        self.look()

    @guarded
    def look(self) -> None:
        """Ask the register, if there is one."""
        self.notice.value = ""
        policy, said = self._otherwise, NAMED if self._named else ""
        if not is_register_here():
            said = ""
        elif not self._named:
            try:
                policy, said = self._released()
            except DermKitError as error:
                self.notice.value = notice_html(
                    "warning",
                    str(error),
                    "So the page starts from the model’s default policy, which may not be the one in force.",
                )
        self.words.value = f"<p>{escape(said)}</p>" if said else ""
        if policy != self.policy:
            self.policy = policy
            self.then(policy)

    def _released(self) -> tuple[TriagePolicy, str]:
        """The release in force and what is said of it. Raises DermKitError where it cannot be read on the scores."""
        register = register_here()
        if register is None:
            return self._otherwise, ""
        from derm_kit.records.release import release_in_force, releases

        with register:
            found, last = release_in_force(register), next(reversed(releases(register)), None)
        if found is None:
            return self._otherwise, f"{NOT_RELEASED}{_waiting(last)}"
        if not found.signed.fits:
            raise RecordError(
                "the signature of the release in force does not fit what the register holds",
                case=f"release {found.version}",
                next_step="Ask the administrator to run: derm-kit audit verify.",
            )
        require_match(self._run, found.policy)
        Source.of(self._run, found.policy)
        waits = _waiting(last) if last and last.version != found.version else ""
        since = moment_words(found.signed.effective_from)
        said = f"This page starts from release {found.version} of this machine’s register, in force since {since}."
        return found.policy, f"{said}{waits}"


def _waiting(last: Release | None) -> str:
    if last is None:
        return ""
    return (
        f" Release {last.version} waits for its date, {moment_words(last.signed.effective_from)}: a change put into "
        "the register has to start from that one."
    )
