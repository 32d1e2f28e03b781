"""Tests of the confirmed state of a target."""

from __future__ import annotations

import pytest

from monitor.record.target_state import ConfirmedState


@pytest.mark.parametrize(
    ("probes", "confirm", "recover", "expected"),
    [
        ("", 2, 1, (True, 0)),
        ("x", 2, 1, (True, 1)),
        ("xx", 2, 1, (False, 2)),
        ("xxx.", 2, 1, (True, 0)),
        ("xx.", 2, 2, (False, 0)),
        ("xx.x.", 2, 2, (False, 0)),
        ("xx..", 2, 2, (True, 0)),
        ("x.x", 2, 1, (True, 1)),
    ],
)
def test_several_in_a_row_confirm(probes: str, confirm: int, recover: int, expected: tuple[bool, int]) -> None:
    """A target is down after `confirm` failures in a row, and up again after `recover` successes in a row."""
    state = ConfirmedState()
    for probe in probes:
        state.take(available=probe == ".", truncated=False, confirm=confirm, recover=recover)
    assert (state.up, state.failures) == expected


def test_truncations_in_a_row() -> None:
    """A failure of another kind ends the row of truncations, and not that of failures."""
    state = ConfirmedState()
    for truncated in (True, True):
        state.take(available=False, truncated=truncated, confirm=9, recover=1)
    assert state.truncations == 2
    state.take(available=False, truncated=False, confirm=9, recover=1)
    assert (state.truncations, state.failures) == (0, 3)
