"""schemathesis against a running daemon: whatever is asked, the API answers as its description says."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from tests.cli.commands import logged, started
from tests.real.servers import INSTALLED

SCHEMATHESIS = INSTALLED / "schemathesis" / "bin" / "st"
_EXAMPLES = 50

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]


@pytest.fixture
def api(tmp_path: Path) -> Iterator[str]:
    """The URL of a daemon's API; it watches the lab and keeps a history."""
    with started("lab", "--listen", "127.0.0.1:0") as lab:
        assert lab.stderr is not None
        address = next(word for word in lab.stderr.readline().split() if word.startswith("http://")).rstrip("/,")
        tables = (
            f'[[targets]]\nname = "{fault}"\nprotocol = "openai-chat"\nmodel = "m"\ninterval = "1h"\n'
            f'url = "{address}/openai-chat/{fault}?gap=1ms&ttfc=1ms"\n'
            for fault in ("ok", "cut")
        )
        config = tmp_path / "config.toml"
        config.write_text(f'[web]\nlisten = "127.0.0.1:0"\n[history]\npath = "h.db"\n{"".join(tables)}')
        with started("run", "--config", config) as daemon:
            base = f"http://{logged(daemon, event='started')['address']}"
            for _ in range(2):
                logged(daemon, event="probe")
            yield base


def test_whatever_is_asked_is_answered_as_described(api: str, tmp_path: Path) -> None:
    """Valid and invalid requests to every route, in sequences too: no status, header or body is another."""
    if not SCHEMATHESIS.exists():
        pytest.skip("schemathesis is not installed: make test-real")
    with urlopen(f"{api}/api/v1/openapi.json") as response:  # noqa: S310 - our own daemon
        document = json.load(response)
    described = tmp_path / "openapi.json"
    described.write_text(json.dumps(_without_rows(document)))
    command = (SCHEMATHESIS, "run", described, "--url", api, "--checks", "all", "-n", str(_EXAMPLES), "--no-color")
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert f"Tested: {sum(map(len, document['paths'].values()))}" in done.stdout


def _without_rows(part: Any) -> Any:  # noqa: ANN401 - any part of a JSON document
    """Leave `prefixItems` out: schemathesis 4.32 turns it into draft 7's `items`, and then refuses that.

    Whole bodies are held against the whole description in tests/web/test_openapi.py.
    """
    match part:
        case dict():
            return {key: _without_rows(held) for key, held in part.items() if key != "prefixItems"}
        case list():
            return list(map(_without_rows, part))
        case _:
            return part
