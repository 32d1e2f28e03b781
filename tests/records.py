"""The event of a probe as the JSON that consumers get, for tests that compare it key by key."""

from __future__ import annotations

import json
from typing import Any

from monitor.record.from_observation import event_of
from monitor.record.observation import Observation
from monitor.record.probe_event import as_json


def record(observation: Observation, *, timeline: bool = False) -> dict[str, Any]:
    """Return the event of a probe, written and parsed again."""
    found: dict[str, Any] = json.loads(as_json(event_of(observation, timeline=timeline)))
    return found
