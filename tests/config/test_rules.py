"""Rules between the keys of one target."""

from __future__ import annotations

from dataclasses import replace

import pytest

from monitor.protocols import find
from monitor.stream.json_objects import ConcatenatedJson
from tests.config.cases import ENVIRON, TARGET, Case, Mistakes, Outside, Read, Reported, cases


@pytest.mark.parametrize("case", cases("rules"))
def test_keys_that_contradict_each_other_are_reported(reported: Reported, case: Case) -> None:
    """Keys that contradict each other or their protocol are mistakes; unlikely combinations are warnings."""
    assert reported(case.text, ENVIRON) == (case.mistakes, case.warnings)


@pytest.mark.parametrize(
    ("end", "marker", "terminator", "has"),
    [
        (True, False, "marker", 'an end alone (write "end" or "none")'),
        (True, False, "both", 'an end alone (write "end" or "none")'),
        (False, True, "end", 'a marker alone (write "marker" or "none")'),
        (False, True, "both", 'a marker alone (write "marker" or "none")'),
    ],
)
def test_a_protocol_from_outside_is_held_to_what_it_declares(
    mistakes: Mistakes, outside: Outside, *, end: bool, marker: bool, terminator: str, has: str
) -> None:
    """A terminator must fit what the protocol declares."""
    outside(OURS=replace(find("openai-chat"), name="ours", framing=ConcatenatedJson, end=end, marker=marker))
    text = TARGET.replace("openai-chat", "outside:OURS") + f'terminator = "{terminator}"\n'
    assert mistakes(text) == [f"5: targets[0].terminator: does not fit the protocol, which has {has}"]


NO_TLS = 'HTTP/2 without TLS does not go through a proxy (write "1.1" or "auto")'


@pytest.mark.parametrize(
    ("url", "http", "proxy", "complaint"),
    [
        ("http://chat.test", "2", "http://p.test:1", NO_TLS),
        ("https://chat.test", "2", "https://p.test:1", ""),
        ("https://chat.test", "2", "http://p.test:1", ""),
        ("https://chat.test", "auto", "https://p.test:1", ""),
        ("http://chat.test", "2", "", ""),
    ],
)
def test_http_2_through_a_proxy(mistakes: Mistakes, url: str, http: str, proxy: str, complaint: str) -> None:
    """HTTP/2 goes through a proxy that opens a tunnel to the target, and through no other."""
    keys = {"name": "a", "protocol": "openai-chat", "model": "m", "url": f"{url}/v1/chat/completions"}
    lines = (f'{key} = "{value}"' for key, value in {**keys, "http": http, "proxy": proxy}.items())
    found = [one.partition("targets[0].http: ")[2] for one in mistakes("\n".join(("[[targets]]", *lines)))]
    assert found == ([complaint] if complaint else [])


def test_the_default_terminator_fits_every_protocol(read: Read, outside: Outside) -> None:
    """The default terminator is valid for every protocol."""
    outside(OURS=replace(find("openai-chat"), name="ours", end=False))
    assert read(TARGET.replace("openai-chat", "outside:OURS")).targets[0].protocol == "outside:OURS"


def test_a_missing_key_that_the_servers_require_is_a_warning(reported: Reported, outside: Outside) -> None:
    """A key that the servers require must be in the target's body, or its absence is a warning."""
    outside(OURS=replace(find("openai-chat"), name="ours", needs=("bot_id",)))
    text = TARGET.replace("openai-chat", "outside:OURS")
    cases = "1: targets[0].body: servers of ours refuse a request without bot_id"
    assert reported(text) == ([], [f'{cases} (write body = {{ bot_id = "..." }})'])
    assert reported(text + 'body = { bot_id = "7" }') == ([], [])


def test_durations_from_variables_are_not_repeated(mistakes: Mistakes) -> None:
    """A duration from a variable is named by its key, without its value."""
    found = mistakes(TARGET + 'interval = "${V}"\ninterval_when_failing = "2m"', {"V": "77s"})
    assert found == ["6: targets[0].interval_when_failing: interval_when_failing (2m) is above interval"]


def test_no_rule_judges_a_broken_key(mistakes: Mistakes) -> None:
    """A key that cannot be read is one mistake, not two."""
    found = mistakes(TARGET + 'timeouts = { total = "10 s" }\ninterval = "1 s"\nterminator = "bth"')
    assert [one.split(":")[1].strip() for one in found] == [
        "targets[0].timeouts.total", "targets[0].interval", "targets[0].terminator",
    ]  # fmt: skip
