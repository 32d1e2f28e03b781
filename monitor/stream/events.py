"""The events of a stream in any protocol: a framed message, and the closed union of events decoded from it."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from msgspec import Struct


class Message(Struct, frozen=True, gc=False):
    """One framed unit of a stream.

    `end` is the payload offset after its last byte; line ends that only close it are not counted.
    """

    data: str
    end: int
    name: str = ""
    comment: bool = False
    """An SSE comment: a sign of life and nothing else."""
    outside: bool = False
    """A line that is not part of the framing and is ignored."""


class Part(StrEnum):
    """Which kind of output a piece is."""

    CONTENT = "content"
    REASONING = "reasoning"
    TOOL_CALL = "tool_call"
    REFUSAL = "refusal"


class Stop(StrEnum):
    """What a finish reason means, independent of the protocol."""

    COMPLETE = "complete"
    LENGTH = "length"
    ABORT = "abort"
    CONTENT_FILTER = "content_filter"
    REFUSAL = "refusal"
    PROMPT_BLOCKED = "prompt_blocked"


class Fault(StrEnum):
    """What an error inside a stream is about; the causes of `stream_error`."""

    OVERLOADED = "overloaded"
    RATE_LIMITED = "rate_limited"
    QUOTA = "quota"
    CONTEXT_LENGTH = "context_length"
    AUTH = "auth"
    NOT_FOUND = "not_found"
    UPSTREAM = "upstream"
    OTHER = "other"


MOST_TOKENS = 10_000_000
"""Tokens of one stream: a larger count from a server is ignored."""


class Usage(NamedTuple):
    """Tokens as the server counted them; None if it did not report them."""

    input: int | None = None
    output: int | None = None
    reasoning: int | None = None

    def updated(self, newer: Usage) -> Usage:
        """Return this updated with later counts; a later zero is ignored, because many servers send zeros at first."""
        pairs = zip(newer, self, strict=True)
        return Usage(*(new if new or old is None else old for new, old in pairs))

    def believed(self, *, chunks: int) -> Usage:
        """Return the plausible counts: no zeros if there was output, and nothing above `MOST_TOKENS`."""
        read, written, thought = (None if count is None or count > MOST_TOKENS else count for count in self)
        return Usage(read or (None if chunks else read), written or (None if chunks else written), thought)


class Output(Struct, frozen=True, gc=False):
    """A piece of the answer; the first one stops the clock of time to first chunk."""

    text: str
    part: Part = Part.CONTENT
    choice: int = 0
    repeats: bool = False
    """It repeats what was streamed before, and is output only if nothing was."""
    again: bool = False
    """It may repeat the whole answer, which it does not declare; if it does, it is not output."""


class Meta(Struct, frozen=True, gc=False):
    """Life without output: role, usage, status, documents, or a ping."""

    ping: bool = False
    foreign: bool = False
    """JSON without anything of the protocol: it does not count as decoded."""
    shared: bool = False
    """Another protocol has the same message: after messages of only another protocol it does not count as decoded."""
    model: str | None = None
    usage: Usage | None = None
    choice: int | None = None
    """A choice that this message opens or refers to."""
    reason: str | None = None
    """A finish reason that comes before the end itself (Anthropic's `message_delta`)."""
    stop: Stop | None = None
    """What that reason means."""
    sequence: int | None = None
    """The number of a numbered message; a gap means a lost message."""


class Finish(Struct, frozen=True, gc=False):
    """The protocol's end: for one choice, with the reason that the server gave."""

    reason: str | None = None
    stop: Stop = Stop.COMPLETE
    choice: int = 0
    words: str = ""
    """The server's message about that reason (Cohere's `error`, Gemini's `finishMessage`)."""
    shared: bool = False
    """A marker that other protocols have, too: after messages of only another protocol it belongs to that one."""


class Done(Struct, frozen=True, gc=False):
    """The marker after the end (`[DONE]`)."""


class Failure(Struct, frozen=True, gc=False):
    """An error that the stream itself reports."""

    fault: Fault
    message: str = ""
    type: str | None = None
    code: str | None = None
    framed: bool = True
    """It came as a message; False for an object outside the framing."""


class Malformed(Struct, frozen=True, gc=False):
    """A message that does not decode; `why` is in our words."""

    why: str
    framed: bool = True
    """It came as a message; False for bytes outside the framing."""
    body: bool = False
    """The framing itself is broken (a checksum or a length that is wrong): nothing after it can be read."""


class Partial(Struct, frozen=True, gc=False):
    """The rest when the stream stopped: a partial message (`parsed` False), or a whole one without its line end."""

    parsed: bool = False


Event = Output | Meta | Finish | Done | Failure | Malformed | Partial
