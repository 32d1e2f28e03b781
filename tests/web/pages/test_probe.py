"""Tests of the page of one probe."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from monitor.record.observation import Observation
from monitor.record.parts import ServerError
from monitor.record.probe_event import read
from monitor.target import Timeouts
from monitor.web.pages import About, Neighbours, RequestFacts
from monitor.web.pages.probe import probe as draw
from tests.records import record
from tests.web import samples
from tests.web.document import Document

ABOUT = About(now=samples.NOW, started=samples.STARTED, version="0", root="../")


def probe(observation: Observation) -> str:
    """Return the page of an observation."""
    return draw(samples.event(observation), Neighbours(), ABOUT)


@pytest.mark.parametrize("make", samples.EVERY, ids=lambda make: make.__name__)
def test_every_outcome_makes_a_well_formed_page(make: samples.Make) -> None:
    """Whatever a probe came to, its page names outcome, cause and phase and leads to its target and its JSON."""
    observation = make(None)
    document = Document(probe(observation))
    for word in (observation.verdict.outcome, observation.verdict.cause or "", f"in phase {observation.verdict.phase}"):
        assert word in document.text
    assert {"../targets/gateway", f"../api/v1/probes/{observation.probe_id}"} <= set(document.links)


def test_a_probe_of_the_history_has_the_same_page() -> None:
    """The event that was written and read again draws every byte alike."""
    assert draw(read(record(samples.cut(), timeline=True)), Neighbours(), ABOUT) == probe(samples.cut())


def test_a_probe_whose_timeline_was_not_kept() -> None:
    """Its page says so, and has the steps."""
    text = Document(draw(read(record(samples.cut())), Neighbours(), ABOUT)).text
    assert "The timeline of this probe is not stored." in text
    assert "TLS handshake" in text


def test_a_verdict_of_another_version() -> None:
    """An outcome that is not known has a letter and no explanation."""
    event = msgspec.structs.replace(samples.event(samples.cut()), outcome="vanished")
    text = Document(draw(event, Neighbours(), ABOUT)).text
    assert "? vanished" in text
    assert "Explanation" not in text


def test_neighbours() -> None:
    """The page links to the previous, the next and the last good probe, and names those that are not known."""
    links = Document(draw(samples.event(samples.cut()), Neighbours("p", "n", "g"), ABOUT)).links
    assert {"../probes/p", "../probes/n", "../probes/g"} <= set(links)
    assert "last good probe: none" in Document(probe(samples.cut())).text


def test_what_it_means() -> None:
    """The page of a failure says what to do, whose fault it likely is, and who is suspected; others do not."""
    text = Document(probe(samples.cut())).text
    assert "Likely: the server process, a proxy's time-out, or a restart." in text
    assert "proxy_timeout: 4 of the last 5 cuts came 60.0 s +- 0.1 after the request" in text
    assert "not known: nothing observed points at one party" in Document(probe(samples.reset())).text
    complete = Document(probe(samples.complete())).text
    assert "Explanation" not in complete
    assert "point" not in complete


def test_the_server_s_own_words() -> None:
    """Its error and the last text before the end are shown apart from ours, if they were kept."""
    text = Document(probe(samples.cut())).text
    assert "as it came; secrets are replaced:17 18\\x0adata: {" in text
    assert "0000  31 37 20 31 38 0a 64 61 74 61 3a 20 7b           17 18.data: {" in text
    erred = Document(probe(samples.erred(message="upstream gone"))).text
    assert "typeserver_errorcode502messageupstream gone" in erred
    assert "own words" not in Document(probe(samples.complete())).text
    assert "own words" not in Document(probe(replace(samples.erred(), server_error=ServerError()))).text


def test_what_was_decoded_of_them() -> None:
    """The output in the last words is shown before them, and the request as a command after them, with line breaks."""
    page = draw(
        samples.event(samples.cut()),
        Neighbours(),
        ABOUT,
        RequestFacts(Timeouts(), "curl -N \\\n  'u'", "a"),
        "17\n18",
    )
    text = Document(page).text
    assert "Last decoded output:17\n18" in text
    assert "curl -N \\\n  'u'" in text
    assert "A." in text
    assert "curl -N \\\n  &#39;u&#39;" in page
    assert "x-request-idr-1 copy" in text


def test_the_record_is_that_of_the_event() -> None:
    """The page shows values under their names in the event, with their units, and no secret."""
    text = Document(probe(replace(samples.complete(), retried=True))).text
    for word in ("timings.first_chunk210 ms", "request_ids.x-request-idr-1", "unclean_endfalse", "tokens.output41", "bytes1800 bytes"):  # fmt: skip  # noqa: E501 - one list
        assert word in text
    assert "secret" not in text
    assert "retried" in text


def test_a_hostile_server_stays_text() -> None:
    """Scripts, escapes and bidi marks in any of its words reach the page as what they look like."""
    observation = samples.erred()
    recording = replace(
        observation.recording, model=samples.CANARY, end=replace(observation.recording.end, reason=samples.CANARY)
    )
    observation = replace(observation, recording=recording)
    page = probe(replace(observation, last_words=samples.CANARY, response_content_type=samples.CANARY))
    assert not set("\x1b\u202e\u2066") & set(page)
    assert Document(page).text.count("alert('canary')") == 4
