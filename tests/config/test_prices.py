"""Which price is a model's."""

from __future__ import annotations

import pytest

from monitor.config.prices import price_of
from monitor.settings import Prices
from monitor.target import ModelPrice

PRICES = Prices(
    "CNY",
    {
        "qwen*": {"input": 1.0, "output": 2.0},
        "qwen-long*": {"input": 3.0, "output": 4.0},
        "qwen-long-[a]": {"output": 5.0},
    },
)


@pytest.mark.parametrize(
    ("model", "price"),
    [
        ("qwen-max", ModelPrice(1.0, 2.0, "CNY")),
        ("qwen-long-2", ModelPrice(3.0, 4.0, "CNY")),
        ("qwen-long-a", ModelPrice(0.0, 5.0, "CNY")),
        ("qwen-long-[a]", ModelPrice(0.0, 5.0, "CNY")),
        ("gpt", None),
        (None, None),
    ],
)
def test_the_longest_pattern_that_fits_counts(model: str | None, price: ModelPrice | None) -> None:
    """A name that is written as it is comes first, then the longest pattern; what is not priced is 0."""
    assert price_of(PRICES, model) == price


def test_a_target_without_a_model_fits_the_pattern_for_all() -> None:
    """A URL that names the model leaves the config without one."""
    prices = Prices(models={"*": {"input": 1.0}})
    assert price_of(prices, None) == ModelPrice(1.0, 0.0, "USD")


def test_a_price_is_of_a_million_tokens() -> None:
    """Input and output are added up."""
    assert ModelPrice(2.0, 8.0, "USD").of(500_000, 250_000) == pytest.approx(3.0)
