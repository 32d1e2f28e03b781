"""Keys whose feature has yet to come."""

from __future__ import annotations

import pytest

from monitor.config.explain import field_of
from monitor.config.later import NOT_YET
from tests.config.cases import TARGET, Heard

NO_EFFECT = "has no effect in this version"
USES = {
    "history": ("[history]\nprobes_per_target = 9", f"5: history: `[history]` {NO_EFFECT}"),
}


@pytest.mark.parametrize("key", sorted(NOT_YET))
def test_each_that_is_used_gets_a_warning(heard: Heard, key: str) -> None:
    """A key of the table that is used is one warning at its line."""
    text, said = USES[key]
    assert heard(f"{TARGET}{text}\n") == ([], [said])


@pytest.mark.parametrize(
    "text",
    [
        TARGET, TARGET + "[history]", TARGET + '[network]\nresolver = "system"',
    ],
)  # fmt: skip
def test_defaults_and_empty_tables_get_none(heard: Heard, text: str) -> None:
    """What says nothing, or says the default, is not used."""
    assert heard(text) == ([], [])


def test_the_table_names_keys_that_exist() -> None:
    """A key that is renamed is renamed in the table too."""
    assert [key for key in NOT_YET if field_of(key) is None] == []
