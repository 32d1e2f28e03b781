"""The stage of the fire drill: all monitors, their faults, and the play from the first fault to the last resolution."""

from __future__ import annotations

import contextlib
import re
import resource
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from monitor.cli.assets import ExportRequest, export, fitted
from monitor.target import Target
from tests.alerts.drills import DRILLS, EXPIRING, QUICK, Alert, Drill, critical, info, warning
from tests.alerts.faults import HOST, Faults
from tests.alerts.faulty import BUG
from tests.alerts.stack import Monitor, Webhook, alertmanager, asked, freezing, prometheus, until, yesterday
from tests.dashboards.live import free_port

INTERVAL = 1.0
PATIENCE = 540.0
"""Seconds that all of it may take on a busy machine; it waits for states, and takes half of that on a quiet one."""

Key = tuple[str, str, str]
"""An alert as it is looked for: its name, its severity, and the target, the instance or the location it is about."""


@dataclass
class Act:
    """One thing that is broken: the alerts it is to bring, and how it is mended once they have come."""

    subject: str
    brings: tuple[Alert, ...]
    mend: Callable[[], None]
    quiet: tuple[Alert, ...] = ()
    mended: bool = False

    @property
    def expected(self) -> set[Key]:
        """The alerts that the webhook must receive."""
        return {(alert.name, alert.severity, self.subject) for alert in self.brings}


@dataclass
class Stage:
    """The running programs, and the alerts that the webhook received."""

    webhook: Webhook
    prometheus: str
    alertmanager: str
    acts: list[Act]
    firing: dict[Key, dict[str, Any]] = field(default_factory=dict)
    resolved: dict[Key, dict[str, Any]] = field(default_factory=dict)
    sent: dict[Key, set[tuple[str, ...]]] = field(default_factory=dict)
    """What was sent as firing by its key: each alert once, by its location and the time it began."""
    suppressed: set[Key] = field(default_factory=set)
    times: dict[Key, tuple[float, float]] = field(default_factory=dict)
    """Seconds from the beginning to firing and to resolved, as the webhook saw them."""

    def play(self) -> None:
        """Wait for the alerts of each act, mend it when all have come, and wait for all to be resolved."""
        began = time.monotonic()
        while time.monotonic() < began + PATIENCE and not self._over:
            self._look(time.monotonic() - began)
            for act in self.acts:
                if not act.mended and act.expected <= self.firing.keys():
                    act.mend()
                    act.mended = True
            time.sleep(0.5)  # what is waited for is other programs' next evaluation

    def timings(self) -> Iterator[str]:
        """How long each expected alert took to be fired and to be resolved, in the order of their coming."""
        expected = {key for act in self.acts for key in act.expected}
        for key, (fired, over) in sorted(self.times.items(), key=lambda row: row[1]):
            if key in expected:
                yield f"fired after {fired:5.1f} s, resolved after {over:5.1f} s: {' '.join(key)}"

    @property
    def _over(self) -> bool:
        return all(act.mended and act.expected <= self.resolved.keys() for act in self.acts)

    def notifications(self, target: str) -> list[list[str]]:
        """What was sent about a target, the names of the firing alerts of each message; not that it is over.

        Probes once a second are skipped wherever the machine is busy, which is no matter of the target.
        """
        sent = (
            [
                alert["labels"]["alertname"]
                for alert in payload["alerts"]
                if alert["status"] == "firing" and alert["labels"]["alertname"] != "ChatStreamProbesSkipped"
            ]
            for payload in self.webhook.notifications
            if payload["groupLabels"].get("target") == target
        )
        return [names for names in sent if names]

    def _look(self, now: float) -> None:
        for alert in self.webhook.news():
            key = key_of(alert["labels"])
            if alert["status"] == "firing":
                began = (alert["labels"].get("location", ""), alert["startsAt"])
                self.sent.setdefault(key, set()).add(began)
            known = self.firing if alert["status"] == "firing" else self.resolved
            if known.setdefault(key, alert) is alert:
                fired, _ = self.times.get(key, (now, now))
                self.times[key] = (fired, now)
        with contextlib.suppress(OSError):
            for alert in asked(f"http://{self.alertmanager}/api/v2/alerts?active=false&silenced=false"):
                if alert["status"]["inhibitedBy"]:
                    self.suppressed.add(key_of(alert["labels"]))


def key_of(labels: dict[str, str]) -> Key:
    """Return the identity of an alert."""
    subject = next((labels[name] for name in ("target", "instance", "location") if name in labels), "")
    return labels["alertname"], labels["severity"], subject


# ---- setting the stage


Cast = Callable[[Path, Faults, ExitStack], tuple[list[Monitor], list[Act]]]
"""Makes the monitors, and what is wrong with each."""


@contextmanager
def stage(directory: Path, cast: Cast | None = None) -> Iterator[Stage]:
    """Start everything, all faults on; nothing has been looked at yet. `cast` makes them; else it is the drill's."""
    with ExitStack() as stack:
        faults = stack.enter_context(Faults(directory).running())
        webhook = stack.enter_context(Webhook().running())
        monitors, acts = (cast or _cast)(directory, faults, stack)
        rules = _rules(directory)
        _recorded_yesterday(directory)
        for monitor in monitors:
            stack.callback(monitor.stop)
            monitor.start()
        manager = stack.enter_context(alertmanager(_routes(directory, webhook), directory))
        server = stack.enter_context(prometheus(_scrapes(monitors, rules, manager), directory))
        addresses = [monitor.address for monitor in monitors]
        until(lambda: _scraped(server, addresses), 60, "first scrapes")
        yield Stage(webhook, server, manager, acts)


def _rules(directory: Path) -> Path:
    """Write the rules of `export rules` for targets with an interval of a second; nothing is scaled manually."""
    wish = ExportRequest(targets=[Target("any", "openai-chat", "http://127.0.0.1/", interval=INTERVAL)])
    [file] = export("rules", directory / "rules", wish)
    return file


def _routes(directory: Path, webhook: Webhook) -> str:
    """The example for Alertmanager, with our webhook and its waits as short as the windows."""
    files = export("scrape-config", directory / "scrape", ExportRequest())
    text = next(file for file in files if "alertmanager" in file.name).read_text()
    text = fitted(text.replace("127.0.0.1:9099", f"127.0.0.1:{webhook.port}"), [INTERVAL])
    return re.sub("repeat_interval: .*", "repeat_interval: 1h", text)  # what is repeated is not notified anew


def _scrapes(monitors: list[Monitor], rules: Path, manager: str) -> dict[str, Any]:
    return {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(rules)],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [manager]}]}]},
        "scrape_configs": [
            {
                "job_name": "chat-monitor",
                "static_configs": [
                    {"targets": [one.address], "labels": {"location": one.location} if one.location else {}}
                    for one in monitors
                ],
            }
        ],
    }


def _scraped(server: str, addresses: list[str]) -> bool:
    answer = asked(f"http://{server}/api/v1/query?query=up==1")
    return {series["metric"]["instance"] for series in answer["data"]["result"]} >= set(addresses)


def _recorded_yesterday(directory: Path) -> None:
    labels = '{job="chat-monitor",target="unlike-yesterday"}'
    stem = "target:chat_stream_time_to_first_chunk_seconds"
    yesterday({f"{stem}:mean{labels}": 0.02, f"{stem}:p50{labels}": 0.02}, directory)


# ---- the cast


def _cast(directory: Path, faults: Faults, stack: ExitStack) -> tuple[list[Monitor], list[Act]]:
    """All monitors, and what is wrong with each."""
    port = faults.open()
    monitors, acts = [], []
    for monitor, its in (
        _many(directory, faults, port),
        _cut_off(directory, faults),
        _thrifty(directory, port),
        _full_disk(directory, faults, port),
        _frozen(directory, port, stack),
    ):
        monitors.append(monitor)
        acts.extend(its)
    return monitors, acts


def target_of(drill: Drill, port: int, scheme: str = "http") -> str:
    """The target of a drill as a config has it."""
    url = f"{scheme}://{HOST}:{port}/openai-chat/until-mended?name={drill.name}&of={drill.fault}"
    keys = {
        "protocol": "'openai-chat'",
        "model": "'lab'",
        "interval": f"'{INTERVAL:.0f}s'",
        "timeouts": QUICK,
        "check": "{kind = 'count', to = 8}",
        **drill.config,
    }
    lines = "".join(f"{key} = {value}\n" for key, value in keys.items())
    return f"[[targets]]\nname = '{drill.name}'\nurl = '{url}'\n{lines}"


def _many(directory: Path, faults: Faults, port: int) -> tuple[Monitor, list[Act]]:
    """Start the monitor whose targets have every fault of a target."""
    ports = [faults.open(days=10), faults.open(days=2)]
    text = "[limits]\nconcurrency = 60\nper_host = 60\n"
    text += "".join(target_of(drill, port) for drill in DRILLS)
    for drill, secure in zip(EXPIRING, ports, strict=True):
        text += target_of(drill, secure, "https") + f"tls = {{ca_file = '{faults.authority}'}}\n"
    monitor = Monitor("many", directory, text)
    acts = [
        Act(drill.name, drill.brings, lambda name=drill.name: faults.mended.add(name), drill.quiet)  # type: ignore[misc]
        for drill in DRILLS
        if drill.brings
    ]
    acts += [
        Act(drill.name, drill.brings, lambda secure=secure: faults.renew(secure, 90), drill.quiet)  # type: ignore[misc]
        for drill, secure in zip(EXPIRING, ports, strict=True)
    ]
    return monitor, acts


def _cut_off(directory: Path, faults: Faults) -> tuple[Monitor, list[Act]]:
    """Start the monitor that reaches no target until its ports are opened."""
    ports = [free_port() for _ in range(5)]
    text = ""
    for number, port in enumerate(ports):
        drill = Drill(f"unreached-{number}", "ok:gap=5ms", ())
        text += target_of(drill, port).replace(HOST, "localhost" if number % 2 else HOST)
    monitor = Monitor("cut-off", directory, text)

    def mend() -> None:
        for port in ports:
            faults.open(port)

    return monitor, [Act(monitor.address, (critical("ChatMonitorIsolated"),), mend)]


def _thrifty(directory: Path, port: int) -> tuple[Monitor, list[Act]]:
    """Start the monitor whose tokens are soon spent; it is restarted with enough of them."""
    drill = Drill("thrifty", "ok:gap=5ms", (), config={"tokens_per_day": "100"})
    monitor = Monitor("thrifty", directory, target_of(drill, port))

    def end() -> None:
        monitor.stop()
        monitor.write(monitor.config.replace("= 100\n", "= 1000000\n"))

    brings = (info("ChatStreamTokenBudgetLow"), warning("ChatStreamProbesStale"), warning("ChatStreamProbesSkipped"))
    absent = Act(monitor.address, (critical("ChatMonitorAbsent"),), monitor.start)
    return monitor, [Act("thrifty", brings, end), absent]


def _full_disk(directory: Path, faults: Faults, port: int) -> tuple[Monitor, list[Act]]:
    """Start the monitor whose disk is full, and one of whose protocols raises."""
    bug = directory / "bug"
    bug.touch()
    much = Drill("much", "ok:n=4000:gap=0", (), config={"check": "'none'", "max_tokens": "9000"})
    buggy = Drill("buggy", "ok:gap=5ms", (), config={"protocol": "'tests.alerts.faulty:PROTOCOL'"})
    text = f"[log]\ntimeline = true\n{target_of(much, port)}{target_of(buggy, port)}"
    root = str(Path(__file__).parents[2])
    monitor = Monitor("full-disk", directory, text, {BUG: str(bug), "PYTHONPATH": root})
    start = monitor.start

    def begin() -> None:
        start()
        monitor.room(0)

    def mend() -> None:
        faults.mended.add(much.name)
        monitor.room(resource.RLIM_INFINITY)

    monitor.start = begin  # type: ignore[method-assign]
    return monitor, [
        Act(monitor.address, (warning("ChatMonitorSinkErrors"), warning("ChatMonitorEventsDropped")), mend),
        Act(monitor.address, (warning("ChatMonitorInternalErrors"),), bug.unlink),
    ]


def _frozen(directory: Path, port: int, stack: ExitStack) -> tuple[Monitor, list[Act]]:
    """Start the monitor that is frozen repeatedly, with an invalid config and an invalid list of targets."""
    listed = directory / "fleet.json"
    listed.write_text("[]")
    drill = Drill("frozen", "ok:gap=5ms", (), config={"interval": "'1s'"})
    source = f"[[discovery]]\nname = 'fleet'\nfile_sd = ['{listed}']\nrefresh = '1s'\n"
    monitor = Monitor("frozen", directory, source + target_of(drill, port))
    thaw = threading.Event()
    start = monitor.start

    def begin() -> None:
        start()
        monitor.write(monitor.config + "no_such_key = true\n")
        monitor.reload()
        listed.write_text("[{")
        stack.enter_context(freezing(monitor, thaw))

    def mend() -> None:
        monitor.write(monitor.config)
        monitor.reload()

    monitor.start = begin  # type: ignore[method-assign]
    return monitor, [
        Act(monitor.address, (warning("ChatMonitorLoopLag"),), thaw.set),
        Act(monitor.address, (warning("ChatMonitorReloadFailed"),), mend),
        Act(monitor.address, (warning("ChatMonitorDiscoveryFailing"),), lambda: _write(listed, "[]")),
    ]


def _write(file: Path, text: str) -> None:
    file.write_text(text)
