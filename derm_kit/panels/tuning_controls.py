"""The widgets of the threshold page and where they stand; what they do is wired in `thresholds`."""

from __future__ import annotations

import ipywidgets as w

from derm_kit.lesions import FLAGGED, LESION_TYPES, LesionType
from derm_kit.panels.inputs import Address, Keeper, Picker, ThresholdSlider
from derm_kit.panels.parts import named_box, page, second_button, section
from derm_kit.panels.tuning_figures import still
from derm_kit.panels.tuning_setting import BENIGN_FLAGGED, HIGHEST_HARM, MISTAKES, PRESETS, REVIEWED, Setting
from derm_kit.triage.guarantee import METHODS

SHOWN = (
    "summary", "guarantees", "changes", "moved", "one_case", "groups", "truth", "mix", "harm", "roc", "precision",
    "calibration", "decision", "rates", "files",
)  # fmt: skip
WITHIN_NOTHING = ("all cases together", "")


class Controls:
    """Inputs by name, `shown` as places for HTML by name (SHOWN)."""

    def __init__(self) -> None:
        self.sliders = {t: ThresholdSlider(label=t.label) for t in FLAGGED}
        self.targets = {t: w.BoundedFloatText(min=0, max=99.9, step=1, description=t.label) for t in FLAGGED}
        self.confidence = w.BoundedFloatText(min=50, max=99.9, step=1, description="Confidence")
        self.within = w.Dropdown(options=[WITHIN_NOTHING], description="Hold within each group of")
        self.method = w.Dropdown(options=METHODS, description="Method")
        self.cancers = w.BoundedFloatText(min=0, max=100, step=0.1, description="Cancers in 100 lesions at my clinic")
        self.shares = {t: w.BoundedFloatText(min=0, max=100, step=0.1, description=t.label) for t in LESION_TYPES}
        self.harms = {
            name: w.BoundedFloatText(min=0, max=HIGHEST_HARM, step=1, description=_mistake(name)) for name in MISTAKES
        }
        self.harm_source = w.Text(
            description="Unit, and who set these", placeholder="points, agreed by …", continuous_update=False
        )
        self.preset = w.Dropdown(
            options=[("Choose a preset…", ""), *((words, name) for name, words in PRESETS.items())],
            description="Preset",
        )
        self.find = w.Button(description="Find the safest thresholds")
        self.undo, self.redo = second_button("Undo"), second_button("Redo")
        self.back = second_button("Back to the policy in force")
        self.grouping = w.Dropdown(description="By")
        self.curve_of = w.Dropdown(description="Curves of")
        self.every_rate = w.Checkbox(description="Show every rate and likelihood ratio", indent=False)
        self.make_files = second_button("Make files of the tables (CSV)")
        self.picker, self.address, self._keeper = Picker(), Address(), Keeper()
        self.shown = {name: w.HTML() for name in SHOWN}

    def frame(self, notice: w.HTML, source: w.Widget, proposal: w.Widget, changes: w.Widget) -> w.VBox:
        """The page, in the order in which an officer thinks."""
        shown, buttons = self.shown, w.HBox([self.undo, self.redo, self.back])
        buttons.add_class("dk-buttons")
        aims = section(
            "What to hold",
            self.preset,
            w.HTML("<p>Sensitivity to hold, in per cent; 0 leaves a type as it is.</p>"),
            named_box(
                "dk-slider-targets", *self.targets.values(), self.confidence, self.within, self.method, self.cancers
            ),
            self.find,
            shown["guarantees"],
        )
        tuned = section(
            "Thresholds",
            *self.sliders.values(),
            buttons,
        )
        curves = w.Box([shown[name] for name in ("roc", "precision", "calibration", "decision")])
        curves.add_class("dk-charts")
        curves.add_class("dk-charts-large")
        top = w.Box([aims, tuned])
        top.add_class("dk-slider-columns")
        return page(
            "Tune thresholds",
            "What each threshold is worth, what a change would do, and to whom. Nothing here changes a device.",
            self.address, self.picker, self._keeper,
            section("What the policy does", shown["summary"], source),
            notice,
            top,
            section("What changes against the policy in force", shown["changes"]),
            section("The cases that change sides", shown["moved"], shown["one_case"]),
            section("At my clinic", self._by_type(), shown["mix"]),
            section("Harm, by your own weights", self._weights(), shown["harm"]),
            section("Subgroups", self.grouping, shown["groups"]),
            section("How the truth is known", shown["truth"]),
            section("Curves", self.curve_of, curves),
            section("All figures", self.every_rate, shown["rates"], self.make_files, shown["files"]),
            section("Propose this change", proposal),
            section("Changes under way", changes),
        )  # fmt: skip

    def _by_type(self) -> w.Widget:
        fields = named_box("dk-slider-many", *self.shares.values())
        fields.layout.display = "none"
        by_type = w.Checkbox(description="Say it by lesion type", indent=False)
        for share in self.shares.values():
            share.observe(lambda change: by_type.set_trait("value", by_type.value or change["new"] > 0), "value")
        by_type.observe(lambda change: fields.layout.set_trait("display", "" if change["new"] else "none"), "value")
        hint = w.HTML("<p>Of 100 lesions; types left at 0 share the rest as they do in this set.</p>")
        return w.VBox([by_type, w.VBox([hint, fields])])

    def _weights(self) -> w.Widget:
        return w.VBox([named_box("dk-slider-many", *self.harms.values()), self.harm_source])

    def offer(self, types: tuple[LesionType, ...], groupings: tuple[str, ...]) -> None:
        """Only what the scores at hand allow: sliders and curves of `types`, groups by `groupings`."""
        for t in FLAGGED:
            display = "" if t in types else "none"
            self.sliders[t].layout.display = self.targets[t].layout.display = display
        curve_of, grouping = still(self.curve_of.value, types), still(self.grouping.value, groupings)
        self.curve_of.options = [(t.label, t) for t in types]
        self.curve_of.value = curve_of
        self.within.options = [WITHIN_NOTHING, *((name, name) for name in groupings)]
        self.grouping.options = groupings
        self.grouping.value = grouping
        self.grouping.layout.display = "" if groupings else "none"

    def show(self, setting: Setting) -> None:
        """The inputs as they are set."""
        for t, slider in self.sliders.items():
            slider.never, slider.value = t not in setting.thresholds, setting.thresholds.get(t, 1.0)
        for t, target in setting.targets.items():
            self.targets[t].value = round(100 * target, 6)
        self.confidence.value = round(100 * setting.confidence, 6)
        self.cancers.value = round(100 * setting.cancers, 6)
        self.within.value, self.method.value = setting.within, setting.method
        for t, field in self.shares.items():
            field.value = round(100 * setting.shares.get(t, 0.0), 6)
        for name, field in self.harms.items():
            field.value = setting.harms.get(name, 0.0)
        self.harm_source.value = setting.harm_source
        self.picker.chosen = setting.case


def _mistake(name: str) -> str:
    if name == BENIGN_FLAGGED:
        return "A benign lesion flagged"
    return "A case in clinician review" if name == REVIEWED else f"{LesionType(name).label} not flagged"
