"""Whose scores the threshold page judges: the reference cases, a run, or a file that an officer brings."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from pathlib import Path

import ipywidgets as w

from derm_kit.errors import DermKitError, RunError
from derm_kit.lesions import FLAGGED, LESION_TYPES
from derm_kit.model.run import ScoreRun, read_run
from derm_kit.panels.dropzone import DropZone
from derm_kit.panels.parts import Panel, guarded, notice_html
from derm_kit.triage.opening import policy_for
from derm_kit.triage.policy import TriagePolicy

LARGEST_MB = 20
YOURS = "your file"


@dataclass(frozen=True)
class Source:
    """Scores with truth, the policy in force for them, and whether they were brought to this page."""

    run: ScoreRun
    policy: TriagePolicy
    uploaded: bool = False

    @classmethod
    def of(cls, run: ScoreRun, policy: TriagePolicy, *, uploaded: bool = False) -> Source:
        """Scores with the policy as `policy_for` reads it on them.

        Raises RunError where no truth is known or no type of the policy is scored.
        """
        policy = policy_for(run, policy)
        if not policy.thresholds:
            raise RunError(
                "scores are judged for the flagged types that the policy in force has thresholds for; these hold none",
                next_step=f"Add a column named as one of: {', '.join(FLAGGED)}.",
            )
        if not (run.cases["truth"] != "").any():
            raise RunError(
                "scores are judged by what the lesions were found to be; no case has a truth",
                value=f"{len(run)} cases",
                next_step="Add a column named truth, with a diagnosis or a lesion type in each row.",
            )
        return cls(run, policy, uploaded)

    def sentences(self) -> list[str]:
        """How many cases there are, and what is left out."""
        cases, scored = self.run.cases, {LESION_TYPES[i] for i in self.run.trained}
        unknown = int((cases["truth"] == "").sum())
        whose = "Your file" if self.uploaded else "These scores"
        said = [f"{whose}: {len(self.run):,} cases, {len(self.run) - unknown:,} with a known truth."]
        if unknown:
            said.append(f"{unknown:,} whose truth is unknown, or none of the eleven types, stay out of every rate.")
        mute = [t.label.lower() for t in FLAGGED if t not in scored]
        if mute:
            said.append(f"No score for {' or '.join(mute)}: nothing is said of it, and it has no slider.")
        idle = [t.label.lower() for t in FLAGGED if t in scored and t not in self.policy.thresholds]
        if idle:
            said.append(
                f"The policy in force has no threshold for {' or '.join(idle)}: no case is called that until you move "
                "its slider or give it a target."
            )
        if self.uploaded:
            said.append("It is held in memory only: closing the page forgets it, and the address holds nothing of it.")
        return said

    def html(self) -> str:
        """The sentences, with the policy in force."""
        policy = (
            f"Policy in force: <strong>{escape(self.policy.name)}</strong>, version {escape(self.policy.version)}."
            f"{'' if self.run.model_hash else ' Whether it belongs to these scores was not checked.'}"
        )
        assumed = "No source names the patient: every interval assumes independent lesions."
        return f"<p>{' '.join(escape(line) for line in self.sentences())} {policy} {assumed}</p>"


def uploaded(content: bytes, size: int, policy: TriagePolicy) -> Source:
    """A CSV's or parquet's bytes as a source, on disk only while they are read; RunError where they are unusable."""
    if size > LARGEST_MB * 1_000_000:
        raise RunError(
            f"a file is at most {LARGEST_MB} MB",
            value=f"{size / 1e6:,.0f} MB",
            next_step="Judge larger tables on the command line: 'derm-kit tune' and 'derm-kit accuracy' read them.",
        )
    with tempfile.TemporaryDirectory() as private:
        path = Path(private) / ("scores.parquet" if content.startswith(b"PAR1") else "scores.csv")
        path.write_bytes(content)
        try:
            run = read_run(path)
        except RunError as error:
            rule, next_step, case = (
                str(part or "").replace(str(path), YOURS).replace(path.name, YOURS)
                for part in (error.rule, error.next_step, error.case)
            )
            raise RunError(rule, case=case or YOURS, value=error.value, next_step=next_step) from None
    return Source.of(run, policy, uploaded=True)


class SourcePanel(Panel):
    """A place to bring other scores, and the way back; `then` takes the source, and raises where it cannot."""

    def __init__(self, first: Source, policy: TriagePolicy, then: Callable[[Source], None]) -> None:
        super().__init__()
        self._first, self._policy, self._then, self._on_first = first, policy, then, True
        self.about = w.HTML(first.html())
        self.upload = DropZone(
            words="Other scores with truth: drop a CSV or a joined parquet here, or", label="Choose a file of scores",
            accept=".csv,text/csv,.parquet", largest=LARGEST_MB * 1_000_000,
        )  # fmt: skip
        self.upload.observe(lambda _: self._on_upload(), "given")
        self.back = w.Button(description="Back to the scores the page opened with")
        self.back.add_class("dk-second")
        self.back.on_click(lambda _: self._open(self._first))
        self.back.layout.display = "none"
        self.view = w.VBox([self.about, self.notice, self.upload, self.back])

    def start_from(self, policy: TriagePolicy) -> None:
        """Another policy came into force. Scores that were brought to the page stay on it; raises as `then` does."""
        first = Source.of(self._first.run, policy)
        if self._on_first:
            self._take(first)
        self._first, self._policy = first, policy

    @guarded
    def _on_upload(self) -> None:
        zone = self.upload
        try:
            self._take(uploaded(zone.content, zone.size, self._policy))
        except DermKitError as error:
            self.notice.value = notice_html("error", str(error), "The scores on the page are still those before it.")

    @guarded
    def _open(self, source: Source) -> None:
        self._take(source)

    def _take(self, source: Source) -> None:
        self._then(source)
        self._on_first = not source.uploaded
        self.about.value = source.html()
        self.notice.value = notice_html("success", *source.sentences()) if source.uploaded else ""
        self.back.layout.display = "" if source.uploaded else "none"
