"""How long one hostile input holds the event loop: CPU time of the longest single call, for each kind of it.

Run as `python -m benchmarks.holds [BYTES]`. Each protocol reads an event that has a hostile value where its output
stands, each content check examines hostile answers, and hostile texts are redacted as they are before they are kept.
Events and answers are as long as an event may be by default; texts have 64 KiB, the most that is kept of an answer.
"""

from __future__ import annotations

import sys
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from time import thread_time
from typing import NamedTuple

from monitor.judge.content_check import examine
from monitor.lab.dialects import DIALECTS
from monitor.lab.dialects.bedrock_converse import frame
from monitor.protocols import Decoder, Protocol, find
from monitor.protocols.decoder import MOST_VALUES
from monitor.redaction import Redactor, last_words
from monitor.settings import Limits
from monitor.stream.binary_frames import BinaryFrames
from monitor.stream.events import Event
from monitor.stream.recorder import Recorder
from monitor.target import KEPT, Check, CountCheck, LengthCheck, PatternCheck, Record, WordsCheck

_LIMITS = Limits()
SIZE = _LIMITS.event_bytes - 4096
MOST = 0.25
"""The limit on the seconds of one call."""
_READ = 256 * 1024
"""Bytes of one read of asyncio."""
_NESTED = 90_000
_MARK = "0mark0"
_NONCE = "k7x9q2"
_SECRETS = ("sk-canary-0123456789", "abcd")


class Input(NamedTuple):
    """One input, and the calls that take it: each of them holds the event loop."""

    kind: str
    name: str
    calls: Iterable[Callable[[], object]]


def _values(size: int) -> dict[str, bytes]:
    depth = min(_NESTED, size // 2)
    return {
        "many objects": b"[" + b",".join([b"{}"] * (size // 3)) + b"]",
        "as many objects as are read": b"[" + b",".join([b"{}"] * min(MOST_VALUES // 2 - 50, size // 3)) + b"]",
        "a long text": b'"' + b"x" * size + b'"',
        "a long text of escapes": b'"' + b"\\u00e9" * (size // 6) + b'"',
        "a long number": b"1" * size,
        "nested arrays": b"[" * depth + b"]" * depth,
    }


def _event(name: str, protocol: Protocol, value: bytes) -> bytes:
    """Return the message of a protocol that has this JSON where its output stands."""
    if protocol.framing is BinaryFrames:
        return frame({":event-type": "contentBlockDelta"}, b'{"contentBlockIndex":0,"delta":{"text":%s}}' % value)
    answer = DIALECTS[name].encode((_MARK,))
    message = answer.messages[answer.output.start]
    mark = _MARK.encode()
    return message.replace(b'"%s"' % mark if b'"%s"' % mark in message else mark, value)


def _read(protocol: Protocol, wire: bytes) -> Iterator[Callable[[], object]]:
    decoder, recorder = Decoder(protocol, event_bytes=_LIMITS.event_bytes, events=_LIMITS.events), Recorder()

    def feed(data: bytes, came: int) -> list[tuple[Event, int]]:
        recorder.arrived(0.0, 0.0, came)
        found = decoder.feed(data)
        for event, offset in found:
            recorder.record(event, offset)
        return found

    for at in range(0, len(wire), _READ):
        piece = wire[at : at + _READ]
        yield partial(feed, piece, at + len(piece))
    yield decoder.close


def _answers(size: int) -> dict[str, str]:
    repeated = {
        "digits": "1", "numbers": "1 ", "lines": "1\n", "labels": "1. 1\n", "thousands": "1,", "white space": " ",
        "thinking": "<think>", "closing words": f"END-{_NONCE} ", "underscores": "_", "words": "anchor ",
    }  # fmt: skip
    return {name: text * (size // len(text)) for name, text in repeated.items()}


_CHECKS: dict[str, Check] = {
    "count": CountCheck(),
    "words": WordsCheck(),
    "pattern": PatternCheck("(a+)+b|(1 ?)*2"),
    "length": LengthCheck(10),
}


_ALONE = (
    "%", "\\", "\\u00", "&#", "&", "=", "0x41", "41 ", "1, ", "\\101", "\0", "=\n", "JUEx",
    "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB\n", "aCUlNDEgJWQgaGVs %41",
    "=41", "=41=\n", "IFAUCQKB", "0000 4141 ", "0000  41 41  AA\n",
)  # fmt: skip


def _texts(size: int) -> Iterator[tuple[str, str, str]]:
    """Return hostile texts: a name, the secret and the text."""
    for secret in _SECRETS:
        forms = {
            "base64": b64encode(secret.encode() * 3).decode(),
            "base64, one letter before it": b64encode(b"x" + secret.encode() * 3).decode(),
            "hexadecimal": secret.encode().hex(),
            "percent-encoded": "".join(f"%{byte:02X}" for byte in secret.encode()),
            "percent-encoded twice": "".join(f"%25{byte:02X}" for byte in secret.encode()),
            "JSON escapes": "".join(f"\\u{ord(letter):04x}" for letter in secret),
            "HTML entities": "".join(f"&#{ord(letter)};" for letter in secret),
            "base64 twice": b64encode(b64encode(secret.encode() * 3)).decode(),
            "base64 in lines": b64encode(secret.encode() * 3).decode() + "\n",
            "hexadecimal bytes": secret.encode().hex(" ") + " ",
            "decimal bytes": "".join(f"{byte}, " for byte in secret.encode()),
            "octal escapes": "".join(f"\\{byte:03o}" for byte in secret.encode()),
            "UTF-16": secret.encode("utf-16-le").decode(),
            "as it is": secret,
        }
        yield from ((f"{name}, {len(secret)} characters", secret, (text * size)[:size]) for name, text in forms.items())
        yield from ((f"{text} alone", secret, (text * size)[:size]) for text in _ALONE)


def inputs(size: int) -> Iterator[Input]:
    """Return every input: `size` is the bytes of an event and of an answer."""
    for name in DIALECTS:
        protocol = find(name)
        for shape, value in _values(size).items():
            wire = _event(name, protocol, value)
            yield Input("events", f"{name}: {shape}", _read(protocol, wire))
    for kind, check in _CHECKS.items():
        for shape, text in _answers(size).items():
            yield Input("answers", f"{kind}: {shape}", [partial(examine, check, text, _NONCE)])
    for shape, secret, text in _texts(min(size, KEPT[Record.FULL])):
        yield Input("texts to redact", shape, [partial(last_words, text, Redactor([secret]), len(text))])


def longest(one: Input) -> float:
    """Return the CPU seconds of this thread in the longest call."""
    held = 0.0
    for call in one.calls:
        began = thread_time()
        call()
        held = max(held, thread_time() - began)
    return held


def main() -> int:
    """Print a line for each kind of input; 1 if a call took longer than it may."""
    size = int(sys.argv[1]) if len(sys.argv) > 1 else SIZE
    held: dict[str, list[tuple[float, str]]] = {}
    for one in inputs(size):
        held.setdefault(one.kind, []).append((longest(one), one.name))
    sys.stdout.write("| inputs | tried | longest call | of |\n|---|---|---|---|\n")
    for kind, found in held.items():
        seconds, name = max(found)
        sys.stdout.write(f"| {kind} | {len(found)} | {seconds * 1000:.0f} ms | {name} |\n")
    return int(max(max(found)[0] for found in held.values()) > MOST)


if __name__ == "__main__":
    sys.exit(main())
