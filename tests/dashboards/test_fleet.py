"""What a fleet does to the rules: restarts, removed and renamed targets, several monitors, odd and mixed intervals."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from tests.dashboards.scenarios import GROUPS, flat, path, save

RULES = Path(__file__).parents[2] / "dashboards" / "rules" / "chat-monitor.rules.yml"
QUESTION = 'count by (alertname, severity, target, instance, location, team) (ALERTS{alertstate="firing"})'
RESET = ' chat_stream_truncated_total{{{}, outcome="truncated", cause="reset"}}'

Expected = Mapping[str, Iterable[str]]
"""By time, as `2h5m`: the alerts that fire then, each as its labels."""

pytestmark = pytest.mark.timeout(180)


def assert_firing(promtool: str, place: Path, series: Mapping[str, str], expected: Expected, step: str = "1m") -> None:
    """Have promtool look at which alerts fire, all of them, at each of these times."""
    there = {"chat_monitor_build_info": flat(1, 2000), **series}
    scenario = {
        "rule_files": [str(RULES)],
        "evaluation_interval": "30s" if step.endswith("s") else "1m",
        "group_eval_order": GROUPS,
        "tests": [
            {
                "interval": step,
                "input_series": [{"series": name, "values": values} for name, values in there.items()],
                "promql_expr_test": [
                    {
                        "expr": QUESTION,
                        "eval_time": at,
                        "exp_samples": [{"labels": f"{{{labels}}}", "value": 1} for labels in alerts],
                    }
                    for at, alerts in expected.items()
                ],
            }
        ],
    }
    command = [promtool, "test", "rules", str(save(scenario, place / "scenario.yml"))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def alert(name: str, severity: str = "warning", **labels: str) -> str:
    """The labels of an alert, as promtool writes them."""
    return ", ".join(f'{key}="{value}"' for key, value in {"alertname": name, "severity": severity, **labels}.items())


def watched(labels: str, steps: int, *, accepted: str, cut: str, start: int = 0) -> dict[str, str]:
    """Return the series of a target that exists from a step on, for so many steps."""
    before = f"_x{start} " if start else ""
    return {
        f"chat_stream_paused{{{labels}}}": f"{before}{flat(0, steps - 1)} stale",
        f"chat_stream_interval_seconds{{{labels}}}": f"{before}{flat(60, steps - 1)} stale",
        f"chat_stream_last_probe_timestamp_seconds{{{labels}}}": f"{before}{start * 60}+60x{steps - 1} stale",
        f"chat_stream_accepted_total{{{labels}}}": f"{before}{accepted} stale",
        RESET.strip().format(labels): f"{before}{cut} stale",
    }


CUT = (alert("ChatStreamTruncations", target="t"), alert("ChatStreamWireCuts", target="t"))


def test_a_target_that_is_removed_takes_its_alerts_along(promtool: str, tmp_path: Path) -> None:
    """Alerts that use hours of data end at most five minutes after the target was removed."""
    series = watched('target="t"', 120, accepted="0+1x119", cut="0+0.2x119")
    assert_firing(promtool, tmp_path, series, {"1h59m": CUT, "2h2m": CUT, "2h6m": (), "4h": (), "5h": ()})


def test_everything_that_looks_back_forgets_a_target_that_is_gone(promtool: str, tmp_path: Path) -> None:
    """Gaps, buffers, limits, content, skips and late chunks as well as cuts."""
    steady = "0+1x119 stale"
    gone = 'target="t"'
    series = watched(gone, 120, accepted="0+1x119", cut="0x119") | {
        f"chat_stream_buffered_total{{{gone}}}": steady,
        f'chat_stream_failures_total{{{gone}, outcome="http_error", cause="rate_limited"}}': steady,
        f'chat_stream_probes_total{{{gone}, outcome="wrong_content"}}': steady,
        f'chat_stream_probes_skipped_total{{{gone}, reason="overlap"}}': steady,
        f'chat_stream_max_gap_seconds_bucket{{{gone}, le="5.0"}}': "0x119 stale",
        f'chat_stream_max_gap_seconds_bucket{{{gone}, le="10.0"}}': steady,
        f'chat_stream_max_gap_seconds_bucket{{{gone}, le="+Inf"}}': steady,
        f"chat_stream_max_gap_seconds_count{{{gone}}}": steady,
        f"chat_stream_time_to_first_chunk_seconds_count{{{gone}}}": steady,
        f"chat_stream_slo_first_chunk_threshold_seconds{{{gone}}}": "1x119 stale",
        f'chat_stream_slo_objective_ratio{{{gone}, slo="first_chunk"}}': "0.9x119 stale",
        f'chat_stream_slo_good_total{{{gone}, slo="first_chunk"}}': "0x119 stale",
        f'chat_stream_slo_probes_total{{{gone}, slo="first_chunk"}}': steady,
    }
    slow = 'target="s"'
    series |= {
        f"chat_stream_paused{{{slow}}}": f"{flat(0, 119)} stale",
        f"chat_stream_time_to_first_chunk_seconds_count{{{slow}}}": steady,
        f"chat_stream_slo_first_chunk_threshold_seconds{{{slow}}}": "1x119 stale",
        f'chat_stream_slo_objective_ratio{{{slow}, slo="first_chunk"}}': "0.9x119 stale",
        f'chat_stream_slo_good_total{{{slow}, slo="first_chunk"}}': "0+0.8x119 stale",
        f'chat_stream_slo_probes_total{{{slow}, slo="first_chunk"}}': steady,
    }
    names = ("RateLimited", "WrongContent", "ProbesSkipped", "LongGaps")
    expected = [alert(f"ChatStream{name}", target="t") for name in names]
    expected.append(alert("ChatStreamTimeToFirstChunkSlow", target="s"))
    expected.append(alert("ChatStreamBuffered", "info", target="t"))
    expected.append(alert("ChatStreamErrorBudgetBurn", "critical", target="t"))
    assert_firing(promtool, tmp_path, series, {"1h59m": expected, "2h6m": (), "3h": (), "8h": ()})


def test_a_renamed_target_begins_without_failures(promtool: str, tmp_path: Path) -> None:
    """The cuts of the old name do not count for the new one, and a changed label leaves no duplicate."""
    series = {
        **watched('target="t", team="a"', 120, accepted="0+1x119", cut="0+0.2x119"),
        **watched('target="t", team="b"', 120, accepted="0+1x119", cut="0x119", start=120),
        **watched('target="u"', 120, accepted="0+1x119", cut="0+0.2x119", start=120),
    }
    before = [f'{labels}, team="a"' for labels in CUT]
    renamed = [labels.replace('"t"', '"u"') for labels in CUT]
    assert_firing(
        promtool, tmp_path, series, {"1h59m": before, "2h6m": (), "2h15m": (), "2h30m": renamed, "3h": renamed}
    )


def test_a_monitor_that_restarts_every_hour_still_adds_up(promtool: str, tmp_path: Path) -> None:
    """Counters are reset each hour and a scrape is missed: a share neither flaps nor doubles."""
    hours = 6
    lives = " ".join(["0+1x58 _"] * hours)
    series = {
        'chat_stream_accepted_total{target="t"}': lives,
        'chat_stream_truncated_total{target="t", outcome="truncated", cause="reset"}': " ".join(["0+0.1x58 _"] * hours),
        'chat_stream_paused{target="t"}': " ".join(["0x58 stale"] * hours),
        # Six in a hundred, and three.
        'chat_stream_accepted_total{target="below"}': lives,
        'chat_stream_truncated_total{target="below", outcome="truncated", cause="reset"}': " ".join(
            ["0+0.04x58 _"] * hours
        ),
        'chat_stream_paused{target="below"}': " ".join(["0x58 stale"] * hours),
    }
    times = [f"{hour}h{minute}m" for hour in (1, 2, 3) for minute in (0, 1, 2, 5, 30, 58, 59)][1:]
    assert_firing(promtool, tmp_path, series, dict.fromkeys(times, CUT))


def test_a_target_of_fifteen_minutes_whose_monitor_restarts_every_hour(promtool: str, tmp_path: Path) -> None:
    """Four probes a process are enough for a share over six hours."""
    lives = 8
    series = {
        'chat_stream_accepted_total{target="t"}': " ".join(["0x4 1x14 2x14 3x14 4x8 _"] * lives),
        'chat_stream_truncated_total{target="t", outcome="truncated", cause="reset"}': " ".join(
            ["0x34 1x23 _", "0x58 _"] * (lives // 2)
        ),
        'chat_stream_paused{target="t"}': flat(0, lives * 60),
        'chat_stream_interval_seconds{target="t"}': flat(900, lives * 60),
        'chat_stream_last_probe_timestamp_seconds{target="t"}': " ".join(
            f"_x4 {life * 3600 + 300}x14 {life * 3600 + 1200}x14 {life * 3600 + 2100}x14 {life * 3600 + 3000}x9"
            for life in range(lives)
        ),
    }
    assert_firing(promtool, tmp_path, series, {"2h": (), "6h40m": CUT, "7h1m": CUT, "7h20m": CUT})


def test_a_share_does_not_change_its_window_with_every_probe(promtool: str, tmp_path: Path) -> None:
    """With a probe every three minutes an hour has 19 or 20 probes, and the share does not change with that."""
    rounds = 100

    def minutes(jumps: int) -> list[int]:
        """The minute of each probe's end: every third takes two minutes longer."""
        return [3 * number + (2 if number % 3 == 1 else 0) for number in range(jumps)]

    ends = minutes(rounds)
    cuts = {ends[number] for number in range(80, 84)}

    def counter(at: Iterable[int]) -> str:
        happened = set(at)
        count, values = 0, []
        for minute in range(3 * rounds):
            count += minute in happened
            values.append(str(count))
        return " ".join(values)

    series = {
        'chat_stream_accepted_total{target="t"}': counter(ends),
        'chat_stream_truncated_total{target="t", outcome="truncated", cause="reset"}': counter(cuts),
        'chat_stream_paused{target="t"}': flat(0, 3 * rounds),
    }
    times = [f"{minute}m" for minute in range(max(cuts) + 6, 294)]
    assert_firing(promtool, tmp_path, series, dict.fromkeys(times, CUT))


def test_the_rules_as_shipped_serve_five_seconds(promtool: str, tmp_path: Path) -> None:
    """720 probes an hour: a minute's outage breaks no share, and one in twelve does."""
    steps = 1440
    series = {
        'chat_stream_accepted_total{target="t"}': path((steps, 1)),
        'chat_stream_truncated_total{target="t", outcome="truncated", cause="reset"}': path((720, 0), (720, 1 / 12)),
        'chat_stream_paused{target="t"}': flat(0, steps),
        'chat_stream_accepted_total{target="blip"}': path((steps, 1)),
        'chat_stream_truncated_total{target="blip", outcome="truncated", cause="reset"}': path(
            (720, 0), (12, 1), (708, 0)
        ),
        'chat_stream_paused{target="blip"}': flat(0, steps),
    }
    assert_firing(promtool, tmp_path, series, {"1h": (), "1h30m": (), "1h50m": CUT}, step="5s")


def located(location: str, instance: str, target: str) -> str:
    """The labels of a target as a monitor in a location has them."""
    return f'location="{location}", instance="{instance}", target="{target}"'


def test_what_two_replicas_see_is_one_alert(promtool: str, tmp_path: Path) -> None:
    """The cuts of two monitors of one location are added, and there is one alert."""
    two = path((60, 0), (2, 1), (58, 0))
    series = {
        **watched(located("eu", "a", "t"), 120, accepted="0+1x119", cut=two),
        **watched(located("eu", "b", "t"), 120, accepted="0+1x119", cut=two),
        # of the two streams a minute one in ten is cut, all of them seen by one monitor
        **watched(located("eu", "a", "u"), 120, accepted="0+1x119", cut="0+0.2x119"),
        **watched(located("eu", "b", "u"), 120, accepted="0+1x119", cut="0x119"),
        # one in forty is not enough, and none by itself is either
        **watched(located("eu", "a", "v"), 120, accepted="0+1x119", cut="0+0.05x119"),
        **watched(located("eu", "b", "v"), 120, accepted="0+1x119", cut="0x119"),
        f"chat_stream_up{{{located('eu', 'a', 'u')}}}": flat(0, 120),
        f"chat_stream_up{{{located('eu', 'b', 'u')}}}": flat(1, 120),
        f"chat_stream_up{{{located('eu', 'a', 'w')}}}": flat(0, 120),
        f"chat_stream_up{{{located('eu', 'b', 'w')}}}": flat(0, 120),
    }
    expected = [
        alert("ChatStreamTargetDown", "critical", target="u", location="eu"),
        alert("ChatStreamTargetDown", "critical", target="w", location="eu"),
    ]
    assert_firing(promtool, tmp_path, series, {"1h10m": expected, "1h50m": expected})


def test_what_two_locations_see_is_kept_apart(promtool: str, tmp_path: Path) -> None:
    """Cuts of different locations are not added, and a share above the threshold names its location."""
    two = path((60, 0), (2, 1), (58, 0))
    series = {
        **watched(located("eu", "a", "t"), 120, accepted="0+1x119", cut=two),
        **watched(located("us", "b", "t"), 120, accepted="0+1x119", cut=two),
        **watched(located("eu", "a", "u"), 120, accepted="0+1x119", cut="0+0.2x119"),
        **watched(located("us", "b", "u"), 120, accepted="0+1x119", cut="0x119"),
    }
    expected = [f'{labels}, location="eu"'.replace('"t"', '"u"') for labels in CUT]
    assert_firing(promtool, tmp_path, series, {"1h10m": expected, "1h50m": expected})


def test_a_page_needs_two_locations_that_agree(promtool: str, tmp_path: Path) -> None:
    """Down from one of three is a ticket that names the place, after a wait; from two of them it is one page."""
    up = {
        "alone": ("1x9 0x50", "1x60", "1x60"),
        "agreed": ("1x9 0x50", "1x11 0x48", "1x60"),
        "blip": ("1x9 0x4 1x46", "1x60", "1x60"),
        "soon": ("1x9 0x50", "1x25 0x34", "1x60"),
    }
    series = {
        f"chat_stream_up{{{located(place, place, target)}}}": values
        for target, places in up.items()
        for place, values in zip(("ap", "eu", "us"), places, strict=True)
    }
    series[f"chat_stream_up{{{located('eu', 'eu', 'only')}}}"] = "1x9 0x50"
    # what watches it from elsewhere is being restarted: for ten minutes nothing pages for it
    series[f"chat_stream_up{{{located('eu', 'eu', 'restart')}}}"] = "1x9 0x50"
    series[f"chat_stream_up{{{located('us', 'us', 'restart')}}}"] = "1x30 stale _x4 1x24"

    def ticket(target: str, place: str) -> str:
        return alert("ChatStreamOneLocation", target=target, location=place)

    def page(target: str, **more: str) -> str:
        return alert("ChatStreamTargetDown", "critical", target=target, **more)

    only, agreed, soon = page("only", location="eu"), page("agreed"), page("soon")
    alone = [ticket("alone", "ap"), ticket("restart", "eu")]
    expected = {
        "10m": (),
        "12m": [only],
        "14m": [only, agreed],
        "24m": [only, agreed, ticket("soon", "ap"), *alone],
        "33m": [only, agreed, soon, *alone],
        "55m": [only, agreed, soon, *alone],
    }
    assert_firing(promtool, tmp_path, series, expected)


@pytest.mark.parametrize("condition", ["cut", "burn", "certificate"])
def test_every_page_needs_two_locations(promtool: str, tmp_path: Path, condition: str) -> None:
    """Three cuts in a row, a fast burn and a certificate that expires, seen from one of two places and from both."""
    conditions = {
        "cut": ("chat_stream_consecutive_truncations", "", "0x9 3x100", "0x109", "ChatStreamTruncations"),
        "burn": ("chat_stream_slo_good_total", ', slo="availability"', "0x109", "0+1x108", "ChatStreamErrorBudgetBurn"),
        "certificate": (
            "chat_stream_certificate_expiry_timestamp_seconds", "", "86400x109", "8640000x109",
            "ChatStreamCertificateExpiry",
        ),
    }  # fmt: skip
    metric, more, bad, good, name = conditions[condition]
    series = {}
    for target, places in {"one": (bad, good), "both": (bad, bad)}.items():
        for place, values in zip(("eu", "us"), places, strict=True):
            labels = located(place, place, target)
            series[f"{metric}{{{labels}{more}}}"] = values
            if condition == "burn":
                series[f"chat_stream_slo_probes_total{{{labels}{more}}}"] = "0+1x108"
                series[f"chat_stream_slo_objective_ratio{{{labels}{more}}}"] = flat(0.99, 109)
    page = alert(name, "critical", target="both")
    ticket = [alert("ChatStreamOneLocation", target="one", location="eu")] if condition != "certificate" else []
    warned = [
        alert(name, target=target, location=place)
        for target, place in (("one", "eu"), ("both", "eu"), ("both", "us"))
        # a slow burn is not notified if a page on the same is
        if condition == "certificate" or (condition == "burn" and target == "one")
    ]
    assert_firing(promtool, tmp_path, series, {"50m": [page, *ticket, *warned]})


def test_what_an_isolated_monitor_says_of_targets_is_not_heard(promtool: str, tmp_path: Path) -> None:
    """State and failures of an isolated monitor do not count, then and for a while after; those of its replica do."""
    cut_off, other = located("eu", "a", "t"), located("eu", "b", "t")
    series = {
        'chat_monitor_isolated{location="eu", instance="a"}': "0x60 1x59",
        'chat_monitor_isolated{location="eu", instance="b"}': "0x119",
        f"chat_stream_up{{{cut_off}}}": "1x60 0x58",
        f"chat_stream_up{{{other}}}": "1x119",
        f"chat_stream_up{{{located('eu', 'b', 'u')}}}": "1x60 0x58",
    }
    for labels, good in ((cut_off, "0+1x60 60x58"), (other, "0+1x119")):
        series[f'chat_stream_slo_probes_total{{{labels}, slo="availability"}}'] = "0+1x119"
        series[f'chat_stream_slo_good_total{{{labels}, slo="availability"}}'] = good
        series[f'chat_stream_slo_objective_ratio{{{labels}, slo="availability"}}'] = flat(0.99, 119)
    isolated = alert("ChatMonitorIsolated", "critical", instance="a", location="eu")
    down = alert("ChatStreamTargetDown", "critical", target="u", location="eu")
    assert_firing(promtool, tmp_path, series, {"59m": (), "70m": [isolated, down], "115m": [isolated, down]})


def test_a_page_ends_when_maintenance_begins_and_comes_back_if_it_is_still_so(promtool: str, tmp_path: Path) -> None:
    """During maintenance no page is sent for the last probe before it."""
    labels = 'target="t"'
    skipped = f'chat_stream_probes_skipped_total{{{labels}, reason="maintenance"}}'
    series = {
        f"chat_stream_up{{{labels}}}": "1x9 0x150",
        f"chat_stream_consecutive_truncations{{{labels}}}": "0x9 3x150",
        f"chat_stream_paused{{{labels}}}": flat(0, 160),
        f"chat_stream_interval_seconds{{{labels}}}": flat(60, 160),
        f"chat_stream_last_probe_timestamp_seconds{{{labels}}}": "0+60x20 1200x59 4860+60x79",
        skipped: path((20, 0), (60, 1), (79, 0)),
    }
    paged = [alert("ChatStreamTruncations", "critical", target="t")]
    expected = {"15m": paged, "20m": paged, "23m": (), "60m": (), "79m": (), "82m": paged, "110m": paged}
    assert_firing(promtool, tmp_path, series, expected)


def test_a_probe_that_takes_long_is_no_target_that_is_not_probed(promtool: str, tmp_path: Path) -> None:
    """With probes of a quarter of an hour and an interval of a minute, only the skips are reported."""
    labels = 'target="t"'
    series = {
        f"chat_stream_interval_seconds{{{labels}}}": flat(60, 200),
        f"chat_stream_paused{{{labels}}}": flat(0, 200),
        f"chat_stream_last_probe_timestamp_seconds{{{labels}}}": " ".join(f"{900 * n}x14" for n in range(8))
        + " 7200x80",
        f'chat_stream_probes_skipped_total{{{labels}, reason="overlap"}}': path((120, 1), (80, 0)),
        f'chat_stream_probes_total{{{labels}, outcome="ok"}}': " ".join(f"{n}x14" for n in range(8)) + " 8x80",
    }
    skipped = alert("ChatStreamProbesSkipped", target="t")
    stale = alert("ChatStreamProbesStale", target="t")
    assert_firing(
        promtool, tmp_path, series, {"74m": [skipped], "105m": [skipped], "119m": [skipped], "145m": [skipped, stale]}
    )
