"""What a hazard says: the fields that DCB0129 asks for, and the rules that hold between them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import Annotated, Any, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from derm_kit.records.exact_json import canonical, sha256
from derm_kit.records.hazard_rules import Broken, Status, broken_rules, together
from derm_kit.records.risk_matrix import Likelihood, Risk, Severity, risk

Held = TypeVar("Held", bound="HazardFields")
LONGEST_LINE, LONGEST_TEXT, MOST_LINES = 2_000, 20_000, 200
PROPOSED = "Proposed, to be confirmed by your clinical safety officer."
"""How the basis of a judgement begins that nobody here has made yet: such a version is never approved."""


def _said(text: str) -> str:
    if not text.strip():
        raise PydanticCustomError("blank", "it is said, not left blank")
    return text


def _one_line(text: str) -> str:
    if "\n" in text or "\r" in text:
        raise PydanticCustomError("line", "it is one line")
    return text


Text = Annotated[str, StringConstraints(max_length=LONGEST_TEXT), AfterValidator(_said)]
MaybeText = Annotated[str, StringConstraints(max_length=LONGEST_TEXT)]
Line = Annotated[str, StringConstraints(max_length=LONGEST_LINE), AfterValidator(_said), AfterValidator(_one_line)]
MaybeLine = Annotated[str, StringConstraints(max_length=LONGEST_LINE), AfterValidator(_one_line)]
Lines = Annotated[tuple[Line, ...], Field(max_length=MOST_LINES)]
HAZARD_ID = r"^H-(00[1-9]|0[1-9][0-9]|[1-9][0-9]{2,5})$"
HazardId = Annotated[str, StringConstraints(pattern=HAZARD_ID)]


class EvidenceKind(StrEnum):
    """What a link to evidence points at."""

    TEST = "test"
    """A test of this workbench: `tests/FILE.py::test_NAME`."""
    FIGURE = "figure"
    """A table or figure, with the page or document that shows it."""
    RELEASE = "release"
    """A release of the policy in this register: its number."""
    RUN = "run"
    """A run of scores: its SHA-256 or name."""
    DOCUMENT = "document"
    """A document: a file of this workbench (`docs/...`), or one of the trust by its name."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class EvidenceLink(_Part):
    """Where evidence lies, and what it shows there."""

    kind: EvidenceKind
    reference: Annotated[Line, StringConstraints(pattern=r"^[^|]*$")]
    shows: MaybeLine = ""


class NewControls(_Part):
    """Controls beyond the existing ones, by their kind."""

    design: Lines = ()
    test: Lines = ()
    training: Lines = ()
    process: Lines = ()

    @property
    def any(self) -> bool:
        """Whether there is one."""
        return any((self.design, self.test, self.training, self.process))


class HazardFields(_Part):
    """The fields of a hazard, each sound alone. Lists hold one line an item; the risks follow from the matrix.

    The initial risk is that with the existing controls, the residual one that with the new controls as well. `basis`
    says what the judgements of likelihood and severity rest on; `leads_to` names hazards that this one can lead to;
    `owner` and `transferred_to` are roles or parties, not names of people.
    """

    name: Line
    description: Text
    causes: Annotated[Lines, Field(min_length=1)]
    effect: Text
    harm: Text
    existing_controls: Lines = ()
    initial_likelihood: Likelihood
    initial_severity: Severity
    new_controls: NewControls = NewControls()
    residual_likelihood: Likelihood | None = None
    residual_severity: Severity | None = None
    residual_reason: MaybeText = ""
    basis: Text
    owner: MaybeLine = ""
    transferred_to: MaybeLine = ""
    status: Status = Status.OPEN
    evidence: Annotated[tuple[EvidenceLink, ...], Field(max_length=MOST_LINES)] = ()
    leads_to: Annotated[tuple[HazardId, ...], Field(max_length=MOST_LINES)] = ()
    next_review: date | None = None

    @property
    def initial_risk(self) -> Risk:
        """The risk with the existing controls."""
        return risk(self.initial_likelihood, self.initial_severity)

    @property
    def residual_risk(self) -> Risk | None:
        """The risk with the new controls as well; None where it was not judged."""
        if self.residual_likelihood is None or self.residual_severity is None:
            return None
        return risk(self.residual_likelihood, self.residual_severity)

    def initial_in_words(self) -> str:
        """Likelihood, severity and risk with the existing controls."""
        return f"{self.initial_likelihood} x {self.initial_severity}: risk {self.initial_risk.in_words()}"

    def residual_in_words(self) -> str:
        """The same with the new controls as well."""
        found = self.residual_risk
        return (
            f"{self.residual_likelihood} x {self.residual_severity}: risk {found.in_words()}" if found else "not judged"
        )


class HazardContent(HazardFields):
    """One version of a hazard: its fields, between which the rules hold."""

    @property
    def proposed(self) -> bool:
        """Whether its judgements are those that derm-kit ships, which nobody here has made."""
        return self.basis.startswith(PROPOSED)

    @property
    def text(self) -> str:
        """The content as it is stored and hashed."""
        return canonical(self.model_dump(mode="json"))

    @property
    def sha256(self) -> str:
        """SHA-256 of that text."""
        return sha256(self.text)

    @model_validator(mode="after")
    def _rules_hold(self) -> Self:
        for rule in broken_rules(self):
            raise PydanticCustomError("rule", "{rule}", vars(rule))
        return self


def fields_of(raw: Mapping[str, Any]) -> HazardFields | None:
    """The fields that `raw` holds, as JSON holds them, one that is not sound with anything in its place.

    None where that is a field that some rule looks at.
    """
    try:
        return _validated(HazardFields, raw)
    except ValidationError as error:
        wrong = {str(one["loc"][0]) if one["loc"] else "" for one in error.errors(include_url=False)}
    if wrong & (_RULED | {""}):
        return None
    sound = {name: said for name, said in raw.items() if name not in wrong}
    return fields_of({name: said for name, said in _ANY.items() if name in wrong} | sound)


def problems(raw: Mapping[str, Any]) -> list[Broken]:
    """Everything that keeps `raw`, as JSON holds it, from being a content: fields first, then rules between them."""
    found, fields = [], fields_of(raw)
    try:
        _validated(HazardFields, raw)
    except ValidationError as error:
        found = [_broken(one) for one in error.errors(include_url=False)]
    return [*found, *(broken_rules(fields) if fields else ())]


def content_of(raw: Mapping[str, Any], case: str) -> HazardContent:
    """The content that `raw` holds, as JSON holds it. Raises RecordError with every rule that it breaks."""
    found = problems(raw)
    if found:
        raise together(found).error(case)
    return _validated(HazardContent, raw)


def _validated(kind: type[Held], raw: Mapping[str, Any]) -> Held:
    return kind.model_validate_json(json.dumps(raw))


_ANY: dict[str, Any] = {"causes": ["-"], **dict.fromkeys(("name", "description", "effect", "harm", "basis"), "-")}
"""What a field that no rule looks at may say."""
_RULED = frozenset(HazardFields.model_fields) - {*_ANY, "existing_controls", "evidence", "next_review"}


_IN_WORDS = {
    "missing": "it is missing",
    "extra_forbidden": "a hazard has no such field",
    "string_pattern_mismatch": "a hazard id is H- and its number, with three digits or more",
    "string_too_long": f"a line has at most {LONGEST_LINE:,} characters, a text {LONGEST_TEXT:,}",
    "too_long": f"a list has at most {MOST_LINES} items",
    "too_short": "there is at least one",
    "json_invalid": "a hazard holds text that a file can hold; half of a surrogate pair is none",
    "string_type": "it is text",
    "tuple_type": "it is a list",
    **dict.fromkeys(
        ("date_parsing", "date_from_datetime_parsing"), "a date is written YYYY-MM-DD and stands in the calendar"
    ),
}


def _broken(found: ErrorDetails) -> Broken:
    """Pydantic's finding in plain words."""
    if found["type"] == "rule":
        return Broken(**found["ctx"])
    where = ", ".join(f"item {part + 1}" if isinstance(part, int) else part for part in found["loc"])
    rule = _IN_WORDS.get(found["type"], found["msg"].replace("Input should be", "it should be"))
    if found["type"] == "string_pattern_mismatch" and where.startswith("evidence"):
        rule = "a reference has no | in it"
    return Broken(where, _shown(found), rule)


def _shown(found: ErrorDetails) -> str:
    value = found["input"]
    if found["type"] == "json_invalid":
        return "such text"
    if found["type"] == "missing" or value is None or value == "":
        return "nothing"
    return f"{len(value):,} characters" if isinstance(value, str) and len(value) > LONGEST_LINE else str(value)
