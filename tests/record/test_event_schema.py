"""The event's JSON Schema in the docs: it has the keys of `record` and the words of verdicts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from monitor.judge.content_check import CheckResult
from monitor.judge.verdict import CAUSES, Outcome, Phase, Unclean
from monitor.record.observation import Observation
from monitor.record.parts import ServerError, Suspect, Suspicion, Tokens
from monitor.sinks.metrics.families import SUSPECTS
from monitor.stream.endings import BodyFraming, EndKind, Mark
from monitor.stream.events import Finish, Meta, Output, Usage
from monitor.stream.recording import Kind, Whole
from tests.records import record
from tests.sinks.samples import (
    GATEWAY,
    START,
    check_schema,
    chunks,
    counted,
    cut,
    failed,
    line,
    mistakes,
    observed,
    refused,
    schema,
    stopped,
    whole,
)

OTHERS = ("after_cut", "price")
"""Keys that other parts of the monitor have to measure first."""


def full() -> Observation:
    """Return an observation that says all there is to say."""
    recording = line((0.1, Meta(model="m-1", usage=Usage(20, 2, 1))), *chunks(0.2, 0.3), (0.4, Finish("stop")))
    head = replace(
        recording.head or pytest.fail("it has a head"),
        content_type="text/plain",
        retry_after=7,
        request_ids=(("x-request-id", "r-1"),),
    )
    recording = replace(recording, ending=replace(recording.ending, kind=EndKind.RESET), head=head)
    probe = observed(
        recording,
        counted(labels={"team": "search"}),
        location="eu-1",
        peer="10.0.0.7:443",
        ip_family=4,
        retried=True,
        schedule_delay=0.0004,
        own_delay=0.002,
        tokens=Tokens(20, 2, 1),
        check=CheckResult("count", None, 1.0),
        server_error=ServerError("server_error", "500", "it broke"),
        last_words="and then",
        diagnosis=(Suspicion(Suspect.RESTART, "all at once"),),
    )
    return replace(probe, verdict=replace(probe.verdict, content_type_mismatch=True))


def nested(part: Any, path: str = "") -> Iterator[str]:  # noqa: ANN401 (any part of a JSON document)
    """Yield the dotted path of every key that the schema's objects name."""
    for key, held in part.get("properties", {}).items():
        yield f"{path}{key}"
        yield from nested(held.get("items", held), f"{path}{key}.")


def described(part: Any) -> Iterator[bool]:  # noqa: ANN401 (any part of a JSON document)
    """Yield for each key, nested ones and columns included, whether it says what it means."""
    for held in (*part.get("properties", {}).values(), *part.get("prefixItems", ())):
        yield bool(held.get("description"))
        yield from described(held.get("items") or held)


def keys(part: Any, path: str = "") -> Iterator[str]:  # noqa: ANN401 (any part of a JSON document)
    """Yield the dotted path of every key of an event, but for those that a server or a config named."""
    if isinstance(part, list):
        for held in part:
            yield from keys(held, path)
    elif isinstance(part, dict) and path not in {"labels.", "request_ids."}:
        for key, held in part.items():
            yield f"{path}{key}"
            yield from keys(held, f"{path}{key}.")


def test_the_schema_is_one() -> None:
    """The schema is valid, and every key has a description."""
    check_schema()
    assert all(described(schema()))


def test_it_names_the_keys_of_the_record() -> None:
    """The schema has exactly the keys of an event with everything in it, nested keys included."""
    every = full()
    small = replace(every, recording=replace(every.recording, whole=Whole(9, 9, None)))
    written = {*keys(record(small, timeline=True)), *keys(record(cut()))}
    assert {key for key in nested(schema()) if key.partition(".")[0] not in OTHERS} == written


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ("outcome", [outcome.value for outcome in Outcome]),
        ("phase", [phase.value for phase in Phase]),
        ("unclean_cause", [unclean.value for unclean in Unclean]),
        ("body_framing", [framing.value for framing in BodyFraming]),
    ],
)
def test_it_names_the_closed_words(where: str, words: list[str]) -> None:
    """Each closed set of the schema is that of the code."""
    assert schema()["properties"][where]["enum"] == words


def test_it_names_the_inner_words() -> None:
    """So do the clocks, the kinds of events, and the suspects."""
    properties = schema()["properties"]
    assert list(properties["timings"]["properties"]) == [mark.value for mark in Mark]
    events = properties["timeline"]["properties"]["events"]["items"]["prefixItems"]
    assert events[2]["enum"] == [kind.value for kind in Kind]
    assert properties["diagnosis"]["items"]["properties"]["suspect"]["enum"] == [word for (word,) in SUSPECTS]


def test_it_knows_the_causes_of_each_outcome() -> None:
    """Every outcome has its rule: its causes and no others, or none at all."""
    rules = {}
    for rule in schema()["allOf"]:
        words = rule["if"]["properties"].get("outcome", {}).get("const")
        rules[words] = tuple(rule["then"].get("properties", {}).get("cause", {}).get("enum", ()))
    assert {word: causes for word, causes in rules.items() if word} == {o.value: c for o, c in CAUSES.items()}


@pytest.mark.parametrize(
    "probe",
    [
        whole(),
        cut(),
        failed(),
        refused(),
        stopped(),
        stopped(EndKind.INTERNAL),
        full(),
        observed(line((0.2, Output("x")))),
        replace(whole(), timestamp=START + timedelta(days=1)),
    ],
    ids=lambda probe: f"{probe.verdict.outcome.value}/{probe.verdict.cause}",
)
def test_events_are_valid(probe: Observation) -> None:
    """Every event validates, with and without its timeline, and has no key beyond the schema."""
    assert mistakes(record(probe)) == []
    assert mistakes(record(probe, timeline=True)) == []


@pytest.mark.parametrize(
    "change",
    [
        {"outcome": "broken"},
        {"cause": "dns"},
        {"cause": None},
        {"retry_after": None},
        {"unclean_end": True},
        {"timestamp": "2026-11-22T22:10:00+00:00"},
        {"timings": {"end": -1.0}},
        {"surprise": 1},
    ],
)
def test_wrong_events_are_not(change: dict[str, object]) -> None:
    """A value outside its set, a null, a negative time, or an unknown key is invalid."""
    assert mistakes(record(cut()) | change) != []


def test_the_example_of_a_target_without_labels() -> None:
    """A key that does not apply is absent, never null or empty."""
    event = record(whole(GATEWAY, tokens=None))
    assert not {"labels", "location", "tokens", "check", "cause", "diagnosis"} & set(event)
    assert None not in event.values()
