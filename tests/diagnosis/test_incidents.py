"""The simulated incidents: who is suspected in each, and that no innocent party ever is."""

from __future__ import annotations

import pytest

from tests.diagnosis.incidents import KINDS, scenario_of
from tests.diagnosis.matrix import Matrix, score

SEEDS = 208
"""Of sixteen each of thirteen kinds; a third of them overlap with another."""


@pytest.mark.parametrize("part", range(8))
def test_simulated_incidents(part: int) -> None:
    """Wrong accusations are 2 % at most and none after the end; 85 % are right from the third failure on."""
    matrix = Matrix()
    for seed in range(part, SEEDS, 8):
        score(matrix, scenario_of(seed), seed)
    assert matrix.innocents == []
    assert matrix.late == []
    assert matrix.wrong_share <= 0.02, matrix.wrong
    assert matrix.right_share >= 0.85, matrix.missed


def test_every_kind_is_played() -> None:
    """At least twelve kinds of incidents exist, and all of them occur."""
    assert len(KINDS) >= 12
    assert {scenario_of(seed).kind for seed in range(len(KINDS))} == set(KINDS)


def test_a_diagnosis_that_accuses_at_random_fails() -> None:
    """The scores can tell: one that blames everybody is wrong, and accuses innocents."""
    matrix, scenario = Matrix(), scenario_of(1)
    assert any(not one.blames for one in scenario.watched)
    score(matrix, scenario, 1)
    assert matrix.accusations > 0
    assert next(matrix.lines()).startswith("| what was done |")
