"""Invariants of every protocol, for the tests of an external one: any split, any cut, garbage, the dialect's answers.

    from monitor.testing import check_protocol

    def test_mine() -> None:
        check_protocol(MINE)

Each check raises AssertionError that names the protocol and the place. Nothing is random: a failure can be repeated.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from random import Random

from monitor.judge.verdict import Outcome, Verdict, judge
from monitor.lab.dialects import dialect_of
from monitor.lab.dialects.errors import ERRORS
from monitor.protocols import Decoder, Protocol
from monitor.stream.endings import BodyFraming, Deadline, Ending, EndKind, Head
from monitor.stream.events import Event, Output, Stop
from monitor.stream.raw import Raw
from monitor.stream.recorder import Recorder
from monitor.stream.recording import Recording

PIECES = ("1\n", "2\n", "3\n", "END-", "3fa9c1d0")
ENDINGS = (
    Ending(EndKind.COMPLETE, 1.0),
    Ending(EndKind.INCOMPLETE, 1.0),
    Ending(EndKind.RESET, 1.0),
    Ending(EndKind.MALFORMED, 1.0),
    Ending(EndKind.DEADLINE, 1.0, deadline=Deadline.IDLE),
)
"""The ways in which a connection can end."""
MEANINGS = {
    "stop": Stop.COMPLETE,
    "length": Stop.LENGTH,
    "content_filter": Stop.CONTENT_FILTER,
    "abort": Stop.ABORT,
    "error": Stop.ABORT,
}
"""The lab's finish reasons, and what each has to mean to the decoder."""
_BYTES = b'data: {}[]":,\n\r\\\x00\xff'
_CAP = 1 << 20


def check_protocol(protocol: Protocol) -> None:
    """Check all invariants of a protocol with streams of its dialect; ValueError if it has no dialect."""
    answer = dialect_of(protocol).encode(PIECES)
    body = b"".join(answer.messages)
    any_split(protocol, body)
    any_cut(protocol, body, answer.complete)
    any_garbage(protocol, body)
    check_dialect(protocol)


def check_dialect(protocol: Protocol) -> None:
    """Check that the decoder reads what the dialect declares: text, usage, finish reasons, errors, kinds of output."""
    dialect = dialect_of(protocol)
    answer = dialect.encode(PIECES)
    _same(protocol, "the text of the answer", recording(protocol, answer.messages).text, "".join(PIECES))
    usage = recording(protocol, dialect.encode(("x",)).messages).usage[:2]
    _same(protocol, "the usage of an answer of one piece", usage, dialect.usage)
    for word in dialect.finishes if protocol.end else ():
        stops = recording(protocol, dialect.encode(PIECES, word).messages).end.stops
        meanings = {stop.value for stop in stops - {Stop.COMPLETE} or stops}
        _same(protocol, f"the meaning of the finish reason {word}", meanings, {MEANINGS[word].value})
    for cause, message in dialect.errors.items():
        body = b"".join((*answer.messages[: answer.output.start + 1], message))
        found = verdict(protocol, body, ENDINGS[0])
        wanted = ("stream_error", cause if cause in ERRORS else "other")
        _same(protocol, f"the verdict on the error {cause}", (found.outcome.value, found.cause), wanted)
    for name, message in dialect.asides.items():
        kinds = {event.part.value for event, _ in _events(protocol, [message]) if isinstance(event, Output)}
        _same(
            protocol,
            f"the kinds of output in the aside {name}",
            kinds,
            {dialect.kinds[name]} if name in dialect.kinds else set(),
        )


def any_split(protocol: Protocol, body: bytes) -> None:
    """Check that a stream decodes to the same events at the same offsets for any split; raw reads are exempt."""
    if protocol.framing is Raw:
        return
    whole = _events(protocol, [body])
    assert _events(protocol, [body[at : at + 1] for at in range(len(body))]) == whole, _at(protocol, "byte by byte")
    for at in range(len(body)):
        assert _events(protocol, [body[:at], body[at:]]) == whole, _at(protocol, f"split at byte {at}")


def any_cut(protocol: Protocol, body: bytes, complete: int) -> None:
    """Check that a stream cut before byte `complete`, where its end is whole, is never ok, and always is after it.

    A protocol without an end is never ok, because there is no content check here.
    """
    for cut in range(len(body) + 1):
        for ending in ENDINGS:
            ok = verdict(protocol, body[:cut], ending).outcome is Outcome.OK
            where = _at(protocol, f"cut at byte {cut}, and the wire ended {ending.kind}")
            assert ok is (cut >= complete and (protocol.end or protocol.marker)), where


def any_garbage(protocol: Protocol, body: bytes, rounds: int = 200) -> None:
    """Check that corrupted and random bytes raise nothing, and decode to the same events for any split."""
    random = Random(1)  # noqa: S311 - the same bytes in every run
    for data in _garbage(random, body, rounds):
        pieces = list(_pieces(random, data))
        verdict(protocol, data, ENDINGS[0])
        if protocol.framing is not Raw:
            assert _events(protocol, pieces) == _events(protocol, [data]), _at(protocol, f"garbage {data!r}")


def verdict(protocol: Protocol, body: bytes, ending: Ending) -> Verdict:
    """Return the verdict on a body that came in one piece after a correct head, with this ending."""
    return judge(recording(protocol, [body], ending), content_types=protocol.content_types)


def recording(protocol: Protocol, messages: Sequence[bytes], ending: Ending = ENDINGS[0]) -> Recording:
    """Return the recording of a body that came in one piece after a correct head, with this ending."""
    recorder, body = Recorder(protocol.end_rule()), b"".join(messages)
    recorder.connected = True
    recorder.head = Head(200, next(iter(protocol.content_types), "text/plain"), framing=BodyFraming.CHUNKED)
    if body:
        recorder.arrived(0.5, 0.0, len(body))
    for event, offset in _events(protocol, [body]):
        recorder.record(event, offset)
    recorder.ending = ending
    return recorder.finish()


def _events(protocol: Protocol, pieces: Sequence[bytes]) -> list[tuple[Event, int]]:
    decoder = Decoder(protocol, event_bytes=_CAP, events=_CAP)
    return [*(event for piece in pieces for event in decoder.feed(piece)), *decoder.close()]


def _garbage(random: Random, body: bytes, rounds: int) -> Iterator[bytes]:
    for _ in range(rounds):
        changed = bytearray(body[: random.randint(0, len(body))])
        for _ in range(min(len(changed), random.randint(0, 3))):
            changed[random.randrange(len(changed))] = random.randrange(256)
        yield bytes(changed)
        yield bytes(random.choices(_BYTES, k=random.randint(0, 60)))


def _pieces(random: Random, data: bytes) -> Iterator[bytes]:
    places = sorted({0, len(data), *(random.randint(0, len(data)) for _ in range(6))})
    for start, end in pairwise(places):
        yield data[start:end]


def _same(protocol: Protocol, what: str, decoded: object, declared: object) -> None:
    assert decoded == declared, _at(protocol, f"{what}: {decoded!r}, and by the dialect {declared!r}")


def _at(protocol: Protocol, where: str) -> str:
    return f"{protocol.name}: {where}"
