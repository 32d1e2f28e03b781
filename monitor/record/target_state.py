"""The state of one target: up or down, confirmed by several probes in a row, as metrics, pages and API show it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class ConfirmedState:
    """Up until `confirm` probes in a row failed, then down until `recover` in a row succeeded."""

    up: bool = True
    failures: int = 0
    """Failures in a row, up to the last probe."""
    successes: int = 0
    truncations: int = 0
    """Truncated streams in a row, up to the last probe."""

    def take(self, *, available: bool, truncated: bool, confirm: int, recover: int) -> None:
        """Count one scheduled or confirming probe that says something of the target."""
        self.failures = 0 if available else self.failures + 1
        self.truncations = self.truncations + 1 if truncated else 0
        self.successes = self.successes + 1 if available else 0
        if self.failures >= confirm:
            self.up = False
        elif self.successes >= recover:
            self.up = True
