"""Lines outside the framing: an error's JSON, however many lines it takes, and complaints in words."""

from __future__ import annotations

from monitor.protocols import Decoder
from monitor.protocols.openai_chat import OPENAI_CHAT
from monitor.protocols.outside import Outside
from monitor.stream.events import Failure, Fault, Finish, Output


def taken(*lines: str, readable: bool = False) -> tuple[list[Failure], Outside]:
    """Return the errors that these lines report, and what took them."""
    outside = Outside()
    return [it for line in lines if (it := outside.take(line, lambda _: readable)) is not None], outside


def test_an_object_in_several_lines() -> None:
    """An object on several lines is joined, so that a pretty-printed error is found."""
    lines = ("{", '  "error": {', '    "code": 503,', '    "message": "The model is overloaded."', "  }", "}")
    found, outside = taken(*lines)
    assert found == [Failure(Fault.OVERLOADED, "The model is overloaded.", None, "503", framed=False)]
    assert (outside.lines, outside.text) == (6, "")


def test_words_are_kept() -> None:
    """A line of text, an object that is not an error, or a cut one, is kept as last words."""
    found, outside = taken("Internal Server Error", "", '{"detail": "no"}', '{"a":')
    assert (found, outside.text) == ([], 'Internal Server Error\n{"detail": "no"}\n{"a":\n')


def test_a_tag_in_brackets_hides_no_words() -> None:
    """A line that only begins like JSON is kept whole."""
    assert taken("[ERROR] the engine died")[1].text == "[ERROR] the engine died\n"


def test_what_only_lacks_its_framing_is_no_complaint() -> None:
    """An object that the protocol could read is not kept."""
    assert taken('{"choices": []}', readable=True)[1].text == ""


def test_an_object_without_end_is_given_up() -> None:
    """Only so much of one is looked at; its first characters are kept."""
    found, outside = taken('{"a": "' + "b" * 70_000, "boom")
    assert (found, len(outside.text), "boom" in outside.text) == ([], 2000, False)
    assert taken("[" + " " * 70_000, "boom")[1].text == "[\nboom\n"


def test_an_error_after_a_list() -> None:
    """Every value of a line is looked at."""
    assert [it.message for it in taken('[1] {"error": "gone"}')[0]] == ["gone"]


def decoded(body: str) -> tuple[list[object], Outside]:
    """Return what a stream of OpenAI's says, and what came outside its framing."""
    decoder = Decoder(OPENAI_CHAT, event_bytes=1 << 16, events=100)
    events = [event for event, _ in (*decoder.feed(body.encode()), *decoder.close())]
    return [event for event in events if isinstance(event, Output | Finish | Failure)], decoder.outside


def test_in_a_stream() -> None:
    """Events around the object are decoded; a last line needs no line end, and text inside an event is kept too."""
    data = 'data: {"choices":[{"delta":{"content":"a"}}]}\n\n'
    events, outside = decoded(data + 'data: upstream died\n\n{"error": "EOF"}')
    assert events == [Output("a"), Failure(Fault.UPSTREAM, "EOF", framed=False)]
    assert (outside.lines, outside.text) == (1, "upstream died\n")


def test_frames_that_lost_their_prefix() -> None:
    """Messages without their prefix are counted, and are neither output nor errors."""
    events, outside = decoded('{"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n[DONE]\n\n{"choices": 7}\n')
    assert (events, outside.lines, outside.text) == ([], 3, '{"choices": 7}\n')
