"""How the bytes of a response can end, its head, and the clocks and deadlines of a probe.

Every time is in seconds from zero, the moment the request was issued (contract, section 2).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Mark(StrEnum):
    """The clocks of the contract, in the order in which they are passed."""

    DNS = "dns"
    CONNECT = "connect"
    TLS = "tls"
    REQUEST_SENT = "request_sent"
    HEADERS = "headers"
    FIRST_BYTE = "first_byte"
    FIRST_EVENT = "first_event"
    FIRST_CHUNK = "first_chunk"
    FIRST_CONTENT = "first_content"
    LAST_CHUNK = "last_chunk"
    END = "end"


class Deadline(StrEnum):
    """Which of our time limits passed; each is a field of `Timeouts`."""

    CONNECT = "connect"
    HEADERS = "headers"
    FIRST_CHUNK = "first_chunk"
    IDLE = "idle"
    TOTAL = "total"
    DRAIN = "drain"


class BodyFraming(StrEnum):
    """How the response delimits its body (RFC 9112, section 6; RFC 9113, section 8.1)."""

    CHUNKED = "chunked"
    LENGTH = "length"
    CLOSE = "close"
    H2 = "h2"


class EndKind(StrEnum):
    """How the bytes stopped, for the transport alone and independent of protocols."""

    # no connection
    DNS = "dns"
    REFUSED = "refused"
    NETWORK = "network"
    TLS_CERTIFICATE = "tls_certificate"
    TLS_HANDSHAKE = "tls_handshake"
    PROXY = "proxy"
    POLICY = "policy"
    # connected, no complete head
    CLOSED = "closed"
    PARTIAL_HEAD = "partial_head"
    MALFORMED_HEAD = "malformed_head"
    # a head that announces no stream: the body was not decoded
    DECLINED = "declined"
    # a body
    COMPLETE = "complete"
    INCOMPLETE = "incomplete"
    MALFORMED = "malformed"
    TOO_LARGE = "too_large"
    # either
    RESET = "reset"
    DEADLINE = "deadline"
    # ours
    ABORTED = "aborted"
    RESOURCES = "resources"
    INTERNAL = "internal"


class AfterCut(StrEnum):
    """The result of a connection attempt right after the peer had cut one."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNANSWERED = "unanswered"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True)
class Ending:
    """How the bytes stopped, and when; `detail` in our words (or the operating system's), never the peer's.

    `deadline` is set if `kind` is DEADLINE. `extra` is set if bytes came after the end of the body.
    """

    kind: EndKind
    at: float
    detail: str = ""
    deadline: Deadline | None = None
    extra: bool = False
    uncertainty: float = 0.0
    """The stream ended at most this many seconds before `at`."""


@dataclass(frozen=True, slots=True)
class Head:
    """The final response head."""

    status: int
    content_type: str = ""
    encoding: str = ""
    framing: BodyFraming = BodyFraming.CLOSE
    empty: bool = False
    """The head declares an empty body."""
    retry_after: int | None = None
    """Seconds that the server asked to wait."""
    request_ids: tuple[tuple[str, str], ...] = ()
    http_version: str = "1.1"
