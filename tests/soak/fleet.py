"""The targets of a soak: a selection of all answers of the lab, of which each changed config replaces a part."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from monitor.lab.dialects import DIALECTS
from monitor.lab.scenarios import all_scenarios
from monitor.lab.tls_faults import FAULTS, SAME_PORT
from tests.paces import PACE, QUICKER, own, paced, timed
from tests.soak.attackers import MODES, SECRET

_HOSTILE = 2
"""Targets of each attack."""
COUNT = 9
"""Numbers in the counted list."""
INTERVAL = 5
SLOWER = 2
"""How much longer the deadlines are than those of the tests, because a soak keeps the machine busy."""
CHANGED = 10
"""Targets that a reload replaces, of a hundred."""
FLAGS = ("unclean_end", "content_type_mismatch")
SHORT_TIMEOUTS = 'connect = "2s", headers = "3s", first_chunk = "4s", idle = "2400ms", total = "8s", drain = "600ms"'
LONG_TIMEOUTS = 'connect = "10s", headers = "10s", first_chunk = "10s", idle = "10s", total = "20s", drain = "1s"'
LIMITS = 'stream_bytes = "512KiB"\nevent_bytes = "64KiB"\nevents = 20000\nconcurrency = 60\nper_host = 60\n'
HISTORY = "history.db"
"""In the directory of the config; every probe must be in it."""
MIXED = ("ok", "cut:after=3:by=rst", "clean-cut", "duplicated", "cut-after-end", "no-response", "status:code=503")
"""What the lab answers one target in turn; only the lab's log says which answer a probe got."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One target with its deadlines and its expected verdict; if `expect` is empty, the lab's log decides."""

    name: str
    protocol: str
    path: str
    expect: str = ""
    flag: str = ""
    short_timeouts: bool = False
    tls: str = ""
    """The TLS fault that it is probed with."""
    reaches_lab: bool = True
    """Whether a request reaches the lab."""
    hostile: bool = False
    """Whether the hostile server answers it, which writes no log."""


def all_targets(seed: int) -> tuple[Entry, ...]:
    """Return a target for each scenario, in an order in which any consecutive ones have as many faults as possible."""
    groups: defaultdict[str, list[Entry]] = defaultdict(list)
    for entry in (*_of_scenarios(), *_of_draws(), *_of_tls(), *_of_attacks()):
        groups[entry.tls or entry.path.split("/")[2].partition("?")[0]].append(entry)
    rng = random.Random(seed)  # noqa: S311 - a repeatable order for a test
    for group in groups.values():
        rng.shuffle(group)
    return tuple(_in_turn(list(groups.values())))


def _in_turn(groups: list[list[Entry]]) -> Iterator[Entry]:
    while groups:
        for group in groups:
            yield group.pop()
        groups = [group for group in groups if group]


def _of_scenarios() -> Iterator[Entry]:
    for number, scenario in enumerate(all_scenarios()):
        expect = scenario.expect
        yield Entry(
            f"{scenario.protocol}-{scenario.fault}-{number}",
            scenario.protocol,
            paced(scenario, SLOWER),
            # the lab's log expects default timeouts: at another pace the scenario has the verdict
            expect.verdict if own(scenario) in QUICKER else "",
            expect.flag if expect.flag in FLAGS else "",
            short_timeouts=expect.verdict != "ok" and (timed(scenario) or own(scenario) in QUICKER),
        )


def _of_draws() -> Iterator[Entry]:
    for protocol in DIALECTS:
        of = ",".join(":".join((fault, *PACE)) for fault in MIXED)
        yield Entry(f"{protocol}-mix", protocol, f"/{protocol}/mix?of={of}")
        yield Entry(f"{protocol}-flaky", protocol, f"/{protocol}/flaky?p=0.5&seed=7")


def _of_tls() -> Iterator[Entry]:
    for fault in (*FAULTS, *SAME_PORT):
        reached = not fault.expect.verdict.startswith(("unreachable", "timeout"))
        # the handshake of a TLS 1.3 client is complete before the server checks its certificate
        reaches_lab = reached and fault.name != "client-certificate"
        expect = fault.expect.verdict
        yield Entry(
            fault.target,
            "openai-chat",
            fault.path,
            expect,
            fault.expect.flag,
            short_timeouts=True,
            tls=fault.name,
            reaches_lab=reaches_lab,
        )


def _of_attacks() -> Iterator[Entry]:
    for number, (mode, expect) in product(range(_HOSTILE), MODES.items()):
        yield Entry(
            f"hostile-{mode}-{number}",
            "openai-chat",
            f"/hostile/{mode}/{number}",
            expect,
            reaches_lab=False,
            hostile=True,
        )


def selection(candidates: Sequence[Entry], number: int, size: int) -> tuple[Entry, ...]:
    """Return the targets after this number of changes: half of them stay, some of the others are replaced each time."""
    stay = size // 2
    rest, step = candidates[stay:], max(1, size * CHANGED // 100)
    moving = (rest[(number * step + place) % len(rest)] for place in range(min(size - stay, len(rest))))
    return (*candidates[:stay], *moving)


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The URLs of the lab and of each TLS fault."""

    url: str
    tls: dict[str, str]
    files: dict[str, str]
    """Files of certificates by the key of the config."""
    hostile: str = ""
    """The URL of the hostile server."""


def config(
    entries: Iterable[Entry], endpoints: Endpoints, listen: str, change: int = 0, *, paused: bool = False
) -> str:
    """Return a config for these targets; each `change` alters the request of some and the labels of others."""
    head = f"[web]\nlisten = {json.dumps(listen)}\n[limits]\n{LIMITS}"
    head += f'[history]\npath = "{HISTORY}"\nprobes_per_target = 1000000\nmax_bytes = "4GiB"\n'
    defaults = (
        f'[defaults]\nmodel = "lab"\ninterval = "{INTERVAL}s"\ncheck = {{ kind = "count", to = {COUNT} }}\n'
        f"paused = {json.dumps(paused)}\n"
    )
    return head + defaults + "".join(_table(entry, endpoints, change, place) for place, entry in enumerate(entries))


def _url(entry: Entry, endpoints: Endpoints) -> str:
    if entry.tls:
        return endpoints.tls[entry.tls]
    return (endpoints.hostile if entry.hostile else endpoints.url) + entry.path


def _table(entry: Entry, endpoints: Endpoints, change: int, place: int) -> str:
    lines = [
        "[[targets]]",
        f"name = {json.dumps(entry.name)}",
        f'protocol = "{entry.protocol}"',
        f"url = {json.dumps(_url(entry, endpoints))}",
        f"timeouts = {{ {SHORT_TIMEOUTS if entry.short_timeouts else LONG_TIMEOUTS} }}",
        f'labels = {{ change = "{change if (place + change) % 7 == 0 else 0}" }}',
        f"max_tokens = {400 + (change if (place + change) % CHANGED == 0 else 0)}",
    ]
    if entry.protocol in {"raw", "generic"}:
        lines.append('body = { prompt = "{prompt}" }')
    if entry.hostile:
        lines += [f'headers = {{ X-Tenant = "{SECRET}" }}', 'check = "none"', 'record = "tail"']
    if entry.tls:
        given = [key for key in endpoints.files if key == "ca_file" or entry.tls == "client-certificate-given"]
        lines.append("tls = { " + ", ".join(f"{key} = {json.dumps(endpoints.files[key])}" for key in given) + " }")
    return "\n".join(lines) + "\n"


INVALID = (
    "[web\n",
    '[web]\nlisten = "127.0.0.1:0"\n[[targets]]\nname = "no-url"\n',
    "unknown = 1\n",
    '[defaults]\ninterval = "soon"\n',
)
"""Configs that a reload must refuse."""
INVALID_LARGE = "".join(f"{'k' * 4000}{number} = 1\n" for number in range(25))
"""One whose refusal is a single line of a hundred kilobytes in the log."""
