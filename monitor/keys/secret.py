"""Values that must never be shown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Secret:
    """A value that no repr, log or dump shows."""

    value: str = field(repr=False)

    def reveal(self) -> str:
        """Return the value; only for sending it."""
        return self.value


_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----(.*?)-----END", re.DOTALL)
_SHORTEST_LINE = 16
"""The fewest characters of a base64 line that is unique."""


def pem_lines(text: str) -> Iterator[str]:
    """Return the content of the private keys of a PEM file, line by line and as one text."""
    for key in _PRIVATE_KEY.finditer(text):
        lines = key[1].split()
        yield "".join(lines)
        yield from (line for line in lines if len(line) >= _SHORTEST_LINE)
