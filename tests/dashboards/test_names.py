"""How metrics are found in expressions: the tests of rules and boards are only as good as this."""

import pytest

from tests.dashboards.names import metrics_in


@pytest.mark.parametrize(
    ("expr", "found"),
    [
        ("chat_stream_up == 0 unless chat_stream_paused == 1", {"chat_stream_up", "chat_stream_paused"}),
        ('sum without (slo) (increase(a_total{slo="x > y_total"}[1h]))', {"a_total"}),
        ("topk by (target) (1, sum by (target, cause) (a) > 0)", {"a"}),
        ("target:a:ratio / on (job) group_left (b) c offset 1h", {"target:a:ratio", "c"}),
        ("time() - max by (target) (a_seconds) > 1e3", {"a_seconds"}),
        ("absent(misspelt_info)", {"misspelt_info"}),
        ("vector(0.05)", set()),
    ],
)
def test_the_metrics_of_an_expression_are_found_and_nothing_else(expr: str, found: set[str]) -> None:
    """Labels, functions, keywords, numbers and strings are not metrics."""
    assert metrics_in(expr) == found
