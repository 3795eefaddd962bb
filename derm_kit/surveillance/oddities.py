"""What is odd in a feed, gathered while it is read: sentences in order of weight, and the rows that were set aside."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from derm_kit.errors import DermKitError, printable
from derm_kit.surveillance.feed import SET_ASIDE_COLUMNS, Remark, nothing_set_aside
from derm_kit.surveillance.moments import as_text

MOST_EXAMPLES = 10
_NUMBER = "{n:,}"


@dataclass
class Oddities:
    """Remarks and rows set aside, as they are found; what hides a whole delivery is told first."""

    broken: list[Remark] = field(default_factory=list)
    told: list[Remark] = field(default_factory=list)
    aside: list[pd.DataFrame] = field(default_factory=list)

    def breaks(self, delivery: str, error: DermKitError) -> None:
        """Say that a whole delivery was not read, and why."""
        self.broken.append(Remark(f"NOT READ, and in no figure: {delivery}. {error}", 1, (delivery,)))

    def tell(self, sentence: str, names: Iterable[object], *, count: int | None = None) -> None:
        """Say `sentence` of the things named, of which there are `count` (else as many as names); nothing for none.

        "{n:,}" in it stands for their number.
        """
        named = list(dict.fromkeys(map(str, names)))
        number = len(named) if count is None else count
        if number:
            examples = tuple(printable(name) for name in named[:MOST_EXAMPLES])
            self.told.append(Remark(sentence.replace(_NUMBER, f"{number:,}"), number, examples))

    def set_aside(
        self,
        rows: pd.DataFrame,
        wrong: npt.NDArray[np.bool_],
        *,
        delivery: object,
        what: str,
        rule: str,
        next_step: str,
    ) -> None:
        """Put the rows that are `wrong` aside with the rule that they broke, and tell of them.

        `rows` have case_id; `delivery` is one name or one a row (n,). A column `row` says where they stood, else their
        place among the rows does, counted from 1; `what` is what one row is, in the singular.
        """
        if not wrong.any():
            return
        found = rows[wrong]
        places = rows["row"] if "row" in rows else pd.Series(np.arange(1, len(rows) + 1), index=rows.index)
        origin = delivery if isinstance(delivery, str) else np.asarray(delivery, object)[wrong]
        said = found.drop(columns=["row"], errors="ignore")
        frame = pd.DataFrame(
            {
                "case_id": as_text(found["case_id"]).to_numpy(object),
                "delivery": origin,
                "row": places[wrong].to_numpy(np.int64),
                "what": what,
                "rule": rule,
                "next_step": next_step,
                "content": [_content(row) for row in said.to_dict("records")],
            }
        )
        self.aside.append(frame.astype(dict.fromkeys(set(SET_ASIDE_COLUMNS) - {"row"}, "str")))
        where = frame["case_id"].where(frame["case_id"] != "", frame["delivery"] + ", row " + frame["row"].astype(str))
        count = len(frame)
        several = "" if count == 1 else "s"
        self.tell(f"Set aside, in no figure: {{n:,}} {what}{several}. Rule: {rule}. {next_step}", where, count=count)

    def remarks(self) -> tuple[Remark, ...]:
        """What was found, deliveries that were not read first."""
        return (*self.broken, *self.told)

    def all_set_aside(self) -> pd.DataFrame:
        """Every row that was set aside, in the order found."""
        return pd.concat(self.aside, ignore_index=True) if self.aside else nothing_set_aside()


def found(column: pd.Series[Any]) -> str:
    """The first few of the words in a column that nobody could read, for a remark."""
    words = [repr(printable(text)) for text in column.unique()[:3]]
    return f"found: {', '.join(words)}" if words else "empty"


def _content(row: dict[Any, Any]) -> str:
    said = {name: value for name, value in row.items() if not (pd.api.types.is_scalar(value) and pd.isna(value))}
    return "; ".join(f"{name}={printable(value)}" for name, value in said.items())
