"""Which policy a page starts from or decides by: the one it was opened with, else the release in force here."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import anywidget
import ipywidgets as w
import traitlets as t

from derm_kit.errors import DermKitError, RecordError
from derm_kit.panels.changes_words import moment_words
from derm_kit.panels.parts import Panel, guarded, notice_html
from derm_kit.panels.policy_words import policy_html
from derm_kit.records.here import is_register_here, register_here
from derm_kit.triage.policy import TriagePolicy

if TYPE_CHECKING:
    from derm_kit.records.release import Release

STARTS, DECIDES = "starts from", "decides by"
NAMED = "This page {does} the policy that it was opened with"
WHATEVER = "whatever the register of this machine says"
NOT_RELEASED = "No release of this machine’s register is in force: the default policy of the model is."
NO_RELEASES = "This page {does} the default policy of the model: this machine has no register of releases."


class Arrival(anywidget.AnyWidget):
    """How many `times` the page was put on a screen: a page is made ready before anybody asks for it."""

    _esm = Path(__file__).with_name("arrive.js")

    times = t.Int(0).tag(sync=True)


class PolicyPanel(Panel):
    """The `policy` in force, and where it comes from; `then` is told when another has come into force.

    One that was `named` stands whatever the register says. `require` raises DermKitError for a policy that the page
    cannot read; then, and without a release, it is `default`. A page that DECIDES always says by which, and shows it.
    """

    def __init__(
        self,
        default: TriagePolicy,
        named: TriagePolicy | None,
        require: Callable[[TriagePolicy], object],
        does: str = DECIDES,
    ) -> None:
        super().__init__()
        self.policy = self._default = default
        self._named, self._require, self._does = named, require, does
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
        policy, said = self._default, ""
        try:
            policy, said = self._found()
        except DermKitError as error:
            self.notice.value = notice_html(
                "warning",
                str(error),
                f"So this page {self._does} the model’s default policy, which may not be the one in force.",
            )
        lead = f"<p>{escape(said)}</p>" if said else ""
        self.words.value = policy_html(policy, said) if self._does == DECIDES else lead
        if policy != self.policy:
            self.policy = policy
            self.then(policy)

    def _found(self) -> tuple[TriagePolicy, str]:
        """The policy and what is said of it. Raises DermKitError where it cannot be read here."""
        here, decides = is_register_here(), self._does == DECIDES
        if self._named is not None:
            self._require(self._named)
            said = NAMED.format(does=self._does)
            return self._named, f"{said}, {WHATEVER}." if here else f"{said}." if decides else ""
        if here:
            return self._released()
        return self._default, NO_RELEASES.format(does=self._does) if decides else ""

    def _released(self) -> tuple[TriagePolicy, str]:
        register = register_here()
        if register is None:
            return self._default, ""
        from derm_kit.records.release import release_in_force, releases

        with register:
            found, last = release_in_force(register), next(reversed(releases(register)), None)
        if found is None:
            return self._default, f"{NOT_RELEASED}{_waiting(last)}"
        if not found.signed.fits:
            raise RecordError(
                "the signature of the release in force does not fit what the register holds",
                case=f"release {found.version}",
                next_step="Ask the administrator to run: derm-kit audit verify.",
            )
        self._require(found.policy)
        waits = _waiting(last) if last and last.version != found.version else ""
        since = moment_words(found.signed.effective_from)
        said = f"This page {self._does} release {found.version} of this machine’s register, in force since {since}."
        return found.policy, f"{said}{waits}"


def _waiting(last: Release | None) -> str:
    if last is None:
        return ""
    return (
        f" Release {last.version} waits for its date, {moment_words(last.signed.effective_from)}: a change put into "
        "the register has to start from that one."
    )
