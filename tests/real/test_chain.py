"""The daemon against the real chain: its events and counters when the servers fail."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.real.conftest import Chain, Daemon, Event, not_installed, watching
from tests.real.record import CHAT, KNOWLEDGE, OPENAI, agent
from tests.real.servers import AGENT_MODEL, KNOWLEDGE_BASE, MODEL, Server
from tests.sinks.samples import mistakes

pytestmark = [
    pytest.mark.real,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(900),
    pytest.mark.skipif(bool(not_installed()), reason=not_installed()),
]

WHOLE = {"kind": "count", "to": 20}
"""A list that the small model always gets right."""
ONCE = {"check": WHOLE, "interval": "1h"}
"""One probe of each target, at the daemon's start: no test waits for the next."""
LONG = {"check": {"kind": "count", "to": 400}, "max_tokens": 2000, "interval": "1h"}
"""The same for a list that goes on until something happens to the chain."""
AGAIN = {"check": WHOLE, "interval": "10s"}
"""A probe every ten seconds, of which the daemon skips those that find the one before still running."""
IDLE = 18.0
"""Seconds without output that are too long: more than the 15 between two pings of Langchain-Chatchat."""

PROMPT = (
    "[{nonce}] Count from 1 to 20. Write one number per line, digits only. After the last number write END-{nonce}."
)

Verdicts = dict[str, tuple[str, str | None]]


# -- whom the daemon is to watch ---------------------------------------------------------------------------------------


def target(name: str, protocol: str, server: Server, path: str, **more: object) -> dict[str, Any]:
    """Return one target as the config has it."""
    return {"name": name, "protocol": protocol, "url": server.base_url + path, "model": MODEL, **more}


def direct(chain: Chain) -> dict[str, Any]:
    """Return the model server, asked without anything in between."""
    return target("direct", "openai-chat", chain.model, OPENAI)


def chat(name: str, server: Server, path: str = CHAT) -> dict[str, Any]:
    """Return a chat route of Langchain-Chatchat."""
    return target(name, "chatchat", server, path)


def knowledge(name: str, server: Server) -> dict[str, Any]:
    """Return the target of the knowledge-base route, whose streams have no end."""
    return target(name, "chatchat-kb", server, KNOWLEDGE, body={"kb_name": KNOWLEDGE_BASE, "top_k": 1})


def with_tools(name: str, server: Server) -> dict[str, Any]:
    """Return the chat route in agent mode, with the one model it has a prompt for."""
    body = {key: value for key, value in agent("").items() if key in {"tools", "chat_model_config"}}
    return target(name, "chatchat-agent", server, CHAT, check="none", body=body) | {"model": AGENT_MODEL}


def told_what_is_behind(it: dict[str, Any]) -> dict[str, Any]:
    """Return a target with the model server as its upstream, unless it is the model server itself."""
    return it if it["name"] == "direct" else it | {"upstream": "direct"}


def plain(name: str, chain: Chain, check: object) -> dict[str, Any]:
    """Return the model server, asked for bytes of which nothing is known."""
    messages = [{"role": "user", "content": "{prompt}"}]
    body = {"model": MODEL, "messages": messages, "stream": True, "temperature": 0, "max_tokens": 400}
    return target(name, "raw", chain.model, OPENAI, body=body, prompt=PROMPT, check=check)


def faces(chain: Chain) -> list[dict[str, Any]]:
    """Return one target for each way in which a cut of the model server is passed on."""
    return [direct(chain), chat("new-chat", chain.new), knowledge("new-kb", chain.new), chat("old-chat", chain.old)]


def routes(chain: Chain) -> list[dict[str, Any]]:
    """Return every route there is."""
    return [
        *faces(chain),
        chat("new-openai", chain.new, OPENAI),
        chat("old-openai", chain.old, OPENAI),
        knowledge("old-kb", chain.old),
        with_tools("new-agent", chain.new),
        with_tools("old-agent", chain.old),
    ]


# -- what is shown -----------------------------------------------------------------------------------------------------


async def test_a_whole_chat_is_ok_on_every_route(chain: Chain, tmp_path: Path) -> None:
    """Every list is whole, with plausible timings, wherever it comes from; bytes alone are whole only by a check."""
    targets = [
        *routes(chain),
        plain("bytes", chain, "none"),
        plain("marked-bytes", chain, {"kind": "pattern", "pattern": r"data: \[DONE\]"}),
    ]
    async with watching(tmp_path, targets, ONCE) as daemon:
        events = await daemon.first_of_each()
        assert verdicts(events) == dict.fromkeys(events, ("ok", None)) | {"bytes": ("unverified", None)}
        for name in events:
            timings_are_plausible(events[name])
        for name in ("direct", "new-chat", "new-openai", "new-kb", "old-chat", "old-openai", "old-kb"):
            is_a_whole_list(events[name])
        markers = {name for name, event in events.items() if "done" in kinds(event)}
        assert markers == {"direct"}, "Langchain-Chatchat never sends [DONE], and nobody blames it"
        for name in ("new-kb", "old-kb"):
            assert kinds(events[name])[0] == "meta", "the documents come first and are no output"
            assert events[name]["timings"]["first_event"] < events[name]["timings"]["first_chunk"]
        await is_accounted_for(daemon)


async def test_a_model_server_that_is_killed_has_a_face_of_its_own_on_every_route(chain: Chain, tmp_path: Path) -> None:
    """Killed in mid-stream: a cut body directly and through 0.3.1.1, an error or silence through 0.3.1.3."""
    targets = [told_what_is_behind(it) for it in faces(chain)]
    async with watching(tmp_path, targets, LONG | {"record": "full"}) as daemon:
        await chain.streaming(len(daemon.targets))
        chain.model.kill()
        events = await daemon.first_of_each()
        assert verdicts(events) == {
            "direct": ("truncated", "incomplete_body"),
            "new-chat": ("stream_error", "upstream"),
            "new-kb": cut_without_an_end(events["new-kb"]),
            "old-chat": ("truncated", "incomplete_body"),
        }
        for event in events.values():
            was_cut_in_the_middle(event)
        assert "server_error" in events["new-chat"]
        behind = {"upstream": "its upstream, direct, failed as well: truncated/incomplete_body"}
        killed = {"restart": "a probe was cut, and a connection right after that was refused"}
        assert {name: await daemon.suspects(events[name]) for name in events} == dict.fromkeys(events, behind) | {
            "direct": killed
        }
        await is_accounted_for(daemon)


async def test_a_restart_of_langchain_chatchat_cuts_its_streams_and_then_all_is_well(
    chain: Chain, tmp_path: Path
) -> None:
    """Restarted by SIGKILL in mid-stream: a cut body on both routes, and whole chats from the same targets after it."""
    targets = [chat("chat", chain.new), knowledge("kb", chain.new)]
    # The daemon spreads its first probes over some seconds: the answers are held up until both have been asked for.
    chain.model.freeze()
    async with watching(tmp_path, targets, AGAIN) as daemon:
        await chain.asked(len(targets))
        chain.model.thaw()
        await chain.streaming(len(targets), tokens=5)
        await chain.new.restart()
        events = await daemon.first_of_each()
        assert verdicts(events) == dict.fromkeys(events, ("truncated", "incomplete_body"))
        for event in events.values():
            was_cut_in_the_middle(event)
        await daemon.until(lambda: all(daemon.of(name)[-1]["outcome"] == "ok" for name in daemon.targets))
        between = {outcome for name in events for outcome in outcomes(daemon.of(name)[1:])}
        assert between <= {("ok", None), ("unreachable", "refused")}
        await is_accounted_for(daemon)


async def test_a_ping_is_no_output_when_the_model_server_freezes(chain: Chain, tmp_path: Path) -> None:
    """Frozen in mid-stream: nothing at all comes from itself, and nothing but pings from Langchain-Chatchat."""
    async with watching(tmp_path, faces(chain), {**LONG, "timeouts": {"idle": "18s"}}) as daemon:
        await chain.streaming(len(daemon.targets))
        chain.model.freeze()
        events = await daemon.first_of_each()
        assert verdicts(events) == dict.fromkeys(events, ("stalled", "no_output")) | {"direct": ("stalled", "silent")}
        for name, event in events.items():
            was_cut_in_the_middle(event)
            assert event["tail"] == pytest.approx(IDLE, abs=1.0), "from the last output on, whatever came besides"
            assert set(since_output(event)) == (set() if name == "direct" else {"ping"})
        await is_accounted_for(daemon)


async def test_a_model_server_that_is_down_has_a_face_of_its_own_on_every_route(chain: Chain, tmp_path: Path) -> None:
    """Not there from the first: refused directly; with 200 an error, a cut or an empty answer through the others."""
    await chain.model.stop()
    async with watching(tmp_path, [told_what_is_behind(it) for it in routes(chain)], ONCE) as daemon:
        events = await daemon.first_of_each()
        assert verdicts(events) == {
            "direct": ("unreachable", "refused"),
            "new-chat": ("stream_error", "upstream"),
            "new-openai": ("stream_error", "upstream"),
            "new-kb": ("empty", "no_output"),
            "new-agent": ("stream_error", "other"),
            "old-chat": ("truncated", "incomplete_body"),
            "old-openai": ("truncated", "incomplete_body"),
            "old-kb": ("empty", "no_output"),
            "old-agent": ("stream_error", "other"),
        }
        for name, event in events.items():
            assert event["chunks"] == 0
            assert event.get("http_status") == (None if name == "direct" else 200)
            assert "first_chunk" not in event["timings"]
        behind = {"upstream": "its upstream, direct, failed as well: unreachable/refused"}
        assert {name: await daemon.suspects(events[name]) for name in events} == dict.fromkeys(events, behind) | {
            "direct": {}
        }
        await is_accounted_for(daemon)


# -- what has to hold of an event --------------------------------------------------------------------------------------


def verdicts(events: Mapping[str, Event]) -> Verdicts:
    """Return what each target's probe came to."""
    return dict(zip(events, outcomes(events.values()), strict=True))


def outcomes(events: Iterable[Event]) -> list[tuple[str, str | None]]:
    """Return what these probes came to."""
    return [(event["outcome"], event.get("cause")) for event in events]


def kinds(event: Event) -> list[str]:
    """Return what each event of a stream was, in their order."""
    return [kind for _, _, kind, _ in event["timeline"]["events"]]


def since_output(event: Event) -> list[str]:
    """Return what came after the last output: a slow machine has the model server ping before the first."""
    found = kinds(event)
    return found[len(found) - found[::-1].index("output") :]


def timings_are_plausible(event: Event) -> None:
    """Check that a complete stream passed every clock, in order, and that the derived figures agree."""
    timings = event["timings"]
    passed = ("connect", "request_sent", "headers", "first_byte", "first_event", "first_chunk", "last_chunk", "end")
    assert all(timings[earlier] <= timings[later] for earlier, later in pairwise(passed)), timings
    assert timings["headers"] < timings["first_chunk"]
    assert timings["first_content"] == timings["first_chunk"]
    assert event["duration"] == timings["end"]
    assert event["tail"] == pytest.approx(timings["end"] - timings["last_chunk"], abs=1e-5)
    assert 0 <= event["uncertainty"] < 1, "0 is less than half a microsecond; a busy machine is less sure"
    assert 0 <= event["schedule_delay"] < 5.0
    assert (event["http_status"], event["body_framing"], event["unclean_end"]) == (200, "chunked", False)
    assert event["pings"] == kinds(event).count("ping")
    assert event["malformed_events"] == 0


def is_a_whole_list(event: Event) -> None:
    """Check that a list has as many chunks as tokens, one after another."""
    gap, timings, tokens = event["gap"], event["timings"], event["tokens"]
    assert event["check"] == {"kind": "count", "progress": 1.0}
    assert event["slo"]["availability"] is True
    # 20 numbers in 31 digits, 20 line ends, and a word that is 6 to 12 tokens long.
    assert 50 <= event["chunks"] <= 65
    assert event["chunks"] == kinds(event).count("output")
    assert event["chunks"] == pytest.approx(tokens["output"], abs=3)
    assert tokens["estimated"] is (event["protocol"] != "openai-chat")
    assert 0 < gap["p50"] <= gap["p99"] <= gap["max"] < timings["last_chunk"] - timings["first_chunk"]
    assert event["arrivals"] > event["chunks"] / 4
    assert event["buffered"] is False


def cut_without_an_end(event: Event) -> tuple[str, str]:
    """Return the verdict of a list that broke off on a route without an end: the small model may have counted wrong."""
    pieces = re.findall(r'"content": *("(?:[^"\\]|\\.)*")', event["last_words"])
    numbers = "".join(map(json.loads, pieces)).split()[:-1]
    right = numbers and numbers == [str(number) for number in range(1, len(numbers) + 1)]
    return ("truncated", "incomplete_answer") if right else ("wrong_content", "missing")


def was_cut_in_the_middle(event: Event) -> None:
    """Check that a cut list was accepted, had output, and is a correct but incomplete beginning."""
    assert (event["http_status"], event["phase"]) == (200, "stream")
    assert event["chunks"] > 0
    assert 0 < event["check"]["progress"] < 1
    assert event["timings"]["first_chunk"] <= event["timings"]["last_chunk"] <= event["duration"]
    assert event["slo"]["availability"] is False


# -- what has to hold of the daemon ------------------------------------------------------------------------------------

UNREADABLE = {("bad_response", "encoding"), ("bad_response", "content_type"), ("empty", "no_body")}
CUTS = {"truncated", "stalled", "stream_error"}
COUNTERS = {
    "chat_stream_probes_total",
    "chat_stream_failures_total",
    "chat_stream_accepted_total",
    "chat_stream_truncated_total",
    "chat_stream_unclean_ends_total",
    "chat_stream_buffered_total",
    "chat_stream_malformed_events_total",
    "chat_stream_chunks_total",
    "chat_stream_received_bytes_total",
    "chat_stream_tokens_total",
    "chat_stream_duration_seconds_count",
    "chat_stream_cut_after_seconds_count",
}


async def is_accounted_for(daemon: Daemon) -> None:
    """The events keep to their schema, a scrape counts what they say and nothing else, and SIGTERM ends it with 0."""
    scrape = await daemon.scrape()
    for name in daemon.targets:
        events = daemon.of(name)
        found = {counter: counts for counter in COUNTERS if (counts := scrape.counted(counter, name))}
        assert found == counts_of(events), name
        last = events[-1]
        assert scrape.value("chat_stream_last_probe_success", target=name) == last["slo"]["availability"]
        assert scrape.value("chat_stream_progress_ratio", target=name) == last.get("check", {}).get("progress")
        first_chunks = scrape.value("chat_stream_time_to_first_chunk_seconds_count", target=name)
        discarded = scrape.value("chat_stream_timings_discarded_total", target=name, kind="first_chunk")
        assert (first_chunks or 0) + (discarded or 0) == sum("first_chunk" in event["timings"] for event in events)
    for fault in ("chat_monitor_unhandled_exceptions_total", "chat_monitor_sink_errors_total"):
        assert scrape.value(fault, **({"sink": "log"} if "sink" in fault else {})) == 0
    assert await daemon.terminate() == 0
    complaints = [line for line in daemon.errors.read_text().splitlines() if not line.startswith("warning: ")]
    assert complaints == []
    assert [fault for event in daemon.probes for fault in mistakes(event)] == []


def counts_of(events: list[Event]) -> dict[str, Counter[tuple[str, ...]]]:
    """Return what the counters have to say of these events, by the contract."""
    counts: dict[str, Counter[tuple[str, ...]]] = {}
    for event in events:
        for counter, labels, amount in _counted(event):
            if amount:
                counts.setdefault(counter, Counter())[labels] += amount
    return counts


def _counted(event: Event) -> Iterator[tuple[str, tuple[str, ...], int]]:
    """Return every counter that one event adds to, with its other labels in the order of their names."""
    outcome, cause = event["outcome"], event.get("cause", "")
    accepted = event.get("http_status") == 200 and (outcome, cause) not in UNREADABLE
    cut = accepted and (outcome in CUTS or (outcome, cause) in {("timeout", "first_chunk"), ("timeout", "total")})
    whole = outcome in {"ok", "unverified"}
    yield "chat_stream_probes_total", (outcome,), 1
    yield "chat_stream_failures_total", (cause, outcome), not whole
    yield "chat_stream_accepted_total", (), accepted
    yield "chat_stream_truncated_total", (cause, outcome), cut
    yield "chat_stream_unclean_ends_total", (event.get("unclean_cause", ""),), event["unclean_end"]
    yield "chat_stream_buffered_total", (), event["buffered"]
    yield "chat_stream_malformed_events_total", (), event["malformed_events"]
    yield "chat_stream_chunks_total", (), event["chunks"]
    yield "chat_stream_received_bytes_total", (), event["bytes"]
    yield "chat_stream_tokens_total", ("input",), event.get("tokens", {}).get("input", 0)
    yield "chat_stream_tokens_total", ("output",), event.get("tokens", {}).get("output", 0)
    yield "chat_stream_duration_seconds_count", (), whole
    yield "chat_stream_cut_after_seconds_count", (), cut
