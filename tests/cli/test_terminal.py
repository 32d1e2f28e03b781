"""The terminal's view of one probe, of several, of all targets and of a config's cost, from literal timelines."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from monitor.cli import several
from monitor.cli.several import summary
from monitor.cli.terminal import (
    explanation,
    lines,
    probe_lines,
    style_of,
    verdict_words,
)
from monitor.cli.top import Screen, draw
from monitor.judge.content_check import CheckResult
from monitor.record.observation import Observation
from monitor.record.parts import ServerError, Suspect, Suspicion, Tokens
from monitor.record.probe_event import ProbeEvent, read
from monitor.record.target_summary import BriefProbe, TargetSummary, summarize
from monitor.stream.endings import EndKind
from monitor.stream.events import Done, Failure, Fault, Finish, Malformed, Meta, Output, Part, Partial
from monitor.stream.thinning import thinned
from monitor.target import CountCheck, FirstChunkSlo, Slo
from tests.records import record
from tests.sinks.samples import GATEWAY, START, begun, chunks, cut, end, failed, line, observed, refused, stopped, whole


def event_from(one: Observation, *, timeline: bool = True) -> ProbeEvent:
    """Return the event of a probe, encoded and read back."""
    return read(record(one, timeline=timeline))


def shown(one: Observation) -> list[str]:
    """Return the waterfall as plain lines."""
    return [text.plain.rstrip() for text in probe_lines(event_from(one), one.target.slo.first_chunk.threshold)]


def explained(event: ProbeEvent) -> list[str]:
    """Return everything that `explain` prints about a probe, as plain lines."""
    return [text.plain.rstrip() for text in explanation(event)]


def printed(summaries: list[TargetSummary], now: datetime) -> list[str]:
    """Return the lines of the table of targets, after the totals, of any width."""
    return [row.plain for row in draw(summaries, Screen(), now, (None, None))][1:]


def test_a_complete_chat() -> None:
    """A complete chat has its verdict, a lane for each step, a column for each slice of time, and its figures."""
    assert shown(whole()) == [
        "ok  gateway  openai-chat",
        "  complete: 3 chunks",
        "",
        "  dns             1.0 ms  ━",
        "  connect         2.0 ms  ━",
        "  tls             8.0 ms  ━",
        "  request         1.0 ms   ━",
        "  headers        38.0 ms   ━━━",
        "  first chunk     150 ms      ━━━━━━━━━━",
        "  stream          600 ms" + " " * 16 + "█      █                    █      $      │",
        "                          0" + " " * 50 + "800 ms",
        "  3 chunks in 3 reads; gaps p50 200 ms, p99 298 ms, max 300 ms; 5.0 tokens/s; times ±10 us",
        "  probe 01JDX0000000000000000000AB",
    ]


def test_a_cut_chat_says_whose_and_what_to_do() -> None:
    """A failure comes with who likely caused it, and with the next step."""
    lines = shown(cut())
    assert lines[0] == "truncated/incomplete_body  gateway  openai-chat"
    assert lines[1].startswith("  peer closed the connection inside the chunked body")
    assert any("█✗" in one or "✗" in one for one in lines)
    assert lines[-3].startswith("  likely  the server process, a proxy's time-out")
    assert lines[-2].startswith("  do      look for a restart")


def test_a_refused_connection_has_no_stream() -> None:
    """A step that was not reached has no lane."""
    lines = shown(refused())
    assert not any("stream" in one for one in lines)
    assert any(one.startswith("  no output; times") for one in lines)


def test_an_aborted_probe_has_no_advice() -> None:
    """An aborted probe has no advice."""
    assert not any(one.startswith("  likely") for one in shown(stopped()))


def test_the_servers_own_words_are_shown() -> None:
    """The error of the server is printed under the verdict."""
    lines = shown(failed(server_error=ServerError(message="overloaded, come back")))
    assert "  the server says: overloaded, come back" in lines
    assert not any("says" in one for one in shown(failed(server_error=ServerError(type="busy"))))


def test_a_slow_chat_says_so() -> None:
    """A complete chat over its objective names both times."""
    slow = whole(replace(GATEWAY, slo=Slo(first_chunk=FirstChunkSlo(0.1))))
    assert "  over its SLO: first chunk after 200 ms, objective 100 ms" in shown(slow)


def test_everything_that_a_stream_says_has_its_sign() -> None:
    """Pings, malformed events, errors and ends have their own marks; output takes precedence in its slice."""
    signs = line(
        (0.1, Meta(ping=True)),
        (0.3, Output("x", Part.REASONING)),
        (0.5, Malformed("no JSON")),
        (0.6, Output("y")),
        (0.7, Finish("stop")),
        (0.8, Done()),
        (0.9, Failure(Fault.OTHER)),
        (0.95, Partial()),
    )
    stream = next(one for one in shown(observed(signs)) if one.startswith("  stream"))
    assert stream.split(maxsplit=3)[3].split() == ["·", "█", "?", "█", "$", "$", "!", "✗"]


def test_the_figures_that_apply_are_shown() -> None:
    """Pings, an estimate, the part of the answer, and a proxy that buffers."""
    pinged = line((0.01, Meta(ping=True)), *chunks(*[0.2] * 5), (0.2, Finish("stop")))
    checked = observed(pinged, tokens=Tokens(9, 5, estimated=True), check=CheckResult("count", "missing", 0.5))
    figures = shown(checked)[-5]
    assert figures.startswith("  5 chunks in 5 reads; gaps ")
    assert "; 1 ping; 50% of the answer; times" in figures
    together = begun((0.2, Output("x")))
    for offset in range(95, 100):
        together.record(Output("x"), offset)
    assert "buffered by a proxy" in "\n".join(shown(observed(end(together, EndKind.COMPLETE, 0.3))))
    rated = "\n".join(shown(whole(tokens=Tokens(9, 5, estimated=True))))
    assert "10.0 tokens/s (estimated)" in rated


@pytest.mark.parametrize(
    ("one", "style"),
    [
        (whole(), "green"),
        (cut(), "bold red"),
        (refused(), "red"),
        (stopped(), "magenta"),
        (stopped(EndKind.INTERNAL), "magenta"),
        (whole(check=CheckResult("count", "missing", 0.5)), "green"),
    ],
)
def test_a_verdict_has_its_colour(one: Observation, style: str) -> None:
    """Available is green, truncated bold red, our own magenta; wrong content is yellow only if required."""
    assert style_of(event_from(one)) == style


def test_wrong_content_that_counts_is_yellow() -> None:
    """Wrong content is yellow if the check is required."""
    required = replace(GATEWAY, check=CountCheck(required=True))
    assert style_of(event_from(whole(required, check=CheckResult("count", "missing", 0.5)))) == "yellow"


def test_an_unclean_end_is_in_the_words() -> None:
    """How the connection failed after the end is printed next to the verdict."""
    unclean = line(*chunks(0.2), (0.3, Finish("stop")), ending=EndKind.RESET)
    assert verdict_words(event_from(observed(unclean))) == "ok (unclean end: reset)"


def test_one_line_a_probe() -> None:
    """When, which target, what it came to, how long the first chunk and all took, how much came, and why."""
    head, first, second = lines([event_from(cut()), event_from(refused(replace(GATEWAY, name="b")))])
    assert head.plain.split("  ")[0] == "began (UTC)"
    assert first.plain == (
        "2026-11-22 22:10:00Z  gateway  truncated/incomplete_body       200 ms    700 ms       3  "
        "peer closed the connection inside the chunked body (no terminal chunk); 3 chunks received"
        "  01JDX0000000000000000000AB"
    )
    assert " ".join(second.plain.split()) == (
        "2026-11-22 22:10:00Z b unreachable/refused - 4.0 ms 0 connection refused 01JDX0000000000000000000AB"
    )
    assert len(list(lines([]))) == 1


def test_all_that_is_kept_of_a_probe() -> None:
    """Below the waterfall are the suspects, time and server of the probe, and the last bytes."""
    suspicion = Suspicion(Suspect.RESTART, "other targets of that host were cut at that second")
    probe = cut(last_words="so far so g", diagnosis=(suspicion,), peer="192.0.2.7:443")
    head = replace(probe.recording.head, request_ids=(("x-request-id", "r-1"),))  # type: ignore[type-var]
    probe = replace(probe, recording=replace(probe.recording, head=head))
    rows = explained(event_from(probe))
    assert rows[: len(shown(probe))] == shown(probe)
    assert rows[len(shown(probe)) - 1] == "  suspect restart: other targets of that host were cut at that second"
    assert rows[len(shown(probe)) :] == [
        "",
        "  2026-11-22 22:10:00Z  schedule  https://gateway.example.com:8443/v1/chat?key=***  192.0.2.7:443  HTTP 200",
        "  x-request-id: r-1",
        "  last bytes received:",
        "    so far so g",
    ]


def test_http_2_is_named() -> None:
    """The first line of a probe says that it spoke HTTP/2, and so does its status."""
    probe = cut()
    head = replace(probe.recording.head, http_version="2")  # type: ignore[type-var]
    probe = replace(probe, recording=replace(probe.recording, head=head))
    rows = explained(event_from(probe))
    assert rows[0].endswith("  openai-chat  HTTP/2")
    assert any(row.endswith("  HTTP/2 200") for row in rows)


def test_a_probe_whose_timeline_is_thinned() -> None:
    """The output says how much is omitted, and does not show an incomplete number of reads."""
    probe = observed(line(*chunks(*(0.1 + number / 100 for number in range(500)))))
    rows = explained(event_from(replace(probe, recording=thinned(probe.recording, 0))))
    assert re.fullmatch(r"  48\d events of this long stream are not stored; the figures include them", rows[-1])
    assert any(row.startswith("  500 chunks; gaps p50 10.0 ms") for row in rows)


def test_a_probe_whose_timeline_was_not_kept() -> None:
    """The output says that there is no timeline, and shows the figures of the event."""
    rows = explained(event_from(whole(), timeline=False))
    assert rows[-1] == "  its timeline is not stored"
    assert any(row.startswith("  3 chunks; gaps p50 200 ms") for row in rows)
    slow = explained(event_from(whole(replace(GATEWAY, slo=Slo(first_chunk=FirstChunkSlo(0.1))))))
    assert "  over its SLO: first chunk after 200 ms" in slow


def test_no_control_character_reaches_the_terminal() -> None:
    """No text of an event is printed with a control character."""
    hostile = "\x1b]0;owned\x07\x9b31m\r\n\u202e\x00"
    event = json.loads(json.dumps(record(cut(), timeline=True)))
    texts = ("probe_id", "target", "timestamp", "outcome", "cause", "detail", "protocol", "url", "peer", "trigger")
    event |= dict.fromkeys((*texts, "last_words", "unclean_cause"), hostile)
    event["request_ids"] = {hostile: hostile}
    event["server_error"] = {"message": hostile}
    event["diagnosis"] = [{"suspect": hostile, "because": hostile}]
    event["timeline"]["events"][0][2] = hostile
    made = read(event)
    brief = (BriefProbe(outcome=hostile),)
    table = printed([TargetSummary(name=hostile, recent=brief, last=made), summarize(hostile, [made])], START)
    shown_now = [*(row.plain for row in explanation(made)), *(row.plain for row in lines([made]))]
    shown_now += [
        *table,
        *(row.plain for row in summary([made])),
        several.line(1, 1, made, 80).plain,
    ]
    assert all(row.isprintable() for row in shown_now), [row for row in shown_now if not row.isprintable()]
    assert "\\x1b]0;owned" in shown_now[0]


def test_targets_at_a_summarize() -> None:
    """Failing targets come first; unknown figures and steps that were not reached are a dash."""
    now = START + timedelta(seconds=90)
    failing = summarize("failing", [event_from(cut()), event_from(cut()), event_from(whole())])
    rows = [
        failing,
        summarize("good", [event_from(whole())]),
        TargetSummary(name="new"),
        TargetSummary(name="resting", last=event_from(whole()), paused=True),
    ]
    assert [" ".join(row.split()) for row in printed(rows, now)] == [
        "target verdict ago first chunk truncated in a row recent",
        "failing truncated/incomplete_body 90 s 200 ms 66.7% 2 ■■■",
        "good ok 90 s 200 ms 0.0% 0 ■",
        "new - - - - 0",
        "resting paused 90 s - - 0",
    ]


@pytest.mark.parametrize(
    ("timestamp", "ago"),
    [
        ("2026-11-22T22:08:00Z", "2 min"), ("2026-11-22T10:10:00Z", "12 h"), ("2026-11-01T22:10:00Z", "21 d"),
        ("2026-11-22T22:10:30Z", "0 s"), ("soon", "-"), ("2026-11-22T22:08:00", "-"),
    ],
)  # fmt: skip
def test_how_long_ago(timestamp: str, ago: str) -> None:
    """An age has a fitting unit; a time in the future is now, and an invalid one is a dash."""
    event = read(record(whole()) | {"timestamp": timestamp})
    now = START.replace(microsecond=0)
    row = " ".join(printed([TargetSummary(name="a", last=event)], now)[1].split())
    assert row == f"a ok {ago} - - 0"
