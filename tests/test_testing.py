"""The invariants for protocols from outside: they pass for every protocol of ours, and fail for one that is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from monitor.protocols import PROTOCOLS, Protocol
from monitor.protocols.ollama_generate import OLLAMA_GENERATE
from monitor.stream.events import Event, Finish, Message, Output
from monitor.testing import any_cut, any_garbage, check_protocol


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


def test_an_end_that_is_never_seen_is_found() -> None:
    """A protocol that does not know its own end fails."""
    deaf: Protocol = replace(OLLAMA_GENERATE, interpret=lambda message: (Output(message.data),))
    with pytest.raises(AssertionError, match="cut at byte"):
        any_cut(deaf, b"a\nb\n", 3)


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
