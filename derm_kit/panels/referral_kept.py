"""Scenarios that are kept: by name, beside each other, and opened again."""

from __future__ import annotations

from collections.abc import Callable
from html import escape

import pandas as pd
from pydantic import ValidationError

from derm_kit.errors import RecordError
from derm_kit.panels.parts import Panel, guarded, notice_html
from derm_kit.panels.referral_controls import Controls
from derm_kit.panels.referral_setting import Found, Opened
from derm_kit.panels.tables import download_html
from derm_kit.pathway.definition import Pathway
from derm_kit.pathway.scenario import Scenario
from derm_kit.pathway.words import said
from derm_kit.records.scenarios import KeptScenario, Scenarios, kept
from derm_kit.records.workspace import Workspace

MOST_BESIDE = 4


class KeptPart(Panel):
    """Keep what is on the page, and compare what was kept; `now` gives it, `then` opens a kept one again."""

    def __init__(
        self,
        controls: Controls,
        now: Callable[[], tuple[Opened, Found] | None],
        then: Callable[[Pathway, Scenario, bool], None],
    ) -> None:
        super().__init__()
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
        now = self._now()
        if now is None:
            self._tell("info", "Wait until the simulation is done, then keep it.")
            return
        opened, found = now
        policy = found.outcomes.policy
        one = kept(
            self._controls.name.value, opened.pathway.name, ships=not opened.brought, setting=found.scenario.text(),
            policy=f"{policy.name} {policy.version}" if policy else "", pathway=found.outcomes.pathway,
            figures=found.figures,
        )  # fmt: skip
        try:
            self._scenarios.keep(one)
        except RecordError as error:
            self._tell("error", str(error))
            return
        self._list()
        self._controls.name.value = ""
        self._tell("success", f"{one.name} is kept in the workspace.")

    @guarded
    def compare(self) -> None:
        """Put the chosen ones beside each other."""
        chosen = [self._known[name] for name in self._controls.kept.value if name in self._known]
        self._controls.shown["kept"].value = _beside_html(chosen[:MOST_BESIDE]) if chosen else ""

    @guarded
    def open(self) -> None:
        """Set the page as the first chosen one was."""
        chosen = [self._known[name] for name in self._controls.kept.value if name in self._known]
        if not chosen:
            self._tell("info", "Choose a kept scenario in the list first.")
            return
        one = chosen[0]
        try:
            if one.ships:
                self._then(
                    Pathway.read(one.pathway_name), Scenario.from_text(one.setting) if one.setting else Scenario(), True
                )
            else:
                self._then(Pathway.model_validate(one.pathway), Scenario(), False)
        except ValidationError:
            self._tell("error", f"{one.name} was kept with a pathway that this version cannot read.")

    def _list(self) -> None:
        self._known = {one.name: one for one in self._scenarios.read()}
        chosen = self._controls.kept.value
        self._controls.kept.options = list(self._known)
        self._controls.kept.value = tuple(name for name in chosen if name in self._known)

    def _tell(self, kind: str, words: str) -> None:
        self._controls.shown["kept"].value = notice_html(kind, words)


def _beside_html(chosen: list[KeptScenario]) -> str:
    """Key figures of kept scenarios: a column for each arm of each."""
    columns = [(one, arm) for one in chosen for arm in dict.fromkeys(figure.arm for figure in one.figures)]
    labels = list(dict.fromkeys(figure.label for one in chosen for figure in one.figures))
    cells = {
        (one.name, figure.arm, figure.label): " (".join(
            said(_number(figure.value), _number(figure.low), _number(figure.high), figure.unit)
        )
        for one in chosen
        for figure in one.figures
    }
    head = "".join(f"<th scope='col'>{escape(one.name)}<br>{escape(arm)}</th>" for one, arm in columns)
    rows = "".join(
        f"<tr><th scope='row'>{escape(label)}</th>"
        + "".join(f"<td>{_closed(cells.get((one.name, arm, label), '–'))}</td>" for one, arm in columns)
        + "</tr>"
        for label in labels
    )
    about = "".join(
        f"<li><strong>{escape(one.name)}</strong>: {escape(one.pathway_name)}, {escape(one.policy or 'no policy')}, "
        f"kept {one.kept_at:%d %B %Y %H:%M} UTC. Set: {escape(one.setting.replace('&', ', ') or 'nothing')}.</li>"
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
        f"<table class='dk-table dk-arms'><caption>Kept scenarios beside each other: mean, and what 95 % of simulated "
        f"years lie between</caption><thead><tr><td></td>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
        f"{download_html(frame, 'scenarios')}"
    )


def _number(value: float | None) -> float:
    return float("nan") if value is None else value


def _closed(cell: str) -> str:
    value, _, limits = cell.partition(" (")
    return f"<span class='dk-number'>{escape(value)}</span>{f'<br>({escape(limits)})' if limits else ''}"
