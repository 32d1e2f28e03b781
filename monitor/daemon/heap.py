"""The C library's heap: all threads use one, and what is freed goes back to the system."""

from __future__ import annotations

import ctypes
from collections.abc import Callable

_LIBRARY = ctypes.CDLL(None)
mallopt: Callable[[int, int], int] | None = getattr(_LIBRARY, "mallopt", None)
malloc_trim: Callable[[int], int] | None = getattr(_LIBRARY, "malloc_trim", None)

_ARENA_MAX = -8
"""M_ARENA_MAX of glibc's malloc.h."""


def use_one_heap() -> None:
    """Let all threads use one heap. glibc gives each a heap of its own, whose free memory serves no other thread.

    Call it before a thread starts. The interpreter's lock keeps the threads from allocating at once.
    """
    if mallopt is not None:
        mallopt(_ARENA_MAX, 1)


def release_freed_memory() -> None:
    """Give memory that was freed back to the system, as glibc can: it keeps what lies below a block in use.

    It takes some milliseconds, without Python's lock: call it in a thread.
    """
    if malloc_trim is not None:
        malloc_trim(0)
