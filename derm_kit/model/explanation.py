"""Maps of what a score rests on: explain() by any registered method, and Grad-CAM of all types from one pass.

The shipped networks end in average pooling and a linear layer. There the gradient of a type's logit with respect to the
tensor that enters pooling is the layer's weight over the number of places, everywhere the same; Grad-CAM (Selvaraju
2017) is then one product of that tensor and the weights, for all types at once and without a second pass. All maps
explain the logit before temperature, on the scale of their method: nothing is stretched from case to case.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache, partial
from importlib.util import find_spec
from types import MappingProxyType
from typing import Protocol

import numpy as np
import numpy.typing as npt

from derm_kit.cases.cohort import Cohort
from derm_kit.cases.images import decode
from derm_kit.errors import CaseError, ModelError
from derm_kit.lesions import LesionType
from derm_kit.model import _torch_maps
from derm_kit.model.classifier import Classifier, Floats, Inference, Pixels
from derm_kit.model.faithfulness import PLACES_PASSES, Advance, no_progress, places_that_matter

Columns = npt.NDArray[np.intp]
Settings = dict[str, object]
DEFAULT_METHOD = "grad_cam_one_pass"


class Maps(Protocol):
    """A function that draws maps."""

    def __call__(
        self, classifier: Classifier, squares: Pixels, columns: Columns, advance: Advance = no_progress
    ) -> Floats:
        """Maps (N, h, w) float32 of central squares (N, S, S, 3) uint8; `columns` (N,): the trained type of each."""
        ...


@dataclass(frozen=True)
class Method:
    """One way to draw maps.

    `maps` calls `advance` after each of the `passes` through the network that one picture takes. `signed` maps tell
    evidence against the type by values below 0.
    """

    label: str
    source: str
    library: str
    signed: bool
    maps: Maps
    settings: Settings = field(default_factory=dict)
    passes: int = 1


@dataclass(frozen=True)
class Explanation:
    """Maps of N cases by one method.

    maps (N, h, w) float32 on the method's own scale, NaN where the picture cannot be read and `reasons` says why;
    `lesion_types` is the type that each map explains, None where there is no map.
    """

    case_ids: tuple[str, ...]
    lesion_types: tuple[LesionType | None, ...]
    maps: Floats
    reasons: tuple[str, ...]
    method: str
    settings: Settings


def one_pass_maps(inference: Inference, classifier: Classifier) -> Floats:
    """Grad-CAM before its ReLU, (N, K, h, w) in the card's order, of pictures that were just scored.

    The sum over a map is the type's logit less the layer's bias: each place holds its own part of the logit.
    """
    n, channels, h, w = inference.feature_map.shape
    places = inference.feature_map.reshape(n, channels, h * w)
    return np.asarray(np.matmul(classifier.head, places) / np.float32(h * w), np.float32).reshape(n, -1, h, w)


def explain(
    classifier: Classifier,
    cohort: Cohort,
    method: str = DEFAULT_METHOD,
    lesion_type: LesionType | None = None,
    *,
    batch_size: int = 8,
    advance: Callable[[int], None] = lambda n: None,
) -> Explanation:
    """Maps of every case of `cohort`, of `lesion_type` or, where none is named, of each case's highest score.

    `advance` is called with the number of cases done after each batch; an exception from it ends the work.
    Raises ModelError for an unknown method or an untrained type.
    """
    way = find_method(method)
    if lesion_type is not None and lesion_type not in classifier.card.types:
        raise ModelError(
            "only a trained lesion type has a map",
            value=lesion_type.label,
            next_step=f"Choose one of: {', '.join(t.label for t in classifier.card.types)}.",
        )
    found: dict[int, tuple[LesionType, Floats]] = {}
    reasons = [""] * len(cohort)
    for start in range(0, len(cohort), batch_size):
        rows = range(start, min(start + batch_size, len(cohort)))
        squares = dict(_squares(classifier, cohort, rows, reasons))
        if squares:
            columns, drawn = _drawn(classifier, np.stack(list(squares.values())), way, lesion_type)
            types = [classifier.card.types[k] for k in columns]
            found |= dict(zip(squares, zip(types, drawn, strict=True), strict=True))
        advance(len(rows))
    shape = next(iter(found.values()))[1].shape if found else (1, 1)
    maps = np.full((len(cohort), *shape), np.nan, np.float32)
    for i, (_, drawn) in found.items():
        maps[i] = drawn
    types_of = tuple(found[i][0] if i in found else None for i in range(len(cohort)))
    return Explanation(tuple(cohort.cases["case_id"]), types_of, maps, tuple(reasons), method, way.settings)


def find_method(name: str) -> Method:
    """The method registered under `name`. Raises ModelError where there is none, or it cannot be drawn here."""
    if name not in METHODS:
        raise ModelError(
            "maps are drawn by a registered method", value=name, next_step=f"Choose one of: {', '.join(METHODS)}."
        )
    if name not in drawable():
        raise ModelError(
            "a map by this method needs PyTorch, which is not installed here",
            value=name,
            next_step=f"Install {', '.join(TORCH_PACKAGES)}, or choose one of: {', '.join(drawable())}.",
        )
    return METHODS[name]


@cache
def drawable() -> dict[str, Method]:
    """The methods that can be drawn on this machine: without PyTorch, those of derm-kit itself."""
    torch_is_here = all(find_spec(module) for module in TORCH_PACKAGES.values())
    return {name: method for name, method in METHODS.items() if torch_is_here or method.library == _OWN}


def _squares(classifier: Classifier, cohort: Cohort, rows: range, reasons: list[str]) -> Iterator[tuple[int, Pixels]]:
    """Central squares by row; a picture that cannot be decoded leaves its reason instead."""
    for i in rows:
        case = cohort.cases.iloc[i]
        try:
            yield i, classifier.square(decode(cohort.root / case["image"], case=case["case_id"]).rgb)
        except CaseError as error:
            reasons[i] = error.finding


def _drawn(
    classifier: Classifier, squares: Pixels, way: Method, lesion_type: LesionType | None
) -> tuple[Columns, Floats]:
    """The column explained of each square (N,) and its map (N, h, w); what scores the square draws the default map."""
    default = way is METHODS[DEFAULT_METHOD]
    inference = classifier.infer(squares) if default or lesion_type is None else None
    if lesion_type is None and inference is not None:
        columns = np.asarray(inference.logits.argmax(1), np.intp)
    else:
        columns = np.full(len(squares), classifier.card.types.index(lesion_type), np.intp)
    if default and inference is not None:
        return columns, _raising(one_pass_maps(inference, classifier), columns)
    return columns, way.maps(classifier, squares, columns)


def _one_pass(classifier: Classifier, squares: Pixels, columns: Columns, advance: Advance = no_progress) -> Floats:
    maps = one_pass_maps(classifier.infer(squares), classifier)
    advance()
    return _raising(maps, columns)


def _raising(maps: Floats, columns: Columns) -> Floats:
    """Of maps (N, K, h, w), those of `columns` (N,) where they raise the score: (N, h, w)."""
    return np.maximum(maps[np.arange(len(columns)), columns], 0)


TORCH_PACKAGES = {
    "torch": "torch", "torchvision": "torchvision", "timm": "timm", "captum": "captum", "grad-cam": "pytorch_grad_cam",
}  # fmt: skip
"""What a machine may do without where neither other maps nor a GPU is wanted: package, and the module it brings."""
_CAM, _OWN = "pytorch-grad-cam", "derm-kit"
METHODS: MappingProxyType[str, Method] = MappingProxyType(
    {
        DEFAULT_METHOD: Method("Grad-CAM in one pass", "Selvaraju 2017; Zhou 2016", _OWN, False, _one_pass),
        "places_that_matter": Method(
            "Hiding one place at a time", "Zeiler 2014", _OWN, True, places_that_matter, passes=PLACES_PASSES
        ),
        "grad_cam": Method("Grad-CAM", "Selvaraju 2017", _CAM, False, partial(_torch_maps.cam, "GradCAM")),
        "grad_cam_plus_plus": Method(
            "Grad-CAM++", "Chattopadhay 2018", _CAM, False, partial(_torch_maps.cam, "GradCAMPlusPlus")
        ),
        "hires_cam": Method("HiResCAM", "Draelos 2020", _CAM, False, partial(_torch_maps.cam, "HiResCAM")),
        "layer_cam": Method("LayerCAM", "Jiang 2021", _CAM, False, partial(_torch_maps.cam, "LayerCAM")),
        "eigen_cam": Method("EigenCAM", "Muhammad 2020", _CAM, False, partial(_torch_maps.cam, "EigenCAM")),
        "score_cam": Method(
            "ScoreCAM", "Wang 2020", _CAM, False,
            partial(_torch_maps.cam, "ScoreCAM", strongest=_torch_maps.SCORED_CHANNELS),
            {"channels": f"the {_torch_maps.SCORED_CHANNELS} strongest"}, _torch_maps.SCORE_CAM_PASSES,
        ),
        "integrated_gradients": Method(
            "Integrated gradients", "Sundararajan 2017", "captum", True, _torch_maps.integrated_gradients,
            {"baseline": "blurred picture", "steps": _torch_maps.STEPS}, _torch_maps.GRADIENT_PASSES,
        ),
        "gradient_shap": Method(
            "GradientShap", "Lundberg 2017; Erion 2019", "captum", True, _torch_maps.gradient_shap,
            {"baseline": "blurred picture", "samples": _torch_maps.SAMPLES, "noise_sd": _torch_maps.NOISE_SD,
             "seed": _torch_maps.SEED},
            _torch_maps.SHAP_PASSES,
        ),
        "occlusion": Method(
            "Occlusion", "Zeiler 2014", "captum", True, _torch_maps.occlusion,
            {"baseline": "blurred picture", "window_px": _torch_maps.WINDOW_PX, "stride_px": _torch_maps.STRIDE_PX},
            _torch_maps.OCCLUSION_PASSES,
        ),
    }
)  # fmt: skip
"""Every method by the name that explain() takes; a new one is one entry."""
