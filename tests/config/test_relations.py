"""Rules between targets, and within sections."""

from __future__ import annotations

import pytest

from monitor.config.relations import Known
from tests.config.cases import ENVIRON, TARGET, Case, Mistakes, Read, Reported, cases

B = TARGET.replace('"a"', '"b"')
WINDOW = '[[maintenance]]\nname = "w"\n'
NO_TARGET = "no target has this name"


@pytest.mark.parametrize("case", cases("relations"))
def test_contradictions_are_reported(reported: Reported, case: Case) -> None:
    """Names, upstreams, windows and sources that contradict each other are mistakes, each at its key."""
    assert reported(case.text, ENVIRON) == (case.mistakes, case.warnings)


@pytest.mark.parametrize("text", ["", "[monitor]", "# nothing"])
def test_nothing_to_watch_is_a_mistake(mistakes: Mistakes, text: str) -> None:
    """A config without targets is refused, unless they are discovered."""
    assert mistakes(text) == ["targets: there is no target and no discovery: nothing to probe (write a [[targets]])"]


def test_a_chain_of_upstreams_is_fine(read: Read) -> None:
    """Upstreams may form a chain; a target that leads into a cycle is not part of it."""
    c = TARGET.replace('"a"', '"c"')
    config = read(TARGET + 'upstream = "b"\n' + B + 'upstream = "c"\n' + c)
    assert [one.upstream for one in config.targets] == ["b", "c", None]


def test_only_the_cycle_is_reported(mistakes: Mistakes) -> None:
    """Only the targets of a cycle are reported, not those that lead into it."""
    c = TARGET.replace('"a"', '"c"')
    found = mistakes(TARGET + 'upstream = "b"\n' + B + 'upstream = "c"\n' + c + 'upstream = "b"\n')
    assert [one.split(":")[1] for one in found] == [" targets[1].upstream", " targets[2].upstream"]


def test_discovered_targets_may_have_any_name(read: Read) -> None:
    """With discovery, unknown names may be those of discovered targets, and no target needs to be configured."""
    discovery = '[[discovery]]\nname = "d"\nfile_sd = ["t/*.json"]\n'
    window = WINDOW + 'at = "02:00"\nduration = "2h"\ntargets = ["later"]\n'
    assert read(TARGET + 'upstream = "later"\n' + discovery + window).targets[0].upstream == "later"
    assert read(discovery).targets == ()


def test_a_broken_name_may_be_the_one_meant(mistakes: Mistakes) -> None:
    """If a name cannot be read, an unknown upstream may be that target."""
    assert mistakes(TARGET + 'upstream = "x"\n' + B.replace('"b"', '"b b"')) == [
        (
            '7: targets[1].name: "b b" is not a valid name '
            "(letters, digits, '.', '_' and '-', at most 63, a letter or digit first)"
        )
    ]


def test_a_name_from_a_variable_is_no_suggestion(mistakes: Mistakes) -> None:
    """A hint never contains the value of a variable."""
    found = mistakes(TARGET + 'upstream = "s3cre"\n' + B.replace('"b"', '"${V}"'), {"V": "s3cret"})
    assert found == [f"5: targets[0].upstream: {NO_TARGET}"]


def test_among_thousands_of_targets_the_first_mistakes_alone_have_a_suggestion() -> None:
    """Suggestions for thousands of mistaken names are bounded: each known name is compared a few times."""
    known = Known({}, [f"t{number:05}" for number in range(10_000)], complete=True)
    found = [known.near(f"t{number:05}x") for number in range(9)]
    assert found[0] == 'did you mean "t00000"?'
    assert found[-1] == ""
    assert known.near("t00000x") == found[0]


def test_a_chain_of_thousands_is_followed_once() -> None:
    """Targets that lead into a cycle are not part of it, however long the chain is."""
    chain = {f"t{number}": f"t{number + 1}" for number in range(20_000)} | {"t20000": "t19998"}
    assert Known(chain, [], complete=True).circular() == {"t19998", "t19999", "t20000"}
