"""The answer: the counted list that a prompt asks for, whatever body it comes in."""

from __future__ import annotations

import json

import pytest

from monitor.lab.answer import pieces, wants_stream

PROMPT = "Count from 1 to 3, then write END-0fA9."
LIST = ("1\n", "2\n", "3\n", "END-0fA9")


@pytest.mark.parametrize(
    "body",
    [
        {"messages": [{"role": "user", "content": PROMPT}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": PROMPT}]}], "model": "m"},
        {"query": PROMPT, "history": [{"content": "count from 1 to 7 END-1"}, None, 5], "stream": True}
        | {"zz": PROMPT},
        PROMPT,
    ],
)
def test_the_prompt_is_found_wherever_a_protocol_puts_it(body: object) -> None:
    """Chat messages, content parts, a query and a bare JSON text all lead to the same list."""
    assert pieces(json.dumps(body).encode()) == LIST


def test_the_last_prompt_counts() -> None:
    """A conversation may hold earlier prompts; the last one is answered."""
    prompts = ["count from 1 to 9 END-1", "counting up from 1 up to 2: END-aa then END-bb", "thanks"]
    assert pieces(json.dumps(prompts).encode()) == ("1\n", "2\n", "END-bb")


def test_a_prompt_without_a_tag_ends_with_its_last_number() -> None:
    """Without a requested tag none is sent."""
    assert pieces(b'"Count from 1 to 2."') == ("1\n", "2\n")


@pytest.mark.parametrize("body", [b"", b"\xff{", b'{"messages": []}', b"[" * 5000])
def test_anything_else_gets_the_default_list(body: bytes) -> None:
    """No prompt, no JSON, or JSON too deep to read: forty numbers, or as many as are asked for."""
    assert pieces(body) == tuple(f"{number}\n" for number in range(1, 41))
    assert pieces(body, 2) == ("1\n", "2\n")


def test_the_same_text_is_cut_into_as_many_pieces_as_asked_for() -> None:
    """The text stays what the prompt asked for, so that its check passes, and there is at least a character a piece."""
    body = json.dumps(PROMPT).encode()
    text = "".join(LIST)
    for count in (1, 5, len(text), 999):
        parts = pieces(body, count)
        assert "".join(parts) == text
        assert len(parts) == min(count, len(text))
        assert all(parts)


@pytest.mark.parametrize(
    ("body", "stream"),
    [(b'{"stream": false}', False), (b'{"stream": true}', True), (b"{}", True), (b"[]", True), (b"", True)],
)
def test_only_an_explicit_no_is_no_stream(body: bytes, stream: bool) -> None:
    """A body that says nothing of streams gets one."""
    assert wants_stream(body) is stream
