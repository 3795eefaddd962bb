"""Groupings: every case in one group, groups in an order that people expect, unknown kept."""

from __future__ import annotations

import numpy as np
import pandas as pd

from derm_kit.triage.subgroups import AGE_BANDS, MOST_GROUPS, UNKNOWN, groupings


def grouping(name: str, **columns: list):
    return {g.name: g for g in groupings(pd.DataFrame(columns))}[name]


def labels_of(found) -> list[str]:
    return [found.labels[code] for code in found.codes]


def test_age_bands_begin_at_their_first_year():
    found = grouping("age", age_years=[17.9, 18, 39.99, 40, 59, 60, 79, 80, 101, np.nan, 0])
    assert labels_of(found) == [
        AGE_BANDS[0], AGE_BANDS[1], AGE_BANDS[1], AGE_BANDS[2], AGE_BANDS[2], AGE_BANDS[3], AGE_BANDS[3], AGE_BANDS[4],
        AGE_BANDS[4], UNKNOWN, AGE_BANDS[0],
    ]  # fmt: skip


def test_bands_without_a_case_are_left_out_and_the_order_stays():
    assert grouping("age", age_years=[85, 20]).labels == (AGE_BANDS[1], AGE_BANDS[4])


def test_tones_are_said_in_words_where_they_have_any():
    found = grouping("skin tone", skin_tone_class=[5, 0, 3, np.nan])
    assert labels_of(found) == ["5 very light", "0 very dark", "3", UNKNOWN]


def test_what_parts_nothing_is_no_grouping():
    assert groupings(pd.DataFrame({"sex": ["", ""], "source": ["a", "a"]})) == ()


def test_groups_beyond_the_most_are_one_group():
    sites = [f"site {i:03}" for i in range(MOST_GROUPS + 5) for _ in range(2 if i < MOST_GROUPS else 1)] + [""]
    found = grouping("site", anatomical_site=sites)
    assert len(found.labels) == MOST_GROUPS + 2
    assert labels_of(found)[-1] == UNKNOWN
    assert labels_of(found).count("all others") == 5
