"""Tests of the targets of a soak."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.config import ConfigError
from monitor.config.load import load
from monitor.lab.scenarios import FAULTS
from monitor.lab.tls import issue
from monitor.lab.tls_faults import FAULTS as TLS_FAULTS
from monitor.lab.tls_faults import SAME_PORT
from tests.soak.attackers import MODES
from tests.soak.fleet import INVALID, INVALID_LARGE, Endpoints, all_targets, config, selection

CANDIDATES = all_targets(1)


@pytest.fixture(scope="module")
def endpoints(tmp_path_factory: pytest.TempPathFactory) -> Endpoints:
    """Return endpoints of a lab that does not run, with certificates that exist."""
    place = tmp_path_factory.mktemp("certificates")
    issue(place, "127.0.0.1")
    files = {"ca_file": "ca.pem", "cert_file": "client.pem", "key_file": "key.pem"}
    urls = {fault.name: "https://127.0.0.1:2/" for fault in (*TLS_FAULTS, *SAME_PORT)}
    return Endpoints(
        "http://127.0.0.1:1", urls, {key: str(place / name) for key, name in files.items()}, "http://127.0.0.1:3"
    )


def test_every_name_is_one_target() -> None:
    """Records are compared by name: no two targets have the same."""
    assert len({entry.name for entry in CANDIDATES}) == len(CANDIDATES)


def test_the_first_selection_has_every_fault() -> None:
    """The targets that stay through all reloads have each fault of the lab, plain and over TLS."""
    stay = selection(CANDIDATES, 5, 200)[:100]
    paths = {entry.path.split("/")[2].partition("?")[0] for entry in stay}
    assert paths >= FAULTS.keys() | {"mix", "flaky"}
    assert paths >= MODES.keys()
    assert {entry.tls for entry in stay} >= {fault.name for fault in TLS_FAULTS}


def test_a_change_removes_some_and_adds_as_many() -> None:
    """A tenth is replaced, and in time every target was selected."""
    before, after = set(selection(CANDIDATES, 0, 200)), set(selection(CANDIDATES, 1, 200))
    assert (len(before - after), len(after - before)) == (20, 20)
    assert {entry for number in range(len(CANDIDATES)) for entry in selection(CANDIDATES, number, 200)} == set(
        CANDIDATES
    )


def test_a_small_selection_has_the_requested_size() -> None:
    """A smoke run has a few targets, each with another fault."""
    assert len(set(selection(CANDIDATES, 0, 12))) == 12


@pytest.mark.parametrize("paused", [False, True])
def test_the_config_loads(tmp_path: Path, endpoints: Endpoints, paused: bool) -> None:
    """The config of each reload is valid, and pauses every target if requested."""
    file = tmp_path / "soak.toml"
    file.write_text(config(selection(CANDIDATES, 3, 200), endpoints, "127.0.0.1:1", 3, paused=paused))
    targets = load(file, {}).targets
    assert len(targets) == 200
    assert {target.paused for target in targets} == {paused}


def test_a_change_changes_some_that_stay(tmp_path: Path, endpoints: Endpoints) -> None:
    """A reload changes the request of some targets, and the labels of others."""
    texts = []
    for change in (0, 1):
        (tmp_path / "soak.toml").write_text(config(selection(CANDIDATES, 0, 50), endpoints, "127.0.0.1:1", change))
        texts.append(load(tmp_path / "soak.toml", {}).targets)
    pairs = list(zip(*texts, strict=True))
    assert 0 < sum(one.max_tokens != other.max_tokens for one, other in pairs) < 50
    assert 0 < sum(one.labels != other.labels for one, other in pairs) < 50


@pytest.mark.parametrize("text", [*INVALID, INVALID_LARGE], ids=range(5))
def test_an_invalid_config_is_refused(tmp_path: Path, text: str) -> None:
    """Each of them is one that a reload must refuse."""
    file = tmp_path / "soak.toml"
    file.write_text(text)
    with pytest.raises(ConfigError):
        load(file, {})
