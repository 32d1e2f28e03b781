"""The registry: every protocol by its name, and those from outside by module and name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from monitor.lab.dialects import dialect_of
from monitor.lab.dialects.base import Dialect
from monitor.protocols import PROTOCOLS, Protocol, find, for_path, whole_path
from monitor.protocols.raw import RAW
from tests.protocols.replay import capture


def test_the_names() -> None:
    """Each protocol is registered under its own name, and the names of the contract are among them."""
    assert all(name == protocol.name for name, protocol in PROTOCOLS.items())
    assert {"openai-chat", "openai-responses", "anthropic-messages", "ollama-chat", "gemini", "raw"} <= set(PROTOCOLS)


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS.keys())
def test_a_record_is_whole(protocol: Protocol) -> None:
    """Every record has its transcript and its dialect; a marker needs an end; only an end can come early."""
    assert capture(protocol.example).ended == "whole"
    assert isinstance(dialect_of(protocol), Dialect)
    assert protocol.end or not protocol.marker
    assert protocol.end or not protocol.early


PATHS = {
    "/v1/chat/completions": "openai-chat",
    "/openai/deployments/m/chat/completions": "openai-chat",
    "/v1/chat/completions/": "openai-chat",
    "/chat/chat/completions": "chatchat",
    "/knowledge_base/local_kb/samples/chat/completions": "chatchat-kb",
    "/v1beta/models/m:streamGenerateContent": "gemini",
    "/v3/chat": "coze-v3",
    "/v1": None,
    "/": None,
    "": None,
    "/v1/completions/x": None,
}


@pytest.mark.parametrize(("path", "name"), PATHS.items(), ids=PATHS.keys())
def test_a_path_finds_its_protocol(path: str, name: str | None) -> None:
    """The longest of all paths that fit the end of a URL's path wins; `*` is one segment."""
    found = for_path(path)
    assert (found.name if found else None) == name


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS.keys())
def test_every_path_of_a_record_finds_it(protocol: Protocol) -> None:
    """No protocol takes the path of another."""
    assert [for_path(f"/gateway{path.replace('*', 'x')}") for path in protocol.paths] == [protocol] * len(
        protocol.paths
    )


NOT_FOUND = (
    "'no_such_package:NAME' cannot be loaded: ModuleNotFoundError: No module named 'no_such_package'; "
    "install its package, or name the directory of the module in PYTHONPATH"
)
NO_DIALECTS = {
    "": "protocol raw has no dialect: set dialect='package.module:NAME' of a Dialect",
    "no_such_package:NAME": NOT_FOUND,
    "monitor.protocols.raw:RAW": "'monitor.protocols.raw:RAW' is a Protocol, not a monitor.lab.dialects.base.Dialect",
}


@pytest.mark.parametrize(("dialect", "why"), NO_DIALECTS.items(), ids=NO_DIALECTS.keys())
def test_a_dialect_that_cannot_be_loaded(dialect: str, why: str) -> None:
    """The error of an invalid dialect has its name."""
    with pytest.raises(ValueError, match=f"^{why}$"):
        dialect_of(replace(RAW, dialect=dialect))


def test_a_protocol_is_found() -> None:
    """A protocol is found by its name, or an external one by module and name."""
    assert find("raw") is RAW
    assert find("monitor.protocols.raw:RAW") is RAW


KNOWN = f"known are {', '.join(sorted(PROTOCOLS))}, or package.module:NAME"
REFUSED = {
    "": f"no protocol '': {KNOWN}",
    "openai": "no protocol 'openai': known are .*",
    "no_such_package:NAME": NOT_FOUND,
    "monitor.protocols.raw:NAME": (
        "'monitor.protocols.raw:NAME' cannot be loaded: AttributeError: .* has no attribute 'NAME'"
    ),
    ":NAME": "':NAME' cannot be loaded: ValueError: Empty module name",
    "monitor.protocols.shapes:own_body": (
        "'monitor.protocols.shapes:own_body' is a function, not a monitor.protocols.base.Protocol"
    ),
}


@pytest.mark.parametrize(("name", "why"), REFUSED.items(), ids=REFUSED.keys())
def test_what_is_wrong_with_a_name(name: str, why: str) -> None:
    """A name that finds no protocol is refused with what is wrong."""
    with pytest.raises(ValueError, match=f"^{why}$"):
        find(name)


def test_a_module_that_imports_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error has what is missing, and no advice about the module, which was found."""
    (tmp_path / "lacking.py").write_text("import no_such_package\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(
        ValueError, match=r"^'lacking:NAME' cannot be loaded: ModuleNotFoundError: No module .*package'$"
    ):
        find("lacking:NAME")


@pytest.mark.parametrize(
    ("base", "name", "path"),
    [
        ("", "openai-chat", "/v1/chat/completions"),
        ("/", "anthropic-messages", "/v1/messages"),
        ("/v1/", "openai-responses", "/v1/responses"),
        ("/api/v1", "openai-chat", "/api/v1/chat/completions"),
        ("/api", "ollama-chat", "/api/chat"),
        ("/v1", "cohere-v2", "/v2/chat"),
        ("", "tgi", "/generate_stream"),
        ("/v1/chat", "openai-chat", None),
        ("", "raw", None),
    ],
)
def test_the_path_that_a_base_url_lacks(base: str, name: str, path: str | None) -> None:
    """The path to append to a base URL is the protocol's own; a URL with another path is not a base URL."""
    assert whole_path(f"http://chat.test{base}", PROTOCOLS[name]) == path
