"""`export`: what is written, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.cli.assets import MAKERS
from tests.cli.commands import Cli, ended, started


def test_export_writes_what_fits_the_config_and_says_which_files(cli: Cli, config: Path, tmp_path: Path) -> None:
    """Windows of the slowest target's interval, the address of the Grafana; each file is a line."""
    config.write_text(config.read_text().replace("[defaults]", "[defaults]\ninterval = '30s'"))
    links = ("--grafana", "https://g.example/", "--runbooks", "https://r.example")
    done = cli("export", "rules", tmp_path / "new", "--config", config, *links)
    file = tmp_path / "new" / "chat-monitor.rules.yml"
    assert (done.status, done.out) == (0, f"{file}\n")
    assert "increase30m" in file.read_text()
    assert "https://g.example/d/chat-monitor-target" in file.read_text()
    assert "https://r.example/ChatStreamStalls" in file.read_text()
    assert "grafana.example.com" not in file.read_text()
    assert done.err == ""


def test_export_says_which_config_it_found(cli: Cli, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A config that the command line does not name is named on stderr."""
    monkeypatch.chdir(config.parent)
    done = cli("export", "rules", "new")
    assert (done.status, done.out, done.err) == (0, "new/chat-monitor.rules.yml\n", f"adapted to {config.name}\n")


def test_rules_without_a_grafana_do_not_speak_of_its_links(cli: Cli, config: Path, tmp_path: Path) -> None:
    """The comment at the top is true of the exported file: it has no `dashboard_url`, and the option adds it."""
    assert cli("export", "rules", tmp_path, "--config", config).status == 0
    about = [line for line in (tmp_path / "chat-monitor.rules.yml").read_text().splitlines() if "dashboard_url" in line]
    assert about == [
        "# - No alert has a `dashboard_url`: `export rules --grafana URL` adds it, with the URL of your Grafana."
    ]


def test_export_without_a_config_writes_what_is_shipped(tmp_path: Path) -> None:
    """Without a config the files are written as shipped, and the command says so."""
    with started("export", "scrape-config", "there", cwd=tmp_path) as process:
        done = ended(process)
    assert (done.status, "no config" in done.err) == (0, True)
    assert sorted(done.out.split()) == ["there/chat-monitor.alertmanager.yml", "there/chat-monitor.scrape.yml"]
    assert (tmp_path / "there" / "chat-monitor.scrape.yml").exists()


@pytest.mark.parametrize("what", sorted(MAKERS))
def test_all_that_can_be_exported_can_be_asked_for(cli: Cli, config: Path, tmp_path: Path, what: str) -> None:
    """The command has every export."""
    assert cli("export", what, tmp_path / what, "--config", config).status == 0


def test_export_of_nothing_known_to_nowhere_or_with_a_broken_config(cli: Cli, config: Path, tmp_path: Path) -> None:
    """Usage errors and a directory that cannot be are 2, in words."""
    assert cli("export", "poems", tmp_path, "--config", config).status == 2
    done = cli("export", "rules", config / "below", "--config", config)
    assert (done.status, "cannot be written" in done.err) == (2, True)
    config.write_text("[monitr]")
    assert cli("export", "rules", tmp_path, "--config", config).status == 2
