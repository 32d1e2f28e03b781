"""Frames are found with any segmentation, and their data is passed on as it arrives."""

from __future__ import annotations

import pytest

from monitor.http.h2_frames import HEADER, MAX_FRAME, DataPart, Flag, Frame, FrameError, FrameSplitter, FrameType
from monitor.lab import h2_wire as wire

PADDED = wire.frame(FrameType.DATA, b"\x03hello\0\0\0", flags=Flag.PADDED, stream=1)
FRAMES = (
    wire.SETTINGS, wire.data(1, b"abc"), PADDED, wire.headers(1, [("a", "b")]), wire.data(3, b"", end=True)
)  # fmt: skip
WIRE = b"".join(FRAMES)

ENDS = (0, *(len(b"".join(FRAMES[: number + 1])) for number in range(len(FRAMES))))
"""The bytes at which a frame has ended."""


def split(*pieces: bytes) -> list[Frame | DataPart]:
    """Return all that a splitter finds in these reads."""
    splitter = FrameSplitter()
    return [found for piece in pieces for found in splitter.split(piece)]


def test_frames_and_their_data() -> None:
    """Each frame is whole, and before it comes its data, without the padding."""
    found = split(WIRE)
    assert [one.kind for one in found if isinstance(one, Frame)] == [4, 0, 0, 1, 0]
    assert [one.data for one in found if isinstance(one, DataPart)] == [b"abc", b"hello"]
    assert b"".join(one.wire for one in found if isinstance(one, Frame)) == WIRE
    assert [one.stream for one in found] == [0, 1, 1, 1, 1, 1, 3]
    assert [one.payload for one in found if isinstance(one, Frame)][1] == b"abc"


@pytest.mark.parametrize("size", [1, 2, 5, 10, 11, 40])
def test_any_segmentation_gives_the_same(size: int) -> None:
    """The frames are the same in any reads, and so is the data in all; of a frame that is not whole it comes early."""
    pieces = [WIRE[at : at + size] for at in range(0, len(WIRE), size)]
    found, whole = split(*pieces), split(WIRE)
    assert [one for one in found if isinstance(one, Frame)] == [one for one in whole if isinstance(one, Frame)]
    assert b"".join(one.data for one in found if isinstance(one, DataPart)) == b"abchello"


def test_a_cut_at_every_byte_loses_no_data() -> None:
    """Before any byte, all earlier data and complete frames have been returned."""
    first, padded = ENDS[1] + HEADER, ENDS[2] + HEADER + 1
    data = [*range(first, first + len(b"abc")), *range(padded, padded + len(b"hello"))]
    for position in range(len(WIRE) + 1):
        found = split(WIRE[:position])
        came = b"".join(one.data for one in found if isinstance(one, DataPart))
        assert came == b"abchello"[: sum(at < position for at in data)]
        whole = b"".join(one.wire for one in found if isinstance(one, Frame))
        assert WIRE.startswith(whole)
        assert len(whole) == max(at for at in ENDS if at <= position)


def test_data_comes_before_its_frame_is_whole() -> None:
    """Data of an incomplete frame is returned with the read that brings it, and only once."""
    splitter, data = FrameSplitter(), wire.data(1, b"abcdef")
    assert len(list(splitter.split(wire.SETTINGS))) == 1
    assert list(splitter.split(data[: HEADER + 2])) == [DataPart(1, b"ab")]
    assert list(splitter.split(b"")) == []
    assert list(splitter.split(data[HEADER + 2 :])) == [DataPart(1, b"cdef"), Frame(0, 0, 1, data)]


def test_padding_that_is_longer_than_its_frame_is_no_data() -> None:
    """The library refuses such a frame; nothing of it is taken for data before that."""
    for payload in (b"", b"\x09abc"):
        bad = wire.frame(FrameType.DATA, payload, flags=Flag.PADDED, stream=1)
        assert split(wire.SETTINGS, bad)[1:] == [Frame(0, Flag.PADDED, 1, bad)]


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "it answers in HTTP/1.1"),
        (wire.data(1, b"x"), "its first frame is not SETTINGS"),
        (wire.SETTINGS_ACK, "its first frame is not SETTINGS"),
        (b"SSH-", "its first frame is not SETTINGS"),
        (b"\x15\x03\x01\0\2\2\x28", "it answers in TLS"),
        (wire.SETTINGS + bytes(3) + wire.frame(FrameType.DATA), ""),
        (wire.SETTINGS + (MAX_FRAME + 1).to_bytes(3) + bytes(6), "a frame of more than 16384 bytes"),
    ],
    ids=["http/1.1", "no settings", "an acknowledgement first", "SSH", "TLS", "an odd frame", "too long"],
)
def test_what_is_no_frame(sent: bytes, words: str) -> None:
    """Bytes that are not HTTP/2 are refused with the reason; a frame of an unknown type is a frame."""
    if not words:
        assert isinstance(split(sent)[1], Frame)
        return
    with pytest.raises(FrameError, match=words):
        split(sent)
    with pytest.raises(FrameError, match=words):
        split(*(sent[at : at + 1] for at in range(len(sent))))


def test_whether_a_head_has_begun() -> None:
    """An incomplete HEADERS frame is distinguished from an incomplete frame of another type."""
    for begun, wanted in ((wire.headers(1, [("a", "b")])[:5], True), (wire.data(1, b"abc")[:5], False), (b"\0", False)):
        splitter = FrameSplitter()
        assert list(splitter.split(wire.SETTINGS + begun)) == split(wire.SETTINGS)
        assert splitter.inside_a_head is wanted
