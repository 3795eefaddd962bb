"""How many slots hold a clock, sought on the simulation page."""

from __future__ import annotations

import ipywidgets as w

from derm_kit.errors import DermKitError
from derm_kit.panels.newest import Newest, Speak
from derm_kit.panels.parts import Panel, guarded, notice_html, second_button, section
from derm_kit.panels.referral_controls import choose_from
from derm_kit.panels.referral_setting import Opened
from derm_kit.panels.tables import table_html
from derm_kit.pathway.capacity import enough_slots
from derm_kit.pathway.definition import Pathway
from derm_kit.pathway.graph import reached
from derm_kit.pathway.scenario import Scenario


class EnoughPart(Panel):
    """Asks for an arm, a stage and a clock, and seeks in a thread of its own; `offer` says what is set on the page."""

    def __init__(self) -> None:
        super().__init__()
        self.arm = w.Dropdown(description="Arm")
        self.stage = w.Dropdown(description="Slots at")
        self.clock = w.Dropdown(description="To hold")
        self.target = w.BoundedFloatText(min=1, max=100, step=1, value=80, description="Per cent within")
        self.find = w.Button(description="How many slots do I need?")
        self.stop = second_button("Stop")
        self.shown = w.HTML()
        self._opened: Opened | None = None
        self._scenario = Scenario()
        self._seeking = Newest(self._show_seeking, lambda notice: self.shown.set_trait("value", notice))
        self._show_seeking(False)
        self.arm.observe(lambda _: self._offer_stages(), "value")
        self.clock.observe(lambda _: self._aim(), "value")
        self.find.on_click(lambda _: self.seek())
        self.stop.on_click(lambda _: self._stop())
        inputs = w.VBox([self.arm, self.stage, self.clock, self.target])
        inputs.add_class("dk-numbers")
        buttons = w.HBox([self.find, self.stop])
        buttons.add_class("dk-buttons")
        self.view = section("How many slots do I need?", self.notice, inputs, buttons, self.shown)

    def offer(self, opened: Opened, scenario: Scenario) -> None:
        """Another scenario is set; where it is of another pathway, what was found is forgotten."""
        other = self._opened is None or self._opened.pathway != opened.pathway
        self._opened, self._scenario = opened, scenario
        if other:
            self._seeking.stop()
            self.shown.value = self.notice.value = ""
            choose_from(self.arm, list(opened.pathway.arms))
            choose_from(self.clock, list(opened.pathway.clocks))
            self._offer_stages()
            self._aim()

    def wait(self) -> None:
        """Return when nothing is sought."""
        self._seeking.wait()

    @guarded
    def seek(self) -> None:
        """Seek in the scenario that is set, whether its arm is simulated on the page or not."""
        self.notice.value = ""
        opened, scenario = self._opened, self._scenario
        if opened is None:
            return
        pathway, policy = scenario.pathway(opened.pathway), scenario.policy(opened.policy)
        arm, stage, clock, target = self.arm.value, self.stage.value, self.clock.value, self.target.value / 100
        if not (arm and stage and clock):
            raise DermKitError(
                "slots are sought at a stage that has them, for a clock",
                case=pathway.name,
                next_step="Choose another arm, or a pathway with clinics and clocks.",
            )

        def say(words: str) -> None:
            self.shown.value = words

        def work(speak: Speak) -> None:
            speak(lambda: say("<p>Trying…</p>"))
            found = enough_slots(
                pathway, arm, stage, clock, opened.run, policy, target=target, seed=scenario.seed,
                progress=lambda slots: speak(lambda: say(f"<p>Trying: {slots:,} a week is done…</p>")),
            )  # fmt: skip
            kind = "success" if found.slots_per_week is not None else "warning"
            caption = "What was tried: slots a week, share within the limit, and its range over simulated years"
            said = notice_html(kind, f"{arm}: {found.why}") + table_html(found.tries, caption)
            speak(lambda: say(said))

        self._seeking.begin(work)

    def _stop(self) -> None:
        self._seeking.stop()
        self.shown.value = notice_html("info", "Stopped. Nothing was found so far.")

    def _offer_stages(self) -> None:
        arm = self.arm.value
        choose_from(self.stage, _stages(self._opened.pathway, arm) if self._opened and arm else [])

    def _aim(self) -> None:
        clock = self._opened.pathway.clocks.get(str(self.clock.value)) if self._opened else None
        if clock:
            self.target.value = 100 * float(clock.target.value)

    def _show_seeking(self, under_way: bool) -> None:
        self.find.disabled = under_way
        self.stop.layout.display = "" if under_way else "none"


def _stages(pathway: Pathway, arm: str) -> list[str]:
    """Stages with slots that somebody comes to in an arm, the one where people enter first."""
    own = pathway.arms[arm]
    come = reached(pathway, own)
    stages = [name for name, stage in pathway.stages.items() if stage.kind == "slots" and name in come]
    return sorted(stages, key=lambda name: name != own.entry)
