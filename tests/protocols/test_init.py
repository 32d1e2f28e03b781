"""The registry: every protocol by its name, and those from outside by module and name."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.protocols import PROTOCOLS, find
from monitor.protocols.raw import RAW


def test_the_names() -> None:
    """Protocols are known by the names of the contract, each under its own."""
    assert list(PROTOCOLS) == [
        "openai-chat",
        "openai-responses",
        "anthropic-messages",
        "ollama-chat",
        "gemini",
        "llamacpp-completion",
        "cohere-v2",
        "tgi",
        "dify",
        "fastgpt",
        "coze-v3",
        "chatchat",
        "chatchat-agent",
        "chatchat-kb",
        "chatchat-0.2",
        "chatchat-0.2-json",
        "chatchat-0.2-text",
        "raw",
    ]
    assert all(name == protocol.name for name, protocol in PROTOCOLS.items())


def test_the_page_has_every_protocol_with_what_it_declares() -> None:
    """docs/protocols.md lists them in their order, each with the terminators that it can have."""
    page = (Path(__file__).parents[2] / "docs" / "protocols.md").read_text()
    rows = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| `")][1:]
    allowed = {(True, True): "end, marker, either, both, none", (True, False): "end, none", (False, False): "none"}
    assert [(row[0].strip("`"), row[3].strip(" |")) for row in rows] == [
        (name, allowed[protocol.end, protocol.marker]) for name, protocol in PROTOCOLS.items()
    ]


def test_a_protocol_is_found() -> None:
    """By its name, or by module and name where it comes from outside."""
    assert find("raw") is RAW
    assert find("monitor.protocols.raw:RAW") is RAW


REFUSED = {
    "": (
        "no protocol '': known are anthropic-messages, chatchat, chatchat-0.2, chatchat-0.2-json, "
        "chatchat-0.2-text, chatchat-agent, chatchat-kb, cohere-v2, coze-v3, dify, fastgpt, gemini, "
        "llamacpp-completion, ollama-chat, openai-chat, openai-responses, raw, tgi, or package.module:NAME"
    ),
    "openai": "no protocol 'openai': known are .*",
    "no_such_package:NAME": "protocol 'no_such_package:NAME' cannot be loaded: No module named 'no_such_package'",
    "monitor.protocols.raw:NAME": "protocol 'monitor.protocols.raw:NAME' cannot be loaded: .* has no attribute 'NAME'",
    ":NAME": "protocol ':NAME' cannot be loaded: Empty module name",
    "monitor.protocols.raw:request": "'monitor.protocols.raw:request' is a function, not a monitor.protocols.Protocol",
}


@pytest.mark.parametrize(("name", "why"), REFUSED.items(), ids=REFUSED.keys())
def test_what_is_wrong_with_a_name(name: str, why: str) -> None:
    """A name that finds no protocol is refused with what is wrong."""
    with pytest.raises(ValueError, match=f"^{why}$"):
        find(name)


@pytest.mark.parametrize(
    ("name", "end", "marker"),
    [
        ("openai-chat", True, True),
        ("openai-responses", True, False),
        ("anthropic-messages", True, False),
        ("ollama-chat", True, False),
        ("gemini", True, False),
        ("llamacpp-completion", True, False),
        ("cohere-v2", True, False),
        ("tgi", True, False),
        ("dify", True, False),
        ("fastgpt", True, False),
        ("coze-v3", True, True),
        ("chatchat", True, False),
        ("chatchat-agent", True, False),
        ("chatchat-kb", False, False),
        ("chatchat-0.2", False, False),
        ("chatchat-0.2-json", False, False),
        ("chatchat-0.2-text", False, False),
        ("raw", False, False),
    ],
)
def test_what_each_declares(name: str, end: bool, marker: bool) -> None:
    """A protocol with a marker declares an end, too, and only Gemini's may be said early."""
    assert (PROTOCOLS[name].end, PROTOCOLS[name].marker) == (end, marker)
    assert PROTOCOLS[name].early is (name == "gemini")
