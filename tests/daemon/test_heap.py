"""Tests of the C library's heap, in processes of their own if they change it."""

from __future__ import annotations

import platform
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from monitor.daemon.heap import release_freed_memory, use_one_heap

needs_glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have one heap")
_THREADS = """
import ctypes, sys, threading
from monitor.daemon.heap import use_one_heap

if sys.argv[1] == "one":
    use_one_heap()
together = threading.Barrier(4)


def allocate():
    blocks = [bytes(2000) for _ in range(100)]
    together.wait()


threads = [threading.Thread(target=allocate) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
ctypes.CDLL(None).malloc_stats()
"""


@needs_glibc
@pytest.mark.parametrize("which", ["one", "many"])
def test_threads_share_a_heap(which: str) -> None:
    """Four threads that allocate at once have one heap, and without the setting more."""
    done = subprocess.run([sys.executable, "-c", _THREADS, which], stderr=subprocess.PIPE, text=True, check=True)
    heaps = done.stderr.count("Arena ")
    assert heaps == 1 if which == "one" else heaps > 1


def test_the_setting_is_that_of_glibc(monkeypatch: pytest.MonkeyPatch) -> None:
    """M_ARENA_MAX is set to one heap; a C library without options is left as it is."""
    calls: list[tuple[int, int]] = []
    monkeypatch.setattr("monitor.daemon.heap.mallopt", lambda *option: calls.append(option))
    use_one_heap()
    monkeypatch.setattr("monitor.daemon.heap.mallopt", None)
    use_one_heap()
    assert calls == [(-8, 1)]


def resident() -> int:
    """Return how many bytes of this process are in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


@needs_glibc
def test_freed_memory_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """What lies below a block in use stays with the process until then; without glibc nothing is done."""
    blocks = [bytes(2000) for _ in range(20_000)]
    above = blocks[-1]
    held = resident()
    del blocks
    release_freed_memory()
    assert resident() < held - 20_000_000
    assert len(above) == 2000
    monkeypatch.setattr("monitor.daemon.heap.malloc_trim", None)
    release_freed_memory()
