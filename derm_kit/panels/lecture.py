"""What a lecture shows: frame, sentences, tables, and phantoms with their maps, as HTML that is kept in its file."""

from __future__ import annotations

import base64
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib import resources
from typing import Any

import cv2
import numpy as np
import pandas as pd
from IPython.display import HTML

from derm_kit.cases.phantom import Phantom
from derm_kit.lesions import LESION_TYPES, LesionType
from derm_kit.model.card import ModelCard, default_model
from derm_kit.model.classifier import Classifier, Floats, Pixels
from derm_kit.model.explanation import DEFAULT_METHOD, METHODS, one_pass_maps
from derm_kit.model.faithfulness import Faithfulness, Mask, energy_in_lesion, measure
from derm_kit.model.overlay import laid_over
from derm_kit.panels.charts import curves_html
from derm_kit.panels.parts import BANNER, FOOTER
from derm_kit.panels.tables import shares, table_html
from derm_kit.triage.counts import CaseCounter
from derm_kit.triage.measures import Rates, rates
from derm_kit.triage.policy import SAFETY_NET
from derm_kit.triage.proportions import proportion
from derm_kit.triage.tuning import InCaseMix

SIDE_PX = 320
QUALITY = 88
OF_A_CLINIC = (
    "cancers flagged",
    "cancers among flagged",
    "no cancer among not flagged",
    "cancers missed per 1,000 not flagged",
    "likelihood ratio of no flag",
)
NOT_SHARES = OF_A_CLINIC[3:]
OF_MAPS = {
    "explains": "map passes this check",
    "pointing": "strongest place lies in the lesion",
    "energy": "of what is marked, in the lesion (mean)",
    "area": "of the picture, covered by the lesion (mean)",
}


def opening() -> HTML:
    """The banner of every page, and the style that lets a lecture's text be read there."""
    files = resources.files("derm_kit.panels")
    style = "".join(files.joinpath(name).read_text("utf-8") for name in ("page.css", "lecture.css"))
    return _html(f"<style>{style}</style><div class='dk-banner' role='note'>{BANNER}</div>")


def closing() -> HTML:
    """The foot of every page."""
    return _html(f"<footer class='dk-footer'><p>{SAFETY_NET}</p><p>{FOOTER}</p></footer>")


def said(*sentences: str) -> HTML:
    """Sentences, one a paragraph."""
    return _html("".join(f"<p>{escape(sentence)}</p>" for sentence in sentences))


def table(frame: pd.DataFrame, caption: str) -> HTML:
    """A frame as on every page."""
    return _html(table_html(frame, caption))


def count_in_words(count: int, n: int) -> str:
    """A count, what it is of, its share and interval."""
    found = proportion(count, n)
    return f"{count} of {n}: {shares([found.value], [found.low], [found.high])[0]}"


def rate_in_words(found: Rates, name: str, lesion_type: LesionType | None = None) -> str:
    """One rate over all assessed cases, as `count_in_words`."""
    at = 0, found.place(name, lesion_type, assessed=True)
    return count_in_words(int(found.count[at]), int(found.n[at]))


def thresholds(
    counter: CaseCounter, usual: Mapping[LesionType, float], lesion_type: LesionType, steps: Mapping[str, float]
) -> HTML:
    """How many of one type are caught, and how often a call is right, by named thresholds; the others stay as usual."""
    rows = []
    for name, step in steps.items():
        found = rates(counter.count({**usual, lesion_type: step}))
        caught, right = "sensitivity", "right among those called so"
        rows.append((f"{step:.3f}, {name}", *(rate_in_words(found, rate, lesion_type) for rate in (caught, right))))
    label = lesion_type.label.lower()
    heads = ["threshold", f"{label}s caught", f"right among those called {label}"]
    caption = "Reference lesions that the model assessed: share and its 95% interval"
    return table(pd.DataFrame(rows, columns=heads), caption)


def by_type(found: Sequence[tuple[int, int, str]], caption: str) -> HTML:
    """How often the highest score is right: for each type how many lesions, how many right, and its name."""
    rows = [(label, count_in_words(right, n)) for n, right, label in found]
    return table(pd.DataFrame(rows, columns=["type", "highest score is right (95% interval)"]), caption)


def clinics(found: Mapping[float, InCaseMix], caption: str) -> HTML:
    """What a flag is worth by the share of cancers among all lesions, beside what clearing everybody would give."""
    rows = []
    for prevalence, mix in found.items():
        by_name = mix.table.set_index("measure").to_dict("index")
        rows.append(
            (f"{prevalence:.1%}", *(_figure(name, by_name[name]) for name in OF_A_CLINIC), f"{1 - prevalence:.1%}")
        )
    heads = ["cancers among all", *OF_A_CLINIC, "no cancer among all, cleared unseen"]
    return table(pd.DataFrame(rows, columns=heads), caption)


def on_real_lesions(card: ModelCard) -> HTML:
    """What was measured of the default map on real lesions whose outline is known, for this model's card."""
    kept = pd.read_csv(default_model() / "explanations.csv").set_index("metric")
    of_map = kept[(kept["weights_hash"] == card.model_hash) & (kept["method"] == DEFAULT_METHOD)].to_dict("index")
    rows = [(words, _figure(name, of_map[name]), of_map[name]["n"]) for name, words in OF_MAPS.items()]
    heads = ["measured", "share (95% interval)", "lesions"]
    return table(pd.DataFrame(rows, columns=heads), f"{METHODS[DEFAULT_METHOD].label} on real lesions")


@dataclass(frozen=True)
class Seen:
    """A phantom as the model saw it.

    `square` (S, S, 3) with the lesion's `mask` (S, S), `scores` (11,), and `maps` (h, w) by trained type on one scale.
    """

    square: Pixels
    mask: Mask
    scores: Floats
    maps: dict[LesionType, Floats]

    @classmethod
    def by(cls, classifier: Classifier, phantom: Phantom) -> Seen:
        """Score a phantom and draw all its maps."""
        square = classifier.square(phantom.image)
        mask = classifier.square(np.repeat(phantom.mask[..., None].astype(np.uint8) * 255, 3, axis=2))[..., 0] > 127
        inference = classifier.infer(square[None])
        maps = np.maximum(one_pass_maps(inference, classifier)[0], 0)
        drawn = dict(zip(classifier.card.types, maps, strict=True))
        return cls(square, np.asarray(mask), inference.scores[0], drawn)

    @property
    def called(self) -> LesionType:
        """The type of the highest score."""
        return LESION_TYPES[int(np.nanargmax(self.scores))]

    def figure(self, other: LesionType) -> HTML:
        """The picture, the map of the highest score, and that of another type: on the same scale, and stretched."""
        scale = float(self.maps[self.called].max())
        drawn = (
            ("The phantom", self._under(self.called, np.inf)),
            (f"Map of {self.called.label.lower()}", self._under(self.called, scale)),
            (f"Map of {other.label.lower()}, same scale", self._under(other, scale)),
            (f"Map of {other.label.lower()}, stretched", self._under(other, float(self.maps[other].max()))),
        )
        return _html(f"<div class='dk-charts dk-pictures'>{''.join(_figure_html(*one) for one in drawn)}</div>")

    def numbers(self, *others: LesionType) -> HTML:
        """What the maps of the highest score and of other types mark, in words as coarse as any machine repeats."""
        strongest = float(self.maps[self.called].max())
        rows = [
            (t.label, f"{self.scores[LESION_TYPES.index(t)]:.2f}", f"{float(self.maps[t].max()) / strongest:.0%}",
             f"{energy_in_lesion(self.maps[t], self.mask):.0%}") for t in (self.called, *others)
        ]  # fmt: skip
        heads = ["type", "score", "strongest place, beside the first", "of what is marked, in the lesion"]
        area = float(self.mask.mean())
        caption = f"Maps of a phantom called {self.called.label.lower()}; the lesion covers {area:.0%} of the picture"
        return table(pd.DataFrame(rows, columns=heads), caption)

    def check(self, classifier: Classifier) -> Faithfulness:
        """Whether the map of the highest score shows what that score rests on."""
        return measure(classifier, self.square, self.maps[self.called], self.called)

    def _under(self, lesion_type: LesionType, scale: float) -> Pixels:
        return laid_over(self.square, self.maps[lesion_type], scale, SIDE_PX)


def curves(measured: Faithfulness) -> HTML:
    """What hiding and showing the marked places does, beside random places."""
    return _html(curves_html(measured))


def _html(text: str) -> HTML:
    return HTML(text)  # type: ignore[no-untyped-call]


def _figure(name: str, row: Mapping[Hashable, Any]) -> str:
    """A figure with its interval: a share, or a number where its name is one of NOT_SHARES."""
    if name in NOT_SHARES:
        return f"{row['value']:.2f} ({row['low']:.2f} to {row['high']:.2f})"
    return shares([row["value"]], [row["low"]], [row["high"]])[0]


def _figure_html(caption: str, rgb: Pixels) -> str:
    ok, coded = cv2.imencode(".jpg", np.ascontiguousarray(rgb[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    assert ok  # noqa: S101 - encoding of a proper array cannot fail
    source = base64.b64encode(coded.tobytes()).decode()
    return (
        f"<figure><img src='data:image/jpeg;base64,{source}' alt='{escape(caption)}'>"
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )
