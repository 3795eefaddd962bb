"""The widgets of the simulation page and where they stand; what they do is wired in `referral`."""

from __future__ import annotations

from html import escape

import ipywidgets as w

from derm_kit.lesions import FLAGGED, LesionType
from derm_kit.panels.dropzone import DropZone
from derm_kit.panels.inputs import Address, Keeper, NumberSlider, ThresholdSlider
from derm_kit.panels.parts import named_box, page, second_button, section
from derm_kit.panels.referral_setting import HIGHEST_SEED, Opened
from derm_kit.pathway.definition import presets
from derm_kit.pathway.scenario import MOST_SLOTS, Scenario
from derm_kit.pathway.stages import SlotsStage
from derm_kit.pathway.yaml_file import MOST_BYTES
from derm_kit.triage.guarantee import rounded_down

REPLICATIONS = (50, 200, 500, 1_000)
SHOWN = (
    "headline",
    "glance",
    "arms",
    "missed",
    "load",
    "costs",
    "waits",
    "queue",
    "routes",
    "kept",
    "remarks",
    "files",
)


class Controls:
    """Inputs by name; `shown` are places for HTML by name (SHOWN)."""

    def __init__(self) -> None:
        self.pathway = w.Dropdown(options=presets(), description="Pathway")
        self.upload = DropZone(
            words="A pathway of your own: drop its YAML file here, or", label="Choose a YAML file",
            accept=".yaml,.yml", largest=MOST_BYTES,
        )  # fmt: skip
        self.about = w.HTML()
        self.arms: dict[str, w.Checkbox] = {}
        self.arms_box = named_box("dk-arms-choice")
        self.per_week = NumberSlider(label="Referrals", unit="a week")
        self.uptake = NumberSlider(label="Uptake of a new arm", unit="per cent of people", max=100.0, most=100.0)
        self.groups: dict[str, NumberSlider] = {}
        self.slots: dict[str, NumberSlider] = {}
        self.people_box, self.clinics_box = named_box("dk-numbers"), named_box("dk-numbers")
        self.thresholds = {kind: ThresholdSlider(label=kind.label) for kind in FLAGGED}
        self.margin = NumberSlider(
            label="Second read near a threshold", unit="per cent below it", max=95.0, most=99.0, step=5.0
        )
        self.policy_box = named_box("dk-numbers", *self.thresholds.values(), self.margin)
        self.replications = w.Dropdown(options=REPLICATIONS, value=200, description="Simulated years")
        self.seed = w.BoundedIntText(min=0, max=HIGHEST_SEED, value=1, description="Seed")
        self.back = second_button("Back to the pathway as it is")
        self.progress = w.FloatProgress(min=0, max=1, description="Simulating")
        self.cancel = second_button("Stop")
        self.working = w.HBox([self.progress, self.cancel])
        self.working.add_class("dk-working")
        self.under_way = False
        self.waits_of = w.Dropdown(description="Waits for")
        self.queue_of = w.Dropdown(description="Queue at")
        self.routes_of = w.Dropdown(description="Routes in")
        self.name = w.Text(description="Name", placeholder="for example: two more clinics", continuous_update=False)
        self.keep = w.Button(description="Keep this scenario")
        self.kept = w.SelectMultiple(description="Compare", rows=5)
        self.open_kept = second_button("Open the first chosen")
        self.make_files = second_button("Make files of the tables (CSV)")
        self.address, self._keeper = Address(), Keeper()
        self.kept_told = w.HTML()
        self.shown = {name: w.HTML() for name in SHOWN}

    def frame(self, notice: w.HTML, policy: w.Widget, *more: w.Widget) -> w.VBox:
        """The page, in the order in which somebody who plans a service thinks; `policy` says which one
        it starts from; `more` are sections before the files.
        """
        shown = self.shown
        left = w.VBox([
            section("Pathway and arms", self.pathway, self.arms_box, self.about, self.upload),
            section("People", self.people_box),
            section("Policy", policy, self.policy_box),
            section("Clinics", self.clinics_box, self.back),
            section("Simulation", named_box("dk-numbers", self.replications, self.seed)),
        ])  # fmt: skip
        right = w.VBox([
            section("What would follow", shown["headline"], self.working),
            section("At a glance", shown["glance"]),
        ])  # fmt: skip
        right.add_class("dk-stays")
        columns = w.Box([left, right])
        columns.add_class("dk-columns")
        charts = w.Box([
            w.VBox([self.waits_of, shown["waits"]]), w.VBox([self.queue_of, shown["queue"]]),
        ])  # fmt: skip
        charts.add_class("dk-charts")
        charts.add_class("dk-charts-large")
        return page(
            "Simulate referrals",
            "Who waits, who is seen, which cancers are found late, and what it costs, when a threshold or a clinic "
            "moves.",
            self.address, self._keeper, notice, columns,
            section("Arms beside each other", shown["arms"]),
            section("Waits and queues", charts),
            section("Where people go", self.routes_of, shown["routes"]),
            section("Cancers missed at first", shown["missed"]),
            section("Load on each stage", shown["load"]),
            section("Cost and staff time", shown["costs"]),
            *more,
            section("Scenarios", named_box("dk-numbers", self.name), self.keep, named_box("dk-numbers", self.kept),
                    self.open_kept, self.kept_told, shown["kept"]),
            section("What these figures rest on", shown["remarks"], self.make_files, shown["files"]),
        )  # fmt: skip

    def show_working(self, under_way: bool) -> None:
        """Progress and Stop while a simulation is under way, then nothing; Simulate where somebody stopped it."""
        stopped = self.under_way and not under_way and self.progress.value < 1
        self.under_way = under_way
        self.working.layout.visibility = "visible" if under_way or stopped else "hidden"
        self.progress.layout.display = "" if under_way else "none"
        self.cancel.description = "Stop" if under_way else "Simulate"
        self.progress.value = 0

    def name_pathway(self, name: str) -> None:
        """Say which pathway is open: one that ships, or somebody's file."""
        self.pathway.options = presets() if name in presets() else (name, *presets())
        self.pathway.value = name

    def offer(self, opened: Opened) -> None:
        """Inputs for what the pathway has."""
        pathway = opened.pathway
        self.arms = {
            name: w.Checkbox(
                value=True,
                indent=False,
                description=f"{name}{': ' + arm.title if arm.title else ''}",
                disabled=arm.today,
            )
            for name, arm in pathway.arms.items()
        }
        self.arms_box.children = tuple(self.arms.values())
        per_week = float(pathway.referrals.per_week.value)
        _range(self.per_week, per_week, 4)
        self.groups = {}
        for group, members in pathway.target_groups.items():
            share = 100 * sum(float(pathway.conditions[name].share.value) for name in members)
            slider = NumberSlider(label=f"Share with {group}", unit="per cent of referrals", step=0.1)
            _range(slider, round(share, 4), 3, highest=100.0)
            self.groups[group] = slider
        uptakes = [100 * float(arm.uptake.value) for arm in pathway.arms.values() if not arm.today]
        self.uptake.value = self.uptake.as_it_is = max(uptakes, default=100.0)
        said = " to ".join(f"{share:g}" for share in sorted({min(uptakes, default=100.0), self.uptake.as_it_is}))
        self.uptake.says = f"{said} in the pathway as it is"
        self.uptake.layout.display = "" if uptakes else "none"
        self.people_box.children = (self.per_week, *self.groups.values(), self.uptake)
        self.slots = {}
        for name, stage in pathway.stages.items():
            if isinstance(stage, SlotsStage):
                slider = NumberSlider(label=stage.title or name, unit="slots a week")
                _range(slider, float(sum(stage.slots.values())), 3, highest=MOST_SLOTS)
                own = [f"{arm} {sum(a.slots[name].values()):,}" for arm, a in pathway.arms.items() if name in a.slots]
                slider.says = "; ".join([slider.says, *own])
                self.slots[name] = slider
        self.clinics_box.children = tuple(self.slots.values())
        self.policy_box.layout.display = "" if pathway.reads_policy else "none"
        choose_from(self.routes_of, list(pathway.arms))
        waits = [*pathway.clocks, *(n for n, s in pathway.stages.items() if s.kind != "delay")]
        choose_from(self.waits_of, waits)
        choose_from(self.queue_of, [name for name in waits if name not in pathway.clocks])
        self.about.value = f"<p>{escape(opened.pathway.summary)}</p>"

    def show(self, scenario: Scenario, opened: Opened) -> None:
        """The inputs as they are set."""
        pathway, policy = scenario.pathway(opened.pathway), scenario.policy(opened.policy)
        self.per_week.value = float(pathway.referrals.per_week.value)
        for group, slider in self.groups.items():
            members = pathway.target_groups[group]
            slider.value = round(100 * sum(float(pathway.conditions[name].share.value) for name in members), 4)
        self.uptake.value = self.uptake.as_it_is if scenario.uptake is None else 100 * scenario.uptake
        for name, slider in self.slots.items():
            stage = pathway.stages[name]
            slider.value = float(sum(stage.slots.values())) if isinstance(stage, SlotsStage) else 0.0
        for kind, slider in self.thresholds.items():
            before = opened.policy.thresholds.get(kind)
            slider.layout.display = "none" if before is None else ""
            said = "" if before is None else f"threshold; {rounded_down(before)} in the policy as it is"
            slider.worth = f"<p class='dk-hint'>{said}</p>"
            slider.value = policy.thresholds.get(kind, 1.0)
        self.margin.value = round(100 * policy.second_read_margin, 4)
        for name, box in self.arms.items():
            box.value = not scenario.arms or name in scenario.arms
        if scenario.replications not in self.replications.options:
            self.replications.options = sorted({*REPLICATIONS, scenario.replications})
        self.replications.value, self.seed.value = scenario.replications, scenario.seed

    def read(self, opened: Opened) -> Scenario:
        """What the inputs say, beside the pathway and the policy as they are."""
        before, policy = opened.pathway, opened.policy
        moved = any(_moved(slider) for slider in self.groups.values())
        groups = {group: slider.value / 100 for group, slider in self.groups.items()} if moved else {}
        slots = {name: round(slider.value) for name, slider in self.slots.items() if _moved(slider)}
        thresholds: dict[LesionType, float] = {
            kind: self.thresholds[kind].value
            for kind, value in policy.thresholds.items()
            if abs(self.thresholds[kind].value - value) > 1e-12
        }
        margin = self.margin.value / 100
        chosen = tuple(name for name, box in self.arms.items() if box.value)
        return Scenario(
            per_week=self.per_week.value if _moved(self.per_week) else None,
            groups=groups,
            slots=slots,
            uptake=self.uptake.value / 100 if _moved(self.uptake) else None,
            thresholds=thresholds if before.reads_policy else {},
            second_read_margin=margin
            if before.reads_policy and abs(margin - policy.second_read_margin) > 1e-9
            else None,
            arms=() if len(chosen) == len(self.arms) else chosen,
            replications=self.replications.value,
            seed=self.seed.value,
        )


def choose_from(choice: w.Dropdown, options: list[str]) -> None:
    """Offer other options; what was chosen stays where it is one of them, else the first is chosen."""
    before = choice.value
    choice.options = options
    choice.value = before if before in options else options[0] if options else None


def _range(slider: NumberSlider, value: float, times: float, highest: float = 1e6) -> None:
    """From 0 to `times` the value as it is, which the slider says and `_moved` remembers; typed, up to `highest`."""
    slider.most = highest
    slider.max = min(max(times * value, 10 * slider.step), highest)
    slider.value = value
    slider.says = f"{value:,.6g} in the pathway as it is"
    slider.as_it_is = value


def _moved(slider: NumberSlider) -> bool:
    return abs(slider.value - slider.as_it_is) > 1e-9
