"""The facts of a probe that the diagnosis keeps."""

from __future__ import annotations

import pytest

from monitor.diagnosis.error_messages import Statement
from monitor.diagnosis.facts import endpoint_of, facts_of, is_evidence
from monitor.stream.endings import EndKind
from tests.diagnosis.parts import answered, cut, in_one_piece, invented, silent, unheard
from tests.sinks.samples import START, refused, stopped, whole


def test_a_cut_stream() -> None:
    """The facts of a cut have its times, its silence and its number of chunks."""
    kept = facts_of(cut(9.0, last=4.0, number=3))
    assert (kept.start, kept.end) == (START.timestamp(), START.timestamp() + 9.0)
    assert (kept.age, kept.silence, kept.chunks, kept.word) == (9.0, 5.0, 4, "truncated/incomplete_body")
    assert kept.waited_since == pytest.approx(kept.start + 4.0)
    assert (kept.good, kept.chunked, kept.clean, kept.connected) == (False, True, False, True)


def test_without_a_byte_it_waited_since_the_request() -> None:
    """Then the whole time is silence."""
    kept = facts_of(unheard(at=7.0))
    assert (kept.silence, kept.waited_since) == (None, kept.start)


def test_what_else_is_kept() -> None:
    """Words, the content check, and whether a stream came in one piece."""
    assert facts_of(answered(500, "connection refused")).statement is Statement.UPSTREAM_LOST
    assert facts_of(answered(500)).statement is Statement.NOTHING
    assert facts_of(answered(503, retry=3)).retry_after
    assert facts_of(invented()).beginning
    assert not facts_of(silent()).beginning
    assert (facts_of(in_one_piece()).buffered, facts_of(silent()).buffered) == (True, None)
    assert facts_of(whole()).good
    assert facts_of(refused()).status == 0
    assert facts_of(silent()).clean


def test_what_is_no_evidence() -> None:
    """Aborted and inconclusive probes are no evidence."""
    assert is_evidence(whole())
    assert not is_evidence(stopped())
    assert not is_evidence(stopped(EndKind.RESOURCES))


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("http://host/v1", "host:80"),
        ("https://user:pass@host/v1?key=x", "host:443"),
        ("https://host:8443/", "host:8443"),
        ("http://[::1]:9000/", "::1:9000"),
    ],
)
def test_where_one_process_listens(url: str, endpoint: str) -> None:
    """Host and port, and nothing of what a URL may keep secret."""
    assert endpoint_of(url) == endpoint
