"""Tests of the API's bodies."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

from monitor.web import resources
from monitor.web.listing import ProbeQuery
from monitor.web.target_view import BRIEF
from tests.records import record
from tests.web import samples

TARGET = replace(samples.target(), model="m", labels={"team": "search"})


def parsed(body: dict[str, object]) -> dict[str, object]:
    """Return a body as its readers get it."""
    found: dict[str, object] = json.loads(json.dumps(body))
    return found


def first_of(body: dict[str, object]) -> dict[str, object]:
    """Return the first target of a list of them."""
    targets = parsed(body)["targets"]
    assert isinstance(targets, list)
    assert isinstance(targets[0], dict)
    return targets[0]


def test_a_target_with_its_recent_probes() -> None:
    """A target's resource holds what the page shows, and its recent probes as the records of the contract."""
    recent = samples.series([samples.cut(), samples.complete()], TARGET)
    body = parsed(resources.target(samples.view(TARGET, samples.cut(), samples.complete()), samples.NOW))
    assert body["recent"] == [record(observation) for observation in recent]
    assert body["last"] == record(recent[0])
    assert (body["probes"], body["accepted"], body["truncated"], body["truncation_ratio"]) == (2, 2, 1, 0.5)
    assert (body["consecutive_failures"], body["stale"], body["paused"]) == (1, False, False)
    assert body["first_chunk"] == {"last": 0.21, "p50": 0.21, "p95": 0.21}


def test_no_secret_of_the_url() -> None:
    """User-info and query values are in no resource."""
    body = str(resources.targets([samples.view(TARGET)], samples.NOW))
    assert "https://llm.example/v1/chat/completions?key=***" in body
    assert "secret" not in body


def test_a_target_never_probed_has_no_empty_keys() -> None:
    """What does not apply is absent, never null."""
    body = first_of(resources.targets([samples.view(samples.target())], samples.NOW))
    assert set(body) == {
        "name", "protocol", "url", "interval", "paused", "probes", "accepted", "truncated", "consecutive_failures",
        "stale", "recent", "state",
    }  # fmt: skip


def test_the_list_is_brief() -> None:
    """The list of targets tells of the last thirty probes of each, in four or five words."""
    recent = samples.series([samples.cut()] * 40, TARGET)
    body = first_of(resources.targets([samples.view(TARGET, *[samples.cut()] * 40)], samples.NOW))
    briefly = body["recent"]
    assert isinstance(briefly, list)
    assert len(briefly) == BRIEF
    assert briefly[0] == {
        "probe_id": recent[0].probe_id,
        "timestamp": "2026-11-22T22:09:48.000000Z",
        "trigger": "schedule",
        "outcome": "truncated",
        "cause": "incomplete_body",
        "available": False,
        "first_chunk": 0.21,
    }


def test_a_probe_has_its_timeline() -> None:
    """A probe's resource is its record with every arrival and event."""
    observation = samples.cut()
    assert parsed(resources.probe(samples.event(observation))) == record(observation, timeline=True)
    assert "timeline" in resources.probe(samples.event(observation))


def test_the_newest_probes_of_all() -> None:
    """Probes are sorted by when they began, newest first; `failed` selects failures, and the limit applies."""
    cut = samples.cut()
    later = replace(samples.complete(), timestamp=cut.timestamp + timedelta(seconds=1))
    cut = replace(cut, recording=samples.complete(first=20.0).recording)  # it ended last
    ours = replace(samples.aborted(), timestamp=cut.timestamp - timedelta(hours=1))
    everything = samples.probes(cut, later, ours)
    assert parsed(resources.probes(everything, ProbeQuery())) == {
        "probes": [record(observation) for observation in (later, cut, ours)]
    }
    assert parsed(resources.probes(everything, ProbeQuery(failed=True))) == {"probes": [record(cut)]}
    assert parsed(resources.probes(everything, ProbeQuery(limit=1))) == {"probes": [record(later)]}
    assert parsed(resources.probes(everything, ProbeQuery(begins=cut.probe_id[:9], limit=9)))["probes"]
    assert parsed(resources.probes(everything, ProbeQuery(begins="1"))) == {"probes": []}
