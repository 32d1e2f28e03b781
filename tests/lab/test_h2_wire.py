"""The lab's frames are what h2, as a client, takes them for."""

from __future__ import annotations

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import ConnectionTerminated, DataReceived, Event, ResponseReceived, StreamEnded, StreamReset
from h2.settings import SettingCodes

from monitor.lab import h2_wire as wire


def client() -> H2Connection:
    """Return a client that has asked on stream 1."""
    made = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
    made.initiate_connection()
    pseudo = ((":method", "GET"), (":scheme", "http"), (":authority", "x"), (":path", "/"))
    made.send_headers(1, pseudo, end_stream=True)
    return made


def heads(events: list[Event]) -> list[list[tuple[object, object]]]:
    """Return the headers of the answers among these events."""
    return [[(name, value) for name, value in event.headers] for event in events if isinstance(event, ResponseReceived)]


def test_an_answer() -> None:
    """Settings, headers, data and an end."""
    asked = client()
    events = asked.receive_data(
        wire.settings({SettingCodes.MAX_CONCURRENT_STREAMS: 7})
        + wire.headers(1, [(":status", "200"), ("a", "b")])
        + wire.window(0, 5)
        + wire.data(1, b"abc", end=True)
    )
    assert asked.remote_settings.max_concurrent_streams == 7
    assert heads(events) == [[(":status", "200"), ("a", "b")]]
    assert [event.data for event in events if isinstance(event, DataReceived)] == [b"abc"]
    assert any(isinstance(event, StreamEnded) for event in events)
    assert asked.outbound_flow_control_window == 65535 + 5


def test_what_is_large_takes_several_frames() -> None:
    """A block of headers goes on in CONTINUATION frames, data in more DATA frames; the last one ends the stream."""
    asked = client()
    large = [(":status", "200"), ("x-large", "#" * 40_000)]
    events = asked.receive_data(wire.SETTINGS + wire.headers(1, large) + wire.data(1, b"x" * 40_000, end=True))
    assert [len(event.data) for event in events if isinstance(event, DataReceived)] == [16384, 16384, 7232]
    assert heads(events) == [large]
    assert isinstance(events[-1], StreamEnded)
    assert client().receive_data(wire.SETTINGS + wire.headers(1, large, end=True))[-1].__class__ is StreamEnded


def test_resets() -> None:
    """A stream is reset, and a connection announced to end, with their codes."""
    event = client().receive_data(wire.SETTINGS + wire.reset(1))[-1]
    assert isinstance(event, StreamReset)
    assert event.error_code is ErrorCodes.INTERNAL_ERROR
    event = client().receive_data(wire.SETTINGS + wire.goaway(1, ErrorCodes.ENHANCE_YOUR_CALM))[-1]
    assert isinstance(event, ConnectionTerminated)
    assert (event.last_stream_id, event.error_code) == (1, ErrorCodes.ENHANCE_YOUR_CALM)
