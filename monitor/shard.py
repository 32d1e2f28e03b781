"""Which of n monitors probe which target: rendezvous hashing, so that another monitor only takes its own share."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Shard:
    """One of `count` monitors that share the targets; `index` is from 0."""

    index: int = 0
    count: int = 1

    def rank(self, name: str, replicas: int = 1) -> int | None:
        """Return this monitor's number, from 0, among those that probe the target `name`; None if it does not."""
        found = rank(name, self.index, self.count)
        return found if found < replicas else None


WHOLE = Shard()


def rank(name: str, index: int, count: int) -> int:
    """Return how many of `count` monitors come before monitor `index` (from 0) for the target `name`.

    A target with n replicas is probed by the monitors of the ranks below n.
    """
    if count == 1:
        return 0
    own = _weight(name, index)
    return sum(_weight(name, number) > own for number in range(count) if number != index)


def _weight(name: str, number: int) -> bytes:
    return hashlib.sha256(f"{number}/{name}".encode()).digest()


_SHARD = re.compile(r"(\d{1,4}|auto)/(\d{1,4})", re.ASCII)
_ORDINAL = re.compile(r"-(\d{1,4})$", re.ASCII)


def parse(text: str, pod_name: str) -> Shard:
    """Return the shard that `I/N` names, with I from 1 to N; for `auto/N`, I is the pod's ordinal plus 1.

    `pod_name` is the name of a StatefulSet's pod, which ends with its ordinal from 0. ValueError says what is wrong.
    """
    found = _SHARD.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is not I/N with I from 1 to N, nor auto/N")
    count = int(found[2])
    if found[1] == "auto":
        ordinal = _ORDINAL.search(pod_name)
        if ordinal is None:
            raise ValueError(f"auto needs POD_NAME to end with the pod's ordinal, as in chat-monitor-0: {pod_name!r}")
        if int(ordinal[1]) >= count:
            raise ValueError(f"POD_NAME {pod_name!r} is ordinal {int(ordinal[1])}, and there are {count} shards")
        return Shard(int(ordinal[1]), count)
    if not 1 <= int(found[1]) <= count:
        raise ValueError(f"{text!r} is not I/N with I from 1 to N, nor auto/N")
    return Shard(int(found[1]) - 1, count)
