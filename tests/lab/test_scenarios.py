"""The table of faults: complete, consistent, and every example of it can be played."""

from __future__ import annotations

from typing import get_args

import pytest

from monitor.lab.dialects import DIALECTS
from monitor.lab.dialects.base import lacks
from monitor.lab.fault import LabFault
from monitor.lab.params import BadParameterError
from monitor.lab.scenarios import ALL, DRAWS, FAULTS, Scenario, all_scenarios, case_for, scenarios
from monitor.lab.steps import Step
from tests.lab.wires import ENDED, ENDLESS

# The words of the contract, as far as a peer can bring them about.
VERDICTS = {
    "ok": {""},
    "truncated": {
        "incomplete_body",
        "reset",
        "malformed_body",
        "no_terminator",
        "mid_event",
        "server_abort",
        "token_limit",
        "incomplete_answer",
    },
    "stalled": {"silent", "no_output"},
    "timeout": {"headers", "first_chunk", "total"},
    "stream_error": {
        "overloaded",
        "rate_limited",
        "quota",
        "context_length",
        "auth",
        "not_found",
        "upstream",
        "other",
    },
    "http_error": {
        "auth",
        "rate_limited",
        "quota",
        "not_found",
        "overloaded",
        "server",
        "redirect",
        "rejected",
    },
    "no_response": {"closed", "reset", "partial_head"},
    "bad_response": {
        "malformed_head",
        "encoding",
        "content_type",
        "not_protocol",
        "malformed_event",
        "too_large",
    },
    "empty": {"no_output", "no_body"},
    "filtered": {"content_filter"},
    "wrong_content": {"duplicated", "out_of_order", "missing"},
}
FLAGS = {"", "unclean_end", "buffered", "content_type_mismatch"}


def test_every_verdict_of_the_contract_can_be_brought_about() -> None:
    """The examples come to words of the contract, and to each of them at least once."""
    shown = {tuple(scenario.expect.verdict.partition("/")[::2]) for scenario in all_scenarios()}
    assert shown == {(outcome, cause) for outcome, causes in VERDICTS.items() for cause in causes}
    assert {scenario.expect.flag for scenario in all_scenarios()} == FLAGS


@pytest.mark.parametrize("protocol", DIALECTS)
def test_every_example_has_a_script(protocol: str) -> None:
    """Made of steps, and asked for by a path that names it."""
    for fault in FAULTS.values():
        for scenario in scenarios(protocol, fault):
            script = fault.script(case_for(fault, DIALECTS[protocol], scenario.query))
            assert script
            assert all(isinstance(step, get_args(Step)) for step in script)
            assert scenario.path.startswith(f"/{protocol}/{fault.name}")


@pytest.mark.parametrize("protocol", DIALECTS)
def test_every_fault_can_be_played_without_a_stream(protocol: str) -> None:
    """A request that wants no stream makes no script fail."""
    for fault in FAULTS.values():
        for scenario in scenarios(protocol, fault):
            case = case_for(fault, DIALECTS[protocol], scenario.query, stream=False)
            try:
                assert fault.script(case)
            except BadParameterError as error:
                assert "this protocol has" in str(error)  # noqa: PT017  # some messages exist in streams only
            fault.expect(case)


def test_a_fault_is_refused_where_the_protocol_lacks_what_it_needs() -> None:
    """With the reason, and without examples."""
    with pytest.raises(BadParameterError, match="pings is not available in this protocol: it has no pings"):
        case_for(FAULTS["pings"], DIALECTS["raw"], "")
    with pytest.raises(BadParameterError, match="it has no finish length"):
        case_for(FAULTS["token-limit"], DIALECTS["chatchat-kb"], "")
    assert scenarios("raw", FAULTS["pings"]) == ()


def test_names_and_words_are_fit_for_a_page() -> None:
    """No name twice, no two parameters of one name, and a sentence for each."""
    assert [fault.name for fault in ALL] == list(dict.fromkeys(fault.name for fault in ALL))
    for fault in ALL:
        names = [param.name for param in fault.params]
        assert len(names) == len(set(names))
        assert fault.summary
        for param in fault.params:
            param.read(param.default)
            assert param.summary
            assert param.kind.allowed
    assert list(DRAWS) == ["flaky", "mix"]


def test_a_protocol_is_of_one_sort() -> None:
    """The tests' own lists of protocols with and without an end agree with the speakers."""
    assert {name for name in DIALECTS if not lacks(DIALECTS[name], ("end",))} == set(ENDED)
    assert set(DIALECTS) == {*ENDED, *ENDLESS}


def test_a_scenario_without_a_query_has_a_plain_path() -> None:
    """No question mark where nothing is asked."""
    fault: LabFault = FAULTS["ok"]
    (scenario,) = scenarios("raw", fault)
    assert scenario == Scenario("raw", "ok", "", scenario.expect)
    assert scenario.path == "/raw/ok"
