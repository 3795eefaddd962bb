"""The impact report of a proposed change: what a person who approves it must see, frozen with it.

It is computed from the proposal alone, so that anybody can compute it again. Counts are the proposal's; every
difference, share and interval is worked out here from them, and counts that contradict one another are refused.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from derm_kit.errors import PolicyError
from derm_kit.lesions import FLAGGED, LESION_TYPES, LesionType
from derm_kit.model.run import ScoreRun
from derm_kit.records.evidence import Kind, Paired, PairedOfType, PairedOverall, cells, contradiction, rates, read_rows
from derm_kit.records.exact_json import canonical
from derm_kit.triage.changes import BURDENED, NEWLY_FLAGGED, NEWLY_MISSED, OPEN, OTHER_CALL, SPARED, paired_difference
from derm_kit.triage.counts import ALL_CASES, CALLS, CaseCounter
from derm_kit.triage.proportions import clopper_pearson
from derm_kit.triage.proposal import ChangeProposal, propose, run_hash

NOT_SIMULATED = "not simulated"
KINDS = (NEWLY_MISSED, NEWLY_FLAGGED, SPARED, BURDENED, OTHER_CALL, OPEN)
_DIGITS = 6
"""Shares and intervals are rounded, so that another machine computes the same report to the letter."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ThresholdChange(_Frozen):
    """One flagged type: its thresholds, None where the policy has none."""

    lesion_type: LesionType
    old: float | None
    new: float | None


class CountChange(_Frozen):
    """Of `n` cases, how many were caught before and are after; the difference is that of paired shares, with interval.

    `of` is a flagged type (caught: called it or a more serious one), "cancers flagged", "benign flagged" or "all cases
    flagged". Share and interval (95 %, Bonett and Price 2012) are None where n is 0.
    """

    of: str
    n: int
    before: int
    after: int
    gained: int
    lost: int
    difference: float | None
    low: float | None
    high: float | None


class GroupChange(_Frozen):
    """A rate of one subgroup over all its cases, before and after, each with its exact interval (95 %)."""

    grouping: str
    group: str
    measure: str
    lesion_type: str
    n: int
    before: int
    before_low: float
    before_high: float
    after: int
    after_low: float
    after_high: float


class CallChange(_Frozen):
    """Cases of one truth with one call, before and after."""

    truth: LesionType
    call: str
    before: int
    after: int


class KindChange(_Frozen):
    """Cases of one kind of change, and in 1,000 cases like these, with exact interval (95 %)."""

    kind: str
    cases: int
    per_1000: float
    low: float
    high: float


class ImpactReport(_Frozen):
    """What a change of thresholds does to the cases that its proposal rests on.

    `extra_missed_per_1000` is the cancers no longer flagged less those newly flagged; its `low` and `high` the 95 %
    interval of this paired difference. All intervals assume independent lesions. `capacity` is "not simulated" until
    a simulation filled it.
    """

    schema_version: Literal[1] = 1
    rationale: str
    old_policy: str
    new_policy: str
    model_hash: str
    scoring_sha256: str
    run_sha256: str
    cases: int
    thresholds: list[ThresholdChange]
    guarantees: list[dict[str, Any]]
    by_type: list[CountChange]
    overall: list[CountChange]
    per_1000: list[KindChange]
    extra_missed_per_1000: float
    extra_missed_low: float
    extra_missed_high: float
    confusion: list[CallChange]
    by_subgroup: list[GroupChange]
    hazard_ids: list[str]
    capacity: dict[str, Any] | str

    @classmethod
    def of(cls, proposal: ChangeProposal) -> ImpactReport:
        """The report of a proposal. Raises PolicyError where it changes more than thresholds, or contradicts itself."""
        old, new = proposal.old_policy, proposal.new_policy
        _require_thresholds_only(proposal)
        by_type = _by_type(proposal)
        overall = [
            _paired(row.measure, row) for row in read_rows(proposal.change_overall, PairedOverall, "change_overall")
        ]
        kinds = _kinds(proposal, overall)
        missed, found = (next(k.cases for k in kinds if k.kind == kind) for kind in (NEWLY_MISSED, NEWLY_FLAGGED))
        low, high = paired_difference(missed, found, proposal.cases)
        return cls(
            rationale=proposal.rationale,
            old_policy=f"{old.name}, version {old.version}",
            new_policy=f"{new.name}, version {new.version}",
            model_hash=proposal.model_hash,
            scoring_sha256=proposal.scoring_sha256,
            run_sha256=proposal.run_sha256,
            cases=proposal.cases,
            thresholds=[
                ThresholdChange(lesion_type=t, old=old.thresholds.get(t), new=new.thresholds.get(t)) for t in FLAGGED
            ],
            guarantees=proposal.guarantees,
            by_type=by_type,
            overall=overall,
            per_1000=kinds,
            extra_missed_per_1000=_rounded(1000 * (missed - found) / proposal.cases),
            extra_missed_low=_rounded(1000 * float(low)),
            extra_missed_high=_rounded(1000 * float(high)),
            confusion=_confusion(proposal, by_type),
            by_subgroup=_by_subgroup(proposal, by_type),
            hazard_ids=proposal.hazard_ids,
            capacity=NOT_SIMULATED if proposal.capacity is None else proposal.capacity,
        )

    @property
    def text(self) -> str:
        """The report as it is frozen: canonical JSON."""
        return canonical(self.model_dump(mode="json"))


def unlike(proposal: ChangeProposal, run: ScoreRun) -> tuple[str, ...]:
    """Parts of the report that the scores themselves do not bear out, worked out anew from `run`; none is good.

    Raises PolicyError where these are not the scores and truths that the proposal names.
    """
    if run_hash(run) != proposal.run_sha256:
        raise PolicyError(
            "the proposal rests on other scores or truths than these",
            case="change proposal",
            value=f"{run_hash(run)[:12]}, the proposal names {proposal.run_sha256[:12]}",
            next_step="Name the run that the author used.",
        )
    stated = ImpactReport.of(proposal)
    found = ImpactReport.of(propose(CaseCounter(run, proposal.old_policy), proposal.new_policy, proposal.rationale))
    unnamed = {name for name in ("model_hash", "scoring_sha256") if not getattr(run, name)}
    of_run = set(ImpactReport.model_fields) - {"guarantees", "hazard_ids", "capacity"} - unnamed
    return tuple(sorted(field for field in of_run if getattr(stated, field) != getattr(found, field)))


def _require_thresholds_only(proposal: ChangeProposal) -> None:
    old, new = proposal.old_policy, proposal.new_policy
    moved = old.changed(name=new.name, version=new.version, thresholds=new.thresholds)
    if moved != new or old.thresholds == new.thresholds:
        raise PolicyError(
            "a proposal changes thresholds, and nothing but them",
            case=new.name,
            value="every threshold is as it was" if moved == new else "other fields change too",
            next_step="Make the proposal anew on page 03, from the policy in force.",
        )
    for field in ("model_hash", "scoring_sha256"):
        named, evidence = getattr(new, field), getattr(proposal, field)
        if named and evidence and named != evidence:
            raise contradiction(f"{field} of the policies is not that of the evidence")


def _by_type(proposal: ChangeProposal) -> list[CountChange]:
    rows = read_rows(proposal.change_by_type, PairedOfType, "change_by_type")
    if [row.lesion_type for row in rows] != list(FLAGGED):
        raise contradiction("change_by_type has one row for each flagged type, most serious first")
    return [_paired(row.lesion_type.value, row) for row in rows]


def _paired(of: str, row: Paired) -> CountChange:
    if row.before + row.gained - row.lost != row.after or row.lost > row.before or row.gained > row.n - row.before:
        raise contradiction(f"{of}: cases before, gained, lost and after do not add up")
    low, high = paired_difference(row.gained, row.lost, row.n)
    return CountChange(
        of=of,
        **row.model_dump(include={"n", "before", "after", "gained", "lost"}),
        difference=_rounded((row.gained - row.lost) / row.n) if row.n else None,
        low=_rounded(float(low)) if row.n else None,
        high=_rounded(float(high)) if row.n else None,
    )


def _kinds(proposal: ChangeProposal, overall: list[CountChange]) -> list[KindChange]:
    rows = read_rows(proposal.change_per_1000, Kind, "change_per_1000")
    found = {row.kind: row.cases for row in rows}
    if tuple(found) != KINDS or len(rows) != len(KINDS) or sum(found.values()) > proposal.cases:
        raise contradiction(f"change_per_1000 counts, of all cases, those of each kind: {', '.join(KINDS)}")
    cancers = next((row for row in overall if row.of == "cancers flagged"), None)
    if cancers is None or (cancers.gained, cancers.lost) != (found[NEWLY_FLAGGED], found[NEWLY_MISSED]):
        raise contradiction("change_overall and change_per_1000 count other cancers gained and lost")
    low, high = clopper_pearson(list(found.values()), proposal.cases)
    return [
        KindChange(
            kind=kind,
            cases=cases,
            per_1000=_rounded(1000 * cases / proposal.cases),
            low=_rounded(1000 * low[i]),
            high=_rounded(1000 * high[i]),
        )
        for i, (kind, cases) in enumerate(found.items())
    ]


def _confusion(proposal: ChangeProposal, by_type: list[CountChange]) -> list[CallChange]:
    """Every cell in which a case stands before or after."""
    before, after = (cells(getattr(proposal, name), name) for name in ("confusion_before", "confusion_after"))
    if (before.sum(axis=1) != after.sum(axis=1)).any() or before.sum() > proposal.cases:
        raise contradiction("confusion_before and confusion_after are not of the same cases")
    for i, row in enumerate(by_type):
        counts = (before[i].sum(), before[i, : i + 1].sum(), after[i, : i + 1].sum())
        if counts != (row.n, row.before, row.after):
            raise contradiction(f"{row.of}: change_by_type and the confusion tables count other cases")
    return [
        CallChange(truth=truth, call=call, before=int(before[i, j]), after=int(after[i, j]))
        for i, truth in enumerate(LESION_TYPES)
        for j, call in enumerate(CALLS)
        if before[i, j] or after[i, j]
    ]


def _by_subgroup(proposal: ChangeProposal, by_type: list[CountChange]) -> list[GroupChange]:
    before, after = (rates(getattr(proposal, name), name) for name in ("rates_before", "rates_after"))
    if before.keys() != after.keys() or any(before[key].n != after[key].n for key in before):
        raise contradiction("rates_before and rates_after are not of the same subgroups and cases")
    for row in by_type:
        key = (*ALL_CASES, "sensitivity", row.of)
        if row.n and (key not in before or (before[key].count, after[key].count) != (row.before, row.after)):
            raise contradiction(f"{row.of}: change_by_type and the rates count other cases")
    n = [row.n for row in before.values()]
    low, high = clopper_pearson([row.count for row in before.values()], n)
    new_low, new_high = clopper_pearson([row.count for row in after.values()], n)
    return [
        GroupChange(
            **row.model_dump(include={"grouping", "group", "measure", "lesion_type", "n"}),
            before=row.count,
            before_low=_rounded(low[i]),
            before_high=_rounded(high[i]),
            after=after[key].count,
            after_low=_rounded(new_low[i]),
            after_high=_rounded(new_high[i]),
        )
        for i, (key, row) in enumerate(before.items())
    ]


def _rounded(value: float) -> float:
    return round(float(value), _DIGITS) + 0.0  # never -0.0
