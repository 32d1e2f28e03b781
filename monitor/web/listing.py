"""`GET /api/v1/probes?target=NAME&failed=true&limit=N`: which of the recent probes are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

MOST = 1000
"""Probes in one answer."""
USUAL = 50
"""Probes in an answer to a request that names no limit."""
_FLAGS = {"true": True, "false": False}
_PARAMETERS = {"target": "a name", "failed": "true or false", "limit": f"a number from 1 to {MOST}"}


class BadQueryError(ValueError):
    """There is no such list; the text says what may be asked for."""


@dataclass(frozen=True, slots=True)
class ProbeQuery:
    """The newest `limit` probes, of one target or all, and the failed ones alone or all."""

    target: str | None = None
    failed: bool = False
    limit: int = USUAL


def parse(query: Sequence[tuple[str, str]]) -> ProbeQuery:
    """Return what the query of a request asks for, each parameter once at most."""
    given = dict(query)
    failed, limit = _FLAGS.get(given.get("failed", "false")), _number(given.get("limit", str(USUAL)))
    if len(given) < len(query) or given.keys() - _PARAMETERS or failed is None or limit is None:
        told = ", ".join(f"{name} ({what})" for name, what in _PARAMETERS.items())
        raise BadQueryError(f"The parameters are {told}, each at most once.")
    return ProbeQuery(given.get("target"), failed, limit)


def _number(text: str) -> int | None:
    whole = text.isascii() and text.isdigit() and len(text) <= len(str(MOST)) and 1 <= int(text) <= MOST
    return int(text) if whole else None
