"""What `export` writes: fitted to the config, from one source, and the same from the wheel."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from monitor.cli.assets import MAKERS, MOST, ExportRequest, bundled, export, fitted, scale, whole_seconds
from monitor.keys.units import seconds
from monitor.keys.values import host_port
from monitor.settings import Monitor, Settings, Web
from monitor.target import Target

ROOT = Path(__file__).parents[2]
RULES = (ROOT / "dashboards" / "rules" / "chat-monitor.rules.yml").read_text()
WINDOWS = {"30s", "1m", "5m", "10m", "15m", "20m", "30m", "1h", "2h", "6h", "1d", "3d"}


def target(interval: float = 60.0, **labels: str) -> Target:
    """A target of this interval."""
    return Target("one", "openai-chat", "http://127.0.0.1/", interval=interval, labels=labels)


@pytest.mark.parametrize("what", MAKERS)
def test_everything_that_can_be_exported_is_written_and_only_under_our_name(what: str, tmp_path: Path) -> None:
    """Into a directory that need not exist; nothing of another's is overwritten, for each file has our name."""
    files = export(what, tmp_path / "new" / "place", ExportRequest())
    assert files
    named = what == "kubernetes" or all(file.name.startswith("chat-monitor") for file in files)
    assert named
    assert all(file.read_text() for file in files)
    assert sorted(files) == sorted(file for file in (tmp_path / "new" / "place").rglob("*") if file.is_file())


def test_the_rules_as_shipped_serve_a_minute_to_a_quarter_of_an_hour(tmp_path: Path) -> None:
    """For these intervals, or without a config, only the links of the rules are changed."""
    for intervals in ([], [60.0], [5.0, 900.0], [61.0]):
        request = ExportRequest([target(interval) for interval in intervals], grafana="https://grafana.example.com")
        [file] = export("rules", tmp_path, request)
        assert file.read_text() == RULES


@pytest.mark.parametrize(
    ("intervals", "expected"),
    [([5.0], 1 / 12), ([1.0, 6.0], 0.1), ([60.0], 1.0), ([1.0, 900.0], 1.0), ([3600.0], 4.0), ([86400.0], MOST)],
)
def test_windows_follow_the_slowest_target(intervals: list[float], expected: float) -> None:
    """Shorter up to a minute, longer from a quarter of an hour on, a week at most."""
    assert scale(intervals) == pytest.approx(expected)


def test_every_duration_of_the_rules_is_one_of_the_windows_or_yesterday() -> None:
    """Every text that `fitted` changes is a duration."""
    found = set(re.findall(r"(?<![\d.])(\d+[smhd])\b", RULES))
    assert found == WINDOWS | {"24h"}


@given(st.floats(min_value=1.0, max_value=86400.0))
def test_windows_keep_their_order_and_none_is_lost(interval: float) -> None:
    """However much they are scaled, what was longer stays longer, so that no two recordings get one name."""
    order = ["30s", "1m", "5m", "10m", "15m", "30m", "1h", "2h", "6h", "1d", "3d"]
    lengths = [seconds(fitted(window, [interval])) or 0.0 for window in order]
    assert lengths[1:] == sorted(set(lengths[1:]))
    assert lengths[0] <= lengths[1]
    assert fitted("x offset 24h", [interval]) == "x offset 24h"


def test_fitted_rules_are_rules_with_other_windows() -> None:
    """Every rule is there by its fitted name, and its expression reads only names that are recorded."""
    rules = [rule for group in yaml.safe_load(fitted(RULES, [5.0]))["groups"] for rule in group["rules"]]
    recorded = {rule["record"] for rule in rules if "record" in rule}
    assert "target:chat_stream_accepted:increase5m" in recorded
    for rule in rules:
        texts = " ".join([rule["expr"], *rule.get("annotations", {}).values()])
        assert set(re.findall(r"\b\w+:\w+:\w+\b", texts)) <= recorded


def test_the_dashboard_addresses_lead_to_the_users_grafana(tmp_path: Path) -> None:
    """Links contain the given host and no example host."""
    [file] = export("rules", tmp_path, ExportRequest(grafana="https://grafana.test/sub/"))
    assert "grafana.example.com/d/" not in file.read_text()
    assert "https://grafana.test/sub/d/chat-monitor-target" in file.read_text()


def annotations_of(tmp_path: Path, request: ExportRequest) -> dict[str, dict[str, str]]:
    """The annotations of each alert of the exported rules."""
    [file] = export("rules", tmp_path, request)
    rules = [rule for group in yaml.safe_load(file.read_text())["groups"] for rule in group["rules"]]
    return {rule["alert"]: rule["annotations"] for rule in rules if "alert" in rule}


@pytest.mark.parametrize(
    ("address", "link"),
    [
        ("https://docs.test/runbooks/", "https://docs.test/runbooks/ChatStreamStalls"),
        ("https://git.test/{alert}.md?plain=1", "https://git.test/ChatStreamStalls.md?plain=1"),
    ],
)
def test_every_alert_links_to_the_users_runbooks(tmp_path: Path, address: str, link: str) -> None:
    """The alert's name is appended to the URL or replaces `{alert}`; a duration in a URL is not scaled."""
    written = annotations_of(tmp_path, ExportRequest([target(5.0)], runbooks=address))
    assert all("runbook_url" in one for one in written.values())
    assert written["ChatStreamStalls"]["runbook_url"] == link


def test_an_address_that_is_not_known_gets_no_link(tmp_path: Path) -> None:
    """Without `--runbooks` and `--grafana` an alert has no links."""
    kinds = {frozenset(one) for one in annotations_of(tmp_path, ExportRequest()).values()}
    assert kinds == {frozenset({"summary", "description"})}


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "127.0.0.1:9900"),
        ("0.0.0.0", "127.0.0.1:9900"),  # noqa: S104 - a config's text
        ("", "127.0.0.1:9900"),
        ("::1", "[::1]:9900"),
    ],
)
def test_the_scrape_job_asks_where_the_monitor_listens(host: str, address: str, tmp_path: Path) -> None:
    """The scrape interval is that of the fastest target, and ChatMonitorAbsent matches the job's name."""
    request = ExportRequest([target(5.0), target(900.0)], Settings(web=Web((host_port(host, 9900),))))
    file = next(file for file in export("scrape-config", tmp_path, request) if "scrape" in file.name)
    [job] = yaml.safe_load(file.read_text())["scrape_configs"]
    assert "chat-monitor" in job["job_name"]
    assert job["scrape_interval"] == job["scrape_timeout"] == "5s"
    assert job["static_configs"] == [{"targets": [address]}]


def test_the_scrape_job_names_the_monitor_by_its_location(tmp_path: Path) -> None:
    """Monitors that listen on loopback have different labels in a shared Alertmanager, whatever their location is."""
    for location in ("eu-1", 'the "old" hall: 2'):
        request = ExportRequest([target()], Settings(Monitor(location), Web(("127.0.0.1:9900",))))
        text = next(file for file in export("scrape-config", tmp_path, request) if "scrape" in file.name).read_text()
        [job] = yaml.safe_load(text)["scrape_configs"]
        labels = {"instance": f"{location}:9900", "location": location}
        assert job["static_configs"] == [{"targets": ["127.0.0.1:9900"], "labels": labels}]


def test_the_scrape_job_asks_every_shard_of_the_host(tmp_path: Path) -> None:
    """Each on its own port, and with an instance of its own."""
    request = ExportRequest([target()], Settings(Monitor("eu-1"), Web(("127.0.0.1:9900",))), shards=3)
    text = next(file for file in export("scrape-config", tmp_path, request) if "scrape" in file.name).read_text()
    [job] = yaml.safe_load(text)["scrape_configs"]
    assert [one["targets"] for one in job["static_configs"]] == [[f"127.0.0.1:{port}"] for port in (9900, 9901, 9902)]
    assert len({one["labels"]["instance"] for one in job["static_configs"]}) == 3


@pytest.mark.parametrize(("shards", "wants"), [(1, []), (3, ["1-3", "2-3", "3-3"])])
def test_the_target_starts_every_shard_of_the_host(shards: int, wants: list[str], tmp_path: Path) -> None:
    """One command starts them all; without a number, those that are enabled."""
    export("systemd", tmp_path, ExportRequest(shards=shards))
    text = (tmp_path / "chat-monitor.target").read_text()
    assert re.findall(r"^Wants=chat-monitor@(.+)\.service$", text, re.MULTILINE) == wants


def committed_boards() -> dict[str, object]:
    """Return the boards of the repository by their names."""
    return {file.stem: json.loads(file.read_text()) for file in (ROOT / "dashboards").glob("*.json")}


def test_boards_offer_the_labels_of_the_config(tmp_path: Path) -> None:
    """Each label is a variable before the target's, and every query on targets heeds it."""
    files = export("dashboards", tmp_path, ExportRequest([target(team="search"), target(region="eu")]))
    boards = [file.read_text() for file in files if file.suffix == ".json"]
    names = [[variable["name"] for variable in json.loads(board)["templating"]["list"]][:3] for board in boards]
    assert names == [["datasource", "label_region", "label_team"]] * len(committed_boards())
    queries = [text for board in boards for text in re.findall(r'target=~\\"\$\w+\\"[^}]*', board)]
    assert queries
    assert all(r"region=~\"$label_region\", team=~\"$label_team\"" in text for text in queries)


def test_boards_without_a_config_are_those_of_the_repository(tmp_path: Path) -> None:
    """One source: what is exported is what is committed."""
    files = [file for file in export("dashboards", tmp_path, ExportRequest()) if file.suffix == ".json"]
    exported = {file.stem.removeprefix("chat-monitor-"): json.loads(file.read_text()) for file in files}
    assert exported == committed_boards()


def test_boards_open_with_a_window_that_holds_probes_enough(tmp_path: Path) -> None:
    """Sixty of the slowest target."""
    for interval, window in ((5.0, "5m"), (60.0, "1h"), (300.0, "6h"), (3600.0, "1d")):
        file = export("dashboards", tmp_path, ExportRequest([target(interval)]))[0]
        board = json.loads(file.read_text())
        [variable] = [variable for variable in board["templating"]["list"] if variable["name"] == "window"]
        assert variable["current"]["value"] == window


def test_grafana_finds_the_boards(tmp_path: Path) -> None:
    """Provisioning names the directory they were written to."""
    export("dashboards", tmp_path, ExportRequest([target(5.0)]))
    provider = yaml.safe_load((tmp_path / "chat-monitor.provider.yml").read_text())["providers"][0]
    assert provider["options"]["path"] == str(tmp_path)
    source = yaml.safe_load((tmp_path / "chat-monitor.datasource.yml").read_text())["datasources"][0]
    assert source["jsonData"]["exemplarTraceIdDestinations"][0]["name"] == "probe_id"
    assert source["jsonData"]["timeInterval"] == "5s"


def test_the_unit_starts_this_installation_with_that_config(tmp_path: Path) -> None:
    """The unit has the path of this command, and the given config."""
    files = export("systemd", tmp_path, ExportRequest(config_file=Path("/somewhere/else.toml")))
    units = [one.read_text() for one in files if one.suffix == ".service"]
    starts = [start for unit in units for start in re.findall(r"^ExecStart=(.+)$", unit, re.MULTILINE)]
    assert len(starts) == len(units) > 0
    assert all(one.startswith(f"{sys.prefix}/bin/chat-monitor run --config /somewhere/else.toml") for one in starts)


def test_a_unit_from_an_installation_without_the_command_keeps_the_usual_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the environment has no command, as under `python -m monitor`, the unit keeps its default path."""
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    units = {file.name: file.read_text() for file in export("systemd", tmp_path / "units", ExportRequest())}
    assert "chat-monitor.service" in units
    assert units == {name: (bundled("systemd") / name).read_text() for name in units}


@pytest.mark.parametrize(
    ("length", "text"), [(0.2, "1s"), (5, "5s"), (90, "90s"), (150, "2m30s"), (3600, "1h"), (172800, "2d")]
)
def test_durations_are_written_as_prometheus_reads_them(length: float, text: str) -> None:
    """A duration is written in whole seconds, at least one, in Prometheus' format."""
    assert whole_seconds(length) == text


@pytest.mark.real
@pytest.mark.timeout(180)
def test_the_wheel_carries_the_same_files(tmp_path: Path) -> None:
    """The wheel has the same assets as the repository, and none of the code that builds them."""
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(tmp_path), str(ROOT)]
    subprocess.run(build, check=True)
    [wheel] = tmp_path.glob("*.whl")
    subprocess.run([sys.executable, "-m", "zipfile", "-e", wheel, tmp_path / "out"], check=True)
    assets = tmp_path / "out" / "monitor" / "assets"
    carried = {str(file.relative_to(assets)): file.read_bytes() for file in assets.rglob("*") if file.is_file()}
    assert carried == {name: (ROOT / name).read_bytes() for name in carried}
    for room in ("dashboards", "systemd"):
        wanted = {str(file.relative_to(ROOT)) for file in bundled(room).rglob("*") if file.suffix in SHIPPED}
        assert {name for name in carried if name.startswith(room)} == wanted - {TESTS}


SHIPPED = {".json", ".yml", ".service", ".socket", ".timer", ".target"}
TESTS = "dashboards/rules/chat-monitor.rules.test.yml"
