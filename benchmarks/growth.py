"""The daemon as installed, without hooks: its memory with many targets, and the time to its first request."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from benchmarks import machine
from benchmarks.cells import DAEMON, Cell, Growth
from benchmarks.run import Bench, daemon_command, daemon_config
from benchmarks.server import serving, truths


def grow(bench: Bench, growth: Growth) -> dict[str, object]:
    """Start the daemon, let it probe every target once and some twice, and return its resources then."""
    cell = Cell(growth.name, growth.targets, 40, 5.5, 1)
    log, config = bench.directory / "served", bench.directory / "client.toml"
    with serving(bench.tools, log, None) as server:
        config.write_text(daemon_config(cell, server.origin))
        began = time.monotonic_ns()
        process = subprocess.Popen(
            [sys.executable, "-m", "monitor", *daemon_command(config)], stdout=subprocess.DEVNULL
        )
        os.sched_setaffinity(process.pid, {machine.cores()[1]})
        try:
            time.sleep(growth.seconds)
            sample = machine.sample(process.pid)
        finally:
            process.terminate()
            process.wait(60)
    first = min((truth.requested for truth in truths(log).values() if truth.requested), default=None)
    return {
        "cell": growth.name,
        "client": DAEMON,
        "targets": growth.targets,
        "probes": len(truths(log)),
        "memory_mb": round(sample.rss / 1e6, 1) if sample else None,
        "first_probe_s": round((first - began) / 1e9, 3) if first else None,
    }
