"""The table of TLS faults and its config, which the product itself takes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from monitor.config import load
from monitor.lab.tls import issue
from monitor.lab.tls_faults import FAULTS, SAME_PORT, TlsLab


@pytest.fixture
def lab(tmp_path: Path) -> TlsLab:
    """Return what a lab offers, with files that are what they have to be."""
    issue(tmp_path, "127.0.0.1")
    files = [tmp_path / name for name in ("ca.pem", "client.pem", "key.pem")]
    faults = (replace(fault, port=9879 + number) for number, fault in enumerate((*FAULTS, *SAME_PORT)))
    return TlsLab(tuple(faults), b"pem", *map(str, files))


def test_names_are_different_and_each_second_one_belongs_to_a_port() -> None:
    """A config target is found by name, and what shares a port is named after it."""
    names = [fault.name for fault in (*FAULTS, *SAME_PORT)]
    assert len(set(names)) == len(names)
    assert all(any(other.name.startswith(f"{fault.name}-") for fault in FAULTS) for other in SAME_PORT)


def test_the_config_is_one(lab: TlsLab, tmp_path: Path) -> None:
    """Every fault is a target that trusts the authority; the one with a certificate of its own has both files."""
    place = tmp_path / "tls.toml"
    place.write_text(lab.config("127.0.0.1"))
    targets = {target.name: target for target in load(place, {}).targets}
    assert list(targets) == [fault.target for fault in lab.faults]
    assert {target.tls.ca_file for target in targets.values()} == {lab.ca_file}
    assert targets["tls-expired"].url == "https://127.0.0.1:9880/openai-chat/ok"
    assert [target.name for target in targets.values() if target.tls.cert_file] == ["tls-client-certificate-given"]
    assert targets["tls-client-certificate-given"].tls.key_file == lab.key_file


def test_a_url_for_another_host(lab: TlsLab) -> None:
    """The host is what the page was asked for under."""
    assert lab.url(lab.faults[0], "[::1]") == "https://[::1]:9879/openai-chat/ok"
