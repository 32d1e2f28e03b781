"""The sentence that describes a verdict."""

from __future__ import annotations

import pytest

from monitor.judge.content_check import CheckResult
from monitor.judge.verdict import (
    judge,
)
from monitor.stream.endings import BodyFraming, Head
from monitor.stream.events import (
    Failure,
    Fault,
    Finish,
    Malformed,
    Meta,
    Output,
    Part,
    Stop,
    Usage,
)
from monitor.stream.recording import Recording
from tests.judge.streams import (
    BAD,
    BEGUN,
    DONE,
    FIN,
    HALF,
    IDLE,
    MARKED,
    NONE,
    RST,
    SSE,
    STOP,
    TEXT,
    end,
    headless,
    status,
    stream,
    typed,
    wrong,
)

LENGTH = Head(200, SSE[0], framing=BodyFraming.LENGTH)
CLOSE = Head(200, SSE[0], framing=BodyFraming.CLOSE)
H2 = Head(200, SSE[0], framing=BodyFraming.H2)
GRPC = "grpc-status 14"
SHORT_BODY = "content-length is 9, and 5 bytes came in DATA frames"
NO_END = "the response ended cleanly, but the protocol's end never came"
MISSING_40 = "complete, but part of the answer is missing (40% is correct)"
INVENTED = "the answer is incomplete, and the stream says that it is complete: a gateway may have added the end"
DETAILS: dict[str, tuple[Recording, CheckResult | None, str]] = {
    "ok": (stream(TEXT, TEXT, STOP), None, "complete: 2 chunks"),
    "a chunked body": (
        stream(TEXT, ended=FIN),
        None,
        "peer closed the connection inside the chunked body (no terminal chunk); 1 chunk received",
    ),
    "a body of known length": (
        stream(ended=FIN, head=LENGTH),
        None,
        (
            "peer closed the connection inside the length-delimited body (fewer bytes than Content-Length); "
            "0 chunks received"
        ),
    ),
    "a body that the close ends": (
        stream(TEXT, ended=RST, head=CLOSE),
        None,
        "peer reset the connection inside the close-delimited body; 1 chunk received",
    ),
    "a stream of HTTP/2 that its connection ended": (
        stream(TEXT, ended=FIN, head=H2),
        None,
        "peer closed the connection inside the HTTP/2 body (no END_STREAM); 1 chunk received",
    ),
    "a stream of HTTP/2 that ends before its length": (
        stream(TEXT, ended=end("incomplete", SHORT_BODY), head=H2),
        None,
        f"peer ended the stream inside the HTTP/2 body ({SHORT_BODY}); 1 chunk received",
    ),
    "a connection of HTTP/2 that closes after its GOAWAY": (
        stream(TEXT, ended=end("incomplete", "after GOAWAY (NO_ERROR)"), head=H2),
        None,
        "peer closed the connection inside the HTTP/2 body (no END_STREAM, after GOAWAY (NO_ERROR)); 1 chunk received",
    ),
    "a stream of HTTP/2 that is reset": (
        stream(TEXT, ended=end("reset", "RST_STREAM CANCEL"), head=H2),
        None,
        "peer reset the stream (RST_STREAM CANCEL) inside the HTTP/2 body; 1 chunk received",
    ),
    "a stream of HTTP/2 that is refused": (
        headless(end("reset", "GOAWAY NO_ERROR"), sent=True, connected=True),
        None,
        "peer refused the stream (GOAWAY NO_ERROR) before a whole response head",
    ),
    "a clean end with trailers of gRPC": (
        stream(TEXT, ended=end("complete", GRPC), head=H2),
        None,
        f"{NO_END}; 1 chunk received; the trailers have {GRPC}",
    ),
    "a clean end inside an event with trailers of gRPC": (
        stream(TEXT, HALF, ended=end("complete", GRPC), head=H2),
        None,
        (f"the response ended cleanly inside an event or a character; 1 chunk received; the trailers have {GRPC}"),
    ),
    "half an answer with trailers of gRPC": (
        stream(TEXT, ended=end("complete", GRPC), head=H2, rule=NONE),
        BEGUN,
        (
            "the response ended cleanly, but the answer is only a correct beginning (40% of it); 1 chunk received; "
            f"the trailers have {GRPC}"
        ),
    ),
    "a connection that closes without an answer": (
        headless(end("closed"), sent=True, connected=True),
        None,
        "peer closed the connection before any response",
    ),
    "a connection of HTTP/2 that closes without an answer after its GOAWAY": (
        headless(end("closed", "after GOAWAY (NO_ERROR)"), sent=True, connected=True),
        None,
        "peer closed the connection before any response, after GOAWAY (NO_ERROR)",
    ),
    "JSON of something else": (
        stream(Meta(foreign=True)),
        None,
        "nothing in the body decodes as the protocol (JSON with nothing of the protocol in it)",
    ),
    "a limit of time": (stream(TEXT, ended=IDLE), None, "no byte for 30s after output had begun; 1 chunk received"),
    "a limit without words": (
        headless(end("deadline", "", "connect")),
        None,
        "no connection within the deadline",
    ),
    "a status": (status(404), None, "HTTP status 404"),
    "a reason in our words": (
        stream(TEXT, Finish("secret", Stop.ABORT)),
        None,
        "the finish reason is a failure (secret); 1 chunk received",
    ),
    "the server's own word": (
        stream(TEXT, Finish("MALFORMED_FUNCTION_CALL", Stop.ABORT)),
        None,
        "the finish reason is a failure (MALFORMED_FUNCTION_CALL); 1 chunk received",
    ),
    "a reason that is no plain word": (
        stream(TEXT, Finish("<b> a sentence", Stop.ABORT)),
        None,
        "the finish reason is a failure (abort); 1 chunk received",
    ),
    "several reasons without a word": (
        stream(Output("no", Part.REFUSAL), Finish(None, Stop.ABORT)),
        None,
        "the finish reason is a failure (abort, refusal); 1 chunk received",
    ),
    "a filter's own word": (
        stream(TEXT, Finish("RECITATION", Stop.CONTENT_FILTER)),
        None,
        "ended by a content filter; finish reason RECITATION",
    ),
    "a refusal's own word": (
        stream(TEXT, Finish("refused", Stop.REFUSAL)),
        None,
        "the model refused; finish reason refused",
    ),
    "a blocked prompt's own word": (
        stream(Finish("BLOCKLIST", Stop.PROMPT_BLOCKED)),
        None,
        "the prompt was blocked; finish reason BLOCKLIST",
    ),
    "our own limit": (
        stream(TEXT, Meta(usage=Usage(9, 400)), Finish("MAX_TOKENS", Stop.LENGTH)),
        BEGUN,
        "stopped at our own max_tokens before the answer was whole; finish reason MAX_TOKENS",
    ),
    "a body that the close ends, cut": (
        stream(TEXT, ended=FIN, head=CLOSE),
        None,
        "peer closed the connection inside the close-delimited body (no length was declared); 1 chunk received",
    ),
    "an event that does not decode": (
        stream(TEXT, Malformed("no key 'choices'"), STOP),
        None,
        "complete, but an event does not decode (no key 'choices')",
    ),
    "a filter without a word": (
        stream(TEXT, Finish("a b", Stop.CONTENT_FILTER)),
        None,
        "ended by a content filter",
    ),
    "a limit's own word": (
        stream(TEXT, Finish("max_output_tokens", Stop.LENGTH)),
        BEGUN,
        (
            "the model stopped at a limit below our max_tokens, and the answer is not whole; 1 chunk received; "
            "finish reason max_output_tokens"
        ),
    ),
    "a clean end of half an answer": (stream(TEXT, STOP), BEGUN, f"{MISSING_40}; {INVENTED}"),
    "half an answer, and then cut": (stream(TEXT, STOP, ended=FIN), BEGUN, MISSING_40),
    "an answer with a hole": (stream(TEXT, STOP), wrong("missing"), MISSING_40),
    "output after the end": (
        stream(TEXT, STOP, TEXT),
        None,
        f"{NO_END}; 2 chunks received; the stream sent an end, and output followed it",
    ),
    "a marker without the end": (
        stream(TEXT, DONE, rule=MARKED),
        None,
        f"{NO_END}; 1 chunk received; the marker came without the end",
    ),
    "no end at all": (
        stream(TEXT),
        None,
        f"{NO_END}; 1 chunk received",
    ),
    "a checksum": (
        stream(TEXT, Malformed("a checksum does not match", body=True)),
        None,
        "the framing of the chunked body is invalid (a checksum does not match); 1 chunk received",
    ),
    "a head that broke a limit": (
        headless(end("malformed_head", "a line of more than 64 KiB"), connected=True),
        None,
        "the response head cannot be read (a line of more than 64 KiB)",
    ),
    "progress": (
        stream(TEXT, rule=NONE),
        BEGUN,
        "the response ended cleanly, but the answer is only a correct beginning (40% of it); 1 chunk received",
    ),
    "no progress": (
        stream(TEXT, STOP),
        CheckResult("count", "missing"),
        "complete, but part of the answer is missing (nothing is correct)",
    ),
    "another type": (
        typed("text/html", BAD),
        None,
        "the content type is another one, and nothing in the body decodes as the protocol",
    ),
    "no type": (typed(""), None, "the content type is missing, and nothing in the body decodes as the protocol"),
    "what does not decode": (
        stream(Malformed("no key 'choices'"), BAD),
        None,
        "nothing in the body decodes as the protocol (no key 'choices')",
    ),
    "why of the transport": (
        headless(end("network", "EHOSTUNREACH: No route to host")),
        None,
        "no connection (EHOSTUNREACH: No route to host)",
    ),
    "an error's own words are left out": (
        stream(Failure(Fault.QUOTA, "secret", "secret", "secret")),
        None,
        "the stream itself reports an error: quota used up; 0 chunks received",
    ),
    "braces are only text": (headless(end("dns", "{why}")), None, "the name does not resolve ({why})"),
}


@pytest.mark.parametrize(("recording", "check", "detail"), DETAILS.values(), ids=DETAILS.keys())
def test_details_are_in_our_words(recording: Recording, check: CheckResult | None, detail: str) -> None:
    """The detail says what was seen, with its numbers, and quotes of the server at most its finish reason."""
    assert judge(recording, check, content_types=SSE).detail == detail
