"""`schema`: the JSON Schema of the config."""

from __future__ import annotations

import json

from tests.cli.commands import Cli


def test_the_schema(cli: Cli) -> None:
    """The printed schema is JSON."""
    done = cli("schema")
    assert (done.status, json.loads(done.out)["type"]) == (0, "object")
