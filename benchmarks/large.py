"""Measure one process with 10,000 targets: the start, scrapes by a real Prometheus, the delay of the schedule, memory.

    .venv/bin/python -m benchmarks.large [TARGETS] [INTERVAL_SECONDS]

It needs some four minutes, the lab on loopback, and Debian's prometheus. A scrape's time is Prometheus' own
`scrape_duration_seconds`; the delays are those of the monitor's own histograms. Other work on the machine makes both
longer.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from benchmarks.scaling import CONFIG, TARGET, read, total
from monitor.settings import MIB
from tests.alerts.stack import Monitor, prometheus, until
from tests.scale.fleet import lab, query

SECONDS = 60.0


def quantile(address: str, name: str, share: float) -> float:
    """Return a quantile in seconds of one of the monitor's own histograms since its start."""
    buckets = f"sum by (le) (chat_monitor_{name}_seconds_bucket)"
    return query(address, f"histogram_quantile({share}, {buckets})")[0][1]


def main() -> None:
    """Run, wait, print."""
    targets = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    interval = float(sys.argv[2]) if len(sys.argv) > 2 else 300.0
    with lab() as port, tempfile.TemporaryDirectory() as place:
        text = CONFIG.format(interval=interval, total=min(interval, 60.0), paused="false")
        text += "".join(TARGET.format(number=number, lab=port, chunks=8) for number in range(targets))
        one = Monitor("large", Path(place), text)
        try:
            began = time.monotonic()
            one.start()
            print(f"{targets:,} targets each {interval:g} s: ready after {time.monotonic() - began:.1f} s")
            job = {"job_name": "m", "static_configs": [{"targets": [one.address]}]}
            times = {"scrape_interval": "15s", "scrape_timeout": "15s"}
            with prometheus({"global": times, "scrape_configs": [job]}, Path(place)) as address:
                until(lambda: bool(query(address, "scrape_samples_scraped > 0")), 300, "scrape")
                time.sleep(SECONDS)
                for name, expr in (
                    ("scrape_duration_seconds, median", "quantile_over_time(0.5, scrape_duration_seconds[2m])"),
                    ("scrape_duration_seconds, longest", "max_over_time(scrape_duration_seconds[2m])"),
                    ("series a scrape", "scrape_samples_scraped"),
                ):
                    print(f"{name}: {query(address, expr)[0][1]:g}")
                for name in ("schedule_delay", "event_loop_lag"):
                    print(
                        f"{name}: p50 {quantile(address, name, 0.5):.4f} s, p99 {quantile(address, name, 0.99):.4f} s"
                    )
            metrics, _ = read(one)
            seconds = time.monotonic() - began
            print(f"a scrape: {len(metrics) / 1e6:.1f} MB before compression")
            print(f"resident: {total(metrics, 'process_resident_memory_bytes') / MIB:.0f} MiB")
            print(f"cores: {total(metrics, 'process_cpu_seconds_total') / seconds:.3f}, start and scrapes included")
            print(f"probes: {total(metrics, 'chat_stream_probes_total') / seconds:.1f} a second")
        finally:
            one.stop()


if __name__ == "__main__":
    main()
