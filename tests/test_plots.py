"""Charts as SVG and tables as HTML: ticks, gaps, empty series, what is kept, and names as text."""

from __future__ import annotations

import base64
import re
import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
import pytest

from derm_kit.panels.plots import Series, chart_html
from derm_kit.panels.tables import download_html, shares, table_html
from derm_kit.records.report_axes import ticks

NUMBERS = pd.DataFrame({"x": [0.0, 1.0], "y": [0.5, np.nan]})
LINE = Series("a line", np.array([0.0, 0.5, 1.0]), np.array([0.0, 0.25, 1.0]))


def drawn(*series: Series, title: str = "Some chart", **ranges: tuple[float, float]) -> str:
    return chart_html(title, ("across", "up"), list(series), NUMBERS, **ranges)


def kept(html: str, kind: str) -> str:
    return base64.b64decode(re.search(rf"data:{kind};base64,([^']+)", html)[1]).decode()


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (0, 0.5, [0, 0.1, 0.2, 0.3, 0.4, 0.5]),
        (-0.05, 0.42, [0, 0.1, 0.2, 0.3, 0.4]),
        (0, 1000, [0, 200, 400, 600, 800, 1000]),
        (-1, 1, [-1, -0.5, 0, 0.5, 1]),
    ],
)
def test_ticks_are_round_and_within_the_axis(low, high, expected):
    assert ticks(low, high, most=5) == pytest.approx(expected)


@pytest.mark.parametrize("width", np.logspace(-6, 6, 25))
def test_ticks_are_few_but_enough_at_any_scale(width):
    found = ticks(0, width, most=5)
    assert 3 <= len(found) <= 6
    assert all(0 <= tick <= width * (1 + 1e-6) for tick in found)


def test_points_lie_where_their_numbers_say():
    points = re.search(r"points='([^']*)'", drawn(LINE))[1].split()
    x, y = np.array([p.split(",") for p in points], float).T
    assert np.ptp(x) == pytest.approx(460 - 52 - 12)
    assert x[1] == pytest.approx((x[0] + x[2]) / 2, abs=0.1)
    assert (y[0] - y[1]) / (y[0] - y[2]) == pytest.approx(0.25, abs=0.01)


def test_points_that_are_not_finite_are_left_out():
    gap = Series("gap", np.array([0, np.nan, 0.5, np.inf, 1]), np.array([0, 0.1, np.nan, 0.2, 1]), "dots")
    html = drawn(gap)
    assert html.count("<circle") == 2
    assert "nan" not in html.lower().split("<figcaption>", maxsplit=1)[0]


@pytest.mark.parametrize("kind", ["line", "dots"])
def test_an_empty_series_draws_the_axes_alone(kind):
    html = drawn(Series("nothing", np.zeros(0), np.zeros(0), kind))
    assert "dk-axis" in html
    assert "<circle" not in html


def test_a_long_line_is_thinned_but_keeps_its_ends():
    x = np.linspace(0, 1, 5_000)
    points = re.search(r"points='([^']*)'", drawn(Series("long", x, x)))[1].split()
    assert len(points) == 200
    assert points[0].startswith("52.0,")
    assert points[-1].startswith("448.0,")


def test_what_lies_beyond_the_axis_is_cut_off_not_laid_on_it():
    html = drawn(Series("deep", np.array([0.0, 1.0]), np.array([-0.5, 0.5])))
    y = [float(p.split(",")[1]) for p in re.search(r"points='([^']*)'", html)[1].split()]
    assert y[0] > 300
    assert "<g clip-path='url(#clip-some-chart)'><polyline" in html
    assert "<clipPath id='clip-some-chart'>" in html


def test_dots_show_their_intervals():
    half = np.array([0.5])
    html = drawn(Series("dot", half, half, "dots", half - 0.5, half + 0.5))
    assert "<path class='dk-third' d='M250.0,256.0 V10.0'/>" in html


def test_a_title_from_outside_is_shown_as_text():
    html = drawn(Series("<i>x</i>", np.zeros(1), np.zeros(1)), title="<img src=x onerror='alert(1)'>")
    assert "<img" not in html
    assert "<i>" not in html
    ET.fromstring(kept(html, r"image/svg\+xml"))  # noqa: S314 - our own text


def test_a_chart_is_kept_as_svg_and_csv_and_can_be_read_as_a_table():
    html = drawn(LINE)
    root = ET.fromstring(kept(html, r"image/svg\+xml"))  # noqa: S314 - our own text
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert "stroke" in kept(html, r"image/svg\+xml")
    assert kept(html, "text/csv").splitlines()[0] == "x,y"
    assert "<button type='button' class='dk-keep-png' data-png" in html
    assert "<summary>Numbers: Some chart</summary>" in html
    assert "role='img' aria-label='Some chart'" in html


def test_a_table_writes_numbers_for_people_and_an_undefined_one_as_a_dash():
    numbers = [0.12345, np.nan, np.inf, 1234.5, 0.00004]
    html = table_html(pd.DataFrame({"some_figure": numbers, "kind": "basal_cell_carcinoma"}), "Figures")
    assert [c for c in re.findall(r"<td>([^<]*)</td>", html) if not c.startswith("Basal")] == [
        "0.123", "–", "above every score", "1,234", "4e-05",
    ]  # fmt: skip
    assert html.count("Basal cell carcinoma") == 5
    assert "<th scope='col'>some figure</th>" in html


def test_a_table_shows_what_comes_from_outside_as_text():
    hostile = "<img src=x onerror=alert(1)>'"
    html = table_html(pd.DataFrame({"case_id": [hostile], hostile: [hostile]}), hostile)
    assert "<img" not in html
    assert "data-case='&lt;img src=x onerror=alert(1)&gt;&#x27;'" in html


def test_a_kept_table_is_safe_to_open_in_a_spreadsheet():
    html = download_html(pd.DataFrame({"name": ["=1+1"]}), "names")
    assert kept(html, "text/csv").splitlines()[1] != "=1+1"


def test_shares_are_written_with_their_interval():
    assert shares([0.5, np.nan], [0.25, np.nan], [0.75, np.nan]) == ["50.0% (25.0% to 75.0%)", "–"]
    assert shares([-0.025], [-0.048], [0.0008], signed=True) == ["−2.5% (−4.8% to +0.1%)"]
