"""The diagnosis of all targets: what an observation changes, for its own target and for others."""

from __future__ import annotations

from dataclasses import replace

from monitor.diagnosis.diagnosis import Diagnosis
from monitor.record.parts import Suspect
from tests.diagnosis.parts import BEHIND, IN_FRONT, at, cut, given
from tests.sinks.samples import GATEWAY, refused, stopped, whole


def test_evidence_that_arrives_late() -> None:
    """The gauge of the target in front changes with its upstream's probe, and so does what is shown of its probe."""
    diagnosis, front = Diagnosis(), at(0.0, cut(3.0), IN_FRONT)
    first = diagnosis.take(front)
    assert (first.suspicions, dict(first.now)) == ((), {"gateway": ()})
    assert diagnosis.known(front) is front
    later = diagnosis.take(at(0.5, refused(), BEHIND))
    assert {name: [it.suspect for it in found] for name, found in later.now.items()} == {
        "gateway": [Suspect.UPSTREAM], "behind": [],
    }  # fmt: skip
    assert [it.suspect for it in diagnosis.known(front).diagnosis] == [Suspect.UPSTREAM]


def test_evidence_after_recovery() -> None:
    """After recovery the gauge has no suspect; the probe of the past incident gets the late evidence."""
    front = at(0.0, cut(3.0), IN_FRONT)
    diagnosis = given(front, at(0.1, whole(), IN_FRONT), at(0.3, refused(), BEHIND))
    assert diagnosis.now("gateway") == ()
    assert [it.suspect for it in diagnosis.known(front).diagnosis] == [Suspect.UPSTREAM]
    old = given(front, at(0.1, whole(), IN_FRONT), at(90.0, refused(), BEHIND))
    assert old.known(front) is front


def test_a_probe_keeps_its_own_explanation() -> None:
    """An incident that went on for another reason still says of its first probe what that one met."""
    first = at(0.0, cut(3.0), IN_FRONT)
    rest = [at(number, refused(), IN_FRONT) for number in range(1, 4)]
    diagnosis = given(first, at(0.0, cut(3.1), BEHIND), *rest)
    assert [it.suspect for it in diagnosis.now("gateway")] == [Suspect.RESTART]
    assert [it.suspect for it in diagnosis.known(first).diagnosis] == [Suspect.UPSTREAM, Suspect.RESTART]


def test_what_we_did_is_no_evidence() -> None:
    """An aborted probe changes nothing, and an unknown target has no suspects."""
    diagnosis = given(at(0.0, cut(3.0)))
    assert diagnosis.take(at(1.0, stopped())).now == {}
    other = at(0.0, whole(), replace(GATEWAY, name="other"))
    assert (diagnosis.known(other), diagnosis.now("other")) == (other, ())


def test_a_target_that_is_forgotten() -> None:
    """A removed target is no evidence for targets at its address or with its upstream."""
    other = replace(IN_FRONT, name="other")
    diagnosis = given(at(0.0, cut(3.0), IN_FRONT), at(0.0, cut(3.0), other))
    diagnosis.forget("other")
    assert diagnosis.take(at(0.1, refused(), BEHIND)).now.keys() == {"gateway", "behind"}
    for name in ("gateway", "behind", "behind"):
        diagnosis.forget(name)
    assert diagnosis.now("gateway") == ()


def test_another_url_starts_a_new_history() -> None:
    """A target whose URL a reload changed has no earlier failures."""
    elsewhere = replace(GATEWAY, url="https://other.example.com/v1/chat")
    assert given(at(0.0, cut(3.0), elsewhere), at(1.0, cut(4.7))).now("gateway") == ()
