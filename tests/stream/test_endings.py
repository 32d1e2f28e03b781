"""The words for how bytes end, and for the clocks and deadlines that they pass."""

from __future__ import annotations

from dataclasses import fields

from monitor.stream.endings import Deadline, Mark
from monitor.target import Timeouts


def test_every_deadline_is_a_timeout_of_the_config() -> None:
    """A deadline's word is the key that sets it."""
    assert {deadline.value for deadline in Deadline} == {field.name for field in fields(Timeouts)}


def test_the_clocks_stand_in_the_order_in_which_they_are_passed() -> None:
    """The clocks are in the order in which a probe passes them, from `dns` to `end`."""
    assert (next(iter(Mark)), list(Mark)[-1]) == (Mark.DNS, Mark.END)
