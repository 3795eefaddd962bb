"""What one value at a time does to the result: the bars of a tornado, and how cheap a stage must be."""

from __future__ import annotations

import numpy as np
import pandas as pd

from derm_kit.errors import PathwayError
from derm_kit.pathway.economic_inputs import at_values
from derm_kit.pathway.economics import Evaluation, Model, evaluate
from derm_kit.pathway.measures import summary
from derm_kit.pathway.sensitivity import Psa
from derm_kit.pathway.tallies import Floats


def tornado(model: Model, arm: str, threshold_gbp: float) -> pd.DataFrame:
    """Gain in net benefit over today's arm with each value at its low and its high end and all others as they stand.

    Columns: input, value, low, high, gain_gbp (as it stands, per person referred), gain_at_low_gbp, gain_at_high_gbp,
    width_gbp (of the bar; 0 for a fixed value), source; the widest bar first. Raises PathwayError for an unknown arm.
    """
    a, names = model.place(arm), list(model.inputs)
    values = {name: np.repeat(value, 2 * len(names) + 1) for name, value in at_values(model.inputs).items()}
    for k, name in enumerate(names):
        values[name][2 * k + 1], values[name][2 * k + 2] = model.inputs[name].low, model.inputs[name].high
    gain = evaluate(model, values).gain_gbp(threshold_gbp)[:, a]
    table = pd.DataFrame(
        {
            "input": names,
            "value": [float(model.inputs[name].quantity.value) for name in names],
            "low": [model.inputs[name].low for name in names],
            "high": [model.inputs[name].high for name in names],
            "gain_gbp": gain[0],
            "gain_at_low_gbp": gain[1::2],
            "gain_at_high_gbp": gain[2::2],
            "width_gbp": np.abs(gain[2::2] - gain[1::2]),
            "source": [model.inputs[name].quantity.source for name in names],
        }
    )
    return table.sort_values("width_gbp", ascending=False, kind="stable", ignore_index=True)


def threshold_prices(base: Evaluation, arm: str, found: Psa | None = None) -> pd.DataFrame:
    """Price of the stage `economics / price_of` at which an arm's net benefit equals today's, at each threshold.

    Columns: stage, threshold, gbp_per_qaly, price_gbp (per visit), low, high (95 % of the draws of `found`; NaN
    without), price_now_gbp, remark. With each GBP the gain falls by the visits that the arm has more than today's, so
    the price is exact; NaN where it has none more. Raises PathwayError where no stage is named, or the arm is unknown.
    """
    model = base.model
    a, stage = model.place(arm), model.economics.price_of
    if stage is None:
        raise PathwayError(
            "a threshold price needs a stage whose price is sought",
            case=model.pathway.name,
            next_step="Name it in economics / price_of.",
        )
    s = list(model.pathway.stages).index(stage)
    more = base.visits[:, a, s].mean() - base.visits[:, model.today, s].mean()
    now, rows = float(base.prices_gbp[:, s].mean()), []
    for name, threshold in model.thresholds.items():
        price = now + float(base.gain_gbp(threshold)[:, a].mean() / more) if more > 0 else np.nan
        low, high = summary(_by_draw(found.evaluation, a, s, threshold))[1:] if found else (np.nan, np.nan)
        said = [text for text in (model.remark, _price_remark(price)) if text]
        rows.append((stage, name, threshold, price, low, high, now, "; ".join(said)))
    columns = ["stage", "threshold", "gbp_per_qaly", "price_gbp", "low", "high", "price_now_gbp", "remark"]
    return pd.DataFrame(rows, columns=columns)


def _price_remark(price_gbp: float) -> str:
    if np.isnan(price_gbp):
        return "no price: the arm has no more visits to this stage than today's"
    return "below 0: no price brings the two level" if price_gbp < 0 else ""


def _by_draw(evaluation: Evaluation, a: int, s: int, threshold_gbp: float) -> Floats:
    """The price in each draw (N,); NaN where the arm has no more visits."""
    more = evaluation.visits[:, a, s] - evaluation.visits[:, evaluation.model.today, s]
    gain = evaluation.gain_gbp(threshold_gbp)[:, a]
    price: Floats = evaluation.prices_gbp[:, s] + np.divide(gain, more, out=np.full_like(gain, np.nan), where=more > 0)
    return price
