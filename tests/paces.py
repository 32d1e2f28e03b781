"""The pace at which a test probes a scenario of the lab: fast, also if the lab expects default timeouts."""

from __future__ import annotations

import re

from monitor.lab.scenarios import Scenario

QUICKER = {
    "/slow": "/slow?gap=60ms&ttfc=300ms",
    "/slow?gap=10s": "/slow?gap=600ms",
    "/drip?bytes=1&every=2s": "/drip?bytes=1&every=70ms",
    "/buffered": "/buffered?delay=300ms",
    "/stall-pings": "/stall-pings?pings=300ms",
    "/stall-pings?after=0": "/stall-pings?after=0&pings=300ms",
}
"""Examples that the lab means for the default timeouts, at a pace that is to the short ones what theirs is to those."""
PACE = ("gap=3ms", "ttfc=3ms")


def own(scenario: Scenario) -> str:
    """Return the path of a scenario after its protocol."""
    return scenario.path.removeprefix(f"/{scenario.protocol}")


def timed(scenario: Scenario) -> bool:
    """Whether a deadline of the probe's own is to end it."""
    return scenario.expect.verdict.startswith(("stalled", "timeout")) or scenario.fault == "left-open"


def paced(scenario: Scenario, slower: int = 1) -> str:
    """Return the path of a scenario at a quick pace, where the scenario does not ask for one of its own.

    `slower` stretches what goes with short timeouts, for timeouts that are longer by as much.
    """
    name, _, query = stretched(QUICKER.get(own(scenario), own(scenario)), own(scenario), slower).partition("?")
    asked = {pair.partition("=")[0] for pair in query.split("&")}
    more = [pair for pair in PACE if pair.partition("=")[0] not in asked]
    return f"/{scenario.protocol}{name}?{'&'.join(filter(None, (query, *more)))}"


def stretched(path: str, original: str, slower: int) -> str:
    """Return a path whose pace was set here with all its milliseconds multiplied; any other path is unchanged."""
    return path if path == original else re.sub(r"(\d+)ms", lambda found: f"{int(found[1]) * slower}ms", path)
