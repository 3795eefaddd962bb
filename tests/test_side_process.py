"""Slow maps in a process of their own: the same numbers, progress, cancel, and an end with the one that asked."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import numpy as np
import psutil
import pytest

from derm_kit import Classifier
from derm_kit.cases.phantom import draw
from derm_kit.errors import ModelError
from derm_kit.lesions import LesionType
from derm_kit.model import faithfulness
from derm_kit.model.explanation import METHODS, one_pass_maps
from derm_kit.model.side_process import SideProcess, Trust, Work

MELANOMA = LesionType.MELANOMA


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return Classifier(device="cpu")


@pytest.fixture(scope="module")
def square(classifier: Classifier) -> np.ndarray:
    return classifier.square(draw(MELANOMA, 9_000).image)


def test_a_map_from_another_process_is_the_map_from_this_one(classifier, square):
    told: list[float] = []
    drawn = SideProcess(classifier, Work("draw", square, MELANOMA, "places_that_matter")).result(told.append)
    column = np.array([classifier.card.types.index(MELANOMA)])
    here = METHODS["places_that_matter"].maps(classifier, square[None], column)[0]
    assert isinstance(drawn, np.ndarray)
    assert np.allclose(drawn, here, atol=1e-5)
    assert told == sorted(told)
    assert len(told) == METHODS["places_that_matter"].passes
    assert told[-1] == 1


def test_the_check_of_a_map_from_another_process_is_the_check_from_this_one(classifier, square):
    drawn = one_pass_maps(classifier.infer(square[None]), classifier)[0, classifier.card.types.index(MELANOMA)]
    told: list[float] = []
    trust = SideProcess(classifier, Work("check", square, MELANOMA, drawn=drawn)).result(told.append)
    assert isinstance(trust, Trust)
    here = faithfulness.measure(classifier, square, drawn, MELANOMA)
    assert np.allclose(trust.faithfulness.deletion, here.deletion, atol=1e-5)
    assert np.allclose(trust.faithfulness.random_insertion, here.random_insertion, atol=1e-5)
    assert -1 <= trust.agreement <= 1
    assert told[-1] == 1


def test_cancelled_work_gives_nothing_and_leaves_no_process(classifier, square):
    work = SideProcess(classifier, Work("draw", square, MELANOMA, "occlusion"))
    child = work._process.pid
    threading.Timer(0.5, work.cancel).start()
    began = time.monotonic()
    assert work.result() is None
    assert time.monotonic() - began < 30
    assert not psutil.pid_exists(child)


def test_an_unknown_method_is_refused_before_a_process_is_started(classifier, square):
    with pytest.raises(ModelError, match="Choose one of: grad_cam_one_pass"):
        SideProcess(classifier, Work("draw", square, MELANOMA, "tea_leaves"))


def test_a_failure_in_the_process_is_told_and_its_traceback_logged(classifier, square, caplog):
    work = SideProcess(classifier, Work("draw", square, LesionType.ATYPICAL_NAEVUS, "places_that_matter"))
    with pytest.raises(ModelError, match="must come to its end"):
        work.result()
    assert "Traceback (most recent call last)" in caplog.text


def test_a_process_that_dies_is_told_with_the_next_step(classifier, square):
    work = SideProcess(classifier, Work("draw", square, MELANOMA, "places_that_matter"))
    psutil.Process(work._process.pid).kill()
    with pytest.raises(ModelError, match=r"places_that_matter: a map is drawn .*Try again, or choose another method"):
        work.result()


def test_the_process_ends_with_the_one_that_asked(tmp_path):
    script = (
        "import time; import numpy as np; from derm_kit import Classifier; from derm_kit.lesions import LesionType;"
        "from derm_kit.model.side_process import SideProcess, Work; import threading; c = Classifier(device='cpu');"
        "s = SideProcess(c, Work('draw', np.zeros((256, 256, 3), np.uint8), LesionType.MELANOMA, 'occlusion'));"
        "threading.Thread(target=s.result, daemon=True).start(); print(s._process.pid, flush=True); time.sleep(60)"
    )
    asking = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert asking.stdout is not None
    child = psutil.Process(int(asking.stdout.readline()))
    time.sleep(2)
    asking.kill()
    asking.wait()
    asking.stdout.close()
    psutil.wait_procs([child], timeout=20)
    assert not child.is_running()
