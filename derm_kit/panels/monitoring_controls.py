"""The widgets of the monitoring page and where they stand; what they do is wired in `monitoring`."""

from __future__ import annotations

import secrets
from importlib import resources

import ipywidgets as w

from derm_kit.panels.inputs import Address, Keeper
from derm_kit.panels.monitoring_charts import View, in_words
from derm_kit.panels.monitoring_setting import (
    FEWEST_RUN,
    HIGHEST_RIDDLE,
    LONGEST_LAG_DAYS,
    MADE_UP,
    MOST_RUN,
    OWN,
    OWN_WORDS,
    RIDDLE,
    RIDDLE_WORDS,
    Watching,
    own_folder,
)
from derm_kit.panels.monitoring_work import STEPS, Counted, Heard
from derm_kit.panels.parts import named_box, page, second_button, section
from derm_kit.surveillance.feed import SUSPECTED
from derm_kit.surveillance.service_accuracy import MEASURES
from derm_kit.surveillance.subgroup_rates import MEASURES as SHARES
from derm_kit.surveillance.watched import GROUPINGS

ALL = "\x00all"
"""The choice of all sites, products or devices: no name can be this one."""
RUN_LENGTH = (
    "Run length: the months that may lie between two false alarms of the charts on outcomes and decisions together, "
    "while nothing changes. A longer one means fewer false alarms, and true ones later."
)
SHOWN = (
    "opened", "planted", "said", "signals", "signal", "looks", "volume", "quality", "mix", "scores", "dispositions",
    "accuracy", "accuracy_table", "decided", "told", "groups", "groups_accuracy", "funnels", "remarks", "files",
    "report",
)  # fmt: skip
NAMED = ("site", "product", "device")


class Controls:
    """Inputs by name; `shown` are places for HTML by name (SHOWN)."""

    def __init__(self) -> None:
        own = [(OWN_WORDS, OWN)] if own_folder() else []
        self.watch = w.Dropdown(
            options=[*own, *((words, kind.value) for kind, words in MADE_UP.items()), (RIDDLE_WORDS, RIDDLE)],
            description="Feed",
        )
        self.reveal = second_button("What was planted?")
        self.another = second_button("Another riddle")
        self.again = second_button("Read the feed again")
        self.named = {name: w.Dropdown(description=name.capitalize(), options=[("all", ALL)]) for name in NAMED}
        self.first = w.Dropdown(description="From", options=[("the beginning", "")])
        self.last = w.Dropdown(description="Up to and with", options=[("the end", "")])
        self.every = w.Dropdown(description="Counted by", options=["month", "week"])
        self.lag = w.BoundedIntText(
            description="Registry lag, days", min=0, max=LONGEST_LAG_DAYS, value=365, continuous_update=False
        )
        self.run = w.BoundedFloatText(
            description="Run length, months", min=FEWEST_RUN, max=MOST_RUN, value=60.0, continuous_update=False
        )
        self.outcomes = w.Dropdown(
            description="Outcomes",
            options=[("all that are known", "all"), ("as if only biopsies were known", "biopsy")],
        )
        self.progress = w.IntProgress(min=0, max=STEPS, description="Watching")
        self.stop = second_button("Stop")
        self.working = w.HBox([self.progress, self.stop])
        self.working.add_class("dk-working")
        view = View()
        kinds = [(in_words(kind), kind) for kind in SUSPECTED]
        measures = [(f"{measure}: {in_words(of)}", f"{measure}: {of}") for measure, of in MEASURES]
        self.kind = w.Dropdown(options=kinds, value=view.kind, description="Suspected type")
        self.measure = w.Dropdown(options=measures, value=view.measure, description="Measure")
        self.grouping = w.Dropdown(options=list(GROUPINGS), value=view.grouping, description="Groups by")
        self.share = w.Dropdown(options=list(SHARES), value=view.share, description="Share")
        self.signal = w.Dropdown(description="Chart of")
        self.look = w.Dropdown(description="Looks of")
        self.funnel = w.Dropdown(description="Compared")
        self.make_files = second_button("Make files of all tables")
        self.make_report = second_button("Write the monitoring report")
        self.policy_part = w.VBox()
        self.address, self._keeper = Address(), Keeper()
        self.shown = {name: w.HTML() for name in SHOWN}

    @property
    def view(self) -> View:
        """What is drawn of the rates."""
        return View(self.kind.value, self.measure.value, self.grouping.value, self.share.value)

    def frame(self, notice: w.HTML, incidents: w.Widget) -> w.VBox:
        """The page: what is watched, what was found in words, the table of signals, charts, incidents, files."""
        s = self.shown
        style = resources.files("derm_kit.panels").joinpath("monitoring.css").read_text("utf-8")
        buttons = named_row(self.reveal, self.another, self.again)
        choices = named_box(
            "dk-watch", *self.named.values(), self.first, self.last, self.every, self.outcomes, self.lag,
            self.run,
        )  # fmt: skip
        return page(
            "Monitoring",
            "Watch an AI triage service over time: what changed, since when, and what cannot be seen in these cases.",
            w.HTML(f"<style>{style}</style>"), self.address, self._keeper, notice,
            section("What is watched", _one(self.watch), s["opened"], buttons, s["planted"], choices,
                    w.HTML(f"<p class='dk-hint'>{RUN_LENGTH}</p>"), self.policy_part),
            section("What the watches found", self.working, s["said"]),
            section("Signals and their run lengths", s["signals"]),
            section("Open an incident", incidents),
            section("Paths of the signals", _pair((self.signal, s["signal"]), (self.look, s["looks"]))),
            section("Cases and where they go",
                    _pair((None, s["volume"]), (None, s["dispositions"]), (None, s["quality"]))),
            section("Sensitivity and specificity in service", _one(self.measure),
                    _pair((None, s["accuracy"]), (None, s["groups_accuracy"])), s["accuracy_table"]),
            section("What is suspected", _one(self.kind), _pair((None, s["mix"]), (None, s["scores"]))),
            section("Groups and sites beside each other",
                    _pair((self.grouping, w.VBox([_one(self.share), s["groups"]])), (self.funnel, s["funnels"]))),
            section("How long it takes", _pair((None, s["decided"]), (None, s["told"]))),
            section("Remarks of the feed", s["remarks"]),
            section("Files", named_row(self.make_files, self.make_report), s["files"], s["report"]),
        )  # fmt: skip

    def show_working(self, under_way: bool) -> None:
        """Progress and Stop while the watches run, then nothing."""
        self.working.layout.display = "" if under_way else "none"
        if under_way:
            self.progress.value = 0

    def offer(self, counted: Counted) -> bool:
        """Names and months of the feed that is open; whether they are others than before."""
        cases = counted.opened.feed.cases
        offers: list[tuple[w.Dropdown, list[tuple[str, str]]]] = []
        for name, choice in self.named.items():
            choice.disabled = len(counted.watched.groups[name].labels) < 2
            labels = [str(one) for one in cases[name].cat.categories]
            offers.append((choice, [("all", ALL), *((one or "not recorded", one) for one in labels)]))
        months = sorted({label[:7] for label in counted.watched.periods.labels})
        for choice, end in ((self.first, "the beginning"), (self.last, "the end")):
            offers.append((choice, [(end, ""), *((month, month) for month in months)]))
        others = [(choice, options) for choice, options in offers if list(choice.options) != options]
        for choice, options in others:
            choice.options = options
        return bool(others)

    def offer_heard(self, heard: Heard) -> None:
        """Which signals, looks and funnels there are; those that alarmed first."""
        found = heard.findings
        signals = [one for one in (found.signals.signals if found.signals else ()) if one.points is not None]
        names = [f"{one.name} ({one.status})" for one in signals]
        _choose(self.signal, [(name, i) for i, name in enumerate(names)], _first_alarm(signals))
        looks: list[tuple[str, tuple[str, str]]] = []
        for watch, table in found.looks().items():
            if table.empty:
                continue
            figures = list(dict.fromkeys(table["figure"])) if "figure" in table else [""]
            for figure in figures:
                own = table[table["figure"] == figure] if figure else table
                said = f"{int(own['alarm'].sum())} alarms" if own["alarm"].any() else "quiet"
                what = f"{watch}: {figure}" if figure else watch
                looks.append((f"{what} ({said})", (watch, str(figure))))
        looks.sort(key=lambda one: (one[0].endswith("(quiet)"), one[1][0] != "input drift"))
        _choose(self.look, looks, looks[0][1] if looks else None)
        funnels = [
            (f"{of.name}, by {of.what}", i) for i, of in enumerate(found.signals.funnels if found.signals else ())
        ]
        _choose(self.funnel, funnels, 0 if funnels else None)

    def show(self, watching: Watching) -> None:
        """The inputs as they are set."""
        if watching.watch in [value for _, value in self.watch.options]:
            self.watch.value = watching.watch
        for name, choice in self.named.items():
            _set(choice, ALL if getattr(watching, name) is None else getattr(watching, name))
        _set(self.first, watching.first)
        _set(self.last, watching.last)
        self.outcomes.value = watching.outcomes
        self.every.value, self.lag.value, self.run.value = watching.every, watching.lag_days, watching.run_months
        self.another.layout.display = "" if watching.watch == RIDDLE else "none"
        self.again.layout.display = "" if watching.watch == OWN else "none"
        self.reveal.layout.display = "none" if watching.watch == OWN else ""
        self.policy_part.layout.display = "" if watching.watch == OWN else "none"

    def read(self, before: Watching) -> Watching:
        """What the inputs say; another feed starts with all of it."""
        part = {name: None if choice.value == ALL else str(choice.value) for name, choice in self.named.items()}
        moved = self.watch.value != before.watch
        drawn = secrets.randbelow(HIGHEST_RIDDLE + 1) if moved and self.watch.value == RIDDLE else 0
        return Watching(
            watch=str(self.watch.value),
            riddle=drawn if moved else before.riddle,
            site=None if moved else part["site"],
            product=None if moved else part["product"],
            device=None if moved else part["device"],
            first="" if moved else str(self.first.value),
            last="" if moved else str(self.last.value),
            every="week" if self.every.value == "week" else "month",
            outcomes="biopsy" if self.outcomes.value == "biopsy" else "all",
            lag_days=self.lag.value,
            run_months=self.run.value,
        )


def named_row(*buttons: w.Button) -> w.HBox:
    """Buttons side by side."""
    row = w.HBox(buttons)
    row.add_class("dk-buttons")
    return row


def _one(choice: w.Widget) -> w.VBox:
    return named_box("dk-one", choice)


def _pair(*charts: tuple[w.Widget | None, w.Widget]) -> w.VBox:
    """Charts side by side where there is room, each below the choice of what it shows."""
    box = named_box(
        "dk-charts", *(w.VBox([*([_one(choice)] if choice else []), chart]) for choice, chart in charts)
    )  # fmt: skip
    box.add_class("dk-pair")
    return box


def _set(choice: w.Dropdown, value: str) -> None:
    """Choose a value, which a feed that is not read yet may not have offered."""
    if value not in [one for _, one in choice.options]:
        choice.options = [*choice.options, (value or "not recorded", value)]
    choice.value = value


def _choose(choice: w.Dropdown, options: list, first: object) -> None:  # type: ignore[type-arg]
    """Offer other options; what was chosen by name stays."""
    before = choice.label
    choice.options = options
    labels = [label for label, _ in options]
    if before in labels:
        choice.label = before
    elif options:
        choice.value = first


def _first_alarm(signals: list) -> int | None:  # type: ignore[type-arg]
    return next((i for i, one in enumerate(signals) if one.status == "alarm"), 0 if signals else None)
