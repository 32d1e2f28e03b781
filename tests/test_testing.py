"""The invariants for protocols from outside: they pass for every protocol of ours, and fail for one that is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from monitor.lab.dialects.base import FINISHES
from monitor.protocols import PROTOCOLS, Protocol
from monitor.protocols.ollama_generate import OLLAMA_GENERATE
from monitor.protocols.openai_chat import OPENAI_CHAT
from monitor.stream.events import Event, Failure, Fault, Finish, Message, Meta, Output, Part, Stop
from monitor.testing import MEANINGS, any_cut, any_garbage, check_dialect, check_protocol


@pytest.mark.parametrize("name", ["openai-completions", "ollama-generate", "bedrock-converse", "chatchat-kb", "raw"])
def test_ours_pass(name: str) -> None:
    """One protocol of each framing, and those without an end."""
    check_protocol(PROTOCOLS[name])


def hasty(message: Message) -> Iterator[Event]:
    """Take every line for an end."""
    yield Output(message.data)
    yield Finish()


def test_an_end_that_is_taken_too_early_is_found() -> None:
    """A protocol that accepts a stream before its end fails the check, with the position."""
    with pytest.raises(AssertionError, match=r"^ollama-generate: cut at byte \d+, and the wire ended"):
        check_protocol(replace(OLLAMA_GENERATE, interpret=hasty))


def test_a_protocol_that_misses_its_end_fails() -> None:
    """A protocol that does not know its own end fails."""
    deaf: Protocol = replace(OLLAMA_GENERATE, interpret=lambda message: (Output(message.data),))
    with pytest.raises(AssertionError, match="cut at byte"):
        any_cut(deaf, b"a\nb\n", 3)


WRONG: dict[str, tuple[Callable[[Event], Event], str]] = {
    "other text": (lambda event: Output("x") if isinstance(event, Output) else event, "the text of the answer: 'xxxxx"),
    "no usage": (
        lambda event: Meta() if isinstance(event, Meta) and event.usage else event,
        r"the usage of an answer of one piece: \(None, None\), and by the dialect \(20, 1\)",
    ),
    "a limit that is a complete answer": (
        lambda event: Finish(event.reason) if isinstance(event, Finish) else event,
        "the meaning of the finish reason length",
    ),
    "a filter that is a limit": (
        lambda event: (
            Finish(event.reason, Stop.LENGTH)
            if isinstance(event, Finish) and event.stop is Stop.CONTENT_FILTER
            else event
        ),
        "the meaning of the finish reason content_filter",
    ),
    "an error of another cause": (
        lambda event: Failure(Fault.OTHER) if isinstance(event, Failure) else event,
        "the verdict on the error overloaded: .*'other'",
    ),
    "reasoning that is a tool call": (
        lambda event: (
            Output(event.text, Part.TOOL_CALL) if isinstance(event, Output) and event.part is Part.REASONING else event
        ),
        "the kinds of output in the aside reasoning: {'tool_call'}, and by the dialect {'reasoning'}",
    ),
    "output that is none": (
        lambda event: Meta() if isinstance(event, Output) and event.part is Part.TOOL_CALL else event,
        r"the kinds of output in the aside tool: set\(\), and by the dialect {'tool_call'}",
    ),
}


@pytest.mark.parametrize(("change", "why"), WRONG.values(), ids=WRONG.keys())
def test_what_is_read_otherwise_than_the_dialect_says_is_found(change: Callable[[Event], Event], why: str) -> None:
    """A decoder that misreads one kind of event fails, with what it read and what the dialect declares."""
    wrong = replace(OPENAI_CHAT, interpret=lambda message: map(change, OPENAI_CHAT.interpret(message)))
    with pytest.raises(AssertionError, match=f"^openai-chat: {why}"):
        check_dialect(wrong)


def test_each_finish_reason_of_the_lab_has_a_meaning() -> None:
    """So that no dialect can use one that is not checked."""
    assert tuple(MEANINGS) == FINISHES


def test_what_raises_is_not_caught() -> None:
    """An exception that a protocol may not raise comes through."""

    def raises(_: Message) -> Iterator[Event]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        any_garbage(replace(OLLAMA_GENERATE, interpret=raises), b"a\nb\n")


def test_a_protocol_without_a_dialect_is_reported() -> None:
    """Without a dialect the invariants need streams as arguments."""
    with pytest.raises(ValueError, match="has no dialect"):
        check_protocol(replace(OLLAMA_GENERATE, dialect=""))
