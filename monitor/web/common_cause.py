"""One sentence about several targets that fail together, if they have something in common."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import chain

from monitor.judge.verdict import Outcome
from monitor.record.observation import host_of
from monitor.web.formatting import clock, count, parsed
from monitor.web.target_view import TargetView

_MANY = 5
"""The fewest targets, on at least two hosts, that must fail before their heads to suspect the monitor's network."""
_TOGETHER = 10.0
"""Failures that began within this many seconds began together."""
_SOME = 3
_BEFORE_HEAD = frozenset({Outcome.UNREACHABLE, Outcome.NO_RESPONSE})
_DEADLINES = frozenset({"connect", "headers"})


def common_cause(views: Sequence[TargetView]) -> str:
    """Return what the failing targets have in common, as a sentence; empty if nothing."""
    watched = [view for view in views if not view.target.paused and view.memory.last is not None]
    failing = [view for view in watched if view.failing]
    if len(failing) < 2:  # noqa: PLR2004 - one target has a page of its own
        return ""
    return next(chain.from_iterable(explain(failing, watched) for explain in _CAUSES), "")


def _isolated(failing: Sequence[TargetView], watched: Sequence[TargetView]) -> Iterator[str]:
    hosts = {host_of(view.target.url) for view in failing}
    if len(failing) == len(watched) >= _MANY and len(hosts) > 1 and all(map(_before_head, failing)):
        yield f"None of the {count(len(watched), 'target')} answers: most likely it is the monitor's own network."


def _with_one_upstream(failing: Sequence[TargetView], watched: Sequence[TargetView]) -> Iterator[str]:  # noqa: ARG001 - as the others
    upstreams = Counter(view.target.upstream for view in failing if view.target.upstream)
    for upstream, number in upstreams.most_common(1):
        itself = any(view.target.name == upstream for view in failing)
        if number + itself == len(failing) and number + itself > 1:
            also = ", which fails as well" if itself else ""
            yield f"All failing targets have the upstream {upstream}{also}."


def _on_one_host(failing: Sequence[TargetView], watched: Sequence[TargetView]) -> Iterator[str]:
    on = Counter(host_of(view.target.url) for view in watched)
    for host, number in Counter(host_of(view.target.url) for view in failing).most_common(1):
        others = len(watched) - number
        if number == on[host] > 1:
            rest = f"; {len(failing) - number} of the other {count(others, 'target')} fails" if others else ""
            yield f"All {count(number, 'target')} on {host} fail{rest.replace(' 0 of', ' none of')}."


def _began_together(failing: Sequence[TargetView], watched: Sequence[TargetView]) -> Iterator[str]:  # noqa: ARG001 - as the others
    moments = sorted(at for view in failing if (at := parsed(view.memory.failing_since or "")) is not None)
    if len(moments) >= _SOME and (apart := (moments[-1] - moments[0]).total_seconds()) <= _TOGETHER:
        yield f"{count(len(moments), 'target')} began to fail within {max(apart, 1):.0f} s, at {clock(moments[0])}."


def _for_one_reason(failing: Sequence[TargetView], watched: Sequence[TargetView]) -> Iterator[str]:  # noqa: ARG001 - as the others
    reasons = Counter(view.memory.last.brief.verdict for view in failing if view.memory.last is not None)
    for verdict, number in reasons.most_common(1):
        if number >= _SOME and number * 3 >= len(failing) * 2:
            yield f"{number} of the {count(len(failing), 'failing target')} ended with {verdict}."


_CAUSES: tuple[Callable[[Sequence[TargetView], Sequence[TargetView]], Iterator[str]], ...] = (
    _isolated, _with_one_upstream, _on_one_host, _began_together, _for_one_reason,
)  # fmt: skip
"""The most specific first."""


def _before_head(view: TargetView) -> bool:
    last = view.memory.last
    assert last is not None, "failing targets have a probe"
    deadline = last.brief.outcome == Outcome.TIMEOUT and last.brief.cause in _DEADLINES
    return last.brief.outcome in _BEFORE_HEAD or deadline
