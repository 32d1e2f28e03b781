"""`GET /api/v1/probes?target=NAME&failed=true&id=BEGINNING&limit=N`: which of the recent probes are requested."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

MOST = 1000
"""The most probes in one response."""
USUAL = 50
"""The default limit."""
_FLAGS = {"true": True, "false": False}
_PARAMETERS = {
    "target": "a name",
    "failed": "true or false",
    "id": "the beginning of an id",
    "limit": f"a number from 1 to {MOST}",
}


class BadQueryError(ValueError):
    """The query is invalid; the text says what is allowed."""


@dataclass(frozen=True, slots=True)
class ProbeQuery:
    """The newest `limit` probes, of one target or all, optionally only failed ones, or those whose id begins so."""

    target: str | None = None
    failed: bool = False
    begins: str = ""
    limit: int = USUAL


def parse(query: Sequence[tuple[str, str]]) -> ProbeQuery:
    """Parse a request's query, with each parameter at most once."""
    given = dict(query)
    failed, limit = _FLAGS.get(given.get("failed", "false")), _number(given.get("limit", str(USUAL)))
    if len(given) < len(query) or given.keys() - _PARAMETERS or failed is None or limit is None:
        listed = ", ".join(f"{name} ({what})" for name, what in _PARAMETERS.items())
        raise BadQueryError(f"The parameters are {listed}, each at most once.")
    return ProbeQuery(given.get("target"), failed, given.get("id", ""), limit)


def _number(text: str) -> int | None:
    whole = text.isascii() and text.isdigit() and len(text) <= len(str(MOST)) and 1 <= int(text) <= MOST
    return int(text) if whole else None
