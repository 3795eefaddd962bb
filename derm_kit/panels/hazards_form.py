"""The form of a hazard: a field for everything that a version says, and beside it the rule that it breaks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from html import escape
from typing import Any

import ipywidgets as w

from derm_kit.panels.hazards_fields import BLANK, FIELDS, GROUPS, Field, field_of
from derm_kit.panels.hazards_words import risk_html
from derm_kit.panels.parts import named_box
from derm_kit.records.hazard_cells import raw_of
from derm_kit.records.hazard_rules import Broken
from derm_kit.records.risk_matrix import Likelihood, Severity, risk

TOLD = "told"
"""What brings the first broken rule into sight."""


class HazardForm:
    """Every field as text, as a row of the log's file has it; `then` is called with each change that somebody makes."""

    def __init__(self, then: Callable[[], None]) -> None:
        self._then, self._filling = then, False
        self.inputs = {name: _input(field) for name, field in FIELDS.items()}
        self.told = {name: w.HTML() for name in FIELDS}
        self.risks = {"initial": w.HTML(), "residual": w.HTML()}
        for widget in self.inputs.values():
            widget.observe(self._on_change, "value")
        self.view = named_box("dk-hazard-form", *(self._group(*group) for group in GROUPS))
        self.fill(BLANK)

    @property
    def cells(self) -> dict[str, str]:
        """What stands in the fields."""
        return {name: widget.value for name, widget in self.inputs.items()}

    @property
    def raw(self) -> dict[str, Any]:
        """The same as JSON holds a content."""
        return raw_of({name: text.strip() if not FIELDS[name].long else text for name, text in self.cells.items()})

    def fill(self, cells: Mapping[str, str]) -> None:
        """Put this into the fields; no rule is told."""
        self._filling = True
        try:
            for name, widget in self.inputs.items():
                said = cells.get(name, "")
                widget.value = said if said in (FIELDS[name].choices or (said,)) else ""
        finally:
            self._filling = False
        self.tell(())
        self._show_risks()

    def tell(self, broken: Iterable[Broken]) -> tuple[str, ...]:
        """Say each broken rule beside its field; what is to be said of all of them, nothing for none."""
        for told in self.told.values():
            told.value = ""
        others: list[str] = []
        fields: list[str] = []
        for one in broken:
            name = field_of(one)
            if name:
                self.told[name].value += _told_html(one, first=not fields)
                fields.append(FIELDS[name].label)
            else:
                others.append(f"{one.said} (found: {one.value}). {one.next_step}")
        where = [f"Told beside the field: {', '.join(dict.fromkeys(fields))}."] if fields else []
        return (*where, *others)

    def _group(self, title: str, fields: tuple[Field, ...]) -> w.VBox:
        rows = [w.VBox([self.inputs[f.name], _hint(f), self.told[f.name]]) for f in fields]
        risks = [self.risks[which] for which in self.risks if any(f.name == f"{which}_severity" for f in fields)]
        return named_box("dk-form-group", w.HTML(f"<h4>{escape(title)}</h4>"), *rows, *risks)

    def _on_change(self, change: dict[str, Any]) -> None:
        self._show_risks()
        if not self._filling:
            self._then()

    def _show_risks(self) -> None:
        for which, shown in self.risks.items():
            likelihood, severity = (self.inputs[f"{which}_{part}"].value for part in ("likelihood", "severity"))
            level = risk(Likelihood(likelihood), Severity(severity)) if likelihood and severity else None
            shown.value = f"<p>By the matrix the {which} risk is {risk_html(level)}</p>"


def _input(field: Field) -> w.Dropdown | w.Text | w.Textarea:
    if field.choices:
        none = "not judged" if field.name.startswith("residual") else "Choose…"
        return w.Dropdown(description=field.label, options=[(word or none, word) for word in field.choices])
    return w.Textarea(description=field.label) if field.long else w.Text(description=field.label)


def _hint(field: Field) -> w.HTML:
    return w.HTML(f"<p class='dk-hint'>{escape(field.hint)}</p>" if field.hint else "")


def _told_html(broken: Broken, *, first: bool) -> str:
    bring = f" data-bring='{TOLD}'" if first else ""
    return (
        f"<p class='dk-told' role='alert'{bring}><strong>Not yet:</strong> {escape(broken.said)} (found: "
        f"<bdi>{escape(broken.value[:200])}</bdi>). {escape(broken.next_step)}</p>"
    )
