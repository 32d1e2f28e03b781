"""Tests of the page of one probe."""

from __future__ import annotations

from dataclasses import replace

import pytest

from monitor.record.parts import ServerError
from monitor.web.pages import About, kept, probe
from tests.records import record
from tests.web import scenes
from tests.web.document import Document

ABOUT = About(now=scenes.NOW, started=scenes.STARTED, version="0")


@pytest.mark.parametrize("make", scenes.EVERY, ids=lambda make: make.__name__)
def test_every_outcome_makes_a_well_formed_page(make: scenes.Make) -> None:
    """Whatever a probe came to, its page names outcome, cause and phase and leads to its target and its JSON."""
    seen = make(None)
    document = Document(probe(seen, ABOUT))
    for word in (seen.verdict.outcome, seen.verdict.cause or "", f"in phase {seen.verdict.phase}"):
        assert word in document.text
    assert {"/targets/gateway", f"/api/v1/probes/{seen.probe_id}"} <= set(document.links)


def test_what_it_means() -> None:
    """A failure says what to do, whose fault it likely is, and what the recent probes point at; a success does not."""
    text = Document(probe(scenes.cut(), ABOUT)).text
    assert "Likely: the server process, a proxy's time-out, or a restart." in text
    assert "proxy_timeout: 4 of the last 5 cuts came 60.0 s +- 0.1 after the request" in text
    assert "point at" not in Document(probe(scenes.reset(), ABOUT)).text
    assert "What it means" not in Document(probe(scenes.complete(), ABOUT)).text


def test_the_server_s_own_words() -> None:
    """Its error and the last text before the end are shown apart from ours, where they were kept."""
    text = Document(probe(scenes.cut(), ABOUT)).text
    assert "The last text before the end:17 18\\ndata: {" in text
    erred = Document(probe(scenes.erred(message="upstream gone"), ABOUT)).text
    assert "typeserver_errorcode502messageupstream gone" in erred
    assert "own words" not in Document(probe(scenes.complete(), ABOUT)).text
    nothing = replace(scenes.erred(), server_error=ServerError())
    assert "alert" not in Document(probe(nothing, ABOUT)).text


def test_the_record_is_that_of_the_event() -> None:
    """Facts stand under the names that they have in the event, one level for each dot; no secret among them."""
    text = Document(probe(replace(scenes.complete(), retried=True), ABOUT)).text
    for word in ("timings.first_chunk0.21", "request_ids.x-request-idr-1", "unclean_endfalse", "tokens.output41"):
        assert word in text
    assert "secret" not in text
    assert "retried" in text


def test_a_hostile_server_stays_text() -> None:
    """Scripts, escapes and bidi marks in any of its words reach the page as what they look like."""
    seen = scenes.erred()
    recording = replace(seen.recording, model=scenes.CANARY, end=replace(seen.recording.end, reason=scenes.CANARY))
    seen = replace(seen, recording=recording)
    page = probe(replace(seen, last_words=scenes.CANARY, response_content_type=scenes.CANARY), ABOUT)
    assert not set("\x1b\u202e\u2066") & set(page)
    assert "<script" not in page
    assert Document(page).text.count("alert('canary')") == 4


def test_a_probe_that_the_history_alone_knows() -> None:
    """Its record, word by word, with a way to the whole of it; whatever stands in the file is text and nothing else."""
    event = record(scenes.cut(), timeline=True)
    document = Document(kept(event, ABOUT))
    for word in ("truncated incomplete_body", "probe of gateway", "timings.first_chunk", "17 18\\ndata: {"):
        assert word in document.text
    assert "timeline" not in document.text
    assert "longest gap" in document.text
    assert f"/api/v1/probes/{event['probe_id']}" in document.links
    hostile = {key: scenes.CANARY if isinstance(value, str) else value for key, value in event.items()}
    page = kept(hostile | {scenes.CANARY: scenes.CANARY}, ABOUT)
    assert "<script>alert" not in page
    assert "\x1b" not in page
    assert "The record" in Document(kept({}, ABOUT)).text
