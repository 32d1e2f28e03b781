"""Budgets by literal days, and the file that remembers them: after a restart, a kill, on a bad disk."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from monitor.budget import Budget, charge, restore
from monitor.files import save
from monitor.target import Target

TODAY, TOMORROW = date(2030, 1, 5), date(2030, 1, 6)
FULL = Path("/dev/full")


class Calendar:
    """Says what day it is."""

    def __init__(self) -> None:
        self.day = TODAY

    def __call__(self) -> date:
        """Return the day."""
        return self.day


def limited(name: str = "one", tokens: int | None = 100) -> Target:
    """Return a target that may spend so much a day."""
    return Target(name, "openai-chat", "http://a.test/v1", tokens_per_day=tokens)


def spent(**amounts: int) -> Budget:
    """Return a budget of which so much is spent today."""
    budget = Budget(None, Calendar())
    for name, amount in amounts.items():
        budget.spend(name, amount)
    return budget


def test_what_is_left() -> None:
    """The narrower of a target's own limit and that for all counts; it never falls below nothing."""
    budget = Budget(150, Calendar())
    budget.spend("one", 60)
    assert (budget.left(limited()), budget.left(limited("two")), budget.left(limited("two", None))) == (40, 90, 90)
    budget.spend("two", 300)
    assert budget.left(limited()) == 0
    assert not budget.allows(limited())


def test_without_a_limit_nothing_is_counted_down() -> None:
    """Without a limit there is no number of remaining tokens, and every probe is allowed."""
    budget = spent(one=10**9)
    assert budget.left(limited(tokens=None)) is None
    assert budget.allows(limited(tokens=None))


def test_the_total_may_be_changed() -> None:
    """A reload changes the limit and not what was spent."""
    budget = Budget(10, Calendar())
    budget.spend("one", 8)
    budget.total = 20
    assert budget.left(limited(tokens=None)) == 12


def test_midnight_resets_the_budget() -> None:
    """At midnight in UTC all tokens are available again."""
    calendar = Calendar()
    budget = Budget(None, calendar)
    budget.spend("one", 100)
    calendar.day = TOMORROW
    assert budget.left(limited()) == 100


def test_a_day_is_utc() -> None:
    """By default the day is the current day in UTC."""
    budget = Budget(100)
    budget.load(Budget(None).dump())
    budget.spend("one", 1)
    assert budget.left(limited(tokens=None)) == 99


def test_a_restart_keeps_todays_tokens(tmp_path: Path) -> None:
    """Saved tokens are added after a restart to those spent meanwhile."""
    path = tmp_path / "budget.json"
    assert save(spent(one=60, gone=7).dump(), path) is None
    budget = spent(one=1)
    assert restore(budget, path) is None
    assert budget.left(limited()) == 39
    budget.total = 100
    assert budget.left(limited(tokens=None)) == 32
    assert path.stat().st_mode & 0o777 == 0o600


def test_yesterdays_tokens_are_forgotten(tmp_path: Path) -> None:
    """A file of another day says nothing of today."""
    path = tmp_path / "budget.json"
    save(spent(one=60).dump(), path)
    calendar = Calendar()
    calendar.day = TOMORROW
    budget = Budget(None, calendar)
    assert restore(budget, path) is None
    assert budget.left(limited()) == 100


def test_the_first_start_finds_no_file(tmp_path: Path) -> None:
    """A missing file is not an error."""
    assert restore(spent(), tmp_path / "budget.json") is None


WHOLE = spent(one=60).dump()


@pytest.mark.parametrize(
    "held",
    [
        *(WHOLE[:end] for end in range(len(WHOLE))),
        b"\0" * 100,
        b"\xff\xfe",
        b"[" * 100_000,
        b"[]",
        b'{"day": "2030-01-05"}',
        b'{"day": "2030-13-05", "spent": {}}',
        b'{"day": 5, "spent": {}}',
        b'{"day": "2030-01-05", "spent": {"one": -1}}',
        b'{"day": "2030-01-05", "spent": {"one": true}}',
        b'{"day": "2030-01-05", "spent": {"one": "1"}}',
        b'{"day": "2030-01-05", "spent": {"one": %s}}' % (b"1" * 5000),
    ],
)
def test_a_file_that_is_no_budget_is_put_aside(tmp_path: Path, held: bytes) -> None:
    """A damaged file is put aside, and the count begins at 0."""
    path = tmp_path / "budget.json"
    path.write_bytes(held)
    budget = spent()
    assert restore(budget, path) == (
        f"{path}: is not a valid budget; it was put aside as budget.json.corrupt, and today's tokens are counted from 0"
    )
    assert budget.left(limited()) == 100
    assert [one.name for one in tmp_path.iterdir()] == ["budget.json.corrupt"]
    assert (tmp_path / "budget.json.corrupt").read_bytes() == held


def test_a_budget_of_a_later_version_is_kept_beside(tmp_path: Path) -> None:
    """A file of a later version is put aside unchanged, and the count begins at 0."""
    path = tmp_path / "budget.json"
    path.write_bytes(b'{"version": 2, "spent": []}')
    message = restore(spent(), path)
    assert message is not None
    assert "was written by a later version; it was put aside as budget.json.newer" in message
    assert (tmp_path / "budget.json.newer").read_bytes() == b'{"version": 2, "spent": []}'


def test_a_budget_without_a_version_is_read(tmp_path: Path) -> None:
    """The first version of the file did not say which it is."""
    path = tmp_path / "budget.json"
    path.write_bytes(b'{"day": "2030-01-05", "spent": {"one": 60}}')
    budget = spent()
    assert restore(budget, path) is None
    assert budget.left(limited()) == 40


def test_what_cannot_be_put_aside_stays(tmp_path: Path) -> None:
    """If the directory does not allow it, that is reported, and nothing is raised."""
    path = tmp_path / "budget.json"
    path.write_bytes(b"no budget")
    (tmp_path / "budget.json.corrupt").mkdir()
    message = restore(spent(), path)
    assert message is not None
    assert "it cannot be put aside: is a directory" in message
    assert path.read_bytes() == b"no budget"


def test_what_cannot_be_read_is_reported(tmp_path: Path) -> None:
    """A directory in place of the file is reported, and nothing is raised."""
    assert restore(spent(), tmp_path) == f"{tmp_path}: cannot be read: is a directory"


@pytest.mark.skipif(not FULL.exists(), reason="needs Linux's /dev/full")
def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    """On a full disk the old file stays, and the incomplete one is removed."""
    path = tmp_path / "budget.json"
    save(spent(one=60).dump(), path)
    (tmp_path / "budget.json.new").symlink_to(FULL)
    assert save(spent(one=70).dump(), path) == f"{path}: cannot be written: no space left on device"
    assert [one.name for one in tmp_path.iterdir()] == ["budget.json"]
    assert path.read_bytes() == spent(one=60).dump()


def test_a_directory_that_is_gone_is_reported(tmp_path: Path) -> None:
    """A missing directory is reported, and nothing is raised."""
    path = tmp_path / "gone" / "budget.json"
    assert save(b"{}", path) == f"{path}: cannot be written: no such file or directory"


KEEPER = """
import sys
from pathlib import Path
from monitor.budget import Budget
from monitor.files import save
budget = Budget(None)
while True:
    budget.spend("one", 1)
    assert save(budget.dump(), Path(sys.argv[1])) is None
    print("saved", flush=True)
"""


@pytest.mark.parametrize("lines", [1, 2, 20, 57])
def test_a_kill_at_any_moment_loses_nothing_that_was_saved(tmp_path: Path, lines: int) -> None:
    """After `kill -9` the file is whole and has at least what was reported as saved."""
    path = tmp_path / "budget.json"
    with subprocess.Popen([sys.executable, "-c", KEEPER, str(path)], stdout=subprocess.PIPE) as keeper:
        assert keeper.stdout is not None
        for _ in range(lines):
            assert keeper.stdout.readline() == b"saved\n"
        os.kill(keeper.pid, signal.SIGKILL)
        saved = lines + keeper.stdout.read().count(b"saved\n")
    budget = Budget(None)
    assert restore(budget, path) is None
    left = budget.left(limited(tokens=10**6))
    assert left is not None
    assert saved <= 10**6 - left <= saved + 1


def test_a_temporary_file_of_a_killed_process_is_overwritten(tmp_path: Path) -> None:
    """A temporary file of a killed process is overwritten, not read."""
    path = tmp_path / "budget.json"
    (tmp_path / "budget.json.new").write_bytes(b"half")
    assert save(spent(one=1).dump(), path) is None
    assert [one.name for one in tmp_path.iterdir()] == ["budget.json"]


@pytest.mark.parametrize(
    ("reported", "declared", "charged"),
    [
        (500, None, 500),
        (4 * (100 + 20 + 400), None, 2080),
        (10**7, None, 2080),
        (10**400, None, 2080),
        (10**7, 9000, 9000),
        (8000, 9000, 8000),
        (2000, 10, 2000),
    ],
)
def test_no_server_spends_more_than_was_asked_for(reported: int, declared: int | None, charged: int) -> None:
    """One probe is charged at most four times its prompt and limit, or what the target declares."""
    asked = replace(limited(), tokens_per_probe=declared)
    assert charge(asked, b"x" * 300, 400, reported) == charged
