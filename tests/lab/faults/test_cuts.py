"""Streams that end without their end: the place of the cut, and the verdict."""

from __future__ import annotations

from bisect import bisect_left

import pytest

from monitor.lab.dialects import DIALECTS
from monitor.lab.params import BadParameterError
from monitor.lab.steps import Fin, Hold, Repeat, Rst, Send
from monitor.lab.wire import payload_at, segments
from tests.lab.wires import ENDED, ENDLESS, case, dechunked, expected, played

ALL = (*ENDED, *ENDLESS)
FRAMINGS = ("chunked", "length", "close")
STRIDE = 17
every_protocol = pytest.mark.parametrize("protocol", ALL)


@every_protocol
@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("by", ["fin", "rst"])
def test_a_cut_promises_ok_only_after_the_end(protocol: str, framing: str, by: str) -> None:
    """Never before the byte that makes the answer whole has been sent, and always after it."""
    one = case(protocol)
    complete = one.answer.complete
    wire = played(protocol, "ok", f"framing={framing}").body
    parts = segments(case(protocol, "ok", f"framing={framing}"), one.answer)
    whole = bisect_left(range(len(wire)), complete, key=lambda position: payload_at(parts, position))
    for position in {*range(0, len(wire), STRIDE), whole - 1, whole, len(wire)}:
        query = f"wire={position}&framing={framing}&by={by}&gap=0&ttfc=0"
        cut = played(protocol, "cut", query)
        assert cut.body == wire[:position]
        assert cut.last == (Rst() if by == "rst" else Fin())
        assert (expected(protocol, "cut", query).verdict == "ok") == (payload_at(parts, position) >= complete)


@pytest.mark.parametrize(
    ("protocol", "query", "verdict"),
    [
        ("openai-chat", "after=2", "truncated/incomplete_body"),
        ("openai-chat", "after=2&by=rst", "truncated/reset"),
        ("openai-chat", "after=2&framing=length", "truncated/incomplete_body"),
        ("openai-chat", "after=2&framing=close", "truncated/no_terminator"),
        ("openai-chat", "after=2&framing=close&by=rst", "truncated/reset"),
        ("openai-chat", "at=0&framing=close", "truncated/no_terminator"),
        ("openai-chat", "at=5&framing=close", "truncated/mid_event"),
        ("openai-chat", "after=99", "truncated/incomplete_body"),
        ("chatchat-kb", "after=99", "ok"),
        ("chatchat-kb", "after=0&framing=close", "empty/no_output"),
        ("chatchat-kb", "after=1&framing=close", "truncated/incomplete_answer"),
        ("chatchat-kb", "at=5&framing=close", "truncated/mid_event"),
        ("chatchat-0.2", "at=0&framing=close", "empty/no_output"),
        ("raw", "at=0&framing=close", "empty/no_output"),
        ("raw", "at=1&framing=close", "truncated/incomplete_answer"),
    ],
)
def test_the_verdict_of_a_cut(protocol: str, query: str, verdict: str) -> None:
    """By the framing, the ending, the place, and whether the protocol has an end."""
    assert expected(protocol, "cut", query).verdict == verdict


@pytest.mark.parametrize(
    ("protocol", "query", "flag"),
    [
        ("raw", "after=99", "unclean_end"),
        ("raw", "wire=999", ""),
        ("raw", "after=99&framing=length", ""),
        ("raw", "after=99&framing=close", ""),
        ("raw", "after=99&framing=close&by=rst", "unclean_end"),
        ("chatchat-kb", "wire=3000&framing=length", ""),
    ],
)
def test_a_cut_after_the_end_is_flagged(protocol: str, query: str, flag: str) -> None:
    """Where something of the response is missing then."""
    one = expected(protocol, "cut", query)
    assert (one.verdict, one.flag) == ("ok", flag)


def test_a_line_end_that_is_missing_is_flagged() -> None:
    """A cut between the last event and its line end, which no framing shows."""
    complete = case("chatchat-kb").answer.complete
    assert expected("chatchat-kb", "cut", f"at={complete}&framing=close").flag == "unclean_end"


def test_a_cut_after_output_keeps_all_of_it() -> None:
    """So many chunks have been sent whole, and nothing of the next."""
    body = played("openai-chat", "cut", "after=2").body
    assert body.count(b'"content":"') == 3
    assert body.endswith(b'{"content":"2\\n"},"finish_reason":null}]}\n\n\r\n')
    assert played("openai-chat", "cut", "at=1").body == b"b8\r\nd"


@every_protocol
def test_a_clean_cut_ends_clean(protocol: str) -> None:
    """The body's own end comes, the protocol's does not."""
    body = played(protocol, "clean-cut", "after=2").body
    whole = dechunked(played(protocol, "ok").body)
    assert whole.startswith(dechunked(body))
    answer = case(protocol).answer
    assert answer.end is None or answer.messages[answer.end] not in dechunked(body)
    verdict = "truncated/no_terminator" if protocol in ENDED else "truncated/incomplete_answer"
    assert expected(protocol, "clean-cut", "after=2").verdict == verdict


def test_a_clean_cut_may_carry_the_marker() -> None:
    """A bare marker proves nothing, and a protocol without one cannot send it."""
    assert dechunked(played("openai-chat", "clean-cut", "marker=yes").body).endswith(b"null}]}\n\ndata: [DONE]\n\n")
    with pytest.raises(BadParameterError, match="marker=yes: this protocol has none"):
        played("chatchat", "clean-cut", "marker=yes")


def test_without_an_end_the_check_alone_sees_a_clean_cut() -> None:
    """Nothing, a beginning, or all of it."""
    verdicts = [expected("raw", "clean-cut", f"after={after}").verdict for after in (0, 9, 10)]
    assert verdicts == ["empty/no_output", "truncated/incomplete_answer", "ok"]


@every_protocol
@pytest.mark.parametrize("framing", FRAMINGS)
def test_the_answer_is_complete_and_the_body_has_no_end(protocol: str, framing: str) -> None:
    """By FIN, by RST, or with a socket that stays open; only a close-delimited FIN leaves nothing to wish for."""
    complete = case(protocol).answer.complete
    for fault, query, last in (
        ("cut-after-end", "by=fin", Fin()),
        ("cut-after-end", "by=rst", Rst()),
        ("left-open", "", Hold()),
    ):
        one = played(protocol, fault, f"{query}&framing={framing}".removeprefix("&"))
        payload = dechunked(one.body + b"0\r\n\r\n") if framing == "chunked" else one.body
        assert len(payload) >= complete
        assert one.last == last
        if framing == "length":
            assert int(one.head.partition(b"Content-Length: ")[2].split(b"\r\n")[0]) > len(payload)
        clean = framing == "close" and query == "by=fin"
        flag = expected(protocol, fault, f"{query}&framing={framing}".removeprefix("&")).flag
        assert flag == ("" if clean else "unclean_end")


def test_a_stall_stops_after_its_output() -> None:
    """In silence, with pings that are chunks of their own, or with half an event before."""
    silent = played("chatchat", "stall", "after=2")
    assert silent.last == Hold()
    assert dechunked(silent.body + b"0\r\n\r\n").endswith(b'"message_id":null,"status":null}\r\n\r\n')
    pings = played("chatchat", "stall", "after=2&pings=2s").last
    assert pings == Repeat(b"27\r\n" + (DIALECTS["chatchat"].ping or b"") + b"\r\n", 2.0)
    *_, half, hold = played("chatchat", "stall", "after=2&half=yes").steps
    assert hold == Hold()
    assert isinstance(half, Send)
    assert played("chatchat", "ok").body.find(half.data) == len(silent.body)
    assert b"Content-Length: 1099511627776" in played("raw", "stall", "framing=length").head


@pytest.mark.parametrize(
    ("protocol", "query", "verdict"),
    [
        ("chatchat", "", "stalled/silent"),
        ("chatchat", "pings=1s", "stalled/no_output"),
        ("chatchat", "pings=30s", "stalled/silent"),
        ("chatchat", "half=yes", "stalled/no_output"),
        ("chatchat", "after=0&pings=1s", "timeout/first_chunk"),
        ("chatchat", "after=99", "stalled/silent"),
        ("chatchat-kb", "after=99&half=yes", "ok"),
        ("raw", "after=9", "stalled/silent"),
    ],
)
def test_the_verdict_of_a_stall(protocol: str, query: str, verdict: str) -> None:
    """By what goes on, whether output had begun, and whether the answer was whole."""
    assert expected(protocol, "stall", query).verdict == verdict
    assert played(protocol, "stall", query).steps


def test_what_a_protocol_lacks_cannot_go_on() -> None:
    """No pings and no events in raw bytes."""
    with pytest.raises(BadParameterError, match="pings: this protocol has none"):
        played("raw", "stall", "pings=1s")
    with pytest.raises(BadParameterError, match="half=yes: this protocol has no events"):
        played("raw", "stall", "half=yes")


@pytest.mark.parametrize("protocol", [name for name in ALL if "messages" in DIALECTS[name].can])
@pytest.mark.parametrize("after", [0, 3, 99])
def test_a_clean_end_inside_an_event(protocol: str, after: int) -> None:
    """Before the answer is whole, and in the middle of a message."""
    answer = case(protocol).answer
    payload = dechunked(played(protocol, "mid-event", f"after={after}").body)
    assert b"".join(answer.messages).startswith(payload)
    assert len(payload) < answer.complete
    assert len(payload) not in answer.starts
    assert not payload.endswith(b"\n")


@every_protocol
@pytest.mark.parametrize("after", [0, 3, 99])
def test_a_clean_end_inside_a_character(protocol: str, after: int) -> None:
    """The last byte is the first of three."""
    payload = dechunked(played(protocol, "mid-character", f"after={after}").body)
    assert payload.endswith(b"\xe4")
    with pytest.raises(UnicodeDecodeError):
        payload.decode()
