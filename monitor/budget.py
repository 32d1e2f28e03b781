"""The tokens that may still be spent today (UTC), for each target and for all together; and the file that stores it.

`files.save` writes the file, `restore` reads it. Call both in a thread; they return the error, if any.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from monitor import files
from monitor.target import Target

_VERSION = 1
"""Of the file; one without a version is the first."""


def _today() -> date:
    return datetime.now(UTC).date()


_MARGIN = 4
"""The factor of its request that a probe is charged at most."""
_BYTES_PER_TOKEN = 3
"""Bytes per token of the tokenizers that make the most tokens."""
_TEMPLATE = 20
"""Tokens of a chat template."""


def charge(target: Target, body: bytes, limit: int, tokens: int) -> int:
    """Return what a probe is charged: the server's count, at most four times its request and `limit`.

    `body` is that of the request, with the target's `body` merged. Without the limit a server with wrong counts could
    exhaust the budget of all targets. `tokens_per_probe` is for a server that really takes more.
    """
    asked = len(body) // _BYTES_PER_TOKEN + _TEMPLATE + limit
    return min(tokens, max(_MARGIN * asked, target.tokens_per_probe or 0))


class Budget:
    """Counts the tokens spent since midnight; `total` is for all targets, None for no limit, and may be changed."""

    def __init__(self, total: int | None, today: Callable[[], date] = _today) -> None:
        self.total = total
        self._today = today
        self._day = today()
        self._spent: Counter[str] = Counter()

    def spend(self, name: str, tokens: int) -> None:
        """Note tokens spent on a target."""
        self._turn()
        self._spent[name] += tokens

    def left(self, target: Target) -> int | None:
        """Return the tokens that a probe of `target` may still spend; None without a limit."""
        self._turn()
        limits = [
            limit - spent
            for limit, spent in (
                (target.tokens_per_day, self._spent[target.name]),
                (self.total, self._spent.total()),
            )
            if limit is not None
        ]
        return max(min(limits), 0) if limits else None

    def allows(self, target: Target) -> bool:
        """Whether `target` may be probed: at least one token is left."""
        return self.left(target) != 0

    def dump(self) -> bytes:
        """Return today's counts, to be saved in a file."""
        self._turn()
        return json.dumps({"version": _VERSION, "day": self._day.isoformat(), "spent": self._spent}).encode()

    def load(self, kept: bytes) -> None:
        """Add the tokens that were spent before the start, if they were spent today.

        ValueError if `dump` did not write it, NewerFileError if that of a later version did.
        """
        self._turn()
        day, spent = _read(kept)
        if day == self._day:
            self._spent.update(spent)

    def _turn(self) -> None:
        """Start again at midnight."""
        if (today := self._today()) != self._day:
            self._day = today
            self._spent.clear()


def _read(kept: bytes) -> tuple[date, Mapping[str, int]]:
    try:
        values: Any = json.loads(kept)
    except RecursionError:
        raise ValueError("is nested too deep") from None
    match values:
        case {"version": int() as version} if version > _VERSION:
            raise files.NewerFileError
        case {"day": str() as day, "spent": dict() as spent} if all(map(_is_amount, spent.values())):
            return date.fromisoformat(day), spent
    raise ValueError("is not a budget")


def _is_amount(value: object) -> bool:
    return type(value) is int and value >= 0


# -- the file ----------------------------------------------------------------------------------------------------------


def restore(budget: Budget, path: Path) -> str | None:
    """Load the saved counts, if any; an invalid file is put aside. Return the error, if any."""
    return files.restore(path, budget.load, "a valid budget", "today's tokens are counted from 0")
