"""Tests of the confirmed state of a target."""

from __future__ import annotations

import msgspec
import pytest

from monitor.record.target_state import ConfirmedState, TargetState
from monitor.record.target_summary import BriefProbe


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


def incident(kinds: str, confirm: int = 2, recover: int = 1) -> TargetState:
    """Return what a row of probes leaves, `.` a good one; each has its place as its id."""
    found = TargetState()
    for place, probe in enumerate(kinds):
        outcome = "ok" if probe == "." else "unreachable"
        brief = BriefProbe(outcome=outcome, probe_id=str(place), available=probe == ".")
        found.take(brief, confirm=confirm, recover=recover)
    return found


@pytest.mark.parametrize(
    ("probes", "recover", "began", "last_good"),
    [
        ("", 1, None, None),
        ("..", 1, None, "1"),
        (".xxx", 1, "1", "0"),
        (".xx.", 1, None, "3"),
        (".xx.", 2, "1", "3"),
        (".xx..", 2, None, "4"),
        ("x", 1, "0", None),
    ],
)
def test_what_bounds_an_incident(probes: str, recover: int, began: str | None, last_good: str | None) -> None:
    """An incident begins with the first failure that is not over, and ends once the target is confirmed to be up."""
    found = incident(probes, recover=recover)
    assert (found.began and found.began.probe_id, found.last_good and found.last_good.probe_id) == (began, last_good)


def test_an_incident_is_kept_as_json() -> None:
    """The history reads back what it wrote."""
    found = incident(".xxx")
    assert msgspec.json.decode(msgspec.json.encode(found), type=TargetState) == found
