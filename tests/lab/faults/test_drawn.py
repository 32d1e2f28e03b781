"""Faults that are another one each time."""

from __future__ import annotations

from monitor.lab.dialects import DIALECTS
from monitor.lab.faults.drawn import OF, SEED, P, flaky, mix
from monitor.lab.params import read_query
from monitor.lab.scenarios import FAULTS, case_for


def test_a_seed_makes_the_same_luck() -> None:
    """The same seed and turn give the same fault, another seed others, and the share is about what was asked for."""
    first, again, other = (
        [flaky(read_query((P, SEED), f"p=0.3&seed={seed}"), turn) for turn in range(400)] for seed in (7, 7, 8)
    )
    assert first == again != other
    cuts = [query for name, query in first if name == "cut"]
    assert 80 < len(cuts) < 160
    assert {name for name, _ in first} == {"ok", "cut"}
    for query in cuts:
        case_for(FAULTS["cut"], DIALECTS["raw"], query)


def test_certainties() -> None:
    """Never and always."""
    assert {flaky(read_query((P, SEED), "p=0"), turn)[0] for turn in range(50)} == {"ok"}
    assert {flaky(read_query((P, SEED), "p=1"), turn)[0] for turn in range(50)} == {"cut"}


def test_a_list_is_gone_through() -> None:
    """Over and over, each fault with its own parameters."""
    values = read_query((OF,), "of=ok,cut:after=3:by=rst")
    assert [mix(values, turn) for turn in range(3)] == [("ok", ""), ("cut", "after=3&by=rst"), ("ok", "")]
