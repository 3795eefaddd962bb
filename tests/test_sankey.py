"""Bands between stages: their widths are the people, whatever the ways and the names are."""

from __future__ import annotations

import base64
import re
import xml.etree.ElementTree as ET
from collections import defaultdict

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from derm_kit.panels.sankey import SCALE_HEIGHT, sankey_html

PER = 1_000
NAME = re.compile(r"^(.*) to (.*): ([0-9,.]+)$")


def flows(*rows: tuple[str, str, float]) -> pd.DataFrame:
    return pd.DataFrame(
        [(source, "seen", to, people, people / 10) for source, to, people in rows],
        columns=["source", "outcome", "to", "people", "target"],
    )


def drawn(frame: pd.DataFrame) -> ET.Element:
    """The picture as it is kept."""
    link = re.search(r"data:image/svg\+xml;base64,([A-Za-z0-9+/=]+)", sankey_html(frame, "Routes", PER, "per 1,000"))
    assert link
    return ET.fromstring(base64.b64decode(link[1]))  # noqa: S314 - our own picture


def ends(path: ET.Element) -> tuple[float, float]:
    """Top and bottom of a band where it leaves."""
    heights = [float(y) for _, y in re.findall(r"([0-9.-]+),([0-9.-]+)", path.attrib["d"])]
    return heights[0], heights[-1]


def bands(picture: ET.Element) -> dict[tuple[str, str], tuple[float, float]]:
    """Width in the picture and people in words, by way."""
    found = {}
    for path in picture.iter("{http://www.w3.org/2000/svg}path"):
        said = NAME.match(path[0].text or "")
        assert said
        top, low = ends(path)
        found[said[1], said[2]] = (low - top, float(said[3].replace(",", "")))
    return found


@given(st.lists(st.integers(1, 10_000), min_size=4, max_size=4))
def test_a_band_is_as_wide_as_its_people_are_many_and_none_is_lost(numbers: list[int]):
    a, b, c, d = numbers
    frame = flows(
        ("referral", "clinic", a + b + c + d), ("clinic", "home", a), ("clinic", "theatre", b + c + d),
        ("theatre", "treated", b), ("theatre", "ward", c + d), ("ward", "treated", c), ("ward", "home", d),
    )  # fmt: skip
    found, total = bands(drawn(frame)), sum(numbers)
    assert len(found) == 7
    for (source, to), (width, people) in found.items():
        real = frame.loc[(frame["source"] == source) & (frame["to"] == to), "people"].sum()
        assert people == pytest.approx(real / total * PER, abs=0.051)
        assert width == pytest.approx(real / total * SCALE_HEIGHT, abs=0.11)
    into, out = defaultdict(float), defaultdict(float)
    for (source, to), (width, _) in found.items():
        out[source] += width
        into[to] += width
    for place in ("clinic", "theatre", "ward"):
        assert into[place] == pytest.approx(out[place], abs=0.5)


def test_bands_of_one_place_stand_one_below_the_other():
    picture = drawn(flows(("referral", "a", 10), ("a", "x", 3), ("a", "y", 7)))
    tops = []
    for path in picture.iter("{http://www.w3.org/2000/svg}path"):
        if (path[0].text or "").startswith("a to"):
            tops.append(ends(path))
    (first, end), (second, last) = sorted(tops)
    assert end == pytest.approx(second, abs=0.11)
    assert last - first == pytest.approx(SCALE_HEIGHT, abs=0.2)


def test_a_loop_stands_in_the_table_and_is_said():
    text = sankey_html(
        flows(("referral", "a", 100), ("a", "b", 90), ("b", "a", 20), ("b", "out", 70), ("a", "out", 30)),
        "Routes", PER, "per 1,000",
    )  # fmt: skip
    assert "Ways back to an earlier stage, which only the table shows: 1." in text
    assert "b to a" not in text
    assert "<td>b</td><td>seen</td><td>a</td>" in text


def test_a_stage_that_only_those_come_to_who_are_referred_again_is_drawn():
    found = bands(drawn(flows(("referral", "a", 100), ("a", "home", 100), ("again", "treated", 5))))
    assert found["again", "treated"][1] == 50


def test_people_counted_twice_are_said():
    once = sankey_html(flows(("referral", "a", 100), ("a", "home", 100)), "Routes", PER, "per 1,000")
    twice = sankey_html(flows(("referral", "a", 100), ("a", "home", 104)), "Routes", PER, "per 1,000")
    words = "referred again after they left are counted each time"
    assert words not in once
    assert words in twice


def test_nobody_is_a_picture_without_bands_that_says_so():
    text = sankey_html(flows(), "Routes", PER, "per 1,000")
    assert "Nobody is referred." in text
    assert bands(drawn(flows())) == {}


def test_sixty_stages_in_a_row_and_a_full_mesh_are_drawn():
    row = [("referral", "s0", 10.0), *((f"s{i}", f"s{i + 1}", 10.0) for i in range(59)), ("s59", "out", 10.0)]
    assert len(bands(drawn(flows(*row)))) == 61
    names = [f"n{i}" for i in range(12)]
    mesh = [("referral", "n0", 100.0), *((a, b, 1.0) for a in names for b in names if a != b), ("n3", "out", 100.0)]
    picture = drawn(flows(*mesh))
    assert all(np.isfinite(width) and width > 0 for width, _ in bands(picture).values())


@pytest.mark.parametrize("bad", ["<img src=x onerror=alert(1)>", "x' onload='alert(1)", 'x" onload="alert(1)', "a&b;<"])
def test_names_are_text_in_the_page_and_in_the_kept_picture(bad: str):
    frame = flows(("referral", bad, 5), (bad, f"{bad} out", 5))
    text = sankey_html(frame, f"Routes: {bad}", PER, "per 1,000")
    assert "<img" not in text
    assert not re.search(r"<[a-z]+ [^>]*\bon(load|error)=['\"]", text)
    picture = drawn(frame)
    assert bad in [part.text for part in picture.iter("{http://www.w3.org/2000/svg}text")]
    assert not any(name.startswith("on") for part in picture.iter() for name in part.attrib)
