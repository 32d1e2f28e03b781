"""For every outcome and cause: what happened, whose fault it likely is, and what to do; used by details and docs.

`detail` is a template over: chunks, framing, expected, closed, reset, after, status, reason, why, progress, limit.
"""

from __future__ import annotations

from typing import NamedTuple


class Explanation(NamedTuple):
    """What a verdict means for the person on call."""

    detail: str
    whose: str
    do: str


_CUT = "the server process, a proxy's time-out, or a restart"

MEANINGS: dict[tuple[str, str | None], Explanation] = {
    ("ok", None): Explanation(
        "complete: {chunks}", "nobody", "nothing",
    ),
    ("unverified", None): Explanation(
        "{chunks} and a clean end; the protocol has no end and no content check is configured",
        "nobody, as far as is known", "configure `check`: it is the only proof of a whole answer here",
    ),
    ("truncated", "incomplete_body"): Explanation(
        "peer {closed} inside the {framing} body ({expected}); {chunks} received",
        _CUT, "look for a restart or an exception in the app's log at that second; equal ages suggest a proxy",
    ),
    ("truncated", "reset"): Explanation(
        "peer {reset} inside the {framing} body; {chunks} received",
        "a killed process, a firewall, or a load balancer that dropped the connection",
        "look for kills (OOM), for conntrack limits, and for the balancer's idle time-out",
    ),
    ("truncated", "malformed_body"): Explanation(
        "the framing of the {framing} body is invalid ({why}); {chunks} received",
        "the server or a proxy that rewrites bodies", "probe the server directly and compare",
    ),
    ("truncated", "no_terminator"): Explanation(
        "the response ended cleanly, but the protocol's end never came; {chunks} received",
        "the server's upstream: it failed, and the server did not report it",
        "look at the upstream's log; a proxy speaking HTTP/1.0 upstream (nginx's default) also hides a cut like this",
    ),
    ("truncated", "mid_event"): Explanation(
        "the response ended cleanly inside an event or a character; {chunks} received",
        "a proxy or a server that closed its output early", "probe the server directly and compare",
    ),
    ("truncated", "server_abort"): Explanation(
        "the finish reason is a failure ({reason}); {chunks} received",
        "the model server", "look at the model server's log: it stopped the request itself",
    ),
    ("truncated", "token_limit"): Explanation(
        "the model stopped at a limit below our max_tokens, and the answer is not whole; {chunks} received",
        "the model server's own limit (context size, a cap on output)", "raise its limit, or lower the check's size",
    ),
    ("truncated", "incomplete_answer"): Explanation(
        "the response ended cleanly, but the answer is only a correct beginning ({progress} of it); {chunks} received",
        "the server's upstream: it failed, and the server did not report it",
        "look at the upstream's log at that second",
    ),
    ("stalled", "silent"): Explanation(
        "no byte for {limit} after output had begun; {chunks} received",
        "a hung model server or a dead connection behind a proxy", "look at the model server's queue and its GPU",
    ),
    ("stalled", "no_output"): Explanation(
        "no output for {limit} after it had begun, while other bytes arrived (pings or half an event); "
        "{chunks} received",
        "a hung model with a working web server in front of it",
        "look at the model server, not at the app in front of it",
    ),
    ("timeout", "connect"): Explanation(
        "no connection within {limit}",
        "the network, a firewall that drops packets, or a full listen queue; if TCP connected, a port without "
        "TLS or a hung proxy",
        "try to connect by hand from here",
    ),
    ("timeout", "headers"): Explanation(
        "no whole response head within {limit}", "the server: it accepted the request and did not answer",
        "look at its queue and its workers",
    ),
    ("timeout", "first_chunk"): Explanation(
        "no output within {limit}", "an overloaded or hung model", "look at the model server's queue",
    ),
    ("timeout", "total"): Explanation(
        "not complete within {limit}; {chunks} received", "a slow model, or an answer that does not end",
        "compare tokens per second with the usual rate",
    ),
    **{
        ("stream_error", cause): Explanation(
            f"the stream itself reports an error: {text}; {{chunks}} received", whose, do,
        )
        for cause, text, whose, do in (
            ("overloaded", "overloaded", "the model server, out of capacity", "add capacity or shed load"),
            ("rate_limited", "rate limited", "the limit on our key", "raise the limit or probe less often"),
            ("quota", "quota used up", "the account", "look at its billing"),
            ("context_length", "context too long", "the prompt or the model's context size", "shorten the prompt"),
            ("auth", "not authorised", "the key, ours or the server's own upstream key", "renew that key"),
            ("not_found", "no such model or resource", "the config, ours or the server's", "check the model's name"),
            ("upstream", "its upstream failed", "the server's upstream", "look at the upstream's log"),
            ("other", "unclassified", "the server", "read `server_error` in the event, then the server's log"),
        )
    },
    ("http_error", "auth"): Explanation("HTTP status {status}", "the key", "renew or fix the key"),
    ("http_error", "rate_limited"): Explanation("HTTP status {status}", "the limit on our key", "probe less often"),
    ("http_error", "quota"): Explanation("HTTP status {status}", "the account", "look at its billing"),
    ("http_error", "not_found"): Explanation("HTTP status {status}", "the URL or the model's name", "check both"),
    ("http_error", "overloaded"): Explanation("HTTP status {status}", "the server, out of capacity", "add capacity"),
    ("http_error", "server"): Explanation("HTTP status {status}", "the server or its upstream", "look at its log"),
    ("http_error", "redirect"): Explanation(
        "HTTP status {status}: redirects are never followed", "the URL", "configure the URL it redirects to",
    ),
    ("http_error", "rejected"): Explanation(
        "HTTP status {status}", "our request, which this server does not accept",
        "compare protocol, url and body with its docs",
    ),
    ("unreachable", "dns"): Explanation(
        "the name does not resolve ({why})", "DNS", "look the name up from this machine",
    ),
    ("unreachable", "refused"): Explanation("connection refused", "no server listens on that port", "start the server"),
    ("unreachable", "network"): Explanation("no connection ({why})", "the network", "try to connect by hand from here"),
    ("unreachable", "tls_certificate"): Explanation(
        "the certificate was not accepted ({why})", "the certificate", "renew it, or configure `tls.ca_file`",
    ),
    ("unreachable", "tls_handshake"): Explanation(
        "the TLS handshake failed ({why})", "the server's TLS set-up, or no TLS on that port", "check scheme and port",
    ),
    ("unreachable", "proxy"): Explanation(
        "the proxy did not open the connection ({why})", "the proxy", "check `proxy`",
    ),
    ("unreachable", "policy"): Explanation(
        "the address is denied by our own rule ({why})", "our config",
        "allow it in `[network] allow` if it is intended",
    ),
    ("no_response", "closed"): Explanation(
        "peer closed the connection before any response{after}", "the server or a proxy without a backend",
        "look at its log",
    ),
    ("no_response", "reset"): Explanation(
        "peer {reset} before a whole response head", "a crashed worker or a firewall", "look for kills",
    ),
    ("no_response", "partial_head"): Explanation(
        "peer closed the connection inside the response head", "a crashed worker", "look for kills and restarts",
    ),
    ("bad_response", "malformed_head"): Explanation(
        "the response head cannot be read ({why})", "another service on that port, or a broken proxy", "check the port",
    ),
    ("bad_response", "encoding"): Explanation(
        "the body is compressed, although identity was asked for", "a proxy that compresses streams",
        "switch compression off for this route: it also delays chunks",
    ),
    ("bad_response", "content_type"): Explanation(
        "the content type is {why}, and nothing in the body decodes as the protocol",
        "the URL, or an error page with 200",
        "check the url and the protocol",
    ),
    ("bad_response", "not_protocol"): Explanation(
        "nothing in the body decodes as the protocol ({why})", "the configured protocol", "check `protocol`",
    ),
    ("bad_response", "malformed_event"): Explanation(
        "complete, but an event does not decode ({why})", "the server or a proxy that rewrites bodies",
        "save the stream with `probe --save` and inspect it",
    ),
    ("bad_response", "sequence_gap"): Explanation(
        "complete, but a numbered event is missing", "a proxy or server that loses events",
        "probe the server directly and compare",
    ),
    ("bad_response", "too_large"): Explanation(
        "the stream exceeded our limit on size ({why}); {chunks} received", "a model or server that does not stop",
        "raise `[limits]` if such answers are intended",
    ),
    ("empty", "no_output"): Explanation(
        "the stream ended without any output", "the model or its template", "send the prompt by hand",
    ),
    ("empty", "no_body"): Explanation("the response has no body", "the server", "check the url and `stream`"),
    ("filtered", "content_filter"): Explanation(
        "ended by a content filter", "the provider's filter", "change `prompt`",
    ),
    ("filtered", "refusal"): Explanation("the model refused", "the model", "change `prompt`"),
    ("filtered", "prompt_blocked"): Explanation("the prompt was blocked", "the provider's filter", "change `prompt`"),
    ("wrong_content", "duplicated"): Explanation(
        "complete, but part of the answer is repeated ({progress} is correct)",
        "the model, or a server that sends a piece twice", "check whether it is always the same place",
    ),
    ("wrong_content", "out_of_order"): Explanation(
        "complete, but the answer is out of order ({progress} is correct)", "the model, or a server that reorders",
        "check whether it is always the same place",
    ),
    ("wrong_content", "missing"): Explanation(
        "complete, but part of the answer is missing ({progress} is correct)",
        "the model, lost pieces, or a gateway that sends the end of an answer that its upstream did not finish",
        "if the model cannot count reliably, use another `check`; if the target is a gateway, look at its upstream",
    ),
    ("wrong_content", "too_short"): Explanation(
        "complete, but too short", "the model", "compare with the usual length",
    ),
    ("wrong_content", "pattern"): Explanation("complete, but without the pattern", "the model", "read the answer"),
    ("wrong_content", "token_limit"): Explanation(
        "stopped at our own max_tokens before the answer was whole", "our config", "raise `max_tokens`",
    ),
    ("aborted", "shutdown"): Explanation("stopped: the monitor shut down", "ours", "nothing"),
    ("aborted", "reload"): Explanation("stopped: the config changed", "ours", "nothing"),
    ("aborted", "client"): Explanation("stopped: the client that asked for the probe disconnected", "ours", "nothing"),
    ("inconclusive", "resources"): Explanation(
        "the monitor lacked resources ({why})", "the monitor's machine", "raise its limits, or move targets away",
    ),
    ("inconclusive", "internal"): Explanation(
        "a bug of the monitor ({why})", "the monitor", "report it with this event",
    ),
}  # fmt: skip
