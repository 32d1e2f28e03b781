"""Presets: their keys come before the defaults, and after a target's own keys."""

from __future__ import annotations

import pytest

from monitor.target import CountCheck
from tests.config.cases import TARGET, Mistakes, Read

LIGHT = (300.0, 100, CountCheck(10))


@pytest.mark.parametrize(
    ("text", "cost"),
    [
        (TARGET, (60.0, 400, CountCheck())),
        (TARGET + 'preset = "light"', LIGHT),
        (TARGET + 'preset = "light"\ninterval = "1h"', (3600.0, 100, CountCheck(10))),
        ('[defaults]\npreset = "light"\n' + TARGET, LIGHT),
        ('[defaults]\npreset = "light"\nmax_tokens = 50\n' + TARGET, (300.0, 50, CountCheck(10))),
        ("[defaults]\nmax_tokens = 50\n" + TARGET + 'preset = "light"', LIGHT),
        ('[defaults]\npreset = "light"\n' + TARGET + 'preset = "none"', (60.0, 400, CountCheck())),
        (TARGET + 'preset = "light"\nprompt = "hi"', (300.0, 100, None)),
        ('[defaults]\npreset = "light"\n' + TARGET + 'prompt = "hi"', (300.0, 100, None)),
        (TARGET + 'preset = "light"\ncheck = "none"', (300.0, 100, None)),
        (TARGET.replace("openai-chat", "raw") + 'preset = "light"', (300.0, 100, None)),
    ],
)
def test_a_preset_is_below_what_is_written_beside_it(
    read: Read, text: str, cost: tuple[float, int, CountCheck | None]
) -> None:
    """A target's preset overrides the defaults, its own keys override the preset, and a prompt disables the check."""
    config = read(text)
    (target,) = config.targets
    assert (target.interval, target.max_tokens, target.check) == cost
    assert config.warnings == ()


@pytest.mark.parametrize("value", ['"ligth"', "1", "[]"])
def test_an_unknown_preset_is_a_mistake(mistakes: Mistakes, value: str) -> None:
    """An unknown preset is reported at its place, without further mistakes."""
    (message,) = mistakes(TARGET + f"preset = {value}")
    assert message.startswith("5: targets[0].preset: ")
