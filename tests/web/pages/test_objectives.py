"""Tests of objectives, error budgets and costs."""

from __future__ import annotations

from monitor.record.rollup import Rollup
from monitor.target import Slo
from monitor.web.pages.objectives import brief_cost, budget, cost, left, windows


def test_each_window_has_its_row() -> None:
    """The page shows error budgets and cost; a target without a probe has neither."""
    found = {
        "24h": Rollup(probes=100, available=99, in_time=95, accepted=50, truncated=1, input_tokens=7),
        "30d": Rollup(),
    }
    day, month = windows(found, Slo())
    assert (day.name, day.available, day.in_time, day.truncated, day.cost) == ("24h", "99 %", "95 %", "2 %", "7 tokens")
    assert (day.availability_budget, day.first_chunk_budget) == ("0 % left", "0 % left")
    assert (month.available, month.availability_budget) == ("—", "")


def test_budgets_and_costs() -> None:
    """A whole budget, one that was exceeded, and an objective that allows no failure; money if prices are known."""
    assert budget(100, 100, 0.99) == "100 % left"
    assert budget(97, 100, 0.99) == "3 times the budget"
    assert budget(97, 100, 1.0) == "none allowed"
    assert cost(Rollup(price={"EUR": 1_500_000_000}, output_tokens=12)) == "1.50 EUR, 12 tokens"


def test_the_same_in_a_word() -> None:
    """For a row of a table."""
    assert (left(100, 100, 0.99), left(97, 100, 0.99), left(0, 0, 0.99), left(1, 1, 1.0)) == (
        "100 %",
        "spent",
        "—",
        "—",
    )
    assert brief_cost(Rollup(price={"EUR": 1_500_000_000}, output_tokens=12)) == "1.50 EUR"
    assert brief_cost(Rollup(output_tokens=1200)) == "1,200 tok"
