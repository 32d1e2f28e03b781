"""Measure one process with 10,000 targets: the start, scrapes by a real Prometheus, the delay of the schedule, memory.

    .venv/bin/python -m benchmarks.large [TARGETS] [INTERVAL_SECONDS]

It needs some five minutes, the lab on loopback, and Debian's prometheus and nginx. A scrape's time is Prometheus' own
`scrape_duration_seconds`, first of the monitor and then of the same text as a file of nginx: less than that no monitor
can take. The delays are those of the monitor's own histograms. Other work on the machine makes all of them longer.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.scaling import CONFIG, TARGET, read, total
from monitor.settings import MIB
from monitor.web.compression import compressor
from tests.alerts.stack import Monitor, answers, program, prometheus, until
from tests.dashboards.live import free_port
from tests.proxies.programs import NGINX_TEMP_PATHS
from tests.scale.fleet import lab, query

SECONDS = 75.0
NGINX = (
    """\
daemon off;
pid {place}/nginx.pid;
events {{}}
http {{
  access_log off;
  """
    + NGINX_TEMP_PATHS
    + """
  server {{
    listen 127.0.0.1:{port};
    root {place};
    default_type "application/openmetrics-text; version=1.0.0; charset=utf-8";
    add_header Content-Encoding gzip;
  }}
}}
"""
)


def quantile(address: str, name: str, share: float) -> float:
    """Return a quantile in seconds of one of the monitor's own histograms since its start."""
    buckets = f"sum by (le) (chat_monitor_{name}_seconds_bucket)"
    return query(address, f"histogram_quantile({share}, {buckets})")[0][1]


@contextmanager
def scraping(scraped: str, place: Path) -> Iterator[str]:
    """Scrape an address with a new Prometheus for a while; yield Prometheus' address, and print how long it took."""
    place.mkdir()
    job = {"job_name": "m", "static_configs": [{"targets": [scraped]}]}
    times = {"scrape_interval": "15s", "scrape_timeout": "15s"}
    with prometheus({"global": times, "scrape_configs": [job]}, place) as address:
        until(lambda: bool(query(address, "scrape_samples_post_metric_relabeling > 0")), 300, "scrape")
        time.sleep(SECONDS)  # the time that is measured
        for share, name in ((0, "shortest"), (0.5, "median"), (1, "longest")):
            expr = f"quantile_over_time({share}, scrape_duration_seconds[2m])"
            print(f"scrape_duration_seconds, {name}: {query(address, expr)[0][1]:.2f}")
        print(f"series a scrape: {query(address, 'scrape_samples_scraped')[0][1]:,.0f}", flush=True)
        yield address


@contextmanager
def nginx(text: str, place: Path) -> Iterator[str]:
    """Serve an exposition as a compressed file; yield the address."""
    place.mkdir()
    place.chmod(0o755)
    compressing = compressor()
    (place / "metrics").write_bytes(compressing.compress(text.encode()) + compressing.flush())
    port = free_port()
    (place / "nginx.conf").write_text(NGINX.format(place=place, port=port))
    command = [program("nginx", package="nginx"), "-p", str(place), "-e", "error.log", "-c", "nginx.conf"]
    with subprocess.Popen(command) as process:
        try:
            until(lambda: answers(f"http://127.0.0.1:{port}/metrics"), 60, "nginx")
            yield f"127.0.0.1:{port}"
        finally:
            process.terminate()


def main() -> None:
    """Run, wait, print."""
    targets = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    interval = float(sys.argv[2]) if len(sys.argv) > 2 else 300.0
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory)
        place.chmod(0o755)  # nginx' workers read in it
        with lab() as port:
            text = CONFIG.format(interval=interval, total=min(interval, 60.0), paused="false")
            text += "".join(TARGET.format(number=number, lab=port, chunks=8) for number in range(targets))
            one = Monitor("large", place, text)
            try:
                began = time.monotonic()
                one.start()
                print(f"{targets:,} targets each {interval:g} s: ready after {time.monotonic() - began:.1f} s")
                with scraping(one.address, place / "monitor") as address:
                    for name in ("schedule_delay", "event_loop_lag"):
                        middle, late = (quantile(address, name, share) for share in (0.5, 0.99))
                        print(f"{name}: p50 {middle:.4f} s, p99 {late:.4f} s")
                metrics, _ = read(one)
                seconds = time.monotonic() - began
            finally:
                one.stop()
        print(f"a scrape: {len(metrics) / 1e6:.1f} MB before compression")
        print(f"resident: {total(metrics, 'process_resident_memory_bytes') / MIB:.0f} MiB")
        print(f"cores: {total(metrics, 'process_cpu_seconds_total') / seconds:.3f}, start and scrapes included")
        print(f"probes: {total(metrics, 'chat_stream_probes_total') / seconds:.1f} a second")
        print("the same text as a file of nginx:")
        with nginx(metrics, place / "nginx") as served, scraping(served, place / "file"):
            pass


if __name__ == "__main__":
    main()
