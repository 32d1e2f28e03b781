"""How long a scrape takes of the loop: prometheus_client's generate_latest against our pieces, of the same numbers.

Run as `python -m benchmarks.exposition [TARGETS ...]`. Every target has been probed once, and a quarter of them again
between the scrapes: a scrape writes what has changed. `total` is the loop's time for one OpenMetrics scrape with
exemplars, `hold` the longest time between two chances for the loop to turn, the first call among them; both are medians
of five scrapes, in time of this thread, since a busy machine is not our doing. `probe` is what the end of one probe
costs, `add` a new target.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from statistics import median
from time import thread_time
from typing import Any, Literal

from prometheus_client.exposition import choose_encoder

from monitor.judge.verdict import judge
from monitor.record.observation import Observation
from monitor.record.parts import Tokens
from monitor.settings import MetricsSettings as Detail
from monitor.sinks.metrics.sink import Metrics
from monitor.stream.endings import BodyFraming, Ending, EndKind, Head, Mark
from monitor.stream.events import Finish, Output
from monitor.stream.recorder import Recorder
from monitor.target import Target

ACCEPT = "application/openmetrics-text; version=1.0.0"
SCRAPES = 5
LIMITS = {1000: 60.0, 5000: 400.0}
LONGEST_HOLD = 5.0


def observation(target: Target, *, cut: bool, chunks: int = 40) -> Observation:
    """Return a chat of `chunks` chunks, 40 ms apart."""
    line = Recorder()
    for mark, time in ((Mark.DNS, 0.001), (Mark.CONNECT, 0.002), (Mark.REQUEST_SENT, 0.003), (Mark.HEADERS, 0.05)):
        line.mark(mark, time)
    line.head = Head(200, "text/event-stream", framing=BodyFraming.CHUNKED)
    for number in range(1, chunks + 1):
        line.arrived(0.2 + number * 0.04, 1e-5, number * 200)
        line.record(Output("word"), number * 200)
    if not cut:
        line.record(Finish("stop"), chunks * 200)
    line.ending = Ending(EndKind.INCOMPLETE if cut else EndKind.COMPLETE, 1.9)
    recording = line.finish()
    started = datetime(2026, 11, 22, tzinfo=UTC)
    return Observation(
        "01JDX0000000000000000000AB", target, started, "schedule", recording, judge(recording), tokens=Tokens(20, 40)
    )


def took(work: Callable[[Any], object], things: Iterable[Any]) -> float:
    """Return how many milliseconds it took for all of them."""
    began = thread_time()
    for thing in things:
        work(thing)
    return (thread_time() - began) * 1000


def scrape(metrics: Metrics) -> tuple[float, float, int]:
    """Return one scrape's total time, the longest time that it blocks the loop, and its bytes."""
    began = thread_time()
    parts, _ = metrics.pieces(ACCEPT)
    holds, size = [], 0
    for part in parts:
        holds.append((thread_time() - began) * 1000)
        size += len(part)
        began = thread_time()
    return sum(holds), max(holds), size


def measure(number: int, detail: Literal["full", "lean"]) -> tuple[str, bool]:
    """Return one line of the table, and whether it is within the limits."""
    metrics = Metrics(Detail(detail=detail), ["team"])
    targets = [
        Target(f"target-{at:04}", "openai-chat", f"https://gateway-{at}.example.com/v1", labels={"team": "search"})
        for at in range(number)
    ]
    added = took(metrics.add, targets)
    probes = [observation(target, cut=at % 10 == 0) for at, target in enumerate(targets)]
    ended = took(metrics.observe, probes)
    rows = []
    for _ in range(SCRAPES):
        for probe in probes[::4]:
            metrics.observe(probe)
        rows.append(scrape(metrics))
    total, hold, size = (median(column) for column in zip(*rows, strict=True))
    encoder, _ = choose_encoder(ACCEPT)
    theirs = took(encoder, [metrics.registry])
    good = total <= LIMITS.get(number, 400.0) and hold <= LONGEST_HOLD
    return (
        f"{number:>7} {detail:>6} {size / 1e6:>7.1f} {theirs:>15.0f} {total:>9.1f} {hold:>8.2f}"
        f" {ended / number * 1000:>9.0f} {added / number * 1000:>7.0f} {'' if good else '  over the limit'}"
    ), good


def main() -> int:
    """Print the table; return 1 if a limit of the contract is exceeded."""
    print("targets detail      MB generate_latest  total ms  hold ms  probe us  add us")
    within = True
    details: tuple[Literal["full", "lean"], ...] = ("full", "lean")
    for number in [int(word) for word in sys.argv[1:]] or [100, 1000, 5000]:
        for detail in details:
            line, good = measure(number, detail)
            print(line, flush=True)
            within = within and good
    return 0 if within else 1


if __name__ == "__main__":
    raise SystemExit(main())
