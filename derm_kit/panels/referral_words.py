"""What a simulation found, as escaped HTML: sentences first, then tables beside today's arm."""

from __future__ import annotations

from collections.abc import Callable
from html import escape

import numpy as np
import pandas as pd

from derm_kit.panels.parts import notice_html
from derm_kit.panels.referral_setting import Found
from derm_kit.panels.tables import download_html, table_html
from derm_kit.pathway.capacity import growing
from derm_kit.pathway.measures import backlogs, missed_parts, routes, waiting
from derm_kit.pathway.outcomes import Outcomes
from derm_kit.pathway.words import headline, key_figures, rests_on, said

NUMBERS = ["value", "low", "high", "change", "change_low", "change_high"]


def headline_html(found: Found) -> str:
    """One sentence an arm, today's first, then queues that grow."""
    outcomes = found.outcomes
    lines = "".join(f"<li>{escape(headline(outcomes, arm, found.figures))}</li>" for arm in _today_first(found))
    grows = [sentence for arm in outcomes.arms for sentence in growing(outcomes, arm, found.loads[arm])]
    warned = notice_html("warning", *grows) if grows else ""
    first = "" if found.whole else "<p class='dk-hint'>First figures; they settle as more years are simulated.</p>"
    return f"<ul class='dk-headlines'>{lines}</ul>{first}{warned}"


def comparison_html(found: Found) -> str:
    """Key figures with their range, each arm in a column, and its change against today's below."""
    pathway, rows = found.outcomes.pathway, key_figures(found.outcomes.pathway, found.figures)
    arms, lines = _today_first(found), []
    for label, own in rows.groupby("label", sort=False):
        by_arm = dict(zip(own["arm"], own[NUMBERS].to_numpy(np.float64).tolist(), strict=True))
        unit = str(own["unit"].iloc[0])
        cells = "".join(f"<td>{_cell(by_arm[arm], unit) if arm in by_arm else '–'}</td>" for arm in arms)
        lines.append(f"<tr><th scope='row'>{escape(str(label))}</th>{cells}</tr>")
    heads = "".join(f"<th scope='col'>{escape(arm)}{' (today)' if arm == pathway.today else ''}</th>" for arm in arms)
    caption = (
        "Mean over simulated years; in brackets what 95 % of the years lie between; below it the change from today."
    )
    return (
        f"<div class='dk-scroll dk-tall' tabindex='0' role='region' aria-label='Arms beside each other'>"
        f"<table class='dk-table dk-arms'><caption>{caption}</caption><thead><tr><td></td>{heads}</tr></thead>"
        f"<tbody>{''.join(lines)}</tbody></table></div>{download_html(found.figures, 'all-figures')}"
    )


GLANCE = ("missed", "false alarms", "within the limit", "slots used", "cost of all stages")


def glance_html(found: Found) -> str:
    """The means of the figures that people ask for first, each arm in a column."""
    rows = key_figures(found.outcomes.pathway, found.figures)
    rows = rows[rows["measure"].isin(GLANCE)]
    arms, lines = _today_first(found), []
    for label, own in rows.groupby("label", sort=False):
        unit = str(own["unit"].iloc[0])
        means = dict(zip(own["arm"], own["value"].astype(float), strict=True))
        cells = "".join(f"<td>{said(means[arm], 0, 0, unit)[0] if arm in means else '–'}</td>" for arm in arms)
        lines.append(f"<tr><th scope='row'>{escape(str(label))}</th>{cells}</tr>")
    heads = "".join(f"<th scope='col'>{escape(arm)}</th>" for arm in arms)
    return (
        "<div class='dk-scroll dk-tall' tabindex='0' role='region' aria-label='At a glance'>"
        "<table class='dk-table dk-glance'><caption>Means; ranges and changes stand below</caption>"
        f"<thead><tr><td></td>{heads}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
    )


def _cell(numbers: list[float], unit: str) -> str:
    value, limits = said(numbers[0], numbers[1], numbers[2], unit)
    change, between = said(numbers[3], numbers[4], numbers[5], unit)
    cell = f"<span class='dk-number'>{value}</span>{f'<br>({limits})' if limits else ''}"
    if not between:
        return cell
    signed = f"change {'' if change.startswith('-') else '+'}{change} ({between})".replace("-", "−")
    return f"{cell}<br><span class='dk-source'>{signed}</span>"


def missed_html(found: Found) -> str:
    """Cancers that leave untreated the first time, and what their range comes from: the cohort's size, or chance."""
    parts = []
    for arm in _today_first(found):
        frame = missed_parts(found.outcomes, arm)
        for row in frame.to_dict("records"):
            limits = {
                name: f"{row[f'{name}low']:.0f} to {row[f'{name}high']:.0f}" for name in ("", "cohort_", "chance_")
            }
            if row["cohort_low"] == row["cohort_high"]:
                limits["cohort_"] = "no part in it"
            parts.append(
                {
                    "arm": arm,
                    "cancers": row["group"],
                    "referred": f"{row['referred']:,.0f}",
                    "missed": f"{row['missed']:.1f}",
                    "95 % of years": limits[""],
                    "cohort alone": limits["cohort_"],
                    "chance alone": limits["chance_"],
                }
            )
    words = (
        "Missed at first: left the pathway untreated, whoever sent them away. Some are referred again and found later; "
        "the delay is in the figures above. “Cohort alone” is the range that the number of scored cases leaves open, "
        "“chance alone” that of who happens to be referred and how it goes."
    )
    return f"<p>{words}</p>{table_html(pd.DataFrame(parts), 'Cancers missed at first, a simulated year')}"


def load_html(found: Found) -> str:
    """What comes to each stage and what it can do, a week."""
    parts = []
    for arm in _today_first(found):
        frame = found.loads[arm]
        for row in frame[frame["demand"] > 0].to_dict("records"):
            parts.append(
                {
                    "arm": arm,
                    "stage": row["stage"],
                    "needed a week": f"{row['demand']:,.0f} {row['unit']}",
                    "offered a week": f"{row['capacity']:,.0f} {row['unit']}",
                    "use": f"{row['use']:.0%}",
                    "remark": row["remark"] or "keeps up",
                }
            )
    caption = "Load on each stage at the mean, holidays taken off, people referred again included"
    return table_html(pd.DataFrame(parts), caption)


def costs_html(found: Found) -> str:
    """Cost by stage and staff time, for each arm, with the mark of what has no source."""
    rows = found.figures[found.figures["topic"].isin(["cost", "staff"])]
    arms, lines = _today_first(found), []
    for (topic, measure, of, unit), own in rows.groupby(["topic", "measure", "of", "unit"], sort=False):
        means = dict(zip(own["arm"], own["value"].astype(float), strict=True))
        what = str(of) or str(measure)
        line = {"": f"{what} ({unit!s})" if str(topic) == "cost" else f"{what}'s time ({unit!s})"}
        line |= {arm: f"{means[arm]:,.2f}" if np.isfinite(means.get(arm, np.nan)) else "–" for arm in arms}
        lines.append(line | {"source": "source required" if (own["remark"] != "").any() else "published"})
    return table_html(pd.DataFrame(lines), "Cost and staff time per referral, at the mean")


def remarks_html(found: Found) -> str:
    """What belongs beside every figure; growing queues stand with the first words."""
    return "".join(f"<p class='dk-hint'>{escape(sentence)}</p>" for sentence in rests_on(found.outcomes))


def files_html(found: Found) -> str:
    """Every table of the page as CSV, and those that are drawn day by day."""
    outcomes = found.outcomes

    def each(part: Callable[[Outcomes, str], pd.DataFrame]) -> pd.DataFrame:
        return pd.concat([part(outcomes, arm).assign(arm=arm) for arm in outcomes.arms], ignore_index=True)

    tables = {
        "Every figure": (found.figures, "figures"),
        "Cancers missed at first": (each(missed_parts), "missed"),
        "Routes": (each(routes), "routes"),
        "Waiting times": (each(waiting), "waiting"),
        "Queues by day": (each(backlogs), "backlog"),
    }
    links = "".join(f"<li>{what}: {download_html(*table)}</li>" for what, table in tables.items())
    return f"<ul class='dk-keep'>{links}</ul>"


def _today_first(found: Found) -> list[str]:
    today = found.outcomes.pathway.today
    return sorted(found.outcomes.arms, key=lambda arm: arm != today)
