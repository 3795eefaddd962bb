"""Page 03: thresholds, what each is worth, what a change would do, and to whom."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Any, TypeVar

import ipywidgets as w

from derm_kit.lesions import LesionType
from derm_kit.panels.changes import ChangesSection
from derm_kit.panels.changes_in_force import InForcePanel
from derm_kit.panels.parts import Panel, guarded, notice_html
from derm_kit.panels.tables import download_html
from derm_kit.panels.tuning_controls import Controls
from derm_kit.panels.tuning_figures import Looked, Opened, WorkedOut, lost_since_search, work_out
from derm_kit.panels.tuning_proposal import ProposalPanel
from derm_kit.panels.tuning_setting import Setting, preset
from derm_kit.panels.tuning_source import Source, SourcePanel
from derm_kit.triage.opening import POLICY_VARIABLE, Opening
from derm_kit.triage.policy import TriagePolicy
from derm_kit.triage.proposal import ChangeProposal, propose
from derm_kit.triage.tuning import tune, with_thresholds

ONE_MOVE_S = 1.0


class ThresholdsPanel(Panel):
    """`setting` is all that the officer set; `set()` is the one way it changes, and what it does is shown after it.

    The page starts from `policy` if that was `named`, else from the release in force where this machine has a register.
    """

    def __init__(self, source: Source, policy: TriagePolicy, *, named: bool = True) -> None:
        super().__init__()
        self.controls = Controls()
        self.in_force = InForcePanel(source.run, policy, named=named)
        source = Source.of(source.run, self.in_force.policy, uploaded=source.uploaded)
        self.source = SourcePanel(source, self.in_force.policy, self._open)
        self.changes = ChangesSection(self.in_force.look)
        self.proposal = ProposalPanel(self._propose, self.changes.changed)
        self._showing = False
        self._moved: LesionType | None = None
        self._moved_at = 0.0
        self._past: list[Setting] = []
        self._future: list[Setting] = []
        self._wire()
        self._open(source)
        self.in_force.then = self._start_from
        opened_on = w.VBox([self.in_force.view, self.source.view])
        self.view = self.controls.frame(self.notice, opened_on, self.proposal.view, self.changes.view)

    @property
    def policy(self) -> TriagePolicy:
        """The policy in force with the thresholds as they are set."""
        return with_thresholds(self.opened.source.policy, self.setting.thresholds)

    @guarded
    def set(self, setting: Setting, said: str = "", *, together: bool = False) -> None:
        """Take another setting and show what it does; one that cannot be worked out changes nothing.

        `together` with the change before it, it is undone.
        """
        try:
            with_thresholds(self.opened.source.policy, setting.thresholds)
            worked = work_out(self.opened, setting, self._looked())
        except Exception:  # the inputs go back to what is shown; the guard says what went wrong
            self._new_round()
            self._show_inputs()
            raise
        if setting != self.setting:
            if not (together and self._past):
                self._past.append(self.setting)
            self._future.clear()
        self._show(setting, worked)
        self.notice.value = notice_html("info", said) if said else ""

    @guarded
    def find(self) -> None:
        """Set the highest thresholds that hold the targets; a refused type keeps that of the policy in force."""
        setting = self.setting
        targets = {t: target for t, target in setting.targets.items() if target}
        tuned = tune(
            self.opened.counter, targets, confidence=setting.confidence, within=setting.within, method=setting.method
        )
        found = tuned.policy.thresholds
        thresholds = {t: found[t] for t in self.opened.types if t in found}
        self._new_round()
        self.set(replace(setting, thresholds=thresholds, guarantees=tuned.guarantees))

    @guarded
    def step(self, back: bool) -> None:
        """Undo or redo."""
        here, there = (self._past, self._future) if back else (self._future, self._past)
        if here:
            worked = work_out(self.opened, here[-1], self._looked())
            there.append(self.setting)
            self._new_round()
            self._show(here.pop(), worked)
            self.notice.value = ""

    # officer -> setting

    def _wire(self) -> None:
        c = self.controls
        for t, slider in c.sliders.items():
            slider.observe(lambda change, t=t: self._move(t, change["new"]), "value")
        for t, box in c.targets.items():
            box.observe(lambda change, t=t: self._aim(t, change["new"] / 100), "value")
        c.confidence.observe(lambda change: self._enter(confidence=change["new"] / 100), "value")
        c.within.observe(lambda change: self._enter(within=change["new"]), "value")
        c.method.observe(lambda change: self._enter(method=change["new"]), "value")
        c.cancers.observe(lambda change: self._enter(cancers=change["new"] / 100, lesson=False), "value")
        for t, box in c.shares.items():
            box.observe(lambda change, t=t: self._share(t, change["new"] / 100), "value")
        for name, box in c.harms.items():
            box.observe(lambda change, name=name: self._weigh(name, change["new"]), "value")
        c.harm_source.observe(lambda change: self._enter(harm_source=change["new"]), "value")
        c.picker.observe(lambda change: self._enter(case=change["new"]), "chosen")
        c.preset.observe(lambda change: self._take_preset(change["new"]), "value")
        c.address.observe(lambda change: self._on_address(change["new"]), "opened_with")
        c.find.on_click(lambda _: self.find())
        c.undo.on_click(lambda _: self.step(True))
        c.redo.on_click(lambda _: self.step(False))
        c.back.on_click(lambda _: self._enter(thresholds=self.opened.start.thresholds, guarantees=()))
        c.make_files.on_click(lambda _: self._make_files())
        for choice in (c.grouping, c.curve_of, c.every_rate):
            choice.observe(lambda _: self._enter(), "value")

    def _enter(self, **fields: Any) -> None:  # noqa: ANN401 - fields of a setting
        if not self._showing:
            self._new_round()
            self.set(replace(self.setting, **fields))

    def _move(self, lesion_type: LesionType, threshold: float) -> None:
        """A slider's moves that follow each other within ONE_MOVE_S are one change; those of an earlier round none."""
        if self._showing:
            return
        if self.controls.sliders[lesion_type].drop_stale():
            self._show_inputs()
            return
        together = self._moved == lesion_type and monotonic() - self._moved_at < ONE_MOVE_S
        thresholds = dict(self.setting.thresholds) | {lesion_type: threshold}
        self.set(replace(self.setting, thresholds=thresholds), together=together)
        self._moved, self._moved_at = lesion_type, monotonic()

    def _new_round(self) -> None:
        """What the sliders' moves under way were made for has gone."""
        self._moved = None
        for slider in self.controls.sliders.values():
            slider.begin_round()

    def _aim(self, lesion_type: LesionType, target: float) -> None:
        self._enter(targets=dict(self.setting.targets) | {lesion_type: target})

    def _share(self, lesion_type: LesionType, share: float) -> None:
        self._enter(shares=_said(self.setting.shares, lesion_type, share), lesson=False)

    def _weigh(self, name: str, harm: float) -> None:
        self._enter(harms=_said(self.setting.harms, name, harm))

    def _take_preset(self, name: str) -> None:
        if name and not self._showing:
            self._new_round()
            self.set(*preset(name, self.opened.start, self.setting))

    @guarded
    def _on_address(self, text: str) -> None:
        if text:
            self.controls.address.opened_with = ""
            self._new_round()
            self.set(Setting.from_text(text, self.opened.start, self.opened.groupings))

    def _open(self, source: Source) -> None:
        """Start anew with other scores; raises where they cannot be judged, and then nothing has changed."""
        opened = Opened.of(source)
        worked = work_out(opened, opened.start, self._looked())
        self.opened = opened
        self._past.clear()
        self._future.clear()
        self._new_round()
        self._showing = True
        try:
            self.controls.offer(opened.types, opened.groupings)
        finally:
            self._showing = False
        self._show(opened.start, worked)
        self.notice.value = ""

    @guarded
    def _start_from(self, policy: TriagePolicy) -> None:
        """Another policy came into force: what was set stays, and is compared with that one from now on."""
        before, was_set = self.opened.source, self.setting
        kept = None if was_set == self.opened.start else replace(was_set, guarantees=())
        self.source.start_from(policy)
        if kept is not None and self.opened.source is not before:
            self.set(kept)

    def _looked(self) -> Looked:
        c = self.controls
        return Looked(c.grouping.value, c.curve_of.value, c.every_rate.value)

    # figures and words -> view

    def _show(self, setting: Setting, worked: WorkedOut) -> None:
        self.setting, self.worked = setting, worked
        self._show_inputs()
        c, start = self.controls, self.opened.start
        for name, html in worked.html.items():
            c.shown[name].value = html
        for t, (html, aloud) in worked.worth.items():
            with c.sliders[t].hold_sync():
                c.sliders[t].worth, c.sliders[t].says = html, aloud
        c.undo.disabled, c.redo.disabled = not self._past, not self._future
        c.back.disabled = setting.thresholds == start.thresholds
        self.proposal.forget(setting.thresholds != start.thresholds)
        plain = setting == start and not setting.case
        c.address.state = "" if plain or self.opened.source.uploaded else setting.text()

    def _show_inputs(self) -> None:
        self._showing = True
        try:
            self.controls.show(self.setting)
        finally:
            self._showing = False

    @guarded
    def _make_files(self) -> None:
        """Links that keep every rate, subgroups and all, and the cases that change sides."""
        found, changes = self.worked.rates, self.worked.changes
        tables = {
            "Every rate": (found.frame(), "rates"),
            "Subgroups against the rest": (found.differences(), "differences"),
            "Changes by type": (changes.by_type(), "changes-by-type"),
            "Cases that change sides": (changes.moved, "cases-that-change-sides"),
        }
        links = "".join(f"<li>{what}: {download_html(*table)}</li>" for what, table in tables.items())
        self.controls.shown["files"].value = f"<ul class='dk-keep'>{links}</ul>"

    def _propose(self, rationale: str) -> ChangeProposal:
        lost = lost_since_search(self.setting, self.opened.start.thresholds)
        standing = tuple(g for g in self.setting.guarantees if g.lesion_type not in lost)
        return propose(self.opened.counter, self.policy, rationale, standing)


def thresholds_page(run: Path | None = None, policy: Path | None = None) -> w.VBox:
    """The page for a run with truth (a run folder, joined parquet or CSV) and the policy in force for it.

    Left out, what the workbench was opened on: the reference cohort, if nothing else, and the release in force in this
    machine's register, or the default policy.
    """
    opening = Opening.read(run, policy) if run or policy else Opening.named()
    named = bool(policy or os.environ.get(POLICY_VARIABLE))
    return ThresholdsPanel(Source.of(opening.run, opening.policy), opening.policy, named=named).view


Name = TypeVar("Name", bound=str)


def _said(before: Mapping[Name, float], name: Name, value: float) -> dict[Name, float]:
    """What was said of each name before, with another value of one; 0 is nothing said."""
    return {key: v for key, v in (dict(before) | {name: value}).items() if v}
