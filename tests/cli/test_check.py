"""`check`: mistakes, warnings, cost and connections."""

from __future__ import annotations

import json
import os
import re
import socket
from pathlib import Path
from typing import Any

import pytest

from monitor.cli.init import first_config
from monitor.config.presets import STARTS
from monitor.http.reachability import Reachability
from monitor.keys.secret import Secret
from monitor.target import Http
from tests.cli.commands import PACE, Cli


@pytest.mark.parametrize(("number", "warned"), [(40, True), (2, False)])
def test_check_warns_of_many_buckets(cli: Cli, config: Path, number: int, warned: bool) -> None:
    """If the buckets make more series per target than the default ones, check prints how many."""
    bounds = [place + 1 for place in range(number)]
    config.write_text(config.read_text() + f"[metrics]\nbuckets = {{latency = {bounds}, gap = {bounds}}}\n")
    done = cli("check", "--config", config)
    assert (done.status, "metrics.buckets: make 3" in done.err) == (0, warned)


def test_check_warns_of_a_public_address(cli: Cli, config: Path) -> None:
    """The daemon would not start there without more: check says so, with its line."""
    config.write_text(config.read_text().replace("127.0.0.1:0", ":0"))
    done = cli("check", "--config", config)
    assert done.status == 0
    assert f"warning: {config}:3: web.listen: is not a loopback address" in done.err


def test_a_right_config(cli: Cli, config: Path) -> None:
    """For a valid config `check` prints that it is, and the warnings, and sends nothing."""
    done = cli("check", "--config", config)
    assert (done.status, done.out) == (0, f"{config}: ok, 3 targets\n")
    assert done.err == "" or all(one.startswith("warning: ") for one in done.err.splitlines())


def test_warnings_are_printed(cli: Cli, config: Path) -> None:
    """An interval below `total` is a warning, which is also printed together with mistakes."""
    config.write_text(config.read_text().replace("[defaults]", '[defaults]\ninterval = "10s"'))
    done = cli("check", "--config", config)
    assert done.status == 0
    assert done.err.startswith("warning: ")
    config.write_text(config.read_text().replace("[web]", "nope = 1\n[web]"))
    done = cli("check", "--config", config)
    assert done.status == 2
    assert "warning: " in done.err


def test_what_a_config_costs(cli: Cli, config: Path) -> None:
    """`check --plan` prints requests, tokens, series and bytes, target by target and in all, and the memory."""
    *rows, processes, _, memory, scrape = cli("check", "--config", config, "--plan").out.splitlines()
    assert re.fullmatch(r"processes: 1, each about 0\.0.* and \d\d\.\d kB a scrape", processes)
    assert [row.split()[0] for row in rows[-4:]] == ["good", "late", "broken", "all"]
    assert re.fullmatch(r"/metrics: \d\d\.\d kB and 750 series a scrape, before compression", scrape)
    assert re.fullmatch(r"memory, at most: MemoryMax=\d+M, if 3 streams are endless at once", memory)


def test_a_number_of_shards_prints_the_plan(cli: Cli, config: Path) -> None:
    """`--shards` is about the plan, which is printed without `--plan`, too."""
    assert (
        cli("check", "--config", config, "--shards", "2").out
        == cli("check", "--config", config, "--plan", "--shards", "2").out
    )


def test_the_plan_of_shards(cli: Cli, config: Path) -> None:
    """With several processes, the plan says which sizes are those of each and which of all; a history has its share."""
    config.write_text(config.read_text() + "[history]\npath = 'history.db'\nmax_bytes = '1MiB'\n")
    one, three = (
        cli("check", "--config", config, "--plan", "--shards", number).out.splitlines()[-5:] for number in ("1", "3")
    )
    assert three[0].startswith("processes: 3, each about 0.00 cores")
    assert re.search(r"for 1 target, 250 series and \d+\.\d kB a scrape$", three[0])
    assert (one[-1].split(":")[0], three[-1].split(":")[0]) == ("/metrics", "/metrics of all processes")
    (of_one, of_three) = (next(line for line in lines if line.startswith("history")) for lines in (one, three))
    assert " in " in of_one
    assert "of each process" not in of_one
    assert "history.db of each process, of which" in of_three
    assert of_one.split("by the minute for")[1] != of_three.split("by the minute for")[1]


def test_the_plan_of_one_target(cli: Cli, tmp_path: Path) -> None:
    """One stream is not called streams."""
    (tmp_path / "one.toml").write_text("[[targets]]\nname = 'a'\nprotocol = 'raw'\nurl = 'http://127.0.0.1:9/'\n")
    assert cli("check", "--config", tmp_path / "one.toml", "--plan").out.count("M, if 1 stream is endless\n") == 1


@pytest.mark.parametrize(
    ("url", "more", "warned"),
    [
        ("/v1/chat/completions", "", True),
        ("/v1/chat/completions", "model = 'm'", False),
        ("/v1/chat/completions", "models = ['m', 'n']", False),
        ("/v1/chat/completions", "body = { model = 'm' }", False),
        ("/v1/chat/completions", "protocol = 'raw'", False),
        ("/openai/deployments/m/chat/completions", "", False),
        ("/openai-chat/ok", "", False),
    ],
)
def test_check_warns_of_a_missing_model(cli: Cli, tmp_path: Path, url: str, more: str, warned: bool) -> None:
    """A server of the protocol very likely refuses a request without a model; the lab does not."""
    path, protocol = tmp_path / "c.toml", "" if "protocol" in more else "protocol = 'openai-chat'"
    path.write_text(f"[[targets]]\nname = 'a'\n{protocol}\nurl = 'http://127.0.0.1:9{url}'\n{more}\n")
    done = cli("check", "--config", path)
    line = f"warning: {path}: no model is set for a; most servers of the protocol require one\n"
    assert (done.status, done.err) == (0, line if warned else "")


def test_many_missing_models_are_one_warning(cli: Cli, tmp_path: Path) -> None:
    """The first five targets are named."""
    path = tmp_path / "c.toml"
    keys = "protocol = 'openai-chat'\nurl = 'http://127.0.0.1:9/v1/chat/completions'\n"
    path.write_text("".join(f"[[targets]]\nname = 't{number}'\n{keys}" for number in range(7)))
    assert "for t0, t1, t2, t3, t4 and 2 more; most" in cli("check", "--config", path).err


@pytest.mark.parametrize("preset", STARTS)
def test_the_first_configs_have_no_warning(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, preset: str
) -> None:
    """What `init` writes has every key that its server requires."""
    (tmp_path / "c.toml").write_text(first_config(preset, STARTS[preset]))
    monkeypatch.setenv(STARTS[preset].key or "NONE", "k")
    assert cli("check", "--config", tmp_path / "c.toml").err == ""


def test_check_warns_of_a_history_that_cannot_be_written(
    cli: Cli, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The directory has to exist, and this user has to be able to write there; a new file is no warning."""
    text = config.read_text()
    rest = ": the daemon runs without a history until it can write there\n"
    for path, why in (("nowhere/h.db", "its directory does not exist"), (".", "is a directory"), ("h.db", "")):
        config.write_text(f"{text}[history]\npath = '{path}'\n")
        done = cli("check", "--config", config)
        assert done.status == 0
        assert done.err.endswith(f": history.path: {why}{rest}") if why else done.err == ""
    monkeypatch.setattr(os, "access", lambda _, mode: mode != os.W_OK)
    assert cli("check", "--config", config).err.endswith(f": history.path: this user cannot write it{rest}")


def test_money_is_planned_if_there_are_prices(cli: Cli, config: Path) -> None:
    """`check --plan` has a column in the currency of the config, with a dash for what has no price."""
    config.write_text(config.read_text() + "[prices]\ncurrency = 'CNY'\nmodels = {nothing = {input = 1}}\n")
    assert "CNY" not in cli("check", "--config", config, "--plan").out
    config.write_text(config.read_text().replace("nothing = {input = 1}", "'*' = {output = 100}"))
    assert "CNY a day" in cli("check", "--config", config, "--plan").out


def test_a_large_fleet_is_advised_lean_metrics(cli: Cli, tmp_path: Path) -> None:
    """From 1,000 targets on `check --plan` prints the size of a scrape, also at lean detail, and few rows."""
    rows = "".join(f"[[targets]]\nname = 't{number}'\n" for number in range(1000))
    text = "[defaults]\nprotocol = 'openai-chat'\nmodel = 'm'\nurl = 'http://127.0.0.1:9/v1/chat/completions'\n" + rows
    config = tmp_path / "large.toml"
    config.write_text(text)
    output = cli("check", "--config", config, "--plan").out
    assert "and 950 more" in output
    assert re.search(r'/metrics: \d+\.\d MB .*; \[metrics\] detail = "lean" makes it \d+(\.\d+)? [kM]B', output)
    assert "a scrape takes" not in output
    config.write_text('[metrics]\ndetail = "lean"\n' + text)
    assert "makes it" not in cli("check", "--config", config, "--plan").out


def test_a_long_scrape_needs_more_shards(cli: Cli, tmp_path: Path) -> None:
    """If a scrape of one process takes more than a second, the plan says so, and up to how many targets it does not."""
    bounds = [number / 100 for number in range(1, 41)]
    config = tmp_path / "large.toml"
    config.write_text(
        f"[metrics]\nbuckets = {{latency = {bounds}, gap = {bounds}, cut_after = {bounds}}}\n"
        "[defaults]\nprotocol = 'openai-chat'\nmodel = 'm'\nurl = 'http://127.0.0.1:9/v1/chat/completions'\n"
        + "".join(f"[[targets]]\nname = 't{number}'\n" for number in range(2000))
    )
    output = cli("check", "--config", config, "--plan").out
    found = re.search(r"a scrape takes about (1\.\d) s; it takes longer than 1 s above ([\d,]+) targets in one", output)
    assert found
    assert int(found[2].replace(",", "")) == pytest.approx(2000 / float(found[1]), rel=0.05)
    assert "a scrape takes" not in cli("check", "--config", config, "--plan", "--shards", "2").out


def test_trying_connections(cli: Cli, config: Path, tmp_path: Path) -> None:
    """`check --connect` opens a connection to every target, and its status is 1 if one cannot be reached."""
    done = cli("check", "--config", config, "--connect")
    assert (done.status, done.out.splitlines()[1:]) == (0, ["good: connected", "late: connected", "broken: connected"])
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        dead = tmp_path / "dead.toml"
        dead.write_text(
            '[[targets]]\nname = "dead"\nprotocol = "openai-chat"\nmodel = "m"\n'
            f'url = "http://127.0.0.1:{holder.getsockname()[1]}/v1/chat/completions"\n'
        )
        done = cli("check", "--config", dead, "--connect")
    assert done.status == 1
    assert done.out.splitlines() == [f"{dead}: ok, 1 target", "dead: no connection (Connection refused)"]


def test_a_target_behind_a_proxy_is_not_dialled(cli: Cli, lab_url: str, tmp_path: Path) -> None:
    """`check --connect` dials the proxy alone, as a probe does; without TLS nothing past it is tried."""
    config = tmp_path / "proxied.toml"
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{holder.getsockname()[1]}"
        table = '[[targets]]\nname = "{}"\nprotocol = "openai-chat"\nmodel = "m"\nurl = "{}/v1"\nproxy = "{}"\n'
        config.write_text(table.format("behind", dead, lab_url) + table.format("lost", lab_url, dead))
        done = cli("check", "--config", config, "--connect")
    assert (done.status, done.out.splitlines()[1:]) == (
        1,
        [
            "behind: connected to its proxy, which was not asked to connect further",
            "lost: the proxy did not open the connection (Connection refused)",
        ],
    )


@pytest.mark.parametrize(
    "case",
    [
        ({}, Reachability(), "connected", True),
        ({"http": Http.AUTO}, Reachability(agreed="h2"), "connected, HTTP/2 (ALPN: h2)", True),
        ({"http": Http.AUTO}, Reachability(), "connected, HTTP/1.1 (ALPN: none)", True),
        ({"http": Http.TWO}, Reachability(agreed="h2"), "connected, HTTP/2 (ALPN: h2)", True),
        (
            {"http": Http.TWO},
            Reachability(),
            'connected, but the server does not offer HTTP/2 (ALPN: none), and http is "2": write "auto"',
            False,
        ),
        (
            {"http": Http.TWO, "url": "http://one.test"},
            Reachability(),
            "connected; nothing was sent to try HTTP/2",
            True,
        ),
        (
            {"http": Http.AUTO, "proxy": Secret("http://proxy.test")},
            Reachability(agreed="h2"),
            "connected through its proxy, HTTP/2 (ALPN: h2)",
            True,
        ),
        ({}, Reachability("no connection (Connection refused)"), "no connection (Connection refused)", False),
    ],
)
def test_what_came_of_a_try(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: tuple[dict[str, Any], Reachability, str, bool]
) -> None:
    """The line names what was agreed on; a server that does not offer the HTTP/2 that the config wants is a failure."""
    keys, reached, output, well = case

    async def answer(*_: object) -> Reachability:
        return reached

    monkeypatch.setattr("monitor.cli.check.reach", answer)
    lines = {"url": "https://one.test", **keys}
    config = tmp_path / "one.toml"
    shown = {key: value.reveal() if isinstance(value, Secret) else str(value) for key, value in lines.items()}
    rows = "".join(f'{key} = "{value}"\n' for key, value in shown.items())
    config.write_text(f'[[targets]]\nname = "one"\nprotocol = "openai-chat"\nmodel = "m"\n{rows}')
    done = cli("check", "--config", config, "--connect")
    assert (done.status, done.out.splitlines()[1:]) == (0 if well else 1, [f"one: {output}"])


def test_what_is_discovered_is_checked(cli: Cli, config: Path, lab_url: str) -> None:
    """Files are read, counted and planned; URLs are asked with `--connect` alone, and what is wrong there is 1."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{holder.getsockname()[1]}/"
        sources = (
            f'[[discovery]]\nname = "fleet"\nfile_sd = ["a.json"]\n[[discovery]]\nname = "far"\nhttp_sd = ["{url}"]\n'
        )
        config.write_text(sources + config.read_text())
        groups = [{"targets": [f"{lab_url}/openai-chat/ok?{PACE}"], "labels": {"__name__": "found"}}]
        (config.parent / "a.json").write_text(json.dumps(groups))
        done = cli("check", "--config", config, "--plan")
        output = [f"{config}: ok, 4 targets, 1 discovered", "discovery far: its URLs are only read with --connect"]
        assert (done.status, done.out.splitlines()[:2]) == (0, output)
        assert [row.split()[0] for row in done.out.splitlines()[-7:-4]] == ["broken", "found", "all"]
        done = cli("check", "--config", config, "--connect")
        refusal = f"warning: discovery far: {url}: cannot be read: no connection (Connection refused)\n"
        assert (done.status, done.err, done.out.splitlines()[-1]) == (1, refusal, "found: connected")
        assert json.loads(cli("probe", "found", "--config", config, "--json").out)["outcome"] == "ok"


def test_a_list_with_a_mistake(cli: Cli, config: Path) -> None:
    """`check` says what is wrong in a file of targets, and is 1."""
    config.write_text(f'[[discovery]]\nname = "fleet"\nfile_sd = ["a.json"]\n{config.read_text()}')
    (config.parent / "a.json").write_text('[{"targets": ["ftp://a/"]}]')
    done = cli("check", "--config", config)
    assert (done.status, done.out) == (1, f"{config}: ok, 3 targets\n")
    assert done.err.startswith(f"warning: discovery fleet: {config.parent / 'a.json'}: target a: url: ")


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        ("", ["history: none; the pages show the probes since the start"]),
        (
            '[history]\npath = "h.db"\n',
            [
                "history, at most: 256 MiB in {}, of which the figures of the pages take about 2 MiB",
                ": by the minute for 2 d, by the hour for 90 d\nmemory",
            ],
        ),
        (
            '[history]\npath = "h.db"\nmax_bytes = "2MiB"\n',
            [
                "take about 1 MiB: by the minute for 25 h, by the hour for 46 d\n",
                '  [history] max_bytes = "4MiB" keeps them for 2 d and 90 d\n',
            ],
        ),
    ],
)
def test_the_plan_says_how_large_the_history_gets(cli: Cli, config: Path, history: str, expected: list[str]) -> None:
    """The plan has the size of the history and for how long it keeps figures, with the limit that keeps all."""
    config.write_text(config.read_text() + history)
    done = cli("check", "--plan", "--config", config)
    for text in expected:
        assert text.format(config.with_name("h.db")) in done.out


def test_the_plan_divides_by_the_shards_of_every_location(cli: Cli, config: Path) -> None:
    """So many in each location; each has its part of the targets."""
    places = "[monitor]\nlocation = 'eu'\nlocations = ['eu', 'us']\n"
    config.write_text(places + config.read_text())
    (line,) = (
        one
        for one in cli("check", "--config", config, "--plan", "--shards", "3").out.splitlines()
        if one.startswith("processes")
    )
    assert line.startswith("processes: 6 in 2 locations, each about ")
    assert " for 1 target, " in line
