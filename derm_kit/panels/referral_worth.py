"""What the arms cost and give: the economics of what was simulated, on page 04."""

from __future__ import annotations

import base64
import threading
from html import escape

import ipywidgets as w
import numpy as np
import pandas as pd

from derm_kit.errors import DermKitError
from derm_kit.panels.parts import Panel, guarded, notice_html, section
from derm_kit.panels.plots import Series, chart_html
from derm_kit.panels.referral_charts import KINDS
from derm_kit.panels.referral_setting import Found
from derm_kit.panels.tables import table_html
from derm_kit.pathway.budget import budget_impact
from derm_kit.pathway.economic_inputs import VIEWS
from derm_kit.pathway.economic_tables import against_today, consequences, headline, increments, net_benefits, notes
from derm_kit.pathway.economics import Evaluation, Model, base_case, model_of
from derm_kit.pathway.measures import PER
from derm_kit.pathway.one_way import threshold_prices, tornado
from derm_kit.pathway.sensitivity import EVPI_NOTE, Psa, acceptability, perfect_information, plane, psa
from derm_kit.records.report import WRITERS, Document
from derm_kit.records.value_for_money import value_for_money

DRAWS = (1_000, 5_000, 20_000)
WIDEST = 12
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
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

    @property
    def model(self) -> Model | None:
        """The model of the last whole simulation, where its pathway has economics."""
        return self._model

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
        self.shown["words"].value = _words_html(self._base)
        self.shown["tables"].value = _tables_html(self._base)
        self._show_arm()

    @guarded
    def _show_arm(self) -> None:
        base, arm = self._base, self.arm.value
        if base is None or arm is None or arm not in base.model.arms:
            return
        self.shown["price"].value = _arm_html(base, arm, self._psa)
        if self._psa is not None:
            self.shown["uncertain"].value = _uncertain_html(self._psa, arm)

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
            self.shown["report"].value = _report_html(document, outcomes.pathway.name)
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


def _report_html(document: Document, name: str) -> str:
    """Links that keep the report as a page to print and as a document to edit."""
    links = []
    for suffix, kind, what in ((".html", "text/html", "Report as HTML"), (".docx", DOCX, "Report as DOCX")):
        coded = base64.b64encode(WRITERS[suffix](document)).decode()
        file = f"value-for-money-{name}{suffix}"
        links.append(f"<a download='{escape(file)}' href='data:{kind};base64,{coded}'>{what}</a>")
    return f"<p class='dk-keep'>{' '.join(links)}</p>"


def _words_html(base: Evaluation) -> str:
    model = base.model
    others = [arm for arm in model.arms if arm != model.arms[model.today]]
    lines = "".join(f"<li>{escape(headline(base, arm))}</li>" for arm in others)
    stamp = ""
    if model.illustrative:
        stamp = notice_html(
            "warning",
            f"Illustrative: {len(model.unsourced)} of the values behind this have no source (source required).",
            "No verdict against a threshold is given, and none may be read from them.",
        )
    said = "".join(f"<p class='dk-hint'>{escape(line)}</p>" for line in notes(model))
    return (
        f"{stamp}<ul class='dk-headlines'>{lines}</ul><details><summary>How it is worked out</summary>{said}</details>"
    )


def _tables_html(base: Evaluation) -> str:
    mark = _mark(base.model)
    parts = [
        (f"Against today's arm, per {PER:,} people", against_today(base)),
        ("Step by step: each arm against the next cheaper one that is not dominated", increments(base)),
        ("Net monetary benefit", net_benefits(base)),
        ("Costs and consequences", consequences(base)),
    ]
    first, *rest = parts
    folded = "".join(
        f"<details><summary>{escape(title)}{escape(mark)}</summary>{_table(frame, title + mark)}</details>"
        for title, frame in rest
    )
    return _against_html(first[1], first[0] + mark) + folded


def _against_html(frame: pd.DataFrame, title: str) -> str:
    """Each arm against today's with its ranges, per 1,000 people."""
    rows = []
    for row in frame.to_dict("records"):
        cost, qaly = (
            [PER * float(row[f"{name}{end}"]) for end in ("", "_low", "_high")]
            for name in ("more_cost_gbp", "more_qaly")
        )
        rows.append(
            {
                "arm": row["arm"],
                "more cost, GBP": f"{cost[0]:,.0f} ({cost[1]:,.0f} to {cost[2]:,.0f})".replace("-", "−"),
                "more QALYs": f"{qaly[0]:.2f} ({qaly[1]:.2f} to {qaly[2]:.2f})".replace("-", "−"),
                "GBP per QALY": row["icer_gbp_per_qaly"],
                "reads": row["reads"],
            }
        )
    return table_html(pd.DataFrame(rows), title)


def _arm_html(base: Evaluation, arm: str, found: Psa | None) -> str:
    model, mark = base.model, _mark(base.model)
    threshold = next(iter(model.thresholds.values()))
    bars = tornado(model, arm, threshold).head(WIDEST)
    bars = bars[bars["width_gbp"] > 0]
    evaluation = found.evaluation if found else base
    parts = [
        (f"Budget over five years if {arm} takes over, GBP{mark}", budget_impact(evaluation, arm)),
        (f"What one value at a time does to the gain of {arm} at {threshold:,.0f} GBP per QALY{mark}", bars),
    ]
    if model.economics.price_of:
        title = f"How cheap must {model.economics.price_of} be for {arm} to break even with today's arm{mark}"
        parts.insert(0, (title, threshold_prices(base, arm, found)))
    return "".join(
        f"<details><summary>{escape(title)}</summary>{_table(frame, title)}</details>" for title, frame in parts
    )


def _uncertain_html(found: Psa, arm: str) -> str:
    model = found.evaluation.model
    mark = f"{model.remark}. " if model.remark else ""
    points = plane(found)
    own = points[points["arm"] == arm].head(1_000)
    x, y = own["more_qaly"].to_numpy() * PER, own["more_cost_gbp"].to_numpy() * PER / 1_000
    cloud = chart_html(
        f"Cost-effectiveness plane: {arm}", (f"more QALYs per {PER:,} people", f"more cost, thousand GBP per {PER:,}"),
        [Series("one draw each", x, y, "cloud"), *_axes(x, y)], own.drop(columns="remark"), x_range=_around(x),
        y_range=_around(y), remark=f"{mark}{found.draws:,} draws, the first {len(own):,} drawn.",
    )  # fmt: skip
    curve = acceptability(found)
    series = [
        Series(str(name), frame["gbp_per_qaly"].to_numpy(float) / 1_000, frame["share"].to_numpy(float), kind)
        for (name, frame), kind in zip(curve.groupby("arm", sort=False), KINDS, strict=False)
    ]
    shares = chart_html(
        "Acceptability", ("thousand GBP per QALY", "share of draws with the highest net benefit"), series,
        curve[curve["gbp_per_qaly"] % 10_000 == 0].drop(columns="remark"), x_range=(0, 100), remark=mark.strip(),
    )  # fmt: skip
    known = perfect_information(psa(model, min(found.draws, 5_000), found.seed, resample=False))
    heard = "" if found.draws == found.asked else notice_html(
        "info", f"Stopped after {found.draws:,} of {found.asked:,} draws: the figures are of those."
    )  # fmt: skip
    return (
        f"{heard}<div class='dk-charts dk-charts-large'>{cloud}{shares}</div>"
        f"{_table(known, 'Value of perfect information' + _mark(model))}"
        f"<p class='dk-hint'>{escape(EVPI_NOTE)} These are on the mean of the years.</p>"
    )


def _axes(x: np.ndarray, y: np.ndarray) -> list[Series]:
    """Lines through nothing gained and nothing spent."""
    (left, right), (low, high) = _around(x), _around(y)
    return [
        Series("no more QALYs", np.zeros(2), np.array([low, high]), "third"),
        Series("no more cost", np.array([left, right]), np.zeros(2), "third"),
    ]


def _around(values: np.ndarray) -> tuple[float, float]:
    """A range that holds the values and 0."""
    low, high = min(0.0, float(values.min())), max(0.0, float(values.max()))
    margin = 0.05 * (high - low or 1.0)
    return low - margin, high + margin


def _mark(model: Model) -> str:
    return f" ({model.remark})" if model.remark else ""


def _table(frame: pd.DataFrame, title: str) -> str:
    plain = frame.drop(columns=[name for name in ("remark",) if name in frame])
    heads = {str(name): str(name).replace("_", " ").replace("gbp", "GBP").replace("qaly", "QALY") for name in plain}
    return table_html(plain, title, heads)
