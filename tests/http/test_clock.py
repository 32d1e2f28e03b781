"""The clock of one request: our own delay moves its zero, and delay that may be the peer's is uncertain."""

from __future__ import annotations

import pytest

from monitor.http.clock import Clock


@pytest.fixture
def clock() -> Clock:
    """Return a clock that was started at a known time."""
    one = Clock()
    one.start()
    one.zero = one.issued = one._working_since = 100.0
    return one


def test_nothing_is_before_zero() -> None:
    """A time before zero, by the rounding of two clocks, is zero; and a clock is started once."""
    one = Clock()
    one.start()
    zero = one.zero
    one.start()
    assert one.zero == zero
    assert one.since(zero - 1.0) == 0.0
    assert one.since(zero + 0.5) == pytest.approx(0.5)
    assert one.now() >= 0.0


def test_only_waiting_counts(clock: Clock) -> None:
    """Two waits of 0.1 s, for a name and for a connection, with a late loop before, between and after them."""
    clock.wait_begins(100.5)
    assert clock.wait_ends(100.6)[0] == pytest.approx(0.1)
    clock.wait_begins(102.0)
    assert clock.wait_ends(102.1)[0] == pytest.approx(0.2)
    clock.established()
    clock.wait_begins(105.0)
    assert clock.own_delay == pytest.approx(0.5 + 1.4 + 2.9)
    assert clock.since(105.0) == pytest.approx(0.2)
    assert clock.issued == 100.0


def test_bytes_that_come_while_we_work_extend_the_wait(clock: Clock) -> None:
    """A flight of the handshake in two segments was waited for to its second; older news changes nothing."""
    clock.wait_begins(100.0)
    clock.wait_ends(100.1)
    clock.wait_ends(100.3, 0.01)
    clock.wait_ends(100.2, 0.5)
    clock.wait_begins(100.4)
    assert clock.own_delay == pytest.approx(0.1)
    assert clock.uncertainty == pytest.approx(0.01)


def test_a_second_send_in_a_row_changes_nothing(clock: Clock) -> None:
    """A second send while another party is waited for changes nothing."""
    clock.wait_begins(100.1)
    clock.wait_begins(100.2)
    assert clock.own_delay == pytest.approx(0.1)
    clock.established()
    assert clock._working_since is not None
    assert clock._working_since > 0


def test_bytes_before_the_request_begin_no_wait(clock: Clock) -> None:
    """After the connection is established, nothing is waited for until the request is sent."""
    clock.wait_begins(100.0)
    clock.wait_ends(100.1)
    clock.established()
    clock.wait_begins(100.3)
    clock.wait_ends(100.7)  # the server's tickets
    clock.wait_begins(101.0)
    assert clock.own_delay == pytest.approx(0.9)
    assert clock.since(101.0) == pytest.approx(0.1)
    assert clock.wait_ends(101.5)[0] == pytest.approx(0.6)


def test_a_peer_that_takes_no_more_is_waited_for(clock: Clock) -> None:
    """Between a blocked send and the next one, the peer is waited for, also after the connection is established."""
    clock.established()
    clock.wait_begins(100.2)
    clock.send_blocked()
    clock.wait_begins(103.0)
    assert clock.own_delay == pytest.approx(0.2)
    assert clock.since(103.0) == pytest.approx(2.8)


def test_a_second_attempt_waits_again(clock: Clock) -> None:
    """A request that is sent once more has to dial first: a name that is asked for is waited for."""
    clock.established()
    clock.wait_begins(100.2)
    clock.start()
    clock.wait_begins(100.5)
    clock.wait_begins(100.9)
    assert clock.own_delay == pytest.approx(0.5)


def test_doubts_add_up(clock: Clock) -> None:
    """The uncertainty of a wait is part of the uncertainty of all later times."""
    clock.add_uncertainty(0.001)
    assert clock.wait_ends(100.0, 0.002)[1] == pytest.approx(0.003)
    clock.wait_begins(100.1)
    assert list(clock.wait_ends(100.2, 0.004)) == [pytest.approx(0.1), pytest.approx(0.005)]
