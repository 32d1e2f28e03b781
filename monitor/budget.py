"""How many tokens may still be spent today (UTC), for each target and for all of them together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime

from monitor.target import Target


def _today() -> date:
    return datetime.now(UTC).date()


class Budget:
    """Counts what was spent since midnight; `total` is for all targets, None for no limit."""

    def __init__(self, total: int | None, today: Callable[[], date] = _today) -> None:
        self._total = total
        self._today = today
        self._day = today()
        self._spent: Counter[str] = Counter()

    def spend(self, name: str, tokens: int) -> None:
        """Note tokens spent on a target."""
        self._turn()
        self._spent[name] += tokens

    def left(self, target: Target) -> int | None:
        """Return what a probe of `target` may still spend; None where nothing limits it."""
        self._turn()
        limits = [
            limit - spent
            for limit, spent in (
                (target.tokens_per_day, self._spent[target.name]),
                (self._total, self._spent.total()),
            )
            if limit is not None
        ]
        return max(min(limits), 0) if limits else None

    def allows(self, target: Target) -> bool:
        """Whether `target` may be probed: something is left, however little."""
        return self.left(target) != 0

    def _turn(self) -> None:
        """Begin anew at midnight."""
        if (today := self._today()) != self._day:
            self._day = today
            self._spent.clear()
