"""Parts of an observation that its event shares."""

from __future__ import annotations

import subprocess
import sys

import msgspec
from msgspec import UNSET

from monitor.record.parts import ServerError, Suspect, Suspicion, given


def test_a_key_that_is_not_known_is_absent() -> None:
    """An error without a code has no key for it."""
    assert msgspec.json.encode(ServerError(type="t", message="no")) == b'{"type":"t","message":"no"}'


def test_none_is_unset_and_zero_is_not() -> None:
    """Only what does not apply is left out."""
    assert (given(None), given(0), given("")) == (UNSET, 0, "")


def test_a_suspect_is_written_as_its_word() -> None:
    """The closed set is one of strings."""
    assert msgspec.json.encode(Suspicion(Suspect.RESTART, "x")) == b'{"suspect":"restart","because":"x"}'


_DECODE = """
import sys
import msgspec
from monitor.record.probe_event import ProbeEvent
from monitor.record.rollup import Rollup
from monitor.record.target_state import TargetState
from monitor.record.target_summary import TargetSummary

class Other(msgspec.Struct):
    number: int

def record(frame, *_):
    if frame.f_code.co_name == "get_class_annotations":
        print(kind.__name__)

sys.setprofile(record)
for kind in (ProbeEvent, Rollup, TargetState, TargetSummary, Other):
    msgspec.json.Decoder(kind)
"""


def test_what_threads_decode_is_prepared_before() -> None:
    """Nothing is left to do when a type is decoded for the first time: two threads that do it at once would crash."""
    done = subprocess.run([sys.executable, "-c", _DECODE], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == {"Other"}
