"""Which price of the config is a target's: the exact name of its model, else the longest pattern that fits it."""

from __future__ import annotations

from fnmatch import fnmatchcase

from monitor.settings import Prices
from monitor.target import ModelPrice


def price_of(prices: Prices, model: str | None) -> ModelPrice | None:
    """Return what a million tokens of `model` cost; None if the config has no price for it.

    A target without a model, whose URL names it, is matched as an empty name: `"*"` fits it.
    """
    name = model or ""
    fitting = [pattern for pattern in prices.models if pattern == name or fnmatchcase(name, pattern)]
    if not fitting:
        return None
    each = prices.models[max(fitting, key=lambda pattern: (pattern == name, len(pattern)))]
    return ModelPrice(each.get("input", 0.0), each.get("output", 0.0), prices.currency)
