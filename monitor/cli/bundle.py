"""A file about one probe for the server's support: what happened, a good probe for comparison, and the request."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from monitor.cli.probe_source import ProbeSource, ProbeSourceError
from monitor.files import private, reason
from monitor.judge.verdict import Outcome
from monitor.probe.curl import curl_command, hidden_in_curl
from monitor.record.probe_event import ProbeEvent, plain, read
from monitor.target import Http, Target

_OURS = frozenset({
    "target", "labels", "location", "trigger", "schedule_delay", "last_words", "diagnosis", "slo", "price", "check",
})  # fmt: skip
"""Keys of an event that are left out: our names and prices, our conclusions, and the text of answers."""
_SEARCHED = 1000
"""The number of earlier probes to search for the last good one."""


def bundle(place: ProbeSource, event: ProbeEvent, target: Target | None) -> dict[str, Any]:
    """Return the content of the file; `target` is the config's, None if only the event describes the request.

    `probe` and `last_good_probe` are events without `_OURS`; the second is absent if none is kept. `curl` is absent if
    the protocol cannot make a request, and `curl_note` if nothing is hidden in it. ProbeSourceError if the probes
    cannot be read.
    """
    good = _last_good(place, event)
    asked = target or _target_of(event)
    curl = _curl(asked, key=target is None)
    note = (curl and hidden_in_curl(asked)) or None
    made = {"probe": _shown(event), "last_good_probe": good and _shown(good), "curl": curl, "curl_note": note}
    return {key: value for key, value in made.items() if value is not None}


def write(content: dict[str, Any], path: Path) -> str | None:
    """Write the file with mode 0600; return the error, if any. An existing file is not replaced."""
    try:
        file = open(path, "xb", opener=private)  # noqa: SIM115 - what follows removes only what was made here
    except OSError as error:
        return f"{path}: cannot be written: {reason(error)}"
    try:
        with file:
            file.write(json.dumps(content, indent=2).encode() + b"\n")
    except OSError as error:
        with suppress(OSError):
            path.unlink()  # remove the partial file
        return f"{path}: cannot be written: {reason(error)}"
    return None


def _shown(event: ProbeEvent) -> dict[str, Any]:
    return {key: value for key, value in plain(event).items() if key not in _OURS}


def _last_good(place: ProbeSource, event: ProbeEvent) -> ProbeEvent | None:
    """Return the newest complete probe of the target before this one, with its timeline; None if none is stored."""
    recent = map(read, place.newest(_SEARCHED, event.target))
    found = next((one for one in recent if one.outcome == Outcome.OK and one.timestamp < event.timestamp), None)
    if found is None:
        return None
    try:
        return read(place.find(found.probe_id))
    except ProbeSourceError:  # it was deleted meanwhile
        return found


def _target_of(event: ProbeEvent) -> Target:
    """Return a target for the request in the event; prompt and limits are the defaults."""
    http = Http.TWO if event.http_version == "2" else Http.ONE
    return Target(event.target, event.protocol, event.url, model=event.model or "", http=http)


def _curl(target: Target, *, key: bool) -> str | None:
    try:
        return curl_command(target, key=key)
    except Exception:  # noqa: BLE001 - a protocol from outside may raise anything, and the rest is useful without it
        return None
