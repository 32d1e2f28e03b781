"""The parts of an answer: its messages, which of them carry output, and what a protocol supports."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import Protocol

LINE_ENDS = b"\r\n"
FINISHES = ("stop", "length", "content_filter", "abort", "error")
"""The lab's finish reasons, which its faults use; `encode` translates them to those of the protocol."""
_CAUSE = re.compile(r"[a-z_]+")


@dataclass(frozen=True, slots=True)
class EncodedAnswer:
    """All messages of one answer in order, so that a fault can cut between or inside them."""

    messages: tuple[bytes, ...]
    output: range
    """Which messages carry output."""
    end: int | None = None
    """The message with the end, if the protocol has one."""
    marker: int | None = None
    """The marker after the end (`[DONE]`), if the protocol has one."""
    closed_by: bytes = LINE_ENDS
    """Bytes that only close a message and do not belong to it."""

    @property
    def starts(self) -> tuple[int, ...]:
        """Payload offset at which each message starts, and the length of the whole."""
        return tuple(accumulate(map(len, self.messages), initial=0))

    @property
    def last(self) -> int:
        """The message that makes the answer whole: the end, or the last output; -1 if there is neither."""
        return self.output.stop - 1 if self.end is None else self.end

    @property
    def complete(self) -> int:
        """Payload offset after the byte that makes the answer whole: that of the end, or of the last output.

        Line ends that only close that message do not count.
        """
        return self.starts[self.last] + len(self.messages[self.last].rstrip(self.closed_by))

    def upto(self, outputs: int) -> int:
        """The number of messages before output number `outputs` or, if there are fewer, before the end."""
        return self.output.start + min(outputs, len(self.output))

    def insert(self, at: int, *messages: bytes) -> EncodedAnswer:
        """The same answer with messages inserted before message `at`; they are not output."""
        shift = len(messages)
        first, stop = self.output.start, self.output.stop
        return replace(
            self,
            messages=self.messages[:at] + messages + self.messages[at:],
            output=range(first + shift * (at <= first), stop + shift * (at < stop)),
            end=_shifted(self.end, at, shift),
            marker=_shifted(self.marker, at, shift),
        )


def _shifted(index: int | None, at: int, shift: int) -> int | None:
    return index if index is None or index < at else index + shift


class Encode(Protocol):
    """Encodes an answer of several pieces; `finish` is one of the lab's finish reasons, `FINISHES`."""

    def __call__(self, pieces: Sequence[str], finish: str = ...) -> EncodedAnswer:
        """All its messages: role frame, output, finish, marker."""

    def __hash__(self) -> int:
        """As for functions, so that results can be cached."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """The lab's side of one protocol; ValueError if no fault can use its `finishes` or `errors`."""

    encode: Encode
    whole: Callable[[str], bytes]
    """The body if no stream was requested."""
    content_type: str
    whole_type: str = "application/json"
    framing: str = "sse"
    """`sse`, `lines`, `json` with nothing between, `binary`, or `raw`: the bytes are the answer, without messages."""
    finishes: tuple[str, ...] = ("stop",)
    """Those of `FINISHES` that the protocol has, by the lab's names; the first is `stop`."""
    errors: Mapping[str, bytes] = field(default_factory=dict)
    """Errors in the stream, by cause (`monitor.stream.events.Fault`); any other name means the cause `other`."""
    ping: bytes | None = None
    """A message that is only a sign of life."""
    asides: Mapping[str, bytes] = field(default_factory=dict)
    """Messages that real servers insert and that change nothing."""
    kinds: Mapping[str, str] = field(default_factory=dict)
    """The asides that are output, and their kind, a `Part`: `reasoning`, `tool_call` or `refusal`."""
    usage: tuple[int | None, int | None] = (None, None)
    """The input and output tokens that an answer of one piece reports."""
    garbled: Mapping[str, bytes] = field(default_factory=dict)
    """Messages that do not decode, by their fault."""

    def __post_init__(self) -> None:
        unknown = [word for word in self.finishes if word not in FINISHES]
        if unknown:
            raise ValueError(
                f"finishes has {', '.join(map(repr, unknown))}, which no fault uses: "
                f"use {', '.join(FINISHES)}, and let `encode` translate them to the protocol's own"
            )
        if self.finishes[:1] != FINISHES[:1]:
            raise ValueError(f"finishes begins with {FINISHES[0]!r}, the reason of a complete answer")
        if wrong := [cause for cause in self.errors if not _CAUSE.fullmatch(cause)]:
            raise ValueError(f"errors has {', '.join(map(repr, wrong))}: a cause is lowercase letters and underscores")

    @property
    def can(self) -> frozenset[str]:
        """What it supports: names that `NEEDS` explains."""
        sample = self.encode(("x",))
        has = {
            "end": sample.end is not None,
            "marker": sample.marker is not None,
            "messages": self.framing != "raw",
            "sse": self.framing == "sse",
            "ping": self.ping is not None,
            "errors": bool(self.errors),
            "asides": bool(self.asides),
        }
        finishes = {f"finish {word}" for word in self.finishes}
        return frozenset(
            {name for name, yes in has.items() if yes} | finishes | {f"aside {name}" for name in self.asides}
        )


NEEDS: Mapping[str, str] = {
    "end": "it declares no end",
    "marker": "it has no marker after its end",
    "messages": "its bytes are the answer, with no messages in them",
    "sse": "it does not speak in server-sent events",
    "ping": "it has no pings",
    "errors": "it has no error inside the stream",
    "asides": "it has no messages beside the answer",
}


def lacks(dialect: Dialect, needs: Sequence[str]) -> str:
    """Why a fault with these needs is not available in this protocol; empty if it is."""
    return "; ".join(NEEDS.get(need, f"it has no {need}") for need in needs if need not in dialect.can)


def compact(value: object) -> str:
    """JSON as OpenAI and llama.cpp write it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def spaced(value: object) -> str:
    """JSON as Python servers write it."""
    return json.dumps(value, ensure_ascii=False)


def event(data: str, eol: str = "\n", name: str = "") -> bytes:
    """One server-sent event."""
    head = f"event: {name}{eol}" if name else ""
    return f"{head}data: {data}{eol}{eol}".encode()
