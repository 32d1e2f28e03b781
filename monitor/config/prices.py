"""Find the price of a target's model: its exact name, else the longest pattern that matches."""

from __future__ import annotations

from fnmatch import fnmatchcase

from monitor.settings import Prices
from monitor.target import ModelPrice


def price_of(prices: Prices, model: str | None) -> ModelPrice | None:
    """Return the price of a million tokens of `model`; None if the config has none.

    A target without a model (its URL names it) has an empty name, which `"*"` matches.
    """
    name = model or ""
    fitting = [pattern for pattern in prices.models if pattern == name or fnmatchcase(name, pattern)]
    if not fitting:
        return None
    each = prices.models[max(fitting, key=lambda pattern: (pattern == name, len(pattern)))]
    return ModelPrice(each.get("input", 0.0), each.get("output", 0.0), prices.currency)
