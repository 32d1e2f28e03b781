"""Tests of what a soak watches."""

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
from tests.soak.fleet import BROKEN, WORDY, Where, config, dealt, hand

DECK = dealt(1)


@pytest.fixture(scope="module")
def where(tmp_path_factory: pytest.TempPathFactory) -> Where:
    """Return a lab that is not there, with certificates that are."""
    place = tmp_path_factory.mktemp("papers")
    issue(place, "127.0.0.1")
    files = {"ca_file": "ca.pem", "cert_file": "client.pem", "key_file": "key.pem"}
    urls = {fault.name: "https://127.0.0.1:2/" for fault in (*TLS_FAULTS, *SAME_PORT)}
    return Where(
        "http://127.0.0.1:1", urls, {key: str(place / name) for key, name in files.items()}, "http://127.0.0.1:3"
    )


def test_every_name_is_one_target() -> None:
    """Accounts go by name: no two targets have the same."""
    assert len({entry.name for entry in DECK}) == len(DECK)


def test_the_first_hand_has_every_fault() -> None:
    """The targets that stay through all reloads have each fault of the lab, plain and over TLS."""
    stay = hand(DECK, 5, 200)[:100]
    paths = {entry.path.split("/")[2].partition("?")[0] for entry in stay}
    assert paths >= FAULTS.keys() | {"mix", "flaky"}
    assert paths >= MODES.keys()
    assert {entry.tls for entry in stay} >= {fault.name for fault in TLS_FAULTS}


def test_a_change_takes_some_and_brings_as_many() -> None:
    """A tenth goes, a tenth comes, and in time everything was watched."""
    before, after = set(hand(DECK, 0, 200)), set(hand(DECK, 1, 200))
    assert (len(before - after), len(after - before)) == (20, 20)
    assert {entry for number in range(len(DECK)) for entry in hand(DECK, number, 200)} == set(DECK)


def test_a_small_hand_is_as_large_as_asked_for() -> None:
    """A smoke run watches a few targets, each of another fault."""
    assert len(set(hand(DECK, 0, 12))) == 12


@pytest.mark.parametrize("paused", [False, True])
def test_the_config_loads(tmp_path: Path, where: Where, paused: bool) -> None:
    """The config of each reload is valid, and pauses every target if requested."""
    file = tmp_path / "soak.toml"
    file.write_text(config(hand(DECK, 3, 200), where, "127.0.0.1:1", 3, paused=paused))
    targets = load(file, {}).targets
    assert len(targets) == 200
    assert {target.paused for target in targets} == {paused}


def test_a_change_changes_some_that_stay(tmp_path: Path, where: Where) -> None:
    """A reload changes the request of some targets, and the labels of others."""
    texts = []
    for change in (0, 1):
        (tmp_path / "soak.toml").write_text(config(hand(DECK, 0, 50), where, "127.0.0.1:1", change))
        texts.append(load(tmp_path / "soak.toml", {}).targets)
    pairs = list(zip(*texts, strict=True))
    assert 0 < sum(one.max_tokens != other.max_tokens for one, other in pairs) < 50
    assert 0 < sum(one.labels != other.labels for one, other in pairs) < 50


@pytest.mark.parametrize("text", [*BROKEN, WORDY], ids=range(5))
def test_a_broken_config_is_refused(tmp_path: Path, text: str) -> None:
    """Each of them is one that a reload has to refuse."""
    file = tmp_path / "soak.toml"
    file.write_text(text)
    with pytest.raises(ConfigError):
        load(file, {})
