"""How exactly first chunks and gaps are timed, by the monitor and by other clients, against the server's own times.

Run by `make bench`, or as `python -m benchmarks.fidelity`. It builds a server in C whose every write stands between two
reads of the clock that all processes of a machine share, puts each client on a core of its own under the same loads,
and says how far what the client reports is from what the server did. `requirements/bench.txt` holds the clients of
others; what is not installed is left out.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import cells, machine
from benchmarks.cells import Cell, Growth
from benchmarks.growth import grow
from benchmarks.load import say
from benchmarks.report import markdown
from benchmarks.run import Bench, measure, missing
from benchmarks.server import build, certificate

_MARKS = ("<!-- figures -->", "<!-- end of the figures -->")
_RUNS = 3
_LATE = 1000.0
"""Microseconds, p99: a server that is as late as that shows what else the machine does, not what the client does."""


def options() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fidelity", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two small cells, within a minute")
    parser.add_argument("--cells", nargs="+", metavar="CELL", help="only these; --list names them")
    parser.add_argument("--clients", nargs="+", metavar="CLIENT", help="only these, by the beginning of their names")
    parser.add_argument("--list", action="store_true", help="name the cells and clients")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="write the figures there as JSON",
    )
    parser.add_argument("--add", action="store_true", help="with --out: keep what FILE has besides")
    parser.add_argument(
        "--minutes", type=float, default=float("inf"), metavar="N", help="begin no cell after N minutes"
    )
    parser.add_argument(
        "--realtime",
        action="store_true",
        help="let server and clients go before all other work, where that is allowed (root)",
    )
    parser.add_argument("--report", type=Path, metavar="FILE", help="measure nothing: print the tables of such a JSON")
    parser.add_argument(
        "--into", type=Path, metavar="PAGE", help="put the tables into this page instead of printing them"
    )
    return parser.parse_args()


def chosen(asked: argparse.Namespace) -> list[Cell | Growth]:
    """Return the cells to run."""
    every: dict[str, Cell | Growth] = {one.name: one for one in cells.ALL}
    if asked.cells:
        if unknown := [name for name in asked.cells if name not in every]:
            raise SystemExit(f"benchmark: no cell {', '.join(unknown)}; there are {', '.join(every)}")
        return [every[name] for name in asked.cells]
    return [*cells.QUICK] if asked.quick else [*cells.GROWTHS, *cells.CELLS]


def oldest_first(work: Iterable[Cell | Growth], results: Iterable[dict[str, Any]]) -> list[Cell | Growth]:
    """Return the cells in the order of the monitor's last run in them, first those without one: time may run out."""
    last = {one["cell"]: str(one.get("run", "")) for one in results if one["client"].startswith(cells.DAEMON)}
    return sorted(work, key=lambda cell: last.get(cell.name, ""))


def results(
    bench: Bench, work: Iterable[Cell | Growth], only: list[str] | None, until: float = float("inf")
) -> Iterator[dict[str, object]]:
    """Measure, one after another; after the monotonic time `until` none is begun."""
    for cell in work:
        if time.monotonic() > until:
            say(f"{cell.name}: left out, the time is over")
            continue
        if isinstance(cell, Growth):
            yield grow(bench, cell)
            continue
        if cell.tls and not (bench.tools.tls and bench.certificate):
            say(f"{cell.name}: left out, OpenSSL's headers or its command are not installed (Debian: libssl-dev)")
            continue
        for client in cell.clients:
            if only and not client.startswith(tuple(only)):
                continue
            if (package := missing(client)) is not None:
                say(f"{cell.name}: {client} left out, {package} is not installed (pip install {package})")
                continue
            yield from undisturbed(bench, cell, client)


def undisturbed(bench: Bench, cell: Cell, client: str) -> list[dict[str, object]]:
    """Measure one client in one cell, again if the server itself was held up, or if the client stored nothing.

    `runs` says how often it took; a client that never gets so far is left out.
    """
    found: list[dict[str, Any]] = []
    for run in range(1, _RUNS + 1):
        say(f"{cell.name}: {client}, load {machine.load()}")
        try:
            found = [{**one, "runs": run} for one in measure(bench, cell, client)]
        except OSError as error:
            say(f"{cell.name}: {client} has stored nothing: {error}")
            continue
        if not any(map(disturbed, found)):
            break
        say(f"{cell.name}: {client}, the server was held up")
    return found


def disturbed(result: dict[str, Any]) -> bool:
    """Whether the machine was busy with other work: the server was later than allowed."""
    return bool(result["server"]["lateness"].get("p99", 0.0) > _LATE)


def merged(old: list[dict[str, Any]], new: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the newest result of each cell and client."""
    found = {(one["cell"], one["client"]): one for one in (*old, *new)}
    order = [one.name for one in cells.ALL]
    return sorted(found.values(), key=lambda one: order.index(one["cell"]))


def run(asked: argparse.Namespace) -> dict[str, Any]:
    """Measure the chosen cells, and return the results with the machine's facts; partial results are stored."""
    old = asked.out and asked.add and asked.out.exists()
    found = json.loads(asked.out.read_text()) if old else {"results": []}
    first = asked.realtime and machine.may_go_first()
    if asked.realtime and not first:
        say("--realtime takes root, or CAP_SYS_NICE: server and clients take turns with all other work")
    now, began = datetime.now(UTC).strftime("%Y-%m-%d %H:%M"), time.monotonic()
    date = "several runs, each row says of which day" if old else now
    about = {"machine": machine.about(), "date": date, "realtime": first}
    with tempfile.TemporaryDirectory(prefix="fidelity-") as name:
        directory = Path(name)
        bench = Bench(build(directory), certificate(directory), directory, first)
        work = oldest_first(chosen(asked), found["results"])
        for result in results(bench, work, asked.clients, began + asked.minutes * 60):
            found = {**about, "results": merged(found["results"], [{**result, "run": now}])}
            keep(asked.out, found)
    if not old and not asked.cells and not asked.quick:
        found["took"] = round((time.monotonic() - began) / 60)
        keep(asked.out, found)
    return found


def keep(out: Path | None, found: dict[str, Any]) -> None:
    """Write the figures."""
    if out is not None:
        out.write_text(json.dumps(found, indent=1) + os.linesep)


def report(figures: Path, page: Path | None) -> None:
    """Print the tables of these figures, or put them into a page between its two marks."""
    text = markdown(json.loads(figures.read_text()))
    if page is None:
        print(text)
    else:
        page.write_text(filled(page.read_text(), text))


def filled(page: str, tables: str) -> str:
    """Return the page with these tables between its two marks."""
    before, _, rest = page.partition(_MARKS[0])
    _, _, after = rest.partition(_MARKS[1])
    return f"{before}{_MARKS[0]}\n{tables}\n{_MARKS[1]}{after}"


def main() -> None:
    """Measure, print the tables, and keep the figures."""
    asked = options()
    if asked.list:
        print("cells:  ", *(one.name for one in cells.ALL))
        print("clients:", ", ".join((*cells.EVERYONE, cells.DAEMON_JSON)))
        return
    if asked.report:
        report(asked.report, asked.into)
        return
    machine.check()
    if machine.cores()[0] == machine.cores()[1]:
        say("only one core is allowed: server and client get in each other's way")
    text = markdown(run(asked))
    if asked.into is None:
        print(text)
    else:
        asked.into.write_text(filled(asked.into.read_text(), text))


if __name__ == "__main__":
    main()
