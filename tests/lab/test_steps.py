"""Steps: plain data, bounded."""

from __future__ import annotations

from monitor.lab.steps import FOREVER, LAST, Fin, Hold, Repeat, Rst, Send, Wait


def test_endless_waits_are_bounded() -> None:
    """A hold and a repetition end by themselves, if only after an hour."""
    assert Hold().seconds == Repeat(b"x", 1.0).seconds == FOREVER == 3600.0


def test_steps_are_values() -> None:
    """Equal when their parts are, so that scripts can be compared in tests."""
    assert [Send(b"x"), Wait(1.0), Fin()] == [Send(b"x"), Wait(1.0), Fin(notify=True)]
    assert Fin(notify=False) != Fin()


def test_after_some_steps_a_connection_is_of_no_use() -> None:
    """Those that end or occupy it."""
    assert all(isinstance(step, LAST) for step in (Fin(), Rst(), Hold(), Repeat(b"x", 0.0)))
    assert not isinstance(Send(b"x"), LAST)
