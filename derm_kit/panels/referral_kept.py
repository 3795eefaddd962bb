"""Scenarios that are kept: by name, beside each other, and opened again."""

from __future__ import annotations

from collections.abc import Callable
from html import escape

import pandas as pd
from pydantic import ValidationError

from derm_kit.errors import DermKitError
from derm_kit.panels.parts import Panel, guarded, notice_html
from derm_kit.panels.referral_controls import Controls
from derm_kit.panels.referral_setting import Found
from derm_kit.panels.tables import download_html
from derm_kit.pathway.definition import Pathway, presets
from derm_kit.pathway.scenario import Scenario
from derm_kit.pathway.words import said
from derm_kit.records.scenarios import KeptScenario, Scenarios, kept
from derm_kit.records.workspace import Workspace
from derm_kit.triage.policy import TriagePolicy

MOST_BESIDE = 4


class KeptPart(Panel):
    """Keep what is on the page, and compare what was kept; `now` gives it, `then` opens a kept one again."""

    def __init__(
        self,
        controls: Controls,
        now: Callable[[], Found | None],
        then: Callable[[Pathway, Scenario, bool], TriagePolicy],
    ) -> None:
        super().__init__()
        self.notice = controls.kept_told
        self._controls, self._now, self._then = controls, now, then
        self._scenarios = Scenarios.of(Workspace.named())
        self._known: dict[str, KeptScenario] = {}
        controls.keep.on_click(lambda _: self.keep())
        controls.kept.observe(lambda _: self.compare(), "value")
        controls.open_kept.on_click(lambda _: self.open())
        self._list()

    @guarded
    def keep(self) -> None:
        """Write what is on the page to the workspace."""
        found = self._now()
        if found is None:
            self._tell(
                "info",
                "Nothing is kept yet: the figures on the page are not all of what is set now. Wait until the "
                "simulation is done, or press Simulate if it was stopped.",
            )
            return
        opened, policy = found.opened, found.outcomes.policy
        one = kept(
            self._controls.name.value, opened.pathway.name, ships=not opened.brought, setting=found.scenario.text(),
            policy=_named(policy), pathway=opened.pathway, figures=found.figures,
        )  # fmt: skip
        self._scenarios.keep(one)
        self._list()
        self._controls.name.value = ""
        self._tell("success", f"{one.name} is kept in the workspace.")

    @guarded
    def compare(self) -> None:
        """Put the chosen ones beside each other."""
        chosen = self._chosen()
        self._controls.shown["kept"].value = _beside_html(chosen[:MOST_BESIDE]) if chosen else ""
        self.notice.value = ""
        if len(chosen) > MOST_BESIDE:
            self._tell("info", f"{len(chosen)} are chosen; the first {MOST_BESIDE} stand beside each other.")

    @guarded
    def open(self) -> None:
        """Set the page as the first chosen one was."""
        if not self._chosen():
            self._tell("info", "Choose a kept scenario in the list first.")
            return
        one = self._chosen()[0]
        try:
            pathway = Pathway.model_validate(one.pathway)
        except ValidationError:
            self._tell("error", f"{one.name} was kept with a pathway that this version cannot read.")
            return
        ships = one.ships and one.pathway_name in presets() and pathway == Pathway.read(one.pathway_name)
        policy = self._then(pathway, Scenario.from_text(one.setting) if one.setting else Scenario(), ships)
        more = []
        if one.ships and not ships:
            more.append(
                f"It was kept with {one.pathway_name} as another version of derm-kit ships it, and opens with that."
            )
        if one.policy not in ("", _named(policy)):
            more.append(f"It was kept under the policy {one.policy}; the page starts from {_named(policy)} now.")
        self.notice.value = notice_html("warning" if more else "success", f"The page is set as {one.name} was.", *more)

    def _chosen(self) -> list[KeptScenario]:
        return [self._known[name] for name in self._controls.kept.value if name in self._known]

    @guarded
    def _list(self) -> None:
        found = self._scenarios.read()
        self._known = {}
        for one in found.scenarios:
            label = one.name if one.name not in self._known else f"{one.name} ({one.kept_at:%Y-%m-%d %H:%M:%S})"
            self._known[label] = one
        chosen = self._controls.kept.value
        self._controls.kept.options = list(self._known)
        self._controls.kept.value = tuple(name for name in chosen if name in self._known)
        if found.unread:
            self._tell("warning", f"Not read, as no scenarios that this version knows: {', '.join(found.unread[:5])}.")

    def _tell(self, kind: str, words: str) -> None:
        self.notice.value = notice_html(kind, words)


def _named(policy: TriagePolicy | None) -> str:
    return f"{policy.name} {policy.version}" if policy else ""


def _beside_html(chosen: list[KeptScenario]) -> str:
    """Key figures of kept scenarios: a column for each arm of each."""
    columns = [(i, arm) for i, one in enumerate(chosen) for arm in dict.fromkeys(figure.arm for figure in one.figures)]
    labels = list(dict.fromkeys(figure.label for one in chosen for figure in one.figures))
    cells = {
        (i, figure.arm, figure.label): " (".join(
            said(_number(figure.value), _number(figure.low), _number(figure.high), figure.unit)
        )
        for i, one in enumerate(chosen)
        for figure in one.figures
    }
    head = "".join(f"<th scope='col'>{escape(chosen[i].name)}<br>{escape(arm)}</th>" for i, arm in columns)
    rows = "".join(
        f"<tr><th scope='row'>{escape(label)}</th>"
        + "".join(f"<td>{_closed(cells.get((i, arm, label), '–'))}</td>" for i, arm in columns)
        + "</tr>"
        for label in labels
    )
    about = "".join(
        f"<li><strong>{escape(one.name)}</strong>: {escape(one.pathway_name)}, {escape(one.policy or 'no policy')}, "
        f"kept {one.kept_at:%d %B %Y %H:%M} UTC. Changed: {escape(_changed(one))}.</li>"
        for one in chosen
    )
    frame = pd.DataFrame(
        [
            (one.name, f.arm, f.label, _number(f.value), _number(f.low), _number(f.high))
            for one in chosen
            for f in one.figures
        ],
        columns=["scenario", "arm", "figure", "value", "low", "high"],
    )
    return (
        f"<ul>{about}</ul><div class='dk-scroll' tabindex='0' role='region' aria-label='Scenarios beside each other'>"
        f"<table class='dk-table dk-arms dk-beside'><caption>Kept scenarios beside each other: mean, and what "
        f"95 % of simulated years lie between</caption><thead><tr><td></td>{head}</tr></thead><tbody>{rows}</tbody>"
        f"</table></div>{download_html(frame, 'scenarios')}"
    )


def _changed(one: KeptScenario) -> str:
    try:
        return Scenario.from_text(one.setting).in_words() if one.setting else "nothing"
    except DermKitError:
        return one.setting


def _number(value: float | None) -> float:
    return float("nan") if value is None else value


def _closed(cell: str) -> str:
    value, _, limits = cell.partition(" (")
    return f"<span class='dk-number'>{escape(value)}</span>{f'<br>({escape(limits)})' if limits else ''}"
