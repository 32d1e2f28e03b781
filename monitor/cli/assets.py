"""The bundled assets, written to a directory and adapted to the config: boards, rules, units and the scrape job.

Their source is `dashboards/` and `systemd/` of the checkout, which the wheel contains under `monitor/assets/`.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from monitor.cli.common import own_address
from monitor.cli.kubernetes import Cluster, config_key
from monitor.cli.kubernetes import files as kubernetes_files
from monitor.config import Config, Footprint, plan
from monitor.config.capacity import Process, of_each
from monitor.config.include import read_all
from monitor.keys.units import duration_text
from monitor.keys.units import seconds as read_duration
from monitor.settings import Settings
from monitor.sinks.metrics.sink import bytes_per_target, series_per_target
from monitor.target import Target

FASTEST, SLOWEST = 60.0, 900.0
"""The intervals in seconds for which the rules are suitable as shipped."""
MOST = 28.0
"""The largest factor of windows: six hours become a week, which is within Prometheus' default retention."""
SCRAPE_MOST = 15.0
"""The longest scrape interval in seconds."""
ENOUGH = 60
"""The fewest probes in a board's window."""

Board = dict[str, dict[str, list[dict[str, object]]]]
"""The part of a board's JSON that is changed here."""

_TARGET = re.compile(r'target=~\\"\$\w+\\"')
_ALERT = re.compile(r"\s*- alert: (\w+)")
_DURATION = re.compile(r"(?<![\d.])(\d+)([smhd])\b")
_FIXED = frozenset({"24h"})
"""`offset 24h` is not scaled with the interval."""
_MONITOR = "127.0.0.1:9877"
_GRAFANA = "https://grafana.example.com"
_COMMAND = "/opt/chat-monitor/bin/chat-monitor"
_BOARDS = "/var/lib/grafana/dashboards/chat-monitor"
_CONFIG = "/etc/chat-monitor/config.toml"


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """The input of an export: a config, its file, and the URLs of the user's Grafana and runbooks."""

    targets: Sequence[Target] = ()
    settings: Settings = field(default_factory=Settings)
    config_file: Path | None = None
    grafana: str | None = None
    runbooks: str | None = None
    shards: int = 1
    """How many shards share the targets."""

    @property
    def intervals(self) -> list[float]:
        """Seconds between the probes of each target."""
        return [target.interval for target in self.targets]


class ExportError(Exception):
    """The config cannot be exported; the text says why."""


def export(what: str, directory: Path, request: ExportRequest) -> list[Path]:
    """Write the requested files to a directory, replacing existing ones, and return them."""
    directory.mkdir(parents=True, exist_ok=True)
    files = []
    for name, text in MAKERS[what](request, directory):
        files.append(directory / name)
        files[-1].parent.mkdir(parents=True, exist_ok=True)
        files[-1].write_text(text, encoding="utf-8")
    return files


def bundled(room: str) -> Path:
    """Return the directory of the assets: in the installed package, else in the checkout."""
    package = Path(__file__).parents[1]
    inside = package / "assets" / room
    return inside if inside.is_dir() else package.parent / room


# -- rules -------------------------------------------------------------------------------------------------------------


def _rules(request: ExportRequest, _: Path) -> Iterator[tuple[str, str]]:
    text = (bundled("dashboards") / "rules" / "chat-monitor.rules.yml").read_text(encoding="utf-8")
    yield "chat-monitor.rules.yml", "\n".join(_linked(fitted(text, request.intervals), request)) + "\n"


def _linked(rules: str, request: ExportRequest) -> Iterator[str]:
    """Yield the lines of the rules with links to the user's runbooks and boards; without a URL there is no link."""
    alert = ""
    for line in rules.splitlines():
        if found := _ALERT.match(line):
            alert = found[1]
        if not line.lstrip().startswith("dashboard_url:"):
            about = request.grafana is None and line.startswith(_ABOUT_LINKS)
            yield _NO_LINKS if about else line
            continue
        if request.runbooks is not None:
            yield f"{' ' * 10}runbook_url: {json.dumps(_runbook(request.runbooks, alert))}"
        if request.grafana is not None:
            yield line.replace(_GRAFANA, request.grafana.rstrip("/"))


_ABOUT_LINKS = "# - `dashboard_url` "
"""How the comment about the links begins in the rules as shipped."""
_NO_LINKS = "# - No alert has a `dashboard_url`: `export rules --grafana URL` adds it, with the URL of your Grafana."


def _runbook(address: str, alert: str) -> str:
    """Return the URL of an alert's runbook: the alert's name replaces `{alert}`, or is appended."""
    return address.replace("{alert}", alert) if "{alert}" in address else f"{address.rstrip('/')}/{alert}"


def scale(intervals: Iterable[float]) -> float:
    """Return the factor of the windows, so that they contain enough samples of the slowest target.

    Up to a minute the shorter window of a share contains sixty probes, from a quarter of an hour on the longer one
    contains 24; in between the rules are suitable as shipped.
    """
    slowest = max(intervals, default=FASTEST)
    if slowest < FASTEST:
        return slowest / FASTEST
    return min(max(slowest / SLOWEST, 1.0), MOST)


def fitted(rules: str, intervals: Iterable[float]) -> str:
    """Return the rules with every duration scaled to the intervals of the targets."""
    factor = scale(intervals)

    def changed(found: re.Match[str]) -> str:
        if found[0] in _FIXED:
            return found[0]
        return whole_seconds((read_duration(found[0]) or 0.0) * factor)

    return rules if factor == 1.0 else _DURATION.sub(changed, rules)


def whole_seconds(seconds: float) -> str:
    """Return a duration in Prometheus' format, of whole seconds and at least one."""
    return duration_text(max(round(seconds), 1))


# -- boards ------------------------------------------------------------------------------------------------------------


def _dashboards(request: ExportRequest, directory: Path) -> Iterator[tuple[str, str]]:
    labels = sorted({name for target in request.targets for name in target.labels})
    for file in sorted(bundled("dashboards").glob("*.json")):
        board = json.loads(_labelled(file.read_text(encoding="utf-8"), labels))
        _widen(board, max(request.intervals, default=FASTEST))
        _offer(board, labels)
        yield f"{board['uid']}.json", json.dumps(board, indent=2, sort_keys=True) + "\n"
    for name in ("provider", "datasource"):
        text = (bundled("dashboards") / "provisioning" / f"{name}.yml").read_text(encoding="utf-8")
        text = text.replace(_BOARDS, str(directory.resolve())).replace(_MONITOR, own_address(request.settings))
        text = text.replace("timeInterval: 15s", f"timeInterval: {_every(request)}")
        yield f"chat-monitor.{name}.yml", text


def _labelled(board: str, labels: Sequence[str]) -> str:
    """Add a variable for each label of the config to every query on targets."""
    if not labels:
        return board
    matchers = "".join(rf", {name}=~\"$label_{name}\"" for name in labels)
    board = _TARGET.sub(lambda found: found[0] + matchers, board)
    among = ", ".join(rf"{name}=~\"$label_{name}\"" for name in labels)
    return board.replace("label_values(chat_stream_probes_total,", f"label_values(chat_stream_probes_total{{{among}}},")


def _offer(board: Board, labels: Sequence[str]) -> None:
    """Put the variables of the config's labels before that of the targets, which depends on them."""
    variables = board["templating"]["list"]
    at = 1
    for name in labels:
        variable = {
            "name": f"label_{name}",
            "label": name,
            "description": f"Only targets whose label {name} is this; all of them at first.",
            "type": "query",
            "datasource": {"type": "prometheus", "uid": "${datasource}"},
            "query": f"label_values(chat_stream_probes_total, {name})",
            "refresh": 2,
            "sort": 5,
            "multi": True,
            "includeAll": True,
            "allValue": ".*",  # a target without the label has it empty
            "current": {"selected": True, "text": "All", "value": "$__all"},
        }
        variables.insert(at, variable)
        at += 1


def _widen(board: Board, slowest: float) -> None:
    """Set the board's default window to the shortest one with enough probes."""
    for variable in board["templating"]["list"]:
        if variable["name"] == "window":
            choices = str(variable["query"]).split(",")
            enough = (choice for choice in choices if (read_duration(choice) or 0.0) >= ENOUGH * slowest)
            choice = next(enough, choices[-1])
            variable["current"] = {"selected": True, "text": choice, "value": choice}


# -- the scrape job and the Alertmanager config -----------------------------------------------------------------------


def _scrape_config(request: ExportRequest, _: Path) -> Iterator[tuple[str, str]]:
    web, location = request.settings.web, request.settings.monitor.location
    text = _SCRAPE.format(every=_every(request))
    first = web.addresses[0][1]
    for port in range(first, first + request.shards):
        text += _SCRAPED.format(address=json.dumps(own_address(request.settings, port)))
        if location:
            text += _LOCATED.format(instance=json.dumps(f"{location}:{port}"), location=json.dumps(location))
    yield "chat-monitor.scrape.yml", text
    yield (
        "chat-monitor.alertmanager.yml",
        (bundled("dashboards") / "alertmanager.yml").read_text(encoding="utf-8"),
    )


def _every(request: ExportRequest) -> str:
    """Return the scrape interval: that of the fastest target, but short enough for the rules."""
    return whole_seconds(min([SCRAPE_MOST, *request.intervals]))


_SCRAPE = """\
# The scrape job of chat-monitor: for `scrape_config_files` of Prometheus, or its part of prometheus.yml.
scrape_configs:
  - job_name: chat-monitor  # ChatMonitorAbsent looks for a job whose name contains this
    scrape_interval: {every}  # as often as the fastest target is probed, and every 15 seconds at least
    scrape_timeout: {every}
    static_configs:
"""
_SCRAPED = """\
      - targets: [{address}]
"""
_LOCATED = """\
        labels:
          instance: {instance}  # the location, because every monitor on loopback has the same address
          location: {location}  # the rules keep the locations apart by this label
"""


# -- units -------------------------------------------------------------------------------------------------------------


def _systemd(request: ExportRequest, _: Path) -> Iterator[tuple[str, str]]:
    command = Path(sys.prefix) / "bin" / "chat-monitor"
    for file in sorted(bundled("systemd").glob("chat-monitor*")):
        text = file.read_text(encoding="utf-8")
        if file.suffix == ".target" and request.shards > 1:
            wanted = "".join(f"Wants=chat-monitor@{index}-{request.shards}.service\n" for index in _numbers(request))
            text = text.replace("\n[Install]", f"{wanted}\n[Install]")
        if command.exists():
            text = text.replace(_COMMAND, str(command))
        if request.config_file is not None:
            text = text.replace(_CONFIG, str(request.config_file.resolve()))
        yield file.name, text


def _numbers(request: ExportRequest) -> range:
    """Return the numbers of the shards, from 1."""
    return range(1, request.shards + 1)


# -- Kubernetes --------------------------------------------------------------------------------------------------------

_EXAMPLE = """\
# Put your own targets here; docs/configuration.md has every key.
[monitor]
location = "${LOCATION}"

[[targets]]
name = "example"
protocol = "openai-chat"
url = "https://gateway.example.net/v1/chat/completions"
model = "my-model"
"""


def _kubernetes(request: ExportRequest, directory: Path) -> Iterator[tuple[str, str]]:
    [(_, rules)] = _rules(request, directory)
    [*boards] = _dashboards(request, directory)
    credentials = _credentials(request.targets)
    cluster = Cluster(
        config={"config.toml": _EXAMPLE} if request.config_file is None else _config(request.config_file),
        credentials=credentials,
        locations=request.settings.monitor.locations,
        shards=request.shards,
        process=_process(request),
        rules=rules,
        boards={name: text for name, text in boards if name.endswith(".json")},
        scrape_interval=_every(request),
    )
    _keep_places(directory / "base" / "credentials", credentials)
    yield from kubernetes_files(cluster)


_LARGEST = 1024 * 1024
"""Bytes of a ConfigMap at most, by the API of Kubernetes."""


def _config(file: Path) -> dict[str, str]:
    """Return the texts of a config and of the files that it includes; ExportError if they fit in no ConfigMap."""
    main = read_all(file, os.environ)
    texts = {"config.toml": file.read_text(encoding="utf-8")}
    for part in main.parts:
        included = Path(part.document.file)
        try:
            name = included.resolve().relative_to(file.parent.resolve()).as_posix()
        except ValueError:
            raise ExportError(
                f"{included}: is not below the directory of {file}, so it cannot be mounted beside it"
            ) from None
        if not _KEY.fullmatch(config_key(name)):
            raise ExportError(f"{included}: is not a valid key of a ConfigMap; write letters, digits, '-', '_' and '.'")
        texts[name] = included.read_text(encoding="utf-8")
    if sum(len(text.encode()) for text in texts.values()) > _LARGEST:
        raise ExportError(
            f"{file}: is larger than 1 MiB, the most that a ConfigMap can hold: list the targets by [[discovery]]"
        )
    return texts


_KEY = re.compile(r"[A-Za-z0-9._-]{1,253}")


def _credentials(targets: Iterable[Target]) -> tuple[str, ...]:
    """Return the names of the secret files that are searched in the credentials directory."""
    named = {name for one in targets for name in (one.api_key_file, *one.header_files.values()) if name is not None}
    return tuple(sorted(name for name in named if "/" not in name))


def _keep_places(directory: Path, names: Sequence[str]) -> None:
    """Create an empty file with mode 0600 for each missing secret."""
    for name in names:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        (directory / name).touch(mode=0o600, exist_ok=True)


def _process(request: ExportRequest) -> Process:
    """Return the resources of one shard."""
    metrics = request.settings.metrics
    found = plan(
        Config(request.settings, tuple(request.targets)),
        lambda target: Footprint(series_per_target(metrics), bytes_per_target(metrics, target.labels)),
    )
    processes = request.shards * max(len(request.settings.monitor.locations), 1)
    return of_each(found, processes, request.settings.limits, read_duration(_every(request)) or SCRAPE_MOST)


MAKERS: Mapping[str, Callable[[ExportRequest, Path], Iterable[tuple[str, str]]]] = {
    "dashboards": _dashboards,
    "rules": _rules,
    "systemd": _systemd,
    "scrape-config": _scrape_config,
    "kubernetes": _kubernetes,
}
"""What can be exported, and the function that yields its files by name and text."""
