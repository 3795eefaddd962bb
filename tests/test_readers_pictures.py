"""Pictures as phones get them: their pixels and nothing else of the file, maps over them, and no phone without one."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from derm_kit.cases.images import central_square, decode
from derm_kit.errors import CaseError
from derm_kit.model.card import default_model, load_card
from derm_kit.model.classifier import Classifier
from derm_kit.model.explanation import one_pass_maps
from derm_kit.model.overlay import OPACITY
from derm_kit.readers import pictures
from derm_kit.readers.pictures import CasePictures
from derm_kit.triage.teaching_list import TeachingCase, phantom_list
from tests.hostile import encoded, half, picture

SHIPPED = load_card(default_model()).model_hash
SECRET = b"Mrs Secret, melanoma"


@pytest.fixture(scope="module")
def cases() -> tuple[TeachingCase, ...]:
    return phantom_list(3, 1, 1).cases


def pictured(cases: tuple[TeachingCase, ...], *paths: Path) -> CasePictures:
    shown = tuple(dataclasses.replace(case, picture=str(path)) for case, path in zip(cases, paths, strict=False))
    return CasePictures(shown, SHIPPED)


def segments(jpeg: bytes) -> set[int]:
    """Markers of a JPEG before its scan."""
    at, found = 2, set()
    while jpeg[at + 1] != 0xDA:
        found.add(jpeg[at + 1])
        at += 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big")
    return found


def opened(jpeg: bytes | None) -> Image.Image:
    assert jpeg is not None
    return Image.open(io.BytesIO(jpeg), formats=["JPEG"])


def test_nothing_of_the_file_but_its_pixels_leaves_the_machine(cases: tuple[TeachingCase, ...], tmp_path: Path):
    exif = Image.Exif()
    exif[0x010E], exif[0x8298], exif[0x0112] = SECRET.decode(), SECRET.decode(), 1
    jpeg = tmp_path / "Mrs Secret melanoma.jpg"
    jpeg.write_bytes(encoded("JPEG", exif=exif, comment=SECRET, quality=95) + SECRET)
    png = tmp_path / "Mrs Secret melanoma.png"
    png.write_bytes(encoded("PNG", exif=exif))
    shown = pictured(cases, jpeg, png)
    shown.code_all()
    shown.draw_maps().join()
    assert SECRET in jpeg.read_bytes()
    for number in (1, 2):
        for sent in (shown.picture(number), shown.map(number)):
            assert sent is not None
            assert b"Secret" not in sent
            assert segments(sent) <= {0xE0, 0xDB, 0xC0, 0xC4}, "JFIF, tables and the frame"
            assert not opened(sent).getexif()


def test_a_picture_stands_upright_and_looks_as_the_original(cases: tuple[TeachingCase, ...], tmp_path: Path):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "turned.jpg"
    path.write_bytes(encoded("JPEG", picture(640, 480), exif=exif, quality=95))
    shown = pictured(cases, path)
    shown.code_all()
    sent = np.asarray(opened(shown.picture(1)))
    assert sent.shape == (640, 480, 3)
    assert np.abs(sent.astype(float) - np.rot90(picture(640, 480), -1)).mean() < 3


@pytest.mark.parametrize(("width", "height"), [(4_000, 3_000), (1_200, 3_600), (6_000, 512), (600, 450), (300, 300)])
def test_a_picture_has_what_a_phone_can_show_and_no_more(
    cases: tuple[TeachingCase, ...], tmp_path: Path, width: int, height: int
):
    path = tmp_path / "a.jpg"
    path.write_bytes(encoded("JPEG", picture(width, height)))
    shown = pictured(cases, path)
    shown.code_all()
    longest = min(pictures.LARGEST_SIDE_PX, max(width, height))
    size = opened(shown.picture(1)).size
    assert max(size) == longest
    assert size[0] / size[1] == pytest.approx(width / height, rel=0.02)


def test_a_map_is_that_of_the_type_that_the_model_names_on_the_scale_of_all_its_maps(cases: tuple[TeachingCase, ...]):
    shown = CasePictures(cases, SHIPPED)
    assert shown.map(1) is None
    shown.draw_maps().join()
    classifier = Classifier(device="cpu")
    for number, case in enumerate(cases, 1):
        assert case.picture_path
        rgb = decode(case.picture_path, case="x").rgb
        all_maps = np.maximum(one_pass_maps(classifier.infer(classifier.square(rgb)[None]), classifier)[0], 0)
        own = all_maps[classifier.card.types.index(case.model_diagnosis)] / all_maps.max()
        plain = central_square(rgb, pictures.MAP_SIDE_PX).astype(float)
        changed = np.abs(np.asarray(opened(shown.map(number)), float) - plain).mean(axis=2)
        changed = cv2.resize(changed, own.shape[::-1], interpolation=cv2.INTER_AREA)
        assert changed.max() <= 255 * OPACITY * np.sqrt(own.max()) + 10, "a faint map looks faint"
        assert changed[own > own.max() / 2].mean() > 2 * changed[own < own.max() / 20].mean()


@pytest.mark.parametrize("model_hash", ["", "0" * 64])
def test_what_another_model_named_has_no_map_of_this_one(cases: tuple[TeachingCase, ...], model_hash: str):
    shown = CasePictures(cases[:1], model_hash)
    shown.draw_maps().join()
    assert shown.map(1) is None


def test_a_session_whose_pictures_are_gone_or_damaged_is_not_served(cases: tuple[TeachingCase, ...], tmp_path: Path):
    with pytest.raises(CaseError, match=r"a session is served with all its pictures.*no picture here"):
        pictured(tuple(dataclasses.replace(c, case_id="x") for c in cases), tmp_path / "gone.jpg").code_all()
    cut = tmp_path / "cut.jpg"
    cut.write_bytes(half(encoded("JPEG", picture(640, 480), quality=95)))
    with pytest.raises(CaseError, match="cut off"):
        pictured(cases, cut).code_all()
    shown = pictured(cases, cut)
    shown.draw_maps().join()
    assert shown.map(1) is None
