"""What is on show on the review page: what the address holds and what the list is drawn from."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from urllib.parse import parse_qsl, urlencode

from derm_kit.errors import DermKitError
from derm_kit.records.desk import BLIND_MARKS
from derm_kit.triage.worklist import BY_CASE, SORTS, Wanted

RUN_DIGITS = 16
"""So many digits of a run's SHA-256 name it in an address."""


@dataclass(frozen=True)
class Looking:
    """Which cases are wanted, which page of their list is on show, the case that is open, and whether the model hides.

    `blind` hides what the model and the truth say of a case until the reader has given a verdict on it.
    """

    wanted: Wanted = field(default_factory=Wanted)
    page: int = 0
    case: str = ""
    blind: bool = False

    @property
    def listed(self) -> Wanted:
        """What is wanted, less all that would give the model or the truth away in blind mode."""
        if not self.blind:
            return self.wanted
        return Wanted(show=self.wanted.show if self.wanted.show in BLIND_MARKS else "", sort=BY_CASE)

    def text(self, run: str) -> str:
        """As the address holds it; `run` is the run's SHA-256."""
        parts = {"run": run[:RUN_DIGITS]} | {name: text for name, text in asdict(self.wanted).items() if text}
        parts |= {"page": str(self.page)} if self.page else {}
        parts |= {"blind": "1"} if self.blind else {}
        return urlencode(parts | ({"case": self.case} if self.case else {}))

    @classmethod
    def from_text(cls, text: str, run: str) -> Looking:
        """What an address holds. Raises DermKitError where it is of another run, or nothing that this page wrote."""
        try:
            given = dict(parse_qsl(text, keep_blank_values=True, strict_parsing=True, max_num_fields=12))
            named = given.pop("run")
            wanted = Wanted(**{f.name: given.pop(f.name, f.default) for f in fields(Wanted)})  # type: ignore[arg-type]
            page, blind, case = int(given.pop("page", "0")), given.pop("blind", "") == "1", given.pop("case", "")
            if given or page < 0 or wanted.sort not in SORTS:
                raise ValueError(text)  # noqa: TRY301
        except (ValueError, KeyError):
            raise DermKitError(
                "what follows the # in the address is a list and a case as this page wrote them",
                value=text[:80],
                next_step="Open the page without it.",
            ) from None
        if named != run[:RUN_DIGITS]:
            raise DermKitError(
                "an address is of the scores that the page is open on",
                value=f"run {named[:RUN_DIGITS]}, here {run[:RUN_DIGITS]}",
                next_step="Open the workbench on that run: derm-kit serve --run RUN.",
            )
        return cls(wanted, page, case, blind)
