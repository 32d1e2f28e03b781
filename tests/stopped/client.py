"""A process that probes what it reads, until it is killed, and writes the events; a test stops and continues it."""

from __future__ import annotations

import asyncio
import json
import logging
import sys

from monitor.http import Client
from monitor.http.timestamps import Stamping, new_loop
from monitor.keys.tls import Tls
from monitor.probe.run import Prober
from monitor.settings import Limits, Network
from monitor.target import Http
from tests.conftest import WITHIN, target
from tests.records import record


async def events(prober: Prober, tls: Tls) -> list[dict[str, object]]:
    """Probe what each line asks for, at once, until one is null; return the events."""
    probes = []
    while asked := json.loads(await asyncio.to_thread(sys.stdin.readline)):
        wanted = target(asked["url"], check=None, http=Http(asked["http"]), tls=tls)
        probes.append(asyncio.create_task(prober(wanted, "cli")))
    return [record(each, timeline=True) for each in await asyncio.gather(*probes)]


def main(ca_file: str) -> None:
    """Write a line with the events of each series of probes."""
    logging.disable()
    stamping = Stamping()
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(stamping.ready(WITHIN))
        prober = Prober(Client(Limits(), Network()), Limits())
        while True:
            sys.stdout.write(json.dumps(runner.run(events(prober, Tls(ca_file=ca_file)))) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])
