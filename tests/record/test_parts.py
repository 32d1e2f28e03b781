"""Parts of an observation that its event shares."""

from __future__ import annotations

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
