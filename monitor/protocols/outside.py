"""Text outside the framing of a stream: an error's JSON, and lines that may explain a missing end."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from monitor.protocols.stream_errors import failure_in
from monitor.protocols.values import load
from monitor.stream.events import Failure
from monitor.stream.json_objects import ConcatenatedJson

_LONGEST = 1 << 16
"""The most bytes of an object, and the most lines that are examined."""
KEPT = 2000
"""The most characters that are kept: a text of so many was cut."""


class Outside:
    """Collects lines outside the framing; an object may span several of them."""

    def __init__(self) -> None:
        self.lines = 0
        self._kept = ""
        self._json: ConcatenatedJson | None = None
        self._begun = ""

    @property
    def text(self) -> str:
        """The first texts without anything of the protocol, joined, with an incomplete object."""
        return (self._kept + (self._begun if self._json is not None else ""))[:KEPT]

    def goes_on(self, text: str) -> bool:
        """Whether a message that is not JSON continues an object of several lines."""
        return self._json is not None or text.strip() in {"{", "["}

    def take(self, line: str, readable: Callable[[str], bool]) -> Failure | None:
        """Take one line; return the error that it, or an object that it completes, reports.

        `readable` returns whether the protocol could decode a text: such a line only lacks its framing.
        """
        self.lines += 1
        if self._json is None:
            if not line.lstrip().startswith(("{", "[")):
                self.keep(line)
                return None
            self._json, self._begun = ConcatenatedJson(_LONGEST), ""
        self._begun = f"{self._begun}{line}\n"[:KEPT]
        values = [value.data for value in self._json.feed(f"{line}\n".encode("utf-8", "replace"))]
        if not values and not self._json.too_large:
            return None
        self._json = None
        error = next(filter(None, map(_error, values)), None)
        if error is None and not (values and all(map(readable, values))):
            self.keep(self._begun)
        return error

    def keep(self, text: str) -> None:
        """Keep a text."""
        if text.strip():
            self._kept = f"{self._kept}{text.strip()}\n"[:KEPT]


def _error(text: str) -> Failure | None:
    """Return the error that an object outside the framing reports."""
    try:
        found = failure_in(load(text))
    except ValueError:
        return None
    return None if found is None else msgspec.structs.replace(found, framed=False)
