"""Isolation: when the failures of many targets show that the monitor itself is cut off."""

from __future__ import annotations

from dataclasses import replace

from monitor.diagnosis.isolation import Isolation
from monitor.record.observation import Observation
from monitor.stream.endings import EndKind
from monitor.stream.recorder import Recorder
from monitor.target import Target
from tests.sinks.samples import end, observed, refused, stopped, whole


def targets(number: int, hosts: int = 2) -> list[Target]:
    """Return so many targets on so many hosts."""
    return [Target(f"t{at}", "openai-chat", f"http://host{at % hosts}.test:80{at:02}/v1") for at in range(number)]


def after(*observations: Observation) -> bool:
    """Say what holds after these observations."""
    isolation, now = Isolation(), False
    for one in observations:
        now = isolation(one)
    assert isolation.now is now
    return now


def forbidden(target: Target) -> Observation:
    """Return a probe that our own rule did not let out."""
    return observed(end(Recorder(), EndKind.POLICY, 0.001), target, tokens=None)


def test_five_targets_on_two_hosts_that_fail_before_their_head() -> None:
    """Isolation needs five failing targets on two hosts."""
    assert after(*map(refused, targets(5)))
    assert not after(*map(refused, targets(4)))


def test_ports_of_one_host_are_one_host() -> None:
    """Five targets on one host are one machine that is down."""
    assert not after(*map(refused, targets(9, hosts=1)))


def test_one_answer_says_that_the_network_is_there() -> None:
    """Whatever a single target answers, it answered."""
    *others, last = targets(9)
    assert not after(*map(refused, others), whole(last))
    assert not after(whole(last), *map(refused, others))


def test_the_last_word_of_a_target_counts() -> None:
    """Isolation begins with the last target that fails, and ends with the first that answers."""
    isolation = Isolation()
    five = targets(5)
    assert [isolation(whole(one)) for one in five] == [False] * 5
    assert [isolation(refused(one)) for one in five] == [False] * 4 + [True]
    assert not isolation(whole(five[2]))
    assert isolation(refused(five[2]))


def test_what_we_stopped_ourselves_says_nothing() -> None:
    """Aborted, inconclusive and forbidden probes neither start nor end it."""
    *others, last = targets(5)
    silent = [
        stopped(EndKind.ABORTED, target=last),
        stopped(EndKind.RESOURCES, target=last),
        stopped(EndKind.INTERNAL, target=last),
        forbidden(last),
    ]
    assert not after(*map(refused, others), *silent)
    assert after(*map(refused, [*others, last]), *silent)


def test_a_host_counts_as_long_as_one_of_its_targets_is_cut_off() -> None:
    """Two hosts are needed with whatever is left of them, and a target that fails again counts once."""
    far, *near = targets(7, hosts=7)
    five = [replace(one, url="http://near.test/v1") for one in near]
    isolation = Isolation()

    def now() -> bool:
        return isolation.now

    for one in (far, *five, far, *five):
        isolation(refused(one))
    assert now()
    isolation.forget(far.name)
    assert not now(), "six are left on one host"
    isolation(refused(far))
    assert now()
    isolation.forget(five[0].name)
    assert now(), "one host less a target is still a host"
    isolation(whole(far))
    isolation.forget(far.name)
    assert not now()


def test_a_removed_target_is_forgotten() -> None:
    """A removed or paused target does not affect isolation; removing an unknown one is no error."""
    *others, last = targets(6)
    isolation = Isolation()
    for one in (whole(last), *map(refused, others)):
        isolation(one)
    isolation.forget(last.name)
    assert isolation.now
    isolation.forget(others[0].name)
    isolation.forget("nobody")
    assert not isolation.now
