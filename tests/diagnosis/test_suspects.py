"""Diagnosis: who is suspected after which probes, and who is not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from monitor.diagnosis.suspects import RULES, diagnose
from monitor.record.observation import Observation
from monitor.record.parts import Suspect
from monitor.stream.endings import AfterCut, BodyFraming, Deadline, Ending, EndKind, Head
from monitor.stream.events import Fault, Finish, Output
from monitor.stream.recorder import Recorder
from monitor.target import Target
from tests.sinks.stories import GATEWAY, START, begun, chunks, end, failed, line, refused, seen, stopped, whole

BEHIND = Target("behind", "openai-chat", "http://10.0.0.9:8000/v1", interval=60.0)
IN_FRONT = replace(GATEWAY, upstream="behind")
MINUTE = timedelta(minutes=1)
PAGE = Path(__file__).parents[2] / "docs" / "diagnosis.md"

Story = Sequence[Observation]


def suspects(*story: Observation, upstream: Story = ()) -> dict[str, str]:
    """Return who is suspected after these probes of a target, a minute apart, the oldest first, and why."""
    told = [replace(one, timestamp=START + MINUTE * number) for number, one in enumerate(story)]
    known = {"gateway": told[-2::-1], "behind": list(upstream)}
    return {it.suspect: it.because for it in diagnose(told[-1], lambda name: known[name])}


def cut(at: float, kind: EndKind = EndKind.INCOMPLETE, last: float | None = None, number: int = 3) -> Observation:
    """Return a stream that was cut after so many seconds, its last byte at `last`, or just before."""
    told = begun(*chunks(*(0.2 + 0.1 * one for one in range(number)), at - 0.02 if last is None else last))
    return seen(end(told, kind, at))


def silent() -> Observation:
    """Return a stream that ended in good order and without its end."""
    return seen(line(*chunks(0.2, 0.3)))


def nothing() -> Observation:
    """Return a stream with an end and nothing in it."""
    return seen(line((0.2, Finish("stop"))))


def answered(status: int) -> Observation:
    """Return a refusal with that status."""
    told = Recorder()
    told.head = Head(status, "application/json", framing=BodyFraming.LENGTH)
    told.connected = True
    return seen(end(told, EndKind.DECLINED, 0.3), tokens=None)


def unheard(kind: EndKind = EndKind.CLOSED, at: float = 0.1) -> Observation:
    """Return a connection that was closed before any head."""
    told = Recorder()
    told.connected = True
    return seen(end(told, kind, at), tokens=None)


def unreached(kind: EndKind = EndKind.DNS) -> Observation:
    """Return a probe that found no way."""
    return seen(end(Recorder(), kind, 0.01), tokens=None)


def too_slow(deadline: Deadline) -> Observation:
    """Return a probe that a deadline of ours ended before any head."""
    told = Recorder()
    told.connected = deadline is not Deadline.CONNECT
    told.ending = Ending(EndKind.DEADLINE, 5.0, "5 s", deadline)
    return seen(told.finish(), tokens=None)


def in_one_piece() -> Observation:
    """Return a stream whose chunks all came in one read."""
    told = begun()
    told.arrived(2.0, 1e-5, 700)
    for number in range(6):
        told.record(Output("x"), 100 + number * 100)
    told.record(Finish("stop"), 700)
    return seen(end(told, EndKind.COMPLETE, 2.1))


def piece_by_piece() -> Observation:
    """Return a stream of as many chunks, each in a read of its own."""
    return seen(line(*chunks(0.1, 1, 2, 3, 4, 5), (6, Finish("stop"))))


def sized(at: float) -> Observation:
    """Return a cut body whose length was declared: a file that broke off, not a generator."""
    told = cut(at).recording
    assert told.head is not None
    return seen(replace(told, head=replace(told.head, framing=BodyFraming.LENGTH)))


def test_each_is_explained() -> None:
    """The page has every suspect of the closed list, and no other."""
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    assert [line.split("`")[1] for line in rows] == [rule.suspect for rule in RULES]
    assert {rule.suspect for rule in RULES} == set(Suspect)


# -- nobody ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "story",
    [
        [whole()],
        [whole()] * 10,
        [cut(3.1)],
        [cut(31.7, EndKind.RESET), whole(), cut(12.2, EndKind.RESET)],
        [refused()] * 5,
        [answered(401)] * 3,
        [failed(Fault.AUTH)] * 3,
        [whole(), stopped()],
        [cut(60.0), cut(60.0), cut(60.0), stopped()],
        [sized(3.1), sized(4.7)],
        [in_one_piece(), in_one_piece()],
        [in_one_piece(), in_one_piece(), in_one_piece(), piece_by_piece()],
        [too_slow(Deadline.HEADERS)] * 3,
    ],
)  # fmt: skip
def test_nobody_is_suspected(story: Story) -> None:
    """Not after one cut, not where the probes have nothing in common, and never because of what we did ourselves."""
    assert suspects(*story) == {}


# -- proxies -----------------------------------------------------------------------------------------------------------


def test_cuts_at_one_age_are_a_time_out() -> None:
    """Four of five at 60 s are no chance, and the sentence says so; then no generator is suspected."""
    story = [cut(60.1), cut(59.9), cut(12.2), cut(60.0), whole(), cut(60.0)]
    assert suspects(*story) == {Suspect.PROXY_TIMEOUT: "4 of the last 5 cuts came 60.0 s +- 0.1 after the request"}


@pytest.mark.parametrize(
    ("ages", "suspected"),
    [
        ((60.0, 60.0), False),
        ((30.02, 30.2, 30.11), True),
        ((15.0, 15.1, 15.2, 15.1, 9.9), True),
        ((15.0, 15.1, 15.2, 7.1, 9.9), False),
        ((15.0, 15.1, 15.2, 7.1), False),
        ((2.0, 2.0, 2.0, 2.0, 2.0), False),
        ((4.3, 4.3, 4.3, 4.3, 4.3), False),
        ((4.9, 4.88, 4.95), True),
        ((0.6, 0.6, 0.6, 0.6, 0.6), False),
        ((7.0, 7.1, 7.2), False),
        ((7.0, 7.0, 7.0, 7.0), False),
        ((47.3, 47.3, 47.4), False),
        ((47.3, 47.3, 47.4, 47.4), True),
        ((300.1, 301.9, 302.8), True),
        ((20.0, 20.6, 21.2), False),
        ((11.0, 19.0, 26.0, 34.0, 45.0), False),
    ],
)
def test_which_ages_are_a_time_out(ages: tuple[float, ...], suspected: bool) -> None:
    """All or four of five, at an age that people set or long ones; no short ones, and none that only lie close."""
    story = [cut(age, EndKind.RESET, number=3 + number) for number, age in enumerate(ages)]
    assert (Suspect.PROXY_TIMEOUT in suspects(*story)) is suspected


def test_silence_before_the_cut_is_a_time_out_as_well() -> None:
    """What a proxy waits for the next byte: the streams are of all ages then."""
    found = suspects(cut(71.3, last=11.3), cut(64.0, last=4.0), cut(98.4, last=38.4))
    assert found == {Suspect.PROXY_TIMEOUT: "3 of the last 3 cuts came 60.0 s +- 0.0 after the last byte"}


def test_a_time_out_before_any_byte() -> None:
    """A hop that closes without an answer has a time-out, too, and a 504 says so itself."""
    assert Suspect.PROXY_TIMEOUT in suspects(*(unheard(at=30.0 + one / 10) for one in range(3)))
    assert suspects(whole(), answered(504)) == {
        Suspect.PROXY_TIMEOUT: "1 of the last 2 probes got a 504: a gateway waited no longer"
    }


def test_a_proxy_that_buffers() -> None:
    """Three streams in one piece, and none otherwise; short answers say nothing."""
    because = {Suspect.BUFFERING_PROXY: "3 of the last 3 streams came in one piece"}
    assert suspects(whole(), in_one_piece(), in_one_piece(), in_one_piece()) == because


# -- servers -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("broken", [cut(3.0), cut(3.0, EndKind.RESET), unheard(), unheard(EndKind.RESET)])
def test_a_restart(broken: Observation) -> None:
    """A cut, and then nobody there: the process went away in between."""
    assert suspects(whole(), broken, refused()) == {
        Suspect.RESTART: "a probe was cut, and the next one found nobody listening"
    }
    assert suspects(whole(), broken, answered(503), whole()) == {
        Suspect.RESTART: "a probe was cut, and the next one was answered with 503"
    }


def test_a_restart_that_shows_at_once() -> None:
    """Nobody listened right after the cut; one that was taken says that the process is still there."""
    gone = replace(cut(3.0), after_cut=AfterCut.REFUSED)
    assert suspects(gone) == {Suspect.RESTART: "a probe was cut, and right after it nobody was listening"}
    assert suspects(replace(gone, after_cut=AfterCut.ACCEPTED)) == {}


def test_a_restart_is_soon_forgotten() -> None:
    """Five probes later it is another story."""
    assert suspects(cut(3.0), refused(), *[whole()] * 4) == {}


def test_a_generator_that_dies() -> None:
    """Chunked bodies without a last chunk, at no common age, from a server that is there; a 500 says it itself."""
    assert suspects(cut(3.0), whole(), cut(4.7)) == {
        Suspect.APP_EXCEPTION: "2 of the last 3 streams lacked the last chunk, from a server that goes on answering"
    }
    assert suspects(answered(500)) == {Suspect.APP_EXCEPTION: "1 of the last 1 probes got a 500"}


def test_an_end_that_says_nothing() -> None:
    """The same failure, swallowed: a clean end without the protocol's, or an answer with nothing in it."""
    because = "{} of the last 3 streams ended as if all were well, and were not whole"
    assert suspects(whole(), whole(), silent()) == {Suspect.SILENT_END: because.format(1)}
    assert suspects(nothing(), whole(), silent()) == {Suspect.SILENT_END: because.format(2)}


@pytest.mark.parametrize(
    ("story", "suspect", "because"),
    [
        ([whole(), failed(Fault.OVERLOADED)], Suspect.OVERLOAD, "1 of the last 2 probes were told of overload"),
        ([answered(503)], Suspect.OVERLOAD, "1 of the last 1 probes were told of overload"),
        (
            [failed(Fault.CONTEXT_LENGTH)] * 2, Suspect.CONTEXT,
            "2 of the last 2 probes met the limit of the model's context or output",
        ),
        ([unreached()], Suspect.NETWORK, "1 of the last 1 probes did not get as far as the server"),
        ([unreached(EndKind.NETWORK)], Suspect.NETWORK, "1 of the last 1 probes did not get as far as the server"),
        ([too_slow(Deadline.CONNECT)], Suspect.NETWORK, "1 of the last 1 probes did not get as far as the server"),
        ([failed(Fault.UPSTREAM)], Suspect.UPSTREAM, "1 of the last 1 probes said that the server behind had failed"),
        (
            [answered(502)], Suspect.UPSTREAM,
            "1 of the last 1 probes got a 502: the server behind a gateway did not answer it",
        ),
    ],
)  # fmt: skip
def test_what_the_answer_itself_says(story: Story, suspect: Suspect, because: str) -> None:
    """One such answer is enough, and it is the only suspect."""
    assert suspects(*story) == {suspect: because}


# -- what stands behind ------------------------------------------------------------------------------------------------


def behind(make: Callable[..., Observation], minutes: float, **more: Any) -> Observation:  # noqa: ANN401 - of the story
    """Return a probe of the target behind, so many minutes after the first of the one in front."""
    return replace(make(BEHIND, **more), timestamp=START + MINUTE * minutes)


def test_the_target_behind_failed_as_well() -> None:
    """Then it, and not the one in front, is where to look; nothing else is suspected of that cut."""
    fronts = [replace(one, target=IN_FRONT) for one in (cut(3.0), cut(4.7))]
    assert suspects(*fronts, upstream=[behind(refused, 1.5), behind(whole, 0.5)]) == {
        Suspect.UPSTREAM: "the target behind it, behind, failed as well: unreachable/refused"
    }


@pytest.mark.parametrize(
    "upstream",
    [
        [],
        [behind(whole, 1.0)],
        [behind(refused, 9.0)],
        [behind(whole, 1.2), behind(refused, 0.3)],
        [behind(lambda target: replace(stopped(), target=target), 1.0)],
    ],
)
def test_the_target_behind_is_well(upstream: Story) -> None:
    """Or was at that time, or nothing is known of it: it is not suspected."""
    assert Suspect.UPSTREAM not in suspects(
        *(replace(one, target=IN_FRONT) for one in (whole(), cut(4.7))), upstream=upstream
    )


def test_what_no_server_behind_can_do() -> None:
    """A key that is refused in front, or a name that does not resolve, does not come from behind."""
    for front in (answered(401), refused(), unreached(), whole()):
        found = suspects(replace(front, target=IN_FRONT), upstream=[behind(refused, 0.0)])
        assert Suspect.UPSTREAM not in found


def test_another_url_is_another_story() -> None:
    """A target that is asked elsewhere since a reload begins anew."""
    elsewhere = replace(cut(3.0), target=replace(GATEWAY, url="https://other.example.com/v1/chat"))
    assert suspects(elsewhere, cut(4.7)) == {}


def test_it_can_be_asked_again_later() -> None:
    """What came after the probe is no evidence of what was before it, but its upstream's failure is."""
    front = replace(cut(3.0), target=IN_FRONT, timestamp=START)
    later = [replace(refused(), timestamp=START + MINUTE)]
    known: dict[str, list[Observation]] = {"gateway": later, "behind": []}
    assert diagnose(front, lambda name: known[name]) == ()
    known["behind"].append(behind(refused, 0.5))
    assert [it.suspect for it in diagnose(front, lambda name: known[name])] == [Suspect.UPSTREAM]
