"""What an error message says about the cause: one table for every shape of error and every gateway."""

from __future__ import annotations

import re
from enum import StrEnum


class Statement(StrEnum):
    """What an error message says about who failed."""

    NOTHING = "nothing"
    UPSTREAM_LOST = "upstream_lost"
    """Its upstream refused or broke the connection."""
    TIMED_OUT = "timed_out"
    """It timed out."""
    STARTING = "starting"
    OVERLOADED = "overloaded"
    CONTEXT = "context"
    INTERNAL = "internal"
    """Its own code raised an exception."""


_TABLE: tuple[tuple[Statement, tuple[str, ...]], ...] = (
    (
        Statement.CONTEXT,
        (r"context[_ -]?(length|window|size)", "maximum context", "exceed_context", "prompt is too long"),
    ),
    (
        Statement.STARTING,
        (r"(is )?loading (the )?model", "model is loading", "still loading", "starting up", "warming up"),
    ),
    (
        Statement.UPSTREAM_LOST,
        (
            # messages of the operating system, and of Go, Node.js, Python and Rust clients
            "econn(refused|reset|aborted)", "epipe", "ehostunreach", "enotfound", "eai_again", r"errno 1(04|11|13)",
            r"connection (was )?(refused|reset|aborted|closed|terminated|lost|dropped|failure|failed|error)",
            r"connect(ion)? time(d )?-?out", "cannot connect", "can't connect", "could ?n[o']t connect",
            "failed to connect", "unable to connect", "connect call failed", "connection attempts failed",
            "connect error", "connecterror", r"(?<!api)connectionerror", "dial tcp", "socket hang up",
            "premature(ly)? close", "other side closed", "fetch failed", "broken pipe", "server disconnected",
            "peer closed", r"incomplete (chunked )?read", "payload is not completed", "unexpected eof",
            "error sending request", "closed before message completed", "remoteprotocolerror",
            "remote end closed", r"stream error: stream id", "error reading a body", "error decoding response body",
            # gateways
            "bad gateway", "remote connection failure", "remote reset", "disconnect/reset before headers",
            r"no (healthy|live|available|ready) (upstream|backend|server|endpoint|worker|deployment|instance)s?",
            r"no (server|backend|worker|deployment|endpoint)s? (is |are )?(currently )?available",
            r"all (upstream|backend|worker|deployment|server)s? .{0,30}(down|failed|unavailable|unhealthy)",
            "upstream_request_error", r"upstream (server )?(error|failed|failure|unavailable|unreachable|is down)",
            "network error due to high traffic", "runner process", "engine is dead", "enginedeaderror",
            r"(backend|worker|upstream) .{0,40}(unreachable|not reachable|has died|is dead|crashed)",
        ),
    ),
    (Statement.TIMED_OUT, (r"time[ds]?[ -]?out", "deadline exceeded", "etimedout", "took too long")),
    (Statement.UPSTREAM_LOST, ("apiconnectionerror",)),  # LiteLLM: any failure of its upstream, even a time-out
    (
        Statement.OVERLOADED,
        (
            "overload", "capacity", r"\bbusy\b", r"queue .{0,20}full", r"full .{0,20}queue", "high (demand|load)",
            "too many (concurrent |pending |waiting )?requests", r"no (free |available )?slots?", "throttl",
            "resource[_ ]exhausted", "rate[_ -]?limit",
        ),
    ),
    (
        Statement.INTERNAL,
        (
            r"internal[_ ]?(server)?[_ ]?error", "traceback", r"unhandled", r"exception", r"out of memory",
            r"\b[A-Z]\w+(Error|Exception)\b", "assertion",
        ),
    ),
)  # fmt: skip
"""From the most specific to the least: "overloaded: connection refused" means the latter."""
_PATTERNS = tuple((statement, re.compile("|".join(texts), re.IGNORECASE)) for statement, texts in _TABLE)


def classify(*texts: str | None) -> Statement:
    """Return what an error (its message, type and code) says about the cause; NOTHING if it is unknown."""
    text = " ".join(filter(None, texts))
    return (
        next((found for found, pattern in _PATTERNS if pattern.search(text)), Statement.NOTHING)
        if text
        else Statement.NOTHING
    )
