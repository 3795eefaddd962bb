"""What the threshold page says of the officer's own clinic: accuracy in its case mix, harm by the officer's weights."""

from __future__ import annotations

import math
from html import escape

import pandas as pd

from derm_kit.panels.tables import shares, table_html
from derm_kit.triage.harm import HarmChange
from derm_kit.triage.measures import Rates, likelihood_ratios
from derm_kit.triage.proportions import Estimate
from derm_kit.triage.tuning import InCaseMix

NAMES_IN_MIX = {
    "cancers flagged": "cancers flagged (sensitivity)",
    "no cancer, not flagged": "no cancer, not flagged (specificity)",
    "cancers among flagged": "cancers among flagged (PPV)",
    "no cancer among not flagged": "no cancer among not flagged (NPV)",
    "likelihood ratio of no flag": "likelihood ratio of no flag (LR−)",
}


def mix_html(found: InCaseMix, own: Rates) -> str:
    """Accuracy for any cancer at the clinic, beside that in this set."""
    ratio = likelihood_ratios(own).iloc[-1]
    missed = own.place("cancers missed among not flagged", assessed=True)
    here = {"likelihood ratio of no flag": f"{ratio['value']:.2f}"}
    here["cancers missed per 1,000 not flagged"] = f"{1000 * own.value[0, missed]:.1f}"
    rows = []
    for line in found.table.to_dict("records"):
        name, value, low, high = line["measure"], line["value"], line["low"], line["high"]
        if name in here:
            there = "–" if math.isnan(value) else f"{value:.2f} ({low:.2f} to {high:.2f})"
            mine = here[name]
        else:
            (there,) = shares([value], [low], [high])
            share = own.value[0, own.place(name, assessed=True)]
            mine = "–" if math.isnan(share) else f"{share:.1%}"
        rows.append((NAMES_IN_MIX.get(name, name), mine, there, line["n"], line["remark"]))
    columns = ["any cancer, assessed cases", "in this set", "at my clinic, 95% interval", "cases", "remark"]
    said = "".join(f"<p>{escape(line)}</p>" for line in found.sentences)
    return table_html(pd.DataFrame(rows, columns=columns), "The policy as it is set, here and there") + said


def harm_html(found: HarmChange, weighted: bool) -> str:
    """Harm under the policy in force and as set, and what the change does to it; `weighted` to the clinic's mix."""
    rows = [
        ("policy in force", _amount(found.before.per_1000)),
        ("as it is set", _amount(found.after.per_1000)),
        ("difference", _amount(found.difference_per_1000, signed=True)),
    ]
    where = "lesions in the mix of my clinic" if weighted else "lesions like those of this set"
    table = table_html(
        pd.DataFrame(rows, columns=["", "harm, 95% interval"]),
        f"Expected harm of 1,000 {where}, in the unit as entered",
    )
    return table + (
        f"<p>Over {found.after.per_case.n:,} cases of one known type; {found.after.left_out:,} of no or several types "
        f"are left out. Weights: {escape(found.after.source)}. The interval knows nothing of a mistake that did not "
        "occur here, nor of how sure the weights are.</p>"
    )


def _amount(e: Estimate, *, signed: bool = False) -> str:
    form = "+,.1f" if signed else ",.1f"
    if math.isnan(e.value):
        return e.reason
    interval = e.reason if math.isnan(e.low) else f"{e.low:{form}} to {e.high:{form}}"
    return f"{e.value:{form}} ({interval})".replace("-", "−")
