"""The request of one probe, and what counts as the end of the answer."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from monitor import __version__
from monitor.judge.content_check import words_prompt
from monitor.keys.secret import Secret
from monitor.probe.request import ask, end_rule, new_id
from monitor.protocols import PROTOCOLS
from monitor.protocols.gemini import EventsOrArray
from monitor.stream.lines import JsonLines, Lines
from monitor.stream.sse import ServerSentEvents
from monitor.target import PatternCheck, Terminator, WordsCheck
from tests.conftest import target

pytestmark = pytest.mark.usefixtures("no_leaks")

URL = "http://chat.test/v1/chat/completions"
BASE32 = set("0123456789ABCDEFGHJKMNPQRSTVWXYZ")


def test_a_question_says_who_asks() -> None:
    """Every request names the monitor, its own id, and that nothing is to be compressed."""
    asked = ask(target(URL))
    assert asked.call.headers["User-Agent"] == f"chat-monitor/{__version__}"
    assert asked.call.headers["X-Request-ID"] == asked.probe_id
    assert asked.call.headers["Accept-Encoding"] == "identity"
    assert "Authorization" not in asked.call.headers
    assert (asked.call.method, asked.call.url, asked.call.proxy) == ("POST", URL, None)


def test_a_question_is_new_each_time() -> None:
    """The nonce is at both ends of the prompt, and is different for each probe."""
    first, second = ask(target(URL)), ask(target(URL))
    assert first.nonce != second.nonce
    assert first.prompt.startswith(f"[{first.nonce}]")
    assert f"END-{first.nonce}" in first.prompt
    assert first.prompt in json.loads(first.call.body)["messages"][-1]["content"]


def test_a_targets_own_headers_win() -> None:
    """Whatever their case, and its id can have another name or none."""
    own = {"user-agent": Secret("me"), "AUTHORIZATION": Secret("Basic x")}
    headers = ask(target(URL, headers=own, api_key=Secret("k"), request_id_header="X-Probe")).call.headers
    assert {name: value for name, value in headers.items() if name.lower() in {"user-agent", "authorization"}} == {
        "user-agent": "me",
        "AUTHORIZATION": "Basic x",
    }
    assert "X-Probe" in headers
    assert not {"X-Request-ID", "X-Probe"} & ask(target(URL, request_id_header=None)).call.headers.keys()


def test_a_key_and_a_proxy_are_sent_to_no_other_host() -> None:
    """Key and proxy are in the request, and no repr shows them."""
    asked = ask(target(URL, api_key=Secret("canary-key"), proxy=Secret("http://u:canary-proxy@p.test")))
    assert asked.call.headers["Authorization"] == "Bearer canary-key"
    assert asked.call.proxy == "http://u:canary-proxy@p.test"
    assert "canary" not in repr(asked)


def test_a_prompt_of_ones_own() -> None:
    """A configured prompt comes before the list; without the list, its `{nonce}` is replaced."""
    own = target(URL, prompt="Be brief [{nonce}].", check=PatternCheck("x"))
    asked = ask(own)
    assert asked.prompt == f"Be brief [{asked.nonce}]."
    asked = ask(replace(own, prompt=None))
    assert asked.prompt.startswith(f"[{asked.nonce}] ")
    assert "\nBe brief" not in ask(target(URL, prompt="Be brief.")).prompt.partition("Be brief.")[0]


def test_given_words_are_asked_for() -> None:
    """Their prompt is the monitor's own, with its nonce at the front."""
    asked = ask(target(URL, check=WordsCheck(5)))
    assert asked.prompt == words_prompt(WordsCheck(5), asked.nonce)


def test_ids_sort_by_time() -> None:
    """26 characters of Crockford's base 32, the time first."""
    ids = [new_id() for _ in range(100)]
    assert all(len(one) == 26 and set(one) <= BASE32 for one in ids)
    assert len(set(ids)) == 100
    assert [one[:10] for one in ids] == sorted(one[:10] for one in ids)


ASK_FOR_A_MARKER = {Terminator.MARKER, Terminator.EITHER, Terminator.BOTH}


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("terminator", Terminator)
def test_what_counts_as_the_end(protocol: str, terminator: Terminator) -> None:
    """The target's `terminator`, if the protocol declares an end or a marker, or its framing can carry `[DONE]`."""
    declares = PROTOCOLS[protocol]
    rule = end_rule(target(URL, protocol, terminator=terminator), declares)
    carried = declares.framing in {ServerSentEvents, Lines, JsonLines, EventsOrArray} and terminator in ASK_FOR_A_MARKER
    assert (rule.declares_end, rule.declares_marker) == (declares.end, declares.marker or carried)
    assert rule.terminator is (terminator if declares.end or declares.marker or carried else Terminator.NONE)
    assert (rule.early, rule.parts) == (declares.early, declares.parts)


TWO = {"generationConfig": {"candidateCount": 2}}


@pytest.mark.parametrize(
    ("protocol", "body", "choices"),
    [
        ("openai-chat", {}, 1),
        ("openai-chat", {"n": 3}, 3),
        ("openai-chat", {"n": None}, 1),
        ("openai-chat", {"n": "3"}, 1),
        ("openai-chat", {"n": 0}, 1),
        ("ollama-chat", {"n": 3}, 1),
        ("gemini", TWO, 2),
        ("gemini", {"generationConfig": 7}, 1),
    ],
)
def test_every_answer_that_was_asked_for_has_an_end(protocol: str, body: dict[str, object], choices: int) -> None:
    """As many ends are expected as the body requests answers, if the protocol can request several."""
    assert end_rule(target(URL, protocol, body=body), PROTOCOLS[protocol]).choices == choices
