"""Cases: the parameters, the answer to say, and the verdict to expect."""

from __future__ import annotations

import pytest

from monitor.lab.dialects import DIALECTS
from monitor.lab.fault import OK, Expect, LabFault, ScriptContext
from monitor.lab.params import AFTER, COMMON, GAP, BadParameterError
from tests.lab.wires import ANSWER, PIECES, case


def test_parameters_are_read_by_their_own_objects() -> None:
    """A case is asked for a parameter, and one value can be set where a fault leaves no choice."""
    one = case("raw", "cut", "after=7")
    assert one[AFTER] == 7
    assert (one.but(AFTER, 2)[AFTER], one[AFTER]) == (2, 7)


def test_no_stream_is_one_message() -> None:
    """Where no stream was asked for, the whole answer is one message, so that every fault still applies."""
    one = ScriptContext(DIALECTS["raw"], PIECES, {}, stream=False)
    assert one.answer.messages == (ANSWER.encode(),)
    assert one.content_type == "text/plain; charset=utf-8"
    assert case("openai-chat", stream=False).content_type == "application/json"


def test_a_name_that_a_protocol_does_not_have_is_refused() -> None:
    """With the names that it has."""
    assert case("raw").named("kind", "b", {"b": b"B"}) == b"B"
    with pytest.raises(BadParameterError, match="kind=a: allowed here is one of b, c"):
        case("raw").named("kind", "a", {"b": b"", "c": b""})
    with pytest.raises(BadParameterError, match=r"\(nothing\)"):
        case("raw").named("kind", "a", {})


def test_the_verdict_may_hang_on_the_protocols_end() -> None:
    """One verdict for both, one for each, or one worked out from the case."""
    fault = LabFault(name="x", summary="", script=lambda _: (), ended=OK)
    assert fault.expect(case("raw")) == fault.expect(case("chatchat")) == OK
    both = LabFault(name="x", summary="", script=lambda _: (), ended=OK, endless=lambda one: Expect(str(one[GAP])))
    assert [both.expect(case(name)).verdict for name in ("chatchat", "raw")] == ["ok", "0.0"]


def test_a_faults_own_default_comes_before_the_shared_one() -> None:
    """Every fault takes the shared parameters; one that names such a parameter itself has its own default."""
    fault = LabFault(name="x", summary="", script=lambda _: (), ended=OK, params=(AFTER, GAP.but("3s")))
    names = {param.name: param.default for param in fault.all_params}
    assert set(names) == {"after", *(param.name for param in COMMON)}
    assert names["gap"] == "3s"
