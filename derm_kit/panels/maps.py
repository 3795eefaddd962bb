"""The picture of a case with maps over it: by which method, of which type, and how far a map can be trusted.

The first map comes with the scores. Other methods and the check of a map run in a process of their own, which can be
cancelled and leaves this one free.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from html import escape

import ipywidgets as w
import numpy as np

from derm_kit.errors import DermKitError
from derm_kit.lesions import LesionType
from derm_kit.model.classifier import Classifier, Floats
from derm_kit.model.cluster_maps import ClusterWork, begin
from derm_kit.model.explanation import DEFAULT_METHOD, METHODS, drawable, one_pass_maps
from derm_kit.model.faithfulness import Mask, energy_in_lesion
from derm_kit.model.side_process import SideProcess, Trust, Work
from derm_kit.panels.charts import curves_html
from derm_kit.panels.parts import Panel, guarded, notice_html
from derm_kit.panels.viewer import MODES, PictureViewer
from derm_kit.triage.single import TriagedCase

UnderWay = SideProcess | ClusterWork
Choice = tuple[str, LesionType]
"""A method's name and the type whose score its map explains."""
WITHOUT_TORCH = (
    "<p>{n} other ways to draw a map need PyTorch, which is not installed here. Scores, these maps and the check of a "
    "map do without it.</p>"
)


class MapView(Panel):
    """Picture, map and their controls; `view` is the widget, `show()` the one way to give it a case."""

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        self._classifier = classifier
        self._case: TriagedCase | None = None
        self._mask: Mask | None = None
        self._drawn: dict[Choice, Floats] = {}
        self._shown: Choice | None = None
        self._work: UnderWay | None = None
        self._waiting = threading.Thread()
        self._setting = False
        self.viewer = PictureViewer()
        self.mode = w.RadioButtons(
            options=[(words, code) for code, words in MODES.items()], value="colour", description="Show"
        )
        self.mode.observe(lambda change: self.viewer.set_trait("mode", change["new"]), "value")
        self.of_type = w.Dropdown(options=[(t.label, t.value) for t in classifier.card.types], description="Map of")
        self.method = w.Dropdown(
            options=[(method.label, name) for name, method in drawable().items()],
            value=DEFAULT_METHOD,
            description="By",
        )
        self.check_button = w.Button(description="Check this map")
        self.check_button.on_click(lambda _: self.check())
        self.progress = w.FloatProgress(min=0, max=1, description="Working")
        self.cancel_button = w.Button(description="Cancel")
        self.cancel_button.add_class("dk-second")
        self.cancel_button.on_click(lambda _: self.cancel())
        self.working = w.VBox([self.progress, self.cancel_button])
        self.words, self.trust = w.HTML(), w.HTML()
        missing = len(METHODS) - len(drawable())
        without = [w.HTML(WITHOUT_TORCH.format(n=missing))] if missing else []
        for choice in (self.of_type, self.method):
            choice.observe(self._on_choice, "value")
        self._show_working(False)
        self.view = w.VBox([
            self.viewer, self.mode, self.of_type, self.method, *without, self.words, self.check_button,
            self.working, self.notice, self.trust,
        ])  # fmt: skip

    @property
    def chosen(self) -> Choice:
        """Method and type that the controls name."""
        return self.method.value, LesionType(self.of_type.value)

    @guarded
    def show(self, case: TriagedCase, mask: Mask | None = None) -> None:
        """Show a case with the map that came with its scores; `mask` (S, S) is the lesion where it is known."""
        self._stop()
        if self._case is None or case.square is not self._case.square:
            self.viewer.show_picture(case.rgb, f"{case.case_id}, {case.rgb.shape[1]} by {case.rgb.shape[0]} pixels")
            self._drawn = {}
        self._case, self._mask = case, mask
        maps = np.maximum(one_pass_maps(case.inference, self._classifier)[0], 0)
        self._drawn |= {(DEFAULT_METHOD, t): maps[k] for k, t in enumerate(self._classifier.card.types)}
        self._choose((DEFAULT_METHOD, case.explained))
        self._show_map()

    @guarded
    def check(self) -> None:
        """Measure how far the map shown can be trusted."""
        if self._case is None or self.chosen not in self._drawn:
            return
        drawn, lesion_type = self._drawn[self.chosen], self.chosen[1]
        self._begin(Work("check", self._case.square, lesion_type, drawn=drawn), self._tell_trust)

    @guarded
    def cancel(self) -> None:
        """End the work under way, if any; what is shown stays, and the controls name it again."""
        self._stop()
        self._go_back()

    def wait(self) -> None:
        """Return when no work is under way."""
        if self._waiting.is_alive():
            self._waiting.join()

    @guarded
    def _on_choice(self, _: object) -> None:
        if self._case is None or self._setting:
            return
        self._stop()
        if self.chosen in self._drawn:
            self._show_map()
        else:
            method, lesion_type = self.chosen
            self._begin(Work("draw", self._case.square, lesion_type, method), self._keep_map)

    def _begin(self, work: Work, then: Callable[[Choice, Floats | Trust], None]) -> None:
        self._stop()
        self.notice.value = self.trust.value = ""
        self.progress.value = 0
        self._show_working(True)
        try:
            self._work = begin(self._classifier, work)
        except DermKitError:
            self.cancel()
            raise
        self._waiting = threading.Thread(target=self._finish, args=(self._work, self.chosen, then), daemon=True)
        self._waiting.start()

    @guarded
    def _finish(self, work: UnderWay, choice: Choice, then: Callable[[Choice, Floats | Trust], None]) -> None:
        try:
            found = work.result(lambda share: self._tell_progress(work, share))
        except DermKitError:
            if work is self._work:
                self.cancel()
            raise
        if work is self._work:
            self._work = None
            self._show_working(False)
        if found is not None and choice == self.chosen:
            then(choice, found)

    def _stop(self) -> None:
        if self._work is not None:
            self._work.cancel()
            self._work = None
        self._show_working(False)

    def _choose(self, choice: Choice) -> None:
        """Set the controls without drawing anything."""
        self._setting = True
        self.method.value, self.of_type.value = choice[0], choice[1].value
        self._setting = False

    def _go_back(self) -> None:
        if self._shown is not None:
            self._choose(self._shown)

    def _tell_progress(self, work: UnderWay, share: float) -> None:
        if work is self._work:
            self.progress.value = share

    def _keep_map(self, choice: Choice, found: Floats | Trust) -> None:
        if not isinstance(found, Trust):
            self._drawn[choice] = found
            self._show_map()

    def _show_working(self, under_way: bool) -> None:
        self.working.layout.display = "" if under_way else "none"
        self.check_button.disabled = under_way

    def _show_map(self) -> None:
        name, lesion_type = self.chosen
        method, drawn = METHODS[name], self._drawn[self.chosen]
        highest = max(float(m.max()) for (other, _), m in self._drawn.items() if other == name)
        self.viewer.show_map(drawn, highest)
        self._shown = self.chosen
        self.viewer.mode = self.mode.value
        share = max(float(drawn.max()), 0) / highest if highest > 0 else 0.0
        lines = [
            f"{escape(method.label)} of <strong>{escape(lesion_type.label)}</strong>: bright places raise this type's "
            f"score.{' Places that lower it are left plain.' if method.signed else ''} "
            f"<span class='dk-source'>({escape(method.source)}; drawn by {escape(method.library)})</span>",
            f"All maps of a picture by one method share one scale; this one's strongest place has {share:.0%} of it.",
        ]
        if self._mask is not None and self._mask.any():
            energy, area = energy_in_lesion(np.asarray(drawn, np.float32), self._mask), float(self._mask.mean())
            lines.append(
                "Nothing is marked." if np.isnan(energy) else
                f"{energy:.0%} of what is marked lies in the lesion, which covers {area:.0%} of the picture."
            )  # fmt: skip
        self.words.value = "".join(f"<p>{line}</p>" for line in lines)
        self.trust.value = self.notice.value = ""

    def _tell_trust(self, _: Choice, found: Floats | Trust) -> None:
        if not isinstance(found, Trust):
            return
        measured = found.faithfulness
        same = "cannot be said" if np.isnan(found.agreement) else f"{found.agreement:.2f}"
        self.trust.value = notice_html(
            "success" if measured.explains else "warning",
            measured.sentence,
            f"Agreement with hiding one place at a time: {same} (1 is full, 0 is none).",
            *(check.sentence for check in self._classifier.card.map_sanity[-1:] if check.method == self.chosen[0]),
        ) + curves_html(measured)
