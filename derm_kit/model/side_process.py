"""Slow work on one picture in a process of its own: a page neither waits for it nor holds torch in its memory.

The request goes to the process as one line of JSON, the answers come back as lines of JSON: how many passes through the
network are done, then the result. The picture never touches the disk. The process ends with the one that started it.
"""

from __future__ import annotations

import base64
import contextlib
import json
import logging
import os
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from derm_kit.errors import ModelError
from derm_kit.lesions import LesionType
from derm_kit.model import faithfulness
from derm_kit.model.classifier import Classifier, Device, Floats, Pixels
from derm_kit.model.explanation import find_method
from derm_kit.model.shared import open_classifier

Answer = dict[str, Any]
_log = logging.getLogger("derm_kit.model")


@dataclass(frozen=True)
class Work:
    """What is asked for: a map of `lesion_type` by `method`, or how far the map `drawn` (h, w) can be trusted."""

    task: Literal["draw", "check"]
    square: Pixels
    lesion_type: LesionType
    method: str = ""
    drawn: Floats | None = None


@dataclass(frozen=True)
class Trust:
    """How far a map can be trusted: what hiding and showing does, and the agreement with hiding one place at a time."""

    faithfulness: faithfulness.Faithfulness
    agreement: float


class SideProcess:
    """Work that is under way in another process. Raises ModelError for an unknown method."""

    def __init__(self, classifier: Classifier, work: Work) -> None:
        if work.task == "draw":
            find_method(work.method)
        self._work = work
        self._process = subprocess.Popen(  # noqa: S603 - our own module, on the model folder that is open
            [sys.executable, "-m", "derm_kit.model.side_process", str(classifier.folder), classifier.device],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self.cancelled = False

    def cancel(self) -> None:
        """End the work; result() then gives None."""
        self.cancelled = True
        self._process.kill()

    def result(self, progress: Callable[[float], None] = lambda share: None) -> Floats | Trust | None:
        """Wait for the map (h, w) or the Trust; None where the work was cancelled. `progress` is told shares of 1.

        Raises ModelError where the work failed or the process died.
        """
        answer: Answer = {}
        try:
            for answer in self._answers():
                if "done" in answer:
                    progress(min(answer["done"] / answer["of"], 1.0))
        finally:
            self._process.kill()
            self._process.wait()
        if self.cancelled:
            return None
        if "map" in answer:
            drawn: Floats = _array(answer["map"])
            return drawn
        if "trust" in answer:
            curves = {name: _array(value) for name, value in answer["trust"].items()}
            return Trust(faithfulness.Faithfulness(**curves), answer["agreement"])
        if "traceback" in answer:
            _log.error("work on a map failed in its own process\n%s", answer["traceback"])
        raise ModelError(
            "a map is drawn by a process of its own, which must come to its end",
            case=self._work.method,
            value=answer.get("error", f"it ended with status {self._process.returncode}"),
            next_step="Try again, or choose another method.",
        )

    def _answers(self) -> Iterator[Answer]:
        sent, received = self._process.stdin, self._process.stdout
        assert sent is not None and received is not None  # noqa: S101 - both are pipes
        with received:
            try:
                sent.write(json.dumps(_request(self._work)).encode() + b"\n")
                sent.flush()
                for line in received:
                    yield json.loads(line)
            except (OSError, ValueError):
                return
            finally:
                with contextlib.suppress(OSError):
                    sent.close()


def _request(work: Work) -> Answer:
    return {
        "task": work.task,
        "square": _text(work.square),
        "lesion_type": work.lesion_type.value,
        "method": work.method,
        "drawn": None if work.drawn is None else _text(work.drawn),
    }


def _carry_out(classifier: Classifier, request: Answer, say: Callable[[Answer], None]) -> Answer:
    square, lesion_type = _array(request["square"]), LesionType(request["lesion_type"])
    columns = np.array([classifier.card.types.index(lesion_type)])
    done = 0

    def advance() -> None:
        nonlocal done
        done += 1
        say({"done": done, "of": passes})

    if request["task"] == "draw":
        method = find_method(request["method"])
        passes = method.passes
        return {"map": _text(method.maps(classifier, square[None], columns, advance)[0])}
    passes = faithfulness.MEASURE_PASSES + faithfulness.PLACES_PASSES
    drawn = _array(request["drawn"])
    found = faithfulness.measure(classifier, square, drawn, lesion_type, advance)
    other = faithfulness.places_that_matter(classifier, square[None], columns, advance)[0]
    trust = {name: _text(value) for name, value in vars(found).items()}
    return {"trust": trust, "agreement": faithfulness.agreement(drawn, other)}


def _text(array: np.ndarray[Any, Any]) -> Answer:
    coded = base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
    return {"shape": array.shape, "type": array.dtype.str, "data": coded}


def _array(text: Answer) -> Any:  # noqa: ANN401 - of the type and shape that was sent
    return np.frombuffer(base64.b64decode(text["data"]), text["type"]).reshape(text["shape"])


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(1)


def main(model: str, device: Device) -> None:
    """Take one request from standard input and answer on standard output."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    request = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()

    def say(answer: Answer) -> None:
        answers.write(json.dumps(answer) + "\n")

    try:
        say(_carry_out(open_classifier(Path(model), device), request, say))
    except Exception as error:  # noqa: BLE001 - whatever ends the work is told to the process that waits for it
        say({"error": str(error) or type(error).__name__, "traceback": traceback.format_exc()})
    answers.flush()
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])  # type: ignore[arg-type]
