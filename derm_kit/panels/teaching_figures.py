"""What a teaching session showed, in words and tables: of the group, never of a reader by name."""

from __future__ import annotations

import math
from html import escape
from typing import Any, Literal

import numpy as np
import pandas as pd

from derm_kit.errors import DermKitError
from derm_kit.panels.plots import Series, chart_html
from derm_kit.panels.tables import download_html, table_html
from derm_kit.panels.teaching_charts import Reading, before_after_html
from derm_kit.panels.tuning_words import counted
from derm_kit.records.teaching_steps import Mode
from derm_kit.triage.reader_study import GROUP, FullBlock, ReaderStudy, compare_readings
from derm_kit.triage.reader_study_reliance import CORRECTION, DIFFERENCE, ERROR, RIGHT, WRONG
from derm_kit.triage.reader_study_tables import AFTER, BEFORE, MEASURES

MEASURE_WORDS = {
    "accuracy": "Accuracy: diagnoses that were right, of eleven",
    "sensitivity": "Sensitivity: cancers not discharged",
    "specificity": "Specificity: benign lesions discharged",
}
PHASE_WORDS = {BEFORE: "without the model", AFTER: "with the model’s view"}
CROSSED = (
    "In a crossover the two readings of a case are apart, and half of them began with the model: a change is a "
    "difference of two readings, not a change of mind."
)
AT_ONCE = (
    "Everybody saw the model’s view at once, so nothing here shows what anybody thought before it, or who changed to "
    "it."
)


def headlines_html(found: ReaderStudy, mode: Mode) -> str:
    """What the model did to the readers: automation bias first."""
    if mode is Mode.AI_AT_ONCE:
        return f"<p class='dk-room-count'>{AT_ONCE}</p>"
    moved = {row["model"]: row for row in _group(found.reliance, view="diagnosis")}
    turned = {row["kind"]: row for row in _group(found.corrections, view="diagnosis")}
    wrong, right, lost, mended = moved[WRONG], moved[RIGHT], turned[ERROR], turned[CORRECTION]
    lines = (
        (wrong, "When the model was wrong, <b>{share}</b> that had differed from its view changed to it.",
         "When the model was wrong, no diagnosis had differed from its view.", "This is automation bias."),
        (right, "When the model was right, <b>{share}</b> that had differed from its view changed to it.",
         "When the model was right, no diagnosis had differed from its view.", ""),
        (lost, "AI-induced errors: <b>{share}</b> that had been right became wrong.",
         "AI-induced errors: no diagnosis had been right.", "Of these, {with_model} took the model’s view."),
        (mended, "Corrections: <b>{share}</b> that had been wrong became right.",
         "Corrections: no diagnosis had been wrong.", "Of these, {with_model} took the model’s view."),
    )  # fmt: skip
    said = []
    for row, some, none, more in lines:
        share = f"{row['count']} of {counted(row['n'], 'diagnosis', 'diagnoses')}"
        words = f"{some} {more}".format(share=share, with_model=row.get("with_model")) if row["n"] else none
        said.append(f"<li>{words} <small>{_interval(row)}</small></li>")
    crossed = f"<p class='dk-hint'>{CROSSED}</p>" if mode is Mode.CROSSOVER else ""
    return f"<ul class='dk-headlines dk-said'>{''.join(said)}</ul>{crossed}"


def reliance_html(found: ReaderStudy) -> str:
    """The same for diagnosis and management, as a table."""
    reliance = pd.DataFrame(_group(found.reliance))
    of_model = [f"changed to the model’s view where it was {m}" for m in reliance["model"]]
    corrections = pd.DataFrame(_group(found.corrections))
    frame = pd.concat([
        reliance.assign(what=of_model), corrections.assign(what=corrections["kind"]),
    ], ignore_index=True)  # fmt: skip
    frame = frame[frame["model"] != DIFFERENCE].sort_values("view", kind="stable")
    shown = pd.DataFrame({
        "view": frame["view"], "what": frame["what"], "count": [f"{a} of {b}" for a, b in zip(
            frame["count"], frame["n"], strict=True)],
        "share (95% interval)": _shares(frame), "remark": frame["reason"],
    })  # fmt: skip
    note = "Management: held back or discharged, on cancers and benign types; a second read counts as held back."
    return f"{_wrapped(table_html(shown, f'Changes. {note}'))}{download_html(frame, 'changes')}"


def rates_html(found: ReaderStudy) -> str:
    """Accuracy, sensitivity and specificity by reading, and what changed over the cases that were answered twice."""
    frame = pd.DataFrame(_group(found.rates))
    frame["share"] = _shares(frame)
    changed = {row["measure"]: row for row in _group(found.differences)}
    rows = []
    for measure in MEASURES:
        row: dict[str, str] = {"measure": MEASURE_WORDS[measure]}
        for phase, words in PHASE_WORDS.items():
            own = frame[(frame["measure"] == measure) & (frame["phase"] == phase)]
            row[words] = "; ".join(f"{r.count} of {r.n}: {r.share}" for r in own.itertuples()) if len(own) else "–"
        one = changed[measure]
        row["change, of pairs"] = _share(one["difference"], one["low"], one["high"], "+.0%")
        row["remark"] = one["reason"] if one["n"] else "not read twice"
        rows.append(row)
    caption = "The group, with 95% intervals that speak of other readers and other cases like these"
    drawn = before_after_html([
        Reading(row["measure"], row["phase"] == AFTER, row["value"], row["low"], row["high"])
        for row in _group(found.rates)
    ])  # fmt: skip
    return f"{drawn}{_wrapped(table_html(pd.DataFrame(rows), caption))}{download_html(frame, 'rates')}"


def confidence_html(found: ReaderStudy) -> str:
    """How sure readers were, and how often they were right."""
    said, series = [], [Series("as sure as right", _ENDS, _ENDS, "third")]
    kinds: tuple[Literal["line", "other"], ...] = ("line", "other")
    bins = pd.DataFrame(_group(found.bins))
    for row, kind in zip(_group(found.calibration), kinds, strict=False):
        words = PHASE_WORDS[row["phase"]]
        gap = 100 * row["overconfidence"]
        sure = f"{'over' if gap > 0 else 'under'}confident by {abs(gap):.1f} points"
        said.append(
            f"<li>{words[:1].upper()}{words[1:]}: {row['mean_confidence_prob']:.0%} sure on average, and right in "
            f"{row['share_right']:.0%} of {row['n']:,} answers: {sure if round(gap, 1) else 'as sure as right'}.</li>"
        )
        own = bins[bins["phase"] == row["phase"]]
        x, y = own["mean_confidence_prob"].to_numpy(float), own["value"].to_numpy(float)
        low, high = (own[side].fillna(own["value"]).to_numpy(float) for side in ("low", "high"))
        series.append(Series(words, x, y, kind, low, high))
    drawn = chart_html("Confidence and being right", ("how sure", "share right"), series, bins)
    return f"<ul class='dk-headlines'>{''.join(said)}</ul><div class='dk-charts dk-charts-large'>{drawn}</div>"


def time_html(found: ReaderStudy) -> str:
    """How long an answer took."""
    said = "".join(
        f"<li>{PHASE_WORDS[row['phase']].capitalize()}: {row['median_seconds']:.0f} seconds at the median (half of the "
        f"answers between {row['lower_quartile_seconds']:.0f} and {row['upper_quartile_seconds']:.0f}).</li>"
        for row in _group(found.times)
        if not math.isnan(row["median_seconds"])
    )
    note = "A second look at a case whose first answer stands is shorter: the two are not the same work."
    return f"<ul class='dk-headlines'>{said}</ul><p class='dk-hint'>{note}</p>" if said else "<p>Nothing was timed.</p>"


def agreement_html(found: ReaderStudy) -> str:
    """How far readers agreed with each other: 1 is always, 0 is what chance alone would bring."""
    frame = found.agreement
    shown = pd.DataFrame({
        "view": frame["view"], "read": [PHASE_WORDS[p] for p in frame["phase"]], "readers": frame["readers"],
        "cases": frame["n"], "kappa": frame["value"], "from": frame["low"], "to": frame["high"],
        "remark": frame["reason"],
    })  # fmt: skip
    return _wrapped(
        table_html(shown, "Fleiss’ kappa of the readers, 95% interval: 1 is full agreement, 0 that of chance")
    )


def multi_reader_html(found: ReaderStudy) -> str:
    """Obuchowski and Rockette's analysis, figure by figure; in words where it cannot be done."""
    rows, left_out = [], []
    for figure in ("accuracy", "sensitivity", "specificity", "auc"):
        try:
            one, block = compare_readings(found.study, figure, level=found.level)
        except DermKitError as error:
            left_out.append(f"<li>{escape(figure)}: {escape(str(error))}</li>")
            continue
        means = one.means.set_index("modality")["value"]
        change = one.differences.iloc[0]
        rows.append({
            "figure": figure, "readers": one.n_readers, "cases": one.n_cases,
            "without": means[BEFORE], "with": means[AFTER],
            "difference (95% interval)": _share(change["value"], change["low"], change["high"], "+.0%"),
            "p": change["p_value"], "remark": "; ".join(filter(None, (change["reason"], _left_out(block)))),
        })  # fmt: skip
    frame = pd.DataFrame(rows)
    caption = "Readers and cases as drawn at random (Obuchowski and Rockette, Hillis’ degrees of freedom)"
    table = f"{_wrapped(table_html(frame, caption))}{download_html(frame, 'multi-reader')}" if rows else ""
    return table + (f"<ul class='dk-table-list'>{''.join(left_out)}</ul>" if left_out else "")


def by_name_html(found: ReaderStudy) -> str:
    """Each reader's share of right diagnoses, in order of name: for a group in which everybody agreed to it."""
    rates = found.rates[(found.rates["reader"] != GROUP) & (found.rates["measure"] == "accuracy")]
    shown = pd.DataFrame({
        "reader": rates["reader"], "read": [PHASE_WORDS[p] for p in rates["phase"]],
        "right": [f"{a} of {b}" for a, b in zip(rates["count"], rates["n"], strict=True)],
        "share (95% interval)": _shares(rates),
    }).sort_values(["reader", "read"], ascending=[True, False])  # fmt: skip
    return _wrapped(table_html(shown, "Diagnoses that were right, in order of name; no order of merit"))


_ENDS = np.array([0.0, 1.0])


def _group(table: pd.DataFrame, **wanted: str) -> list[dict[str, Any]]:
    """Rows of the group."""
    kept = table[table["reader"] == GROUP]
    for column, value in wanted.items():
        kept = kept[kept[column] == value]
    return [{str(name): value for name, value in row.items()} for row in kept.to_dict("records")]


def _interval(row: dict[str, Any]) -> str:
    if not row["n"]:
        return ""
    if math.isnan(row["low"]):
        return f"({row['value']:.0%}; {escape(row['reason'])})"
    rough = f"; {escape(row['reason'])}" if row["reason"] else ""
    return f"({row['value']:.0%}, 95% interval {row['low']:.0%} to {row['high']:.0%}{rough})"


def _shares(frame: pd.DataFrame) -> list[str]:
    return [_share(*row) for row in frame[["value", "low", "high"]].itertuples(index=False, name=None)]


def _share(value: float, low: float, high: float, form: str = ".0%") -> str:
    """A share or a difference, with its interval where it has one: a remark beside it says why it has none."""
    if math.isnan(value):
        return "–"
    said = f"{value:{form}}" + ("" if math.isnan(low) else f" ({low:{form}} to {high:{form}})")
    return said.replace("-", "−")


def _left_out(block: FullBlock) -> str:
    readers, cases = len(block.readers_left_out), len(block.cases_left_out)
    parts = [counted(readers, "reader", "readers")] if readers else []
    parts += [counted(cases, "case", "cases")] if cases else []
    return f"left out for missing answers: {', '.join(parts)}" if parts else ""


def _wrapped(table: str) -> str:
    return f"<div class='dk-table-wrapped'>{table}</div>"
