"""The phantom: same seed same bytes, known places, switches that touch nothing else, a demo cohort drawn once."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from derm_kit.cases import phantom as module
from derm_kit.cases.phantom import DEMO_SEEDS, Phantom, demo_cohort, draw
from derm_kit.cases.phantom_camera import caption_top_px
from derm_kit.cases.phantom_recipes import RECIPES
from derm_kit.errors import CaseError, CohortError
from derm_kit.lesions import LESION_TYPES, LesionType

BARE = {"hair": False, "gel_bubbles": False, "ruler": False, "vignetting": False, "caption": False}
ON_THE_PICTURE = {"hair", "gel_bubble", "ruler", "vignetting"}


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Pictures this small gain nothing from OpenCV's threads, which wait for each other on a busy machine."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    yield
    cv2.setNumThreads(threads)


def grown(mask: np.ndarray, by_px: int) -> np.ndarray:
    return cv2.dilate(mask.astype(np.uint8), np.ones((2 * by_px + 1, 2 * by_px + 1), np.uint8)) > 0


def digest(phantom: Phantom) -> str:
    parts = [phantom.image.tobytes(), phantom.mask.tobytes(), *(s.mask.tobytes() for s in phantom.structures)]
    return hashlib.sha256(b"".join(parts)).hexdigest()


def bare(kind: LesionType, seed: int, **more: object) -> Phantom:
    return draw(kind, seed, **{**BARE, **more})


@pytest.mark.parametrize("kind", LESION_TYPES)
def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(kind: LesionType) -> None:
    first = draw(kind, 3)
    assert digest(draw(kind, 3)) == digest(first)
    assert digest(draw(kind, 4)) != digest(first)


def test_another_process_with_other_vector_code_draws_the_same_bytes() -> None:
    code = (
        "import hashlib; from derm_kit.cases.phantom import draw; from derm_kit.lesions import LESION_TYPES; "
        "print(*[hashlib.sha256(draw(k, 11).image.tobytes()).hexdigest() for k in LESION_TYPES])"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "5", "OPENCV_IPP": "disabled", "OPENCV_CPU_DISABLE": "AVX2"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.split() == [hashlib.sha256(draw(k, 11).image.tobytes()).hexdigest() for k in LESION_TYPES]


@pytest.mark.parametrize("kind", LESION_TYPES)
def test_the_lesion_is_where_the_mask_says(kind: LesionType) -> None:
    for seed in range(6):
        phantom = bare(kind, 700 + seed, skin_tone=seed, size_px=160)
        inside = phantom.mask
        ring = grown(inside, 9) & ~grown(inside, 2)
        skin = np.median(phantom.image[ring], axis=0)
        difference = np.linalg.norm(phantom.image - skin, axis=2)
        assert difference[inside].mean() > 1.4 * difference[ring].mean()
        assert 0.02 < inside.mean() < 0.60


@pytest.mark.parametrize("kind", LESION_TYPES)
def test_every_recipe_shows_its_structures_in_the_lesion(kind: LesionType) -> None:
    for seed in range(4):
        phantom = draw(kind, 40 + seed)
        names = {structure.name for structure in phantom.structures}
        recipe = RECIPES[kind]
        assert names >= set(recipe.always)
        assert not recipe.one_of or names & set(recipe.one_of)
        allowed = grown(phantom.mask, 12)
        for structure in phantom.structures:
            rows, columns = np.nonzero(structure.mask)
            left, top = (c - e / 2 for c, e in zip(structure.centre_px, structure.extent_px, strict=True))
            right, bottom = (c + e / 2 for c, e in zip(structure.centre_px, structure.extent_px, strict=True))
            assert (left, top) == (columns.min(), rows.min())
            assert (right, bottom) == (columns.max() + 1, rows.max() + 1)
            assert 0 <= left < right <= 256
            assert 0 <= top < bottom <= caption_top_px(256)
            if structure.name not in ON_THE_PICTURE:
                assert (structure.mask & ~allowed).sum() <= 0.02 * structure.mask.sum(), structure.name


def test_the_structures_that_tell_two_types_apart_are_not_shared() -> None:
    telling = {
        "streaks": LesionType.MELANOMA,
        "blue_white_veil": LesionType.MELANOMA,
        "arborising_vessels": LesionType.BASAL_CELL_CARCINOMA,
        "strawberry_pattern": LesionType.ACTINIC_KERATOSIS,
        "lacunae": LesionType.VASCULAR_LESION,
        "milia_like_cysts": LesionType.SEBORRHOEIC_KERATOSIS,
        "central_white_patch": LesionType.DERMATOFIBROMA,
    }
    for kind in LESION_TYPES:
        shown = {s.name for seed in range(4) for s in bare(kind, seed, size_px=128).structures}
        assert {name for name, owner in telling.items() if owner == kind} == shown & set(telling)


@pytest.mark.parametrize(
    ("switch", "name"),
    [("hair", "hair"), ("gel_bubbles", "gel_bubble"), ("ruler", "ruler"), ("vignetting", "vignetting")],
)
def test_a_switch_touches_its_artefact_and_nothing_else(switch: str, name: str) -> None:
    for kind in (LesionType.MELANOMA, LesionType.SEBORRHOEIC_KERATOSIS):
        without, with_it = bare(kind, 8), bare(kind, 8, **{switch: True})
        assert name not in {s.name for s in without.structures}
        place = next(s for s in with_it.structures if s.name == name)
        changed = (with_it.image != without.image).any(axis=2)
        assert changed[place.mask].mean() > 0.5
        assert not (changed & ~grown(place.mask, 13)).any()
        assert np.array_equal(with_it.mask, without.mask)
        kept = {s.name: s for s in with_it.structures if s.name != name}
        assert set(kept) == {s.name for s in without.structures}
        assert all(np.array_equal(kept[s.name].mask, s.mask) for s in without.structures)


def test_switches_left_open_are_drawn_from_the_seed_now_and_then() -> None:
    drawn = [draw(LesionType.BENIGN_NAEVUS, seed, size_px=64) for seed in range(60)]
    for name in ON_THE_PICTURE:
        share = np.mean([name in {s.name for s in phantom.structures} for phantom in drawn])
        assert 0.02 < share < 0.5, name
    assert {phantom.skin_tone for phantom in drawn} == set(range(6))


@pytest.mark.parametrize("kind", [LesionType.MELANOMA, LesionType.ACTINIC_KERATOSIS, LesionType.BENIGN_NAEVUS])
def test_skin_grows_lighter_with_its_tone(kind: LesionType) -> None:
    light = []
    for tone in range(6):
        phantom = bare(kind, 21, skin_tone=tone)
        assert phantom.skin_tone == tone
        light.append(phantom.image[~grown(phantom.mask, 4)].astype(float).mean(axis=0) @ [0.2126, 0.7152, 0.0722])
    assert np.all(np.diff(light) > 4)
    assert light[0] < 100
    assert light[5] > 140


@pytest.mark.parametrize("size_px", [192, 256, 512])
def test_the_caption_fills_its_strip_and_nothing_else(size_px: int) -> None:
    plain = bare(LesionType.DERMATOFIBROMA, 2, size_px=size_px)
    said = bare(LesionType.DERMATOFIBROMA, 2, size_px=size_px, caption=True)
    top = caption_top_px(size_px)
    assert top >= 0.9 * size_px
    assert np.array_equal(said.image[:top], plain.image[:top])
    strip = said.image[top:].astype(int)
    assert (np.ptp(strip, axis=2) == 0).all()
    assert strip.min() < 40
    assert strip.max() > 150
    assert 0.03 < (strip.max(axis=2) > 120).mean() < 0.4
    assert not said.mask[top:].any()
    assert np.array_equal(said.mask, plain.mask)


def test_metadata_says_that_it_is_a_phantom() -> None:
    said = draw(LesionType.MELANOMA, 5).metadata
    assert said["source"] == "phantom"
    assert "not a patient" in said["note"]
    assert (said["lesion_type"], said["seed"]) == ("melanoma", "5")


@given(
    kind=st.sampled_from(LESION_TYPES),
    seed=st.integers(0, 2**63),
    size_px=st.sampled_from([64, 97, 160]),
    tone=st.one_of(st.none(), st.integers(0, 5)),
    forced=st.fixed_dictionaries(
        {k: st.sampled_from([None, True, False]) for k in ("hair", "gel_bubbles", "ruler", "vignetting")}
    ),
)
@settings(max_examples=40, deadline=None)
def test_any_seed_draws(kind: LesionType, seed: int, size_px: int, tone: int | None, forced: dict[str, bool]) -> None:
    phantom = draw(kind, seed, size_px=size_px, skin_tone=tone, **forced)
    assert phantom.image.shape == (size_px, size_px, 3)
    assert phantom.image.dtype == np.uint8
    assert phantom.mask.shape == (size_px, size_px)
    assert phantom.mask.dtype == np.bool_
    assert phantom.mask.any()
    assert phantom.lesion_type is kind
    assert all(s.mask.shape == phantom.mask.shape and s.mask.any() for s in phantom.structures)


@pytest.mark.parametrize(
    ("wrong", "value"), [("seed", -1), ("size_px", 63), ("size_px", 5000), ("skin_tone", 6), ("skin_tone", -1)]
)
def test_a_wrong_argument_is_named(wrong: str, value: int) -> None:
    arguments = {"seed": 1, wrong: value}
    with pytest.raises(CaseError) as caught:
        draw(LesionType.MELANOMA, **arguments)
    assert caught.value.value == value
    assert wrong in str(caught.value)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cache") / "phantoms"
    leftover = folder.parent / ".phantoms-drawing-old"
    leftover.mkdir()
    (leftover / "half.png").write_bytes(b"half a picture")
    os.utime(leftover, (0, 0))
    demo_cohort(folder)
    return folder


def test_the_demo_cohort_is_66_phantoms_six_a_type(demo: Path) -> None:
    cohort = demo_cohort(demo)
    cases = cohort.cases
    assert len(cohort) == 66
    assert cohort.rejects.empty
    assert cases["truth"].value_counts().to_dict() == {kind.value: 6 for kind in LESION_TYPES}
    assert cases.groupby("truth")["skin_tone_class"].nunique().eq(6).all()
    assert set(cases["source"]) == set(cases["split"]) == {"phantom"}
    assert set(cases["licence"]) == {"CC0-1.0"}
    assert cases["attribution"].str.contains("not a patient").all()
    assert (cases["mask"] != "").all()


def test_a_demo_picture_is_the_phantom_of_its_seed(demo: Path) -> None:
    seed = DEMO_SEEDS[2]
    phantom = draw(LesionType.VASCULAR_LESION, seed, skin_tone=2)
    with Image.open(demo / "images" / f"phantom-vascular_lesion-{seed}.png") as picture:
        assert np.array_equal(np.asarray(picture), phantom.image)
        assert "not a patient" in picture.info["note"]
    with Image.open(demo / "masks" / f"phantom-vascular_lesion-{seed}.png") as mask:
        assert np.array_equal(np.asarray(mask), phantom.mask)


def test_a_second_call_draws_nothing(demo: Path) -> None:
    before = {p: (p.stat().st_mtime_ns, p.stat().st_ino) for p in sorted(demo.rglob("*"))}
    demo_cohort(demo)
    assert {p: (p.stat().st_mtime_ns, p.stat().st_ino) for p in sorted(demo.rglob("*"))} == before


def test_leftovers_of_a_broken_run_are_cleared_and_none_are_made(demo: Path) -> None:
    assert [p.name for p in demo.parent.iterdir()] == ["phantoms"]


def test_drawing_that_breaks_off_leaves_no_half_cohort(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []

    def tired(kind: LesionType, seed: int, **how: int) -> Phantom:
        if len(drawn) == 3:
            raise KeyboardInterrupt
        drawn.append(seed)
        return draw(kind, seed, **how)

    folder = tmp_path / "phantoms"
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(module, "draw", tired)
        demo_cohort(folder)
    assert list(tmp_path.iterdir()) == []


def test_a_cohort_with_a_lost_picture_is_drawn_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DEMO_SEEDS", range(1))
    folder = tmp_path / "phantoms"
    demo_cohort(folder)
    whole = {p.name: p.read_bytes() for p in (folder / "images").iterdir()}
    (folder / "images" / "phantom-melanoma-0.png").unlink()
    assert len(demo_cohort(folder)) == 11
    assert {p.name: p.read_bytes() for p in (folder / "images").iterdir()} == whole


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_bytes(b"mine")
    with pytest.raises(CohortError) as caught:
        demo_cohort(tmp_path)
    assert caught.value.value == "holiday.jpg"
    assert [p.name for p in tmp_path.iterdir()] == ["holiday.jpg"]


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(CohortError) as caught:
        demo_cohort(tmp_path / "file" / "phantoms")
    assert "phantoms" in str(caught.value)
