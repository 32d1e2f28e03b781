"""Tests of the hostile server of a soak, and of the search for leaks."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.settings import Limits
from monitor.target import Check
from tests.conftest import MakeProber, target
from tests.soak.attackers import MODES, SECRET, hostile, leaks
from tests.test_wire import verdict


@pytest.mark.parametrize("mode", MODES)
async def test_the_verdict_of_a_hostile_server(prober: MakeProber, mode: str) -> None:
    """Each mode does what it says, under the limits of the soak."""
    limits = Limits(stream_bytes=512 * 1024, event_bytes=64 * 1024, events=20_000)
    no_check: Check | None = None
    async with hostile() as url:
        observation = await prober(limits=limits)(target(f"{url}/hostile/{mode}", check=no_check), "cli")
    assert verdict(observation) == MODES[mode]


def test_a_leak_is_found(tmp_path: Path) -> None:
    """A search that finds nothing proves nothing: the secret is found in each form."""
    for name, text in (("clean", "nothing"), ("plain", f"a {SECRET.upper()} b"), ("coded", SECRET.encode().hex())):
        (tmp_path / name).write_text(text)
    (tmp_path / "config").write_text(SECRET)
    assert leaks(tmp_path, "config") == ["coded", "plain"]
