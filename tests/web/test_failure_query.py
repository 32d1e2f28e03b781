"""Tests of which failures are asked for."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from monitor.web.failure_query import FailureQuery, parse
from monitor.web.listing import BadQueryError
from tests.web import samples

AT = datetime(2026, 11, 22, 22, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", [
        "2026-11-22T22:10:00Z", "2026-11-22T23:10:00+01:00", "2026-11-22T23:10:00 01:00", "2026-11-22T22:10",
        "2026-11-22 22:10", "1795385400",
    ]
)  # fmt: skip
def test_a_moment(text: str) -> None:
    """A time is RFC 3339 with a zone (also with an unencoded plus sign), UTC without a zone, or Unix seconds."""
    assert parse({"from": text}, AT) == FailureQuery(start=AT)


@pytest.mark.parametrize(
    "query", [{"from": "x"}, {"to": "nan"}, {"to": "1e99"}, {"from": "2026-11-22", "to": "2026-11-21"}]
)
def test_an_invalid_span(query: dict[str, str]) -> None:
    """An invalid time, or a span that ends before it begins, is refused."""
    with pytest.raises(BadQueryError):
        parse(query, AT)


def test_what_a_query_selects() -> None:
    """An outcome, a cause or both; from the first to the last moment of its span."""
    event = samples.event(samples.cut())
    for cause, selected in (("", True), ("truncated", True), ("incomplete_body", True), ("reset", False)):
        assert FailureQuery(cause=cause).selects(event) is selected
    assert FailureQuery(cause="truncated/incomplete_body").selects(event)
    began = datetime(2026, 11, 22, 22, 9, 48, tzinfo=UTC)
    assert FailureQuery(began, began).spans(event)
    assert not FailureQuery(start=AT).spans(event)
    assert not FailureQuery(end=began.replace(second=47)).spans(event)
    assert FailureQuery().spans(event)
