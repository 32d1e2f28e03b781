"""Failures of every outcome and cause, for tests that say in a table which of them a rule of the diagnosis takes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from monitor.diagnosis.facts import GOOD, Pair, ProbeFacts
from monitor.judge.explanations import MEANINGS
from monitor.judge.verdict import OUR_OWN, Outcome

PAIRS: tuple[Pair, ...] = tuple((Outcome(outcome), cause) for outcome, cause in MEANINGS)
FAILURES: tuple[Pair, ...] = tuple(pair for pair in PAIRS if pair[0] not in GOOD | OUR_OWN)
"""What a probe comes to if it fails, and not by what we did ourselves."""


def words(pairs: Iterable[Pair]) -> set[str]:
    """Return outcomes and causes as the docs write them."""
    return {"/".join(filter(None, pair)) for pair in pairs}


def written(text: str) -> set[str]:
    """Return the pairs of a table: an outcome, a colon and its causes, one outcome a line."""
    rows = (line.partition(":") for line in text.strip().splitlines())
    return {f"{outcome.strip()}/{cause}" for outcome, _, causes in rows for cause in causes.split()}


def probed(pair: Pair = (Outcome.OK, None), *, end: float = 60.0, age: float = 1.0, **more: Any) -> ProbeFacts:  # noqa: ANN401 - fields of ProbeFacts
    """Return what is kept of a probe that came to this, `age` seconds after its request."""
    return ProbeFacts(f"at {end}", end - age, end, pair, age=age, **more)


CUT_PAIRS = written("""
    truncated: incomplete_body reset no_terminator mid_event incomplete_answer
    no_response: closed reset partial_head
""")
"""The peer ended the stream before its end."""
STOPPED = CUT_PAIRS | written("truncated: server_abort\nstream_error: other")
"""What a stream comes to whose server is stopped; some servers report that before they close."""
ERRORS = written("""
    http_error: overloaded server rate_limited rejected
    stream_error: overloaded upstream other rate_limited
""")
"""Errors whose words describe the server or its upstream."""
