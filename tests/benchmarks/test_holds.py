"""The benchmark of hostile inputs covers each of them, in the function that reads it."""

from __future__ import annotations

from typing import cast

import pytest

from benchmarks import holds
from monitor.protocols import PROTOCOLS
from monitor.stream.events import Event, Output

SIZE = 1000


def test_every_protocol_check_and_form_is_tried(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The number of inputs of each kind is printed, and the benchmark fails if one call takes too long."""
    tried = [one.kind for one in holds.inputs(SIZE)]
    monkeypatch.setattr("sys.argv", ["holds", str(SIZE)])
    monkeypatch.setattr(holds, "longest", lambda one: one.calls and 0.2)
    assert holds.main() == 0
    output = capsys.readouterr().out
    assert all(f"| {kind} | {tried.count(kind)} | 200 ms |" in output for kind in set(tried))
    assert tried.count("events") % len(PROTOCOLS) == 0
    monkeypatch.setattr(holds, "longest", lambda _: 0.3)
    assert holds.main() == 1


def test_the_longest_call_of_an_input() -> None:
    """Each input is read to its end."""
    assert all(holds.longest(one) > 0.0 for one in holds.inputs(SIZE))


@pytest.mark.parametrize("name", PROTOCOLS)
def test_a_text_stands_where_the_output_is(name: str) -> None:
    """Each protocol reads the hostile text as output: no input is ignored."""
    (text,) = (one for one in holds.inputs(SIZE) if one.name == f"{name}: a long text")
    events = [event for call in text.calls for event, _ in cast("list[tuple[Event, int]]", call())]
    assert any(isinstance(event, Output) for event in events)
