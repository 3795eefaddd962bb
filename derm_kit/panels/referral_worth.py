"""What the arms cost and give: the economics of what was simulated, on page 04."""

from __future__ import annotations

import threading

import ipywidgets as w

from derm_kit.errors import DermKitError
from derm_kit.panels.parts import Panel, guarded, notice_html, section
from derm_kit.panels.referral_setting import Found
from derm_kit.panels.referral_worth_html import arm_html, report_html, tables_html, uncertain_html, words_html
from derm_kit.pathway.economic_inputs import VIEWS
from derm_kit.pathway.economics import Evaluation, Model, base_case, model_of
from derm_kit.pathway.sensitivity import Psa, psa
from derm_kit.records.value_for_money import value_for_money

DRAWS = (1_000, 5_000, 20_000)
SHOWN = ("words", "tables", "uncertain", "price", "report")


class WorthPart(Panel):
    """Costs and QALYs of the arms of the last whole simulation; draws of the values on request."""

    def __init__(self) -> None:
        super().__init__()
        self.view_of = w.Dropdown(options=VIEWS, description="View")
        self.arm = w.Dropdown(description="Arm")
        self.draws = w.Dropdown(options=DRAWS, description="Draws")
        self.draw = w.Button(description="Draw every uncertain value")
        self.stop = w.Button(description="Stop")
        self.stop.add_class("dk-second")
        self.progress = w.FloatProgress(min=0, max=1, description="Drawing")
        self.working = w.HBox([self.progress, self.stop])
        self.working.add_class("dk-working")
        self.working.layout.display = "none"
        self.report = w.Button(description="Make the value-for-money report")
        self.report.add_class("dk-second")
        self.shown = {name: w.HTML() for name in SHOWN}
        self._found: Found | None = None
        self._model: Model | None = None
        self._base: Evaluation | None = None
        self._psa: Psa | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread()
        self.view_of.observe(lambda _: self._work_out(), "value")
        self.arm.observe(lambda _: self._show_arm(), "value")
        self.draw.on_click(lambda _: self.begin())
        self.report.on_click(lambda _: self.make_report())
        self.stop.on_click(lambda _: self._stopped.set())
        self.view = w.VBox([
            self.notice, self.view_of, self.shown["words"], self.shown["tables"], self.arm, self.shown["price"],
            self.draws, self.draw, self.working, self.shown["uncertain"], self.report, self.shown["report"],
        ])  # fmt: skip

    def section(self) -> w.VBox:
        """The part of the page."""
        return section("Value for money", self.view)

    def show(self, found: Found) -> None:
        """Take another simulation; draws of the one before are forgotten."""
        self._stopped.set()
        if not found.whole:
            return
        self._found = found
        pathway = found.outcomes.pathway
        others = [arm for arm in found.outcomes.arms if arm != pathway.today]
        if list(self.arm.options) != others:
            before = self.arm.value
            self.arm.options = others
            by_model = [arm for arm in others if pathway.arms[arm].autonomous]
            self.arm.value = before if before in others else next(iter([*by_model, *others]), None)
        self._work_out()

    def forget(self) -> None:
        """Another pathway is simulated: nothing is known of it yet."""
        self._stopped.set()
        self._found = self._model = self._base = self._psa = None
        for shown in (self.notice, *self.shown.values()):
            shown.value = ""

    @guarded
    def _work_out(self) -> None:
        found = self._found
        if found is None:
            return
        self._psa, self._model, self._base = None, None, None
        for shown in self.shown.values():
            shown.value = ""
        self.notice.value = ""
        pathway = found.outcomes.pathway
        if pathway.economics is None or pathway.today not in found.outcomes.arms:
            self.notice.value = notice_html(
                "info", "Costs by stage stand above. More needs an economics section in the pathway, and today's arm."
            )
            return
        self._model = model_of(found.outcomes, self.view_of.value)
        self._base = base_case(self._model)
        self.shown["words"].value = words_html(self._base)
        self.shown["tables"].value = tables_html(self._base)
        self._show_arm()

    @guarded
    def _show_arm(self) -> None:
        base, arm = self._base, self.arm.value
        if base is None or arm is None or arm not in base.model.arms:
            return
        self.shown["price"].value = arm_html(base, arm, self._psa)
        if self._psa is not None:
            self.shown["uncertain"].value = uncertain_html(self._psa, arm)

    @guarded
    def begin(self) -> None:
        """Draw every uncertain value, in a thread of its own."""
        if self._model is None or self._thread.is_alive():
            return
        self._stopped.clear()
        self.progress.value = 0
        self.working.layout.display, self.draw.disabled = "", True
        self._thread = threading.Thread(target=self._drawn, args=(self._model, self.draws.value), daemon=True)
        self._thread.start()

    @guarded
    def make_report(self) -> None:
        """The report of what was simulated, on the draws that were made, as two files to keep."""
        if self._found is None or self._model is None:
            return
        self.report.disabled = True
        self.shown["report"].value = "<p>Writing the report…</p>"
        try:
            outcomes = self._found.outcomes
            document = value_for_money(outcomes, view=self.view_of.value, found=self._psa)
            self.shown["report"].value = report_html(document, outcomes.pathway.name)
        except DermKitError:
            self.shown["report"].value = ""
            raise
        finally:
            self.report.disabled = False

    def wait(self) -> None:
        """Return when no draws are under way."""
        if self._thread.is_alive():
            self._thread.join()

    def _drawn(self, model: Model, draws: int) -> None:
        def progress(done: int, of: int) -> None:
            self.progress.value = done / of

        try:
            found = psa(model, draws, progress=progress, stop=self._stopped.is_set)
            if model is self._model:
                self._psa = found
                self._show_arm()
        except DermKitError as error:
            self.notice.value = notice_html("error", str(error))
        finally:
            self.working.layout.display, self.draw.disabled = "none", False
