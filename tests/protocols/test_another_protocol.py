"""A target that uses another protocol than its config says: nothing was cut."""

from __future__ import annotations

import pytest

from monitor.lab.dialects import DIALECTS
from monitor.protocols import PROTOCOLS
from monitor.stream.endings import BodyFraming, Ending, EndKind, Head
from monitor.stream.lines import Lines
from tests.protocols.replay import capture, decoded, judged

ANY_BYTES = frozenset({"raw", "generic", "chatchat-0.2-text"})
"""Everything is output there."""
OPENAI_SHAPED = frozenset({"openai-chat", "fastgpt", "chatchat", "chatchat-kb", "workers-ai"})
"""These read OpenAI's chunks, each with an end of its own."""
SPOKEN_SO = frozenset({"openai-chat", "fastgpt", "chatchat", "chatchat-agent", "chatchat-kb"})
"""These consist of such chunks."""
ONE_LINE = frozenset({"chatchat-0.2-json", "chatchat-0.2-text", "bedrock-converse"})
"""Bodies that may have no line end: to a protocol of lines the beginning of one."""
SHARED = {
    **{(asked, spoken): {"ok", "truncated", "unverified"} for asked in OPENAI_SHAPED for spoken in SPOKEN_SO - {asked}},
    **{("chatchat-agent", spoken): {"truncated", "bad_response"} for spoken in SPOKEN_SO - {"chatchat-agent"}},
    **{
        (asked, spoken): {"truncated", "bad_response"}
        for asked, protocol in PROTOCOLS.items()
        if isinstance(protocol.framing, type) and issubclass(protocol.framing, Lines)
        for spoken in ONE_LINE
    },
    ("chatchat-0.2-json", "chatchat-0.2"): {"bad_response"},
}
"""Pairs of which the protocol asked for reads some output in the other's stream, and what it may come to then.

A new protocol has a pair here only if it shares a key of its output with another one (`text`, say): then the outcome is
that of the protocol asked for. `ok` is right only if both have the same end.
"""
FOREIGN = {
    (asked, spoken)
    for asked in PROTOCOLS.keys() - ANY_BYTES
    for spoken in PROTOCOLS.keys() - {"raw", "generic", asked}
    if (asked, spoken) not in SHARED
}


def verdicts(asked: str, spoken: str) -> set[str]:
    """Return the verdicts on the lab's stream and the example of a protocol if another one was configured."""
    protocol = PROTOCOLS[asked]
    bodies = (
        b"".join(DIALECTS[spoken].encode(("1\n", "2\n", "3\n")).messages),
        capture(PROTOCOLS[spoken].example).response.body,
    )
    head = Head(200, protocol.content_types[0], framing=BodyFraming.CHUNKED)
    found = (judged(protocol, decoded(protocol, body, head), Ending(EndKind.COMPLETE, 1.0)) for body in bodies)
    return {f"{verdict.outcome}/{verdict.cause}" for verdict in found}


@pytest.mark.parametrize(("asked", "spoken"), sorted(FOREIGN))
def test_a_stream_of_another_protocol_is_no_truncation(asked: str, spoken: str) -> None:
    """Whatever the other protocol shares (a marker, a frame of usage, a key), none of it is the one asked for."""
    assert verdicts(asked, spoken) == {"bad_response/not_protocol"}


@pytest.mark.parametrize(("asked", "spoken"), sorted(SHARED))
def test_a_stream_that_two_protocols_share_is_judged_by_the_one_asked_for(asked: str, spoken: str) -> None:
    """OpenAI's chunks are output in several protocols, and each has its own end."""
    assert {verdict.partition("/")[0] for verdict in verdicts(asked, spoken)} <= SHARED[asked, spoken]
