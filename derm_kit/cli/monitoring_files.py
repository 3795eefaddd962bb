"""What 'derm-kit monitor' leaves behind: every table as CSV, and all of it together as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from derm_kit.cli.inputs import results_in

if TYPE_CHECKING:
    import pandas as pd

    from derm_kit.surveillance.choice import Chosen
    from derm_kit.surveillance.feed import Feed
    from derm_kit.surveillance.findings import Findings
    from derm_kit.surveillance.rates import Rates
    from derm_kit.surveillance.signals import Signals


_SEVERAL = "; "


def write_all(
    out: Path, folder: Path, feed: Feed, counted: Rates, found: Findings, chosen: Chosen, lag_days: int
) -> None:
    """Write every table into `out` as CSV, and `monitoring.json` with all but the rows of `set_aside.csv`."""
    from derm_kit.cases.cohort import write_csv
    from derm_kit.surveillance.delivery_files import sha256_of

    tables = {"remarks": _remarks(feed), **counted.tables(), **_of_signals(found.signals)}
    tables |= {name.replace(" ", "_"): _dated(looks) for name, looks in found.looks().items()}
    told = {
        "schema_version": 1,
        "derm_kit": version("derm-kit"),
        "deliveries_sha256": sha256_of(folder),
        "chosen": _chosen(chosen),
        "lag_days": lag_days,
        "notes": list(counted.notes),
        "refused": list(found.refused),
        "promises": found.promises(),
        "tables": {name: _as_json(table) for name, table in tables.items()},
    }
    with results_in(out):
        for name, table in (tables | {"set_aside": feed.set_aside}).items():
            write_csv(out / f"{name}.csv", table)
        (out / "monitoring.json").write_text(json.dumps(told, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def _remarks(feed: Feed) -> pd.DataFrame:
    rows = [(remark.sentence, remark.count, "; ".join(remark.examples)) for remark in feed.remarks]
    return _frame(rows, ("sentence", "count", "examples"))


def _of_signals(signals: Signals | None) -> dict[str, pd.DataFrame]:
    """One row a signal and one a group of a funnel."""
    if signals is None:
        return {}
    rows = [
        (
            *(signal.product, signal.name, str(signal.status), signal.finding, signal.n, signal.alarms),
            signal.promise.sentence if signal.promise else "",
            signal.first_alarm.case_id if signal.first_alarm else "",
            signal.first_alarm.seen_from.isoformat() if signal.first_alarm else "",
        )
        for signal in signals.signals
    ]
    names = ("product", "name", "status", "finding", "n", "alarms", "promise", "first_alarm_case", "seen_from")
    funnels = [
        funnel.table.assign(name=funnel.name, by=funnel.what, finding=funnel.finding) for funnel in signals.funnels
    ]
    made = {"signals": _frame(rows, names)}
    return made | ({"funnels": _together(funnels)} if funnels else {})


def _as_json(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of a table; a figure that is not there is null."""
    rows: list[dict[str, Any]] = json.loads(table.to_json(orient="records", date_format="iso", double_precision=15))
    return rows


def _dated(looks: pd.DataFrame) -> pd.DataFrame:
    """Looks with their month as text and lists as text."""
    if looks.empty:
        return looks
    from derm_kit.surveillance.moments import TIMEZONE

    made = looks.assign(month=looks["month"].dt.tz_convert(TIMEZONE).dt.strftime("%Y-%m"))
    for name in looks:
        if any(isinstance(cell, tuple) for cell in looks[name]):
            made[name] = [_SEVERAL.join(cell) if isinstance(cell, tuple) else str(cell) for cell in looks[name]]
    return made


def _chosen(chosen: Chosen) -> dict[str, Any]:
    return {
        "sites": list(chosen.sites),
        "products": list(chosen.products),
        "devices": list(chosen.devices),
        "since": None if chosen.since is None else chosen.since.isoformat(),
        "until": None if chosen.until is None else chosen.until.isoformat(),
    }


def _frame(rows: list[tuple[Any, ...]], columns: tuple[str, ...]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(rows, columns=pd.Index(columns))


def _together(frames: Iterable[pd.DataFrame]) -> pd.DataFrame:
    import pandas as pd

    return pd.concat(list(frames), ignore_index=True)
