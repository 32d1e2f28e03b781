"""A value that nothing may show."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Secret:
    """A value that no repr, log or dump may show."""

    value: str = field(repr=False)

    def reveal(self) -> str:
        """Return the value, for the wire and for nothing else."""
        return self.value
