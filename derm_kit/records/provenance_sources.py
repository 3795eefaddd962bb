"""The sources that reports name: scores, policy, register and card, each with the hashes that it is known again by."""

from __future__ import annotations

from derm_kit.model.card import ModelCard
from derm_kit.model.run import ScoreRun
from derm_kit.records.chain import Head
from derm_kit.records.exact_json import canonical, sha256
from derm_kit.records.provenance import Source
from derm_kit.records.release import Release
from derm_kit.triage.policy import TriagePolicy
from derm_kit.triage.proposal import run_hash


def scores_source(run: ScoreRun) -> Source:
    """The scored cases with their truth."""
    return Source(
        "scores",
        f"scores and truth of {len(run):,} cases ({run.meta.get('model') or 'a model that the scores do not name'})",
        (
            ("ids, scores and truth, SHA-256", run_hash(run)),
            ("weights that gave them, SHA-256", run.model_hash or "not said"),
            ("what else changes a score, SHA-256", run.scoring_sha256 or "not said"),
        ),
    )


def policy_source(policy: TriagePolicy, release: Release | None) -> Source:
    """The policy: as released, else as the model's default."""
    standing = release.in_words() if release else "the default of the model; nothing was released"
    return Source(
        "policy",
        f"{policy.name}, version {policy.version}: {standing}",
        (("canonical text, SHA-256", sha256(canonical(policy.model_dump(mode="json")))),),
    )


def register_source(head: Head | None) -> Source | None:
    """The register as its audit log stands; None where there is none."""
    if head is None:
        return None
    return Source(
        "register", f"the register, whose audit log has {head.count:,} entries", (("seal of the last", head.seal),)
    )


def card_source(card: ModelCard) -> Source:
    """What the model's card says."""
    text = canonical(card.model_dump(mode="json"))
    return Source("card", f"the card of {card.name} {card.version}", (("its fields, SHA-256", sha256(text)),))
