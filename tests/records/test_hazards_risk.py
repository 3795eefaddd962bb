"""The matrix of DCB0129, cell by cell: typed here from the published table, not taken from the code."""

from __future__ import annotations

import pytest

from derm_kit.records.risk_matrix import MATRIX, Likelihood, Risk, Severity, risk

CELLS = (
    ("very high", "minor", 3), ("very high", "significant", 4), ("very high", "considerable", 4),
    ("very high", "major", 5), ("very high", "catastrophic", 5),
    ("high", "minor", 2), ("high", "significant", 3), ("high", "considerable", 3),
    ("high", "major", 4), ("high", "catastrophic", 5),
    ("medium", "minor", 2), ("medium", "significant", 2), ("medium", "considerable", 3),
    ("medium", "major", 3), ("medium", "catastrophic", 4),
    ("low", "minor", 1), ("low", "significant", 2), ("low", "considerable", 2),
    ("low", "major", 3), ("low", "catastrophic", 4),
    ("very low", "minor", 1), ("very low", "significant", 1), ("very low", "considerable", 2),
    ("very low", "major", 2), ("very low", "catastrophic", 3),
)  # fmt: skip


@pytest.mark.parametrize(("likelihood", "severity", "level"), CELLS)
def test_each_of_the_25_cells_is_the_published_one(likelihood: str, severity: str, level: int):
    assert risk(Likelihood(likelihood), Severity(severity)) == level


def test_there_are_25_cells_and_no_other():
    assert len({cell[:2] for cell in CELLS}) == 25 == sum(len(row) for row in MATRIX.values())


def test_very_low_and_catastrophic_is_undesirable_and_not_a_product():
    found = risk(Likelihood.VERY_LOW, Severity.CATASTROPHIC)
    assert (found, found.acceptability, found.acceptable) == (Risk.THREE, "undesirable", False)
    by_product: dict[int, set[int]] = {}
    for i, likelihood in enumerate(reversed(Likelihood), 1):
        for j, severity in enumerate(Severity, 1):
            by_product.setdefault(i * j, set()).add(risk(likelihood, severity))
    assert (by_product[5], by_product[6]) == ({3}, {2}), "five of 25 is worse than six"
    assert (by_product[10], by_product[12]) == ({4}, {3}), "so no bands of a product give this matrix"


def test_words_of_acceptability():
    assert [level.acceptability for level in Risk] == [
        "acceptable", "acceptable", "undesirable", "mandatory reduction", "unacceptable",
    ]  # fmt: skip
    assert [level.acceptable for level in Risk] == [True, True, False, False, False]
    assert [level.must_be_reduced for level in Risk] == [False, False, False, True, True]
    assert Risk.FOUR.in_words() == "4, mandatory reduction"


def test_a_likelier_or_graver_harm_is_never_a_smaller_risk():
    for likelihood in Likelihood:
        levels = [risk(likelihood, severity) for severity in Severity]
        assert levels == sorted(levels)
    for severity in Severity:
        levels = [risk(likelihood, severity) for likelihood in Likelihood]
        assert levels == sorted(levels, reverse=True)


def test_the_death_of_one_patient_is_major_and_of_several_catastrophic():
    assert "death" in Severity.MAJOR.meaning and "one patient" in Severity.MAJOR.meaning
    assert Severity.CATASTROPHIC.meaning.endswith("several patients")
    assert all(word.meaning for word in (*Likelihood, *Severity))
