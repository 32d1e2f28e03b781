"""Values that nothing may show."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Secret:
    """A value that no repr, log or dump may show."""

    value: str = field(repr=False)

    def reveal(self) -> str:
        """Return the value, for the wire and for nothing else."""
        return self.value


_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----(.*?)-----END", re.DOTALL)
_SHORTEST_LINE = 16
"""Characters of a line of base64 that could be nobody else's."""


def pem_lines(text: str) -> Iterator[str]:
    """Return what the private keys of a PEM file hold, line by line and as one text."""
    for key in _PRIVATE_KEY.finditer(text):
        lines = key[1].split()
        yield "".join(lines)
        yield from (line for line in lines if len(line) >= _SHORTEST_LINE)
