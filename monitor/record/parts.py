"""Parts that an observation and its event share: tokens, the server's error, and suspects."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

T = TypeVar("T")
Count = Annotated[int, Meta(ge=0)]


def prepared(kind: type[T]) -> type[T]:
    """Prepare a type for decoding while its module is imported, and return it.

    msgspec does that when a type is decoded for the first time. If two threads do so at once, one of them uses what the
    other has half made, and the process dies of SIGSEGV (msgspec 0.22).
    """
    msgspec.json.Decoder(kind)
    return kind


class Suspect(StrEnum):
    """Who or what may be at fault: a closed set, the same in events, labels and docs."""

    PROXY_TIMEOUT = "proxy_timeout"
    RESTART = "restart"
    APP_EXCEPTION = "app_exception"
    UPSTREAM = "upstream"
    OVERLOAD = "overload"
    CONTEXT = "context"
    NETWORK = "network"
    BUFFERING_PROXY = "buffering_proxy"
    SILENT_END = "silent_end"


class Tokens(msgspec.Struct, frozen=True):
    """Tokens of one probe."""

    input: Annotated[Count, Meta(description="Tokens of the prompt.")] = 0
    output: Annotated[Count, Meta(description="Tokens of the answer, reasoning included.")] = 0
    reasoning: Annotated[Count, Meta(description="Those of the output that are reasoning.")] = 0
    estimated: Annotated[bool, Meta(description="The server reported no usage; these are estimates.")] = False


class ServerError(msgspec.Struct, frozen=True):
    """The server's own error message: truncated, control characters escaped, secrets redacted."""

    type: Annotated[str, Meta(description="Its type of error.")] | UnsetType = UNSET
    code: Annotated[str, Meta(description="Its error code.")] | UnsetType = UNSET
    message: Annotated[str, Meta(description="Its message.")] | UnsetType = UNSET


class Suspicion(msgspec.Struct, frozen=True):
    """A suspect of an incident, with the evidence in our words."""

    suspect: Annotated[
        str,
        Meta(description="Who or what is suspected.", extra_json_schema={"enum": [one.value for one in Suspect]}),
    ]
    because: Annotated[str, Meta(description="The evidence, in a sentence.")]


NOT_KNOWN = "not known: nothing observed points at one party"
"""The text for a failed probe without a suspect."""


def given(value: T | None) -> T | UnsetType:
    """Return a value, or UNSET for None: a key that does not apply is absent."""
    return UNSET if value is None else value
