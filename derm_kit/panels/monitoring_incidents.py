"""Incidents on the monitoring page: one is opened for an alarm, linked to a hazard; noted, reviewed, closed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from html import escape

import ipywidgets as w

from derm_kit.panels.changes_signing import Signature, opened
from derm_kit.panels.changes_words import moment_words, names_of
from derm_kit.panels.monitoring_setting import name_of
from derm_kit.panels.monitoring_work import Heard
from derm_kit.panels.parts import Panel, guarded, notice_html
from derm_kit.panels.sign_in import NO_REGISTER
from derm_kit.records import hazards, incidents
from derm_kit.records.alarms import LONGEST_FIELD, Alarm
from derm_kit.records.found_alarms import alarm_of_look, alarm_of_signal
from derm_kit.records.here import is_register_here
from derm_kit.records.incidents import Incident, StandsAlreadyError
from derm_kit.records.register import Register

NO_HAZARD = (
    "The hazard log of this machine has no hazard yet, and an incident is linked to one. Begin it with the ten hazards "
    "that derm-kit ships: derm-kit hazards seed --by NAME."
)
SIMULATED = (
    "These alarms are of a made-up service. An incident that is opened for one says so for good: do that to practise, "
    "in a register that is for practice."
)


class IncidentsPanel(Panel):
    """Alarms of what was heard, and the incidents of this machine's register; every step asks for a passphrase."""

    def __init__(self) -> None:
        super().__init__()
        self._alarms: dict[str, Alarm] = {}
        self._heard: Heard | None = None
        self._seen: Incident | None = None
        self.words, self.listed, self.detail = w.HTML(), w.HTML(), w.HTML()
        self.alarm = w.Dropdown(description="Alarm")
        self.hazard = w.Dropdown(description="Hazard")
        self.signature = Signature()
        self.open_button = w.Button(description="Open an incident")
        self.open_button.on_click(lambda _: self.open())
        choices = w.VBox([self.alarm, self.hazard])
        choices.add_class("dk-numbers")
        self.opening = w.VBox([choices, self.open_button])
        self.chosen = w.Dropdown(description="Incident")
        self.chosen.observe(lambda _: self._show_chosen(), "value")
        self.said = w.Textarea(
            description="Note", placeholder="It stays for good: name nobody", continuous_update=False
        )
        self.steps = {
            "Add a note": lambda r, i, by, key: incidents.note(r, i.id, self.said.value, by, key),
            "Say that the hazard was reviewed": lambda r, i, by, key: incidents.hazard_reviewed(
                r, i.id, self.said.value, by, key
            ),
            "Close it": lambda r, i, by, key: incidents.close(r, i, by, key, self.said.value),
        }
        buttons = []
        for words in self.steps:
            button = w.Button(description=words)
            button.add_class("dk-second")
            button.on_click(lambda _, words=words: self.take(words))
            buttons.append(button)
        row = w.HBox(buttons)
        row.add_class("dk-buttons")
        self.stepping = w.VBox([self.said, row])
        one = w.VBox([self.chosen, self.detail, self.stepping])
        one.add_class("dk-numbers")
        self.existing = one
        self.view = w.VBox([self.words, self.signature.view, self.opening, self.notice, self.listed, self.existing])
        self.refresh()

    def hear(self, heard: Heard | None) -> None:
        """Offer the alarms of what was heard; None while nothing is known."""
        self._heard = heard
        self._alarms = {alarm.key: alarm for alarm in alarms_of(heard)} if heard else {}
        self.refresh()

    @guarded
    def refresh(self) -> None:
        """Everything as the register has it now; without one nothing is made."""
        self.notice.value = ""
        self._look()

    @guarded
    def open(self) -> None:
        """Open an incident for the alarm that is chosen."""
        alarm = self._alarms.get(self.alarm.value or "")
        if alarm is None or self.signature.pressed_again(self.notice):
            return
        self.notice.value = ""
        by, passphrase = self.signature.take()
        try:
            with opened() as register:
                made = incidents.open_incident(register, alarm, self.hazard.value or "", by, passphrase)
        except StandsAlreadyError as error:
            self._look(error.incident.id)
            self.notice.value = notice_html("info", str(error))
            return
        self._look(made.id)
        self.notice.value = notice_html(
            "success", f"Incident {made.id} is open, linked to hazard {made.hazard}.",
            "Next: look into it, review that hazard in its light, then say so below.",
        )  # fmt: skip

    @guarded
    def take(self, step: str) -> None:
        """Take one step with the incident as it was seen."""
        seen = self._seen
        if seen is None or self.signature.pressed_again(self.notice):
            return
        self.notice.value = ""
        by, passphrase = self.signature.take()
        with opened() as register:
            made = self.steps[step](register, seen, by, passphrase)
        self.said.value = ""
        self._look(made.id)
        self.notice.value = notice_html("success", f"Incident {made.id}: {made.in_words()}.")

    def _look(self, chosen: str = "") -> None:
        """From the register onto the page; `chosen` is shown afterwards."""
        for part in (self.signature.view, self.opening, self.existing):
            part.layout.display = "none"
        self.listed.value = ""
        if not is_register_here():
            self.words.value = (
                f"<p>{escape(NO_REGISTER.format(still=': alarms can be looked at'))}</p>{self._made_up()}"
            )
            return
        with opened() as register:
            self._show(register, chosen or self.chosen.value or "")

    def _show(self, register: Register, chosen: str) -> None:
        people = register.people()
        names = names_of((p.id, p.name) for p in people)
        log, known = hazards.log(register), incidents.incidents(register)
        taken = {one.alarm.key: one.id for one in known}
        self.signature.offer(people)
        self.signature.view.layout.display = "" if people and (log or known) else "none"
        before = self.alarm.value
        self.alarm.options = [(_option(alarm, taken.get(key)), key) for key, alarm in self._alarms.items()]
        self.alarm.value = before if before in self._alarms else next(iter(self._alarms), None)
        linked = self.hazard.value
        self.hazard.options = [(f"{one.id}: {one.content.name}", one.id) for one in log]
        ids = [one.id for one in log]
        self.hazard.value = linked if linked in ids else next(iter(ids), None)
        self.opening.layout.display = "" if log and self._alarms and people else "none"
        self.words.value = self._said(bool(log)) + self._made_up()
        self.listed.value = list_html(known, names)
        self.chosen.options = [(f"{one.id}, {one.state}: {one.alarm.signal}", one.id) for one in reversed(known)]
        here = [one.id for one in known]
        self.chosen.value = chosen if chosen in here else next(reversed(here), None)
        self.existing.layout.display = "" if known else "none"
        self._shown(known, names)

    def _said(self, hazard: bool) -> str:
        if not hazard:
            return f"<p>{escape(NO_HAZARD)}</p>"
        if not self._alarms:
            return "<p>There is no alarm here to open an incident for.</p>"
        return (
            "<p>One alarm opens one incident, linked to the hazard that it speaks of; who and when stand in the "
            "register, which forgets nothing.</p>"
        )

    def _made_up(self) -> str:
        made_up = self._heard is not None and self._heard.counted.opened.simulated and self._alarms
        return f"<p class='dk-hint'>{SIMULATED}</p>" if made_up else ""

    @guarded
    def _show_chosen(self) -> None:
        if self._seen is not None and self.chosen.value and self.chosen.value != self._seen.id:
            with opened() as register:
                names = names_of((p.id, p.name) for p in register.people())
                self._shown([incidents.find(register, self.chosen.value)], names)

    def _shown(self, known: list[Incident], names: Mapping[str, str]) -> None:
        self._seen = next((one for one in known if one.id == self.chosen.value), None)
        self.detail.value = incident_html(self._seen, names) if self._seen else ""
        self.stepping.layout.display = "" if self._seen and not self._seen.closed else "none"


def alarms_of(heard: Heard) -> Iterator[Alarm]:
    """The first alarm of each signal, and of each watch, group and figure; of a made-up service said to be so."""
    found = heard.findings
    for one in found.signals.signals if found.signals else ():
        if one.first_alarm:
            yield _marked(alarm_of_signal(one), heard)
    for watch, looks in found.looks().items():
        if looks.empty:
            continue
        keys = ["group", "figure"] if "figure" in looks else ["group"]
        alarms = looks[looks["alarm"]].drop_duplicates(keys)
        for row in alarms.to_dict("records"):
            yield _marked(alarm_of_look(watch, row), heard)


def _marked(alarm: Alarm, heard: Heard) -> Alarm:
    if not heard.counted.opened.simulated:
        return alarm
    name = name_of(heard.counted.watching)
    return replace(
        alarm,
        scope=f"{alarm.scope} ({name})"[:LONGEST_FIELD],
        said=f"SIMULATED, to learn on: {alarm.said}"[:LONGEST_FIELD],
        facts={**alarm.facts, "simulated": name},
    )


def list_html(known: list[Incident], names: Mapping[str, str]) -> str:
    """Open incidents, and how many are closed."""
    still = [one for one in known if not one.closed]
    if not known:
        return "<h3>Incidents</h3><p>None was opened yet.</p>"
    rows = "".join(
        f"<li><strong>{one.id}</strong>, hazard {one.hazard}: {escape(one.alarm.signal)}, {escape(one.alarm.scope)}. "
        f"Opened by {escape(names.get(one.opened_by, one.opened_by))}, {moment_words(one.opened_at)}.</li>"
        for one in reversed(still)
    )
    closed = len(known) - len(still)
    return f"<h3>Open incidents: {len(still)}, closed: {closed}</h3><ul class='dk-table-list'>{rows}</ul>"


def incident_html(one: Incident, names: Mapping[str, str]) -> str:
    """An incident: its alarm as it was, and every step."""
    steps = "".join(
        f"<li>{moment_words(step.at)}, {escape(names.get(step.person, step.person))}: {step.kind}"
        f"{f' (version {step.hazard_version})' if step.hazard_version else ''}"
        f"<p class='dk-as-written'>{escape(step.said)}</p></li>"
        for step in one.steps
    )
    about = (
        ("State", one.state), ("Hazard", one.hazard), ("Signal", one.alarm.signal), ("Of", one.alarm.scope or "all"),
        ("Raised", moment_words(one.alarm.raised_at)),
    )  # fmt: skip
    rows = "".join(f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in about)
    return f"<h3>Incident {one.id}</h3><dl class='dk-about'>{rows}</dl><ol class='dk-table-list'>{steps}</ol>"


def _option(alarm: Alarm, incident: str | None) -> str:
    taken = f" ({incident})" if incident else ""
    return f"{alarm.signal}, {alarm.scope or 'all'}, {alarm.raised_at[:10]}{taken}"
