"""Tests of the query of recent probes."""

from __future__ import annotations

import pytest

from monitor.web.listing import BadQueryError, ProbeQuery, parse


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ([], ProbeQuery(None, failed=False, limit=50)),
        ([("target", "a b")], ProbeQuery("a b")),
        ([("failed", "true"), ("limit", "1")], ProbeQuery(failed=True, limit=1)),
        ([("failed", "false"), ("limit", "1000")], ProbeQuery(limit=1000)),
        ([("id", "01J")], ProbeQuery(begins="01J")),
    ],
)
def test_what_is_asked(query: list[tuple[str, str]], wanted: ProbeQuery) -> None:
    """Nothing, or any of the parameters."""
    assert parse(query) == wanted


@pytest.mark.parametrize(
    "query",
    [
        [("limit", "0")], [("limit", "1001")], [("limit", "-1")], [("limit", "")], [("limit", "٣")],
        [("limit", "9" * 5000)], [("failed", "yes")], [("targets", "a")], [("target", "a"), ("target", "b")],
    ],
)  # fmt: skip
def test_what_cannot_be_asked(query: list[tuple[str, str]]) -> None:
    """An unknown or repeated parameter, or an invalid value, is refused with the list of parameters."""
    with pytest.raises(
        BadQueryError, match=r"^The parameters are target \(a name\), failed .*, limit .* at most once\.$"
    ):
        parse(query)
