"""A target's objectives in several spans of time, its remaining error budgets, and its cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from monitor.record.rollup import Rollup
from monitor.target import Slo
from monitor.web.formatting import NOTHING, ratio
from monitor.web.target_history import SINCE_START, WINDOWS

_BILLION = 1e9


@dataclass(frozen=True, slots=True)
class ObjectiveRow:
    """One row of the objectives: the results of a span as texts."""

    name: str
    probes: int
    available: str
    in_time: str
    truncated: str
    availability_budget: str
    """The remaining error budget; empty without a probe."""
    first_chunk_budget: str
    cost: str


def windows(found: Mapping[str, Rollup], slo: Slo) -> Iterator[ObjectiveRow]:
    """Yield a row for each span with probes."""
    for name in (SINCE_START, *WINDOWS):
        if (rollup := found.get(name)) is not None:
            yield ObjectiveRow(
                name,
                rollup.probes,
                ratio(rollup.available, rollup.probes),
                ratio(rollup.in_time, rollup.probes),
                ratio(rollup.truncated, rollup.accepted),
                budget(rollup.available, rollup.probes, slo.availability),
                budget(rollup.in_time, rollup.probes, slo.first_chunk.objective),
                cost(rollup),
            )


def budget(good: int, number: int, objective: float) -> str:
    """Return the remaining error budget: the share of allowed bad probes that is not used."""
    allowed = (1 - objective) * number
    if allowed <= 0:
        return "none allowed" if number else ""
    spent = (number - good) / allowed
    return f"{100 * (1 - spent):.0f} % left" if spent <= 1 else f"{spent:.3g} times the budget"


def left(good: int, number: int, objective: float) -> str:
    """Return the same in brief: a share, or that it is spent."""
    text = budget(good, number, objective)
    return text.removesuffix(" left") if text.endswith("left") else "spent" if "times" in text else NOTHING


def cost(rollup: Rollup) -> str:
    """Return the cost of the probes of a span: money if prices are configured, and tokens."""
    return ", ".join([*_money(rollup), f"{rollup.input_tokens + rollup.output_tokens:,} tokens"])


def brief_cost(rollup: Rollup) -> str:
    """Return the same in brief: money, else tokens."""
    return ", ".join(_money(rollup)) or f"{rollup.input_tokens + rollup.output_tokens:,} tok"


def _money(rollup: Rollup) -> list[str]:
    return [f"{amount / _BILLION:,.2f} {currency}" for currency, amount in sorted(rollup.price.items())]
