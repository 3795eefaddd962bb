"""The fields of a hazard's form: what each is called, what it holds, in which group it stands."""

from __future__ import annotations

from dataclasses import dataclass

from derm_kit.records.hazard_content import EvidenceKind
from derm_kit.records.hazard_rules import Broken, Status
from derm_kit.records.risk_matrix import Likelihood, Severity


@dataclass(frozen=True)
class Field:
    """One field: its name in a file of the log, what it is called, a hint, and the words to choose from if any."""

    name: str
    label: str
    hint: str = ""
    choices: tuple[str, ...] = ()
    long: bool = True


LIKELIHOODS, SEVERITIES = tuple(map(str, Likelihood)), tuple(map(str, Severity))
A_LINE = "One a line."
GROUPS: tuple[tuple[str, tuple[Field, ...]], ...] = (
    ("What can happen", (
        Field("name", "Name", long=False),
        Field("description", "Description"),
        Field("causes", "Causes", A_LINE),
        Field("effect", "Effect", "What happens in the pathway."),
        Field("harm", "Harm", "What it may do to a patient."),
    )),
    ("Before anything new", (
        Field("existing_controls", "Existing controls", A_LINE),
        Field("initial_likelihood", "Initial likelihood", choices=("", *LIKELIHOODS)),
        Field("initial_severity", "Initial severity", choices=("", *SEVERITIES)),
    )),
    ("New controls", (
        Field("new_controls_design", "New controls: design", A_LINE),
        Field("new_controls_test", "New controls: test", A_LINE),
        Field("new_controls_training", "New controls: training", A_LINE),
        Field("new_controls_process", "New controls: process", A_LINE),
    )),
    ("With the new controls as well", (
        Field("residual_likelihood", "Residual likelihood", choices=("", *LIKELIHOODS)),
        Field("residual_severity", "Residual severity", choices=("", *SEVERITIES)),
        Field("residual_reason", "Why it is worse", "Only where something is above the initial risk."),
        Field("basis", "What the judgements rest on", "Data, a meeting, a standard: your own words, not derm-kit’s."),
    )),
    ("Who and when", (
        Field("owner", "Owner", "A role, not a name.", long=False),
        Field("status", "Status", choices=tuple(map(str, Status))),
        Field("transferred_to", "Transferred to", "The party that took it over. A role, not a name.", long=False),
        Field("next_review", "Next review", "As 2027-01-31.", long=False),
    )),
    ("Evidence and links", (
        Field("evidence", "Evidence", "One a line, as KIND: WHERE | WHAT IT SHOWS. Kinds: "
              f"{', '.join(EvidenceKind)}."),
        Field("leads_to", "Can lead to", "Ids of hazards, one a line, such as H-001."),
    )),
)  # fmt: skip
FIELDS = {field.name: field for _, group in GROUPS for field in group}
LABELS = {name: field.label for name, field in FIELDS.items()}
BLANK = dict.fromkeys(FIELDS, "") | {"status": Status.OPEN.value}
"""A form that nobody has written in yet."""


def field_of(broken: Broken) -> str:
    """The field beside which a broken rule is told, "" where it is of none."""
    parts = broken.field.split(", ")
    name = parts[0]
    if name == "new_controls":
        kinds = [part for part in parts[1:] if f"new_controls_{part}" in FIELDS]
        name = f"new_controls_{kinds[0] if kinds else 'design'}"
    return name if name in FIELDS else ""
