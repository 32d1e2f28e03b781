"""Faults that vary: by a seeded random number, or in turn."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import TypeVar, cast

from monitor.lab.fault import RandomFault
from monitor.lab.params import COUNT, RATIO, Param, text_like

T = TypeVar("T")

P = Param("p", RATIO, "0.3", "share of the requests that are cut")
SEED = Param("seed", COUNT, "0", "what the die starts from")
OF = Param(
    "of",
    text_like(
        r"[a-z0-9=:.,_-]+", "faults with commas between, each with its parameters after colons: ok,cut:after=3:by=rst"
    ),
    "ok,ok,cut",
    "which faults, in turn",
)
LONGEST = 20


def _value(values: Mapping[str, object], param: Param[T]) -> T:
    return cast("T", values[param.name])


def flaky(values: Mapping[str, object], turn: int) -> tuple[str, str]:
    """The correct answer, or with the given probability a cut somewhere; the same for the same seed and turn."""
    die = random.Random(f"{_value(values, SEED)}:{turn}")  # noqa: S311  # a demo's die, not a secret
    if die.random() >= _value(values, P):
        return "ok", ""
    return "cut", f"after={die.randrange(LONGEST)}&by={die.choice(('fin', 'rst'))}"


def mix(values: Mapping[str, object], turn: int) -> tuple[str, str]:
    """The faults of the list in turn."""
    faults = _value(values, OF).split(",")
    name, *params = faults[turn % len(faults)].split(":")
    return name, "&".join(params)


DRAWS = (
    RandomFault(
        name="flaky",
        summary="the right answer, and sometimes a cut",
        params=(P, SEED),
        pick=flaky,
        examples=("p=0.3&seed=7",),
    ),
    RandomFault(
        name="mix",
        summary="the faults of a list, one after another",
        params=(OF,),
        pick=mix,
        examples=("of=ok,ok,cut", "of=ok,cut:after=3:by=rst"),
    ),
)
