"""The faults of HTTP/2 are scripts of frames, each with the expected verdict of a probe."""

from __future__ import annotations

import pytest

from monitor.http.h2_frames import DataPart, FrameSplitter
from monitor.lab import h2_wire as wire
from monitor.lab.dialects import DIALECTS
from monitor.lab.fault import Expect
from monitor.lab.h2_script import in_http2
from monitor.lab.scenarios import HTTP2_FAULTS, case_for
from monitor.lab.steps import Fin, Rst, Send, Step


def played(fault: str, query: str = "") -> tuple[list[Step], Expect]:
    """Return what a fault plays on stream 1, and what it is to come to."""
    one = HTTP2_FAULTS[fault]
    case = case_for(one, DIALECTS["openai-chat"], query)
    return list(in_http2(one.script(case), 1)), one.expect(case)


def payload(steps: list[Step]) -> bytes:
    """Return the data in these steps."""
    sent = b"".join(step.data for step in steps if isinstance(step, Send))
    found = FrameSplitter().split(wire.SETTINGS + sent)
    return b"".join(one.data for one in found if isinstance(one, DataPart))


WHOLE = payload(played("h2-frames", "bytes=100")[0])


@pytest.mark.parametrize(
    ("fault", "query", "verdict", "flag"),
    [
        ("h2-reset", "after=3", "truncated/reset", ""),
        ("h2-reset", "after=10000", "ok", "unclean_end"),
        ("h2-goaway", "", "ok", ""),
        ("h2-goaway", "after=0", "ok", ""),
        ("h2-goaway", "then=fin", "truncated/incomplete_body", ""),
        ("h2-goaway", "then=fin&after=10000", "ok", "unclean_end"),
        ("h2-frame", "after=10000", "ok", "unclean_end"),
        ("h2-flood", "", "truncated/malformed_body", ""),
        ("h2-refused", "by=goaway", "no_response/reset", ""),
        ("h2-length", "as=shorter", "ok", "unclean_end"),
    ],
)
def test_the_expected_verdict(fault: str, query: str, verdict: str, flag: str) -> None:
    """What was sent before the fault counts."""
    assert played(fault, query)[1] == Expect(verdict, flag)


def test_what_goes_on_is_whole() -> None:
    """GOAWAY, frames of one byte and frames that say nothing leave the answer as it is."""
    for fault, query in (("h2-goaway", ""), ("h2-goaway", "after=0"), ("h2-frames", "bytes=1"), ("h2-others", "")):
        assert payload(played(fault, query)[0]) == WHOLE, fault


def test_a_cut_at_a_byte() -> None:
    """The frames end before the byte, and then the connection does."""
    for position, by, last in ((0, "fin", Fin()), (12, "rst", Rst()), (1_000_000, "fin", Fin())):
        steps, _ = played("h2-cut", f"wire={position}&by={by}")
        assert steps[-1] == last
        assert payload(steps) == WHOLE[: max(position - 9, 0)]
