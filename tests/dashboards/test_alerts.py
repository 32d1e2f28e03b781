"""Each alert in promtool: it fires, not just below, resolves, and is not fooled; and the same in every fitted file."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
import yaml

from monitor.cli.assets import fitted
from tests.dashboards.scenarios import BY_HAND, Firing, Scenario, concerned, flat, late, path, save, written

RULES = Path(__file__).parents[2] / "dashboards" / "rules" / "chat-monitor.rules.yml"
OVER = "over 1h, or over 6h if 1h has fewer than 20"
LONG = 420

pytestmark = pytest.mark.timeout(180)


# ---- alerts on a share: each has the same eight targets


def shares(
    alert: str,
    *,
    bad: str,
    total: str,
    least: int,
    wait: int,
    firing: Mapping[str, str],
    kind: str = "",
    severity: str = "warning",
    also: Mapping[str, str] | None = None,
    added: bool = False,
    note: str = "",
    threshold: str = "",
) -> Scenario:
    """An alert that fires from `least` bad ones in sixty on, after `wait` minutes; TARGET stands for a target's name.

    `added`: bad ones come on top of the total, which then grows by them. `note` stands for NOTE in what the alert says
    of the target `new`, and nothing does in what it says of others. `threshold`: the kind of threshold that it compares
    with, if it is one of the target's own.
    """

    def bad_of(target: str) -> str:
        return bad.replace("TARGET", target)

    def total_of(target: str) -> str:
        return total.replace("TARGET", target)

    limit = least - 1
    series = {
        total_of("fires"): path((LONG, 1)),
        bad_of("fires"): path((60, 0), (least, 1), (LONG - 60 - least, 0)),
        total_of("below"): path((LONG, 1)),
        bad_of("below"): path((60, 0), (limit, 1), (LONG - 60 - limit, 0)),
        # Within the window is a restart: what was counted before it must not count twice.
        total_of("reset"): path((89, 2)) + " " + path((LONG - 90, 2)),
        bad_of("reset"): path((60, 0), (limit, 1), (29 - limit, 0)) + " " + path((LONG - 90, 0))
        if limit < 29
        else path((LONG, 0)),
        total_of("few"): path((LONG, 1 / 30)),
        bad_of("few"): path((LONG, 1 / 60)),
        **({} if bad.partition("{")[0] == total.partition("{")[0] else {bad_of("missing"): path((LONG, 1))}),
        total_of("none at all"): path((LONG, 0)),
        bad_of("none at all"): path((LONG, 0)),
        total_of("paused"): path((LONG, 1)),
        bad_of("paused"): path((LONG, 1)),
        'chat_stream_paused{target="paused"}': flat(1, LONG),
        total_of("silent"): path((LONG, 1)),
        bad_of("silent"): path((LONG, 1)),
        'chat_stream_alerts_info{target="silent", alerts="none"}': flat(1, LONG),
        # What is notified by another alert is not notified a second time, and 1h after its end it may be.
        total_of("notified"): path((LONG, 1)),
        bad_of("notified"): path((LONG, 1)),
        'ALERTS{target="notified", alertname="ChatStreamTargetDown", alertstate="firing", severity="critical"}': flat(
            1, LONG
        ),
        **_with_threshold(threshold, total_of, bad_of),
        total_of("new"): late(200, path((LONG - 200, 1))),
        bad_of("new"): late(200, path((60, 1), (LONG - 260, 0))),
    }
    percent = f"{100 * least / (60 + least * added):.4g}%"
    labels = {"kind": kind} if kind else {}
    alert_ = Firing(
        {"target": "fires", **labels},
        firing["summary"].replace("TARGET", "fires"),
        firing["description"].replace("TARGET", "fires").replace("SHARE", percent).replace("NOTE", ""),
        severity,
    )
    whole = "50%" if added else "100%"
    new = Firing(
        {"target": "new", **labels},
        firing["summary"].replace("TARGET", "new"),
        firing["description"].replace("TARGET", "new").replace("SHARE", whole).replace("NOTE", note),
        severity,
    )
    enough = 200 + (10 if added else 20)
    checks: dict[int, tuple[Firing, ...]] = {
        60 + least + wait - 1: (),
        60 + least + wait: (alert_,),
        125 + least: (),
        enough + wait - 1: (),
        enough + wait + 1: (new,),
        LONG - 5: (),
    }
    return Scenario(alert, "fires below resolves reset few missing new paused", {**series, **(also or {})}, checks)


def _with_threshold(kind: str, total_of: Callable[[str], str], bad_of: Callable[[str], str]) -> dict[str, str]:
    """A target with half of its probes bad, of which it tolerates more."""
    if not kind:
        return {}
    return {
        total_of("tolerant"): path((LONG, 1)),
        bad_of("tolerant"): path((LONG, 0.5)),
        f'chat_stream_threshold{{target="tolerant", kind="{kind}"}}': flat(0.6, LONG),
    }


def kinds() -> Iterator[Scenario]:
    """Yield the scenarios of the four alerts on kinds of cuts, each with a cause of its own and one of another."""
    causes = {
        "wire": ("truncated", "reset"),
        "end": ("truncated", "mid_event"),
        "error": ("stream_error", "upstream"),
        "stall": ("timeout", "total"),
    }
    alerts_ = {
        "wire": (
            "ChatStreamWireCuts",
            "The connections of TARGET break in mid-stream",
            "ended with their connection, inside the body",
            "Likely causes are the server and proxies that were reloaded.",
        ),
        "end": (
            "ChatStreamMissingEnd",
            "Streams of TARGET end cleanly, without their end",
            "ended cleanly on the wire, but without the protocol's end",
            "Look at the gateway and at the application.",
        ),
        "error": (
            "ChatStreamErrorsInStream",
            "TARGET reports errors inside its streams",
            "broke off with an error that the server itself reports in the stream",
            "Its message is in the event's `server_error`.",
        ),
        "stall": (
            "ChatStreamStalls",
            "Streams of TARGET stall",
            "stalled: output stopped or never began, and a time-out of the probe ended them",
            "Look at the model server and its queue.",
        ),
    }
    for kind, (alert, summary, what, whom) in alerts_.items():
        outcome, cause = causes[kind]
        others = {
            f'chat_stream_truncated_total{{target="others", outcome="{o}", cause="{c}"}}': path((LONG, 0.1))
            for other, (o, c) in causes.items()
            if other != kind
        }
        yield shares(
            alert,
            bad=f'chat_stream_truncated_total{{target="TARGET", outcome="{outcome}", cause="{cause}"}}',
            total='chat_stream_accepted_total{target="TARGET"}',
            least=4,
            wait=5,
            kind=kind,
            threshold="truncation",
            also={'chat_stream_accepted_total{target="others"}': path((LONG, 1)), **others},
            firing={
                "summary": summary,
                "description": f"SHARE of the streams that TARGET accepted {what} (more than 5% {OVER}). {whom}",
            },
        )


def other_shares() -> Iterator[Scenario]:
    """The other alerts on shares."""
    yield shares(
        "ChatStreamBuffered",
        bad='chat_stream_buffered_total{target="TARGET"}',
        total='chat_stream_accepted_total{target="TARGET"}',
        least=31,
        wait=15,
        severity="info",
        firing={
            "summary": "A proxy buffers the streams of TARGET",
            "description": f"SHARE of the streams of TARGET arrived whole in one or two pieces (more than half {OVER}):"
            " a proxy buffers, and users see no stream.",
        },
    )
    yield shares(
        "ChatStreamRateLimited",
        bad='chat_stream_failures_total{target="TARGET", outcome="http_error", cause="rate_limited"}',
        total='chat_stream_probes_total{target="TARGET", outcome="http_error"}',
        least=7,
        wait=5,
        threshold="rate_limited",
        firing={
            "summary": "TARGET limits the monitor's requests",
            "description": "SHARE of the probes of TARGET were refused for their rate or for a spent quota (more than "
            f"10% {OVER}).",
        },
    )
    yield shares(
        "ChatStreamWrongContent",
        bad='chat_stream_probes_total{target="TARGET", outcome="wrong_content"}',
        total='chat_stream_probes_total{target="TARGET", outcome="ok"}',
        least=7,
        wait=5,
        added=True,
        threshold="wrong_content",
        firing={
            "summary": "TARGET gives whole but wrong answers",
            "description": "SHARE of the probes of TARGET got an answer that was whole and failed the content check "
            f"(more than 10% {OVER}).NOTE",
        },
        also={'chat_stream_suspect{target="new", suspect="silent_end"}': flat(1, LONG)},
        note=" Answers are incomplete but end as complete: a gateway may have added the end (silent_end).",
    )
    yield shares(
        "ChatStreamProbesSkipped",
        bad='chat_stream_probes_skipped_total{target="TARGET", reason="overlap"}',
        total='chat_stream_probes_total{target="TARGET", outcome="ok"}',
        least=7,
        wait=10,
        added=True,
        also={
            'chat_stream_probes_total{target="at rest", outcome="ok"}': path((LONG, 1)),
            'chat_stream_probes_skipped_total{target="at rest", reason="maintenance"}': path((LONG, 1)),
            'chat_stream_probes_skipped_total{target="at rest", reason="paused"}': path((LONG, 1)),
        },
        firing={
            "summary": "Probes of TARGET are skipped",
            "description": f"SHARE of the scheduled probes of TARGET were not made (more than 10% {OVER}), mostly for "
            "overlap.",
        },
    )


# ---- other alerts on targets


def at_one_age() -> Scenario:
    """Three cuts a minute after the request, and all that only looks like them."""

    def cuts(target: str, *ages: tuple[str, int], cause: str = "reset", outcome: str = "truncated") -> dict[str, str]:
        """Cuts from minute 60 on, so many of each age; an age is the bucket that ends above it."""
        total = sum(count for _, count in ages)
        bounds = ["5.0", "14.5", "16.5", "29.5", "31.5", "59.5", "61.5", "+Inf"]
        rows = {
            f'chat_stream_cut_after_seconds_bucket{{target="{target}", le="{bound}"}}': path(
                (60, 0), (1, sum(n for age, n in ages if bounds.index(age) <= bounds.index(bound))), (LONG - 61, 0)
            )
            for bound in bounds
        }
        label = f'target="{target}", outcome="{outcome}", cause="{cause}"'
        rows[f"chat_stream_truncated_total{{{label}}}"] = path((60, 0), (1, total), (LONG - 61, 0))
        return rows

    summary = "Streams of {} are all cut at one age"
    guess = "That is the time-out of a proxy or a load balancer, most likely."
    fires = Firing(
        {"target": "fires"},
        summary.format("fires"),
        f"The cuts of fires come at one age: 3 of them within 6h after 60 seconds. {guess}",
    )
    suspected = Firing(
        {"target": "suspected"}, summary.format("suspected"), f"The cuts of suspected come at one age. {guess}"
    )
    series = {
        **cuts("fires", ("61.5", 3)),
        **cuts("below", ("61.5", 4), ("29.5", 1)),
        **cuts("few", ("61.5", 2)),
        **cuts("our own deadline", ("61.5", 5), outcome="timeout", cause="first_chunk"),
        **cuts("between the usual", ("59.5", 5)),
        **cuts("paused", ("61.5", 5)),
        'chat_stream_paused{target="paused"}': flat(1, LONG),
        'chat_stream_truncated_total{target="missing", outcome="truncated", cause="reset"}': path((LONG, 1)),
        'chat_stream_suspect{target="suspected", suspect="proxy_timeout"}': "0x79 1x20 0x300",
        'chat_stream_suspect{target="another suspect", suspect="restart"}': flat(1, LONG),
        'chat_stream_cut_after_seconds_bucket{target="reset", le="59.5"}': flat(0, LONG),
        'chat_stream_cut_after_seconds_bucket{target="reset", le="61.5"}': "0x59 2x9 0x300",
        'chat_stream_truncated_total{target="reset", outcome="truncated", cause="reset"}': "0x59 2x9 0x300",
    }
    checks = {64: (), 66: (fires,), 84: (fires,), 85: (fires, suspected), 101: (fires,), 122: (), 400: ()}
    return Scenario("ChatStreamCutsAtOneAge", "fires below resolves few missing paused reset", series, checks)


def regression() -> Scenario:
    """Twice as long as yesterday; a day is a day, whatever the windows."""
    long, day = 1700, 1500

    def chunks(target: str, before: float, after: float, *, start: int = 0, rate: float = 1) -> dict[str, str]:
        """First chunks of one duration, in the bucket up to 1.28, and for seventy minutes of another, above it."""
        stem = "chat_stream_time_to_first_chunk_seconds"

        def bucket(bound: str) -> str:
            return f'{stem}_bucket{{target="{target}", le="{bound}"}}'

        early, tail = day - start, long - day
        rows = {
            f'{stem}_count{{target="{target}"}}': path((long - start, rate)),
            f'{stem}_sum{{target="{target}"}}': path(
                (early, before * rate), (70, after * rate), (tail - 70, before * rate)
            ),
            bucket("0.64"): flat(0, long - start),
            bucket("1.28"): path((early, rate), (70, 0), (tail - 70, rate)),
            bucket("2.56"): path((long - start, rate)),
            bucket("+Inf"): path((long - start, rate)),
            f'chat_stream_slo_first_chunk_threshold_seconds{{target="{target}"}}': flat(2, long - start),
        }
        return {series: late(start, values) if start else values for series, values in rows.items()}

    def bucket_of(target: str) -> str:
        return f'chat_stream_time_to_first_chunk_seconds_bucket{{target="{target}", le="1.28"}}'

    fires = Firing(
        {"target": "fires"},
        "The first chunk of fires takes longer than yesterday",
        f"The first chunk of fires takes 2s on average, and took 1s at this time yesterday ({OVER}).",
        "info",
    )
    series = {
        **chunks("fires", 1.0, 2.0),
        **chunks("below", 1.0, 1.49),
        **chunks("quick", 0.05, 0.14),
        **chunks("new", 1.0, 2.0, start=400),
        **chunks("few", 1.0, 2.0, rate=1 / 30),
        **chunks("paused", 1.0, 2.0),
        # A few that took very long move the mean and not the median.
        **{
            name.replace("quick", "outliers"): path((day, 1), (70, 2), (long - day - 70, 1))
            if "_sum" in name
            else rises
            for name, rises in {**chunks("quick", 1.0, 1.0), bucket_of("quick"): path((long, 1))}.items()
        },
        'chat_stream_paused{target="paused"}': flat(1, long),
        'chat_stream_time_to_first_chunk_seconds_count{target="missing"}': path((long, 1)),
    }
    return Scenario(
        "ChatStreamTimeToFirstChunkRegression",
        "fires below resolves few missing new paused",
        series,
        {1400: (), 1525: (), 1562: (fires,), 1640: ()},
        fits=False,
    )


def gaps() -> Scenario:
    """Seven streams of sixty that pause for six seconds, and six."""

    def pauses(target: str, long: int, rate: float = 1.0, start: int = 0) -> dict[str, str]:
        def bucket(bound: str) -> str:
            return f'chat_stream_max_gap_seconds_bucket{{target="{target}", le="{bound}"}}'

        quiet = (long and LONG - 60 - long - start) or 0
        short = path((60, rate), (long, 0), (quiet, rate)) if long else path((LONG - start, 0))
        rows = {
            bucket("2.5"): short,
            bucket("5.0"): short,
            bucket("10.0"): path((LONG - start, rate)),
            bucket("+Inf"): path((LONG - start, rate)),
            f'chat_stream_max_gap_seconds_count{{target="{target}"}}': path((LONG - start, rate)),
        }
        return {series: late(start, values) if start else values for series, values in rows.items()}

    def firing(target: str, percentile: str) -> Firing:
        return Firing(
            {"target": target},
            f"Streams of {target} pause for long",
            f"One in ten streams of {target} pauses for more than 5 seconds between two chunks: the 90th percentile of "
            f"the longest pause is {percentile} ({OVER}).",
        )

    series = {
        **pauses("fires", 7),
        **pauses("below", 6),
        **pauses("few", 0, rate=1 / 30),
        **pauses("new", 0, start=200),
        **pauses("paused", 0),
        'chat_stream_paused{target="paused"}': flat(1, LONG),
        **pauses("tolerant", 0),
        'chat_stream_threshold{target="tolerant", kind="gap"}': flat(10, LONG),
        'chat_stream_max_gap_seconds_count{target="missing"}': path((LONG, 1)),
    }
    restarted = {
        series_name.replace("below", "reset"): path((89, 2)) + " " + path((LONG - 90, 2))
        for series_name in pauses("below", 6)
    }
    # The new target pauses in every stream, so that its percentile lies where nine tenths of that bucket are.
    checks = {71: (), 72: (firing("fires", "5.714s"),), 135: (), 222: (), 228: (firing("new", "9.5s"),)}
    return Scenario(
        "ChatStreamLongGaps", "fires below resolves few missing new paused reset", {**series, **restarted}, checks
    )


def objectives(
    target: str, good: str, probes: str, slo: str = "availability", objective: float = 0.99
) -> dict[str, str]:
    """The series of one objective."""
    labels = f'{{target="{target}", slo="{slo}"}}'
    return {
        f"chat_stream_slo_good_total{labels}": good,
        f"chat_stream_slo_probes_total{labels}": probes,
        f"chat_stream_slo_objective_ratio{labels}": flat(objective, 2000),
    }


def fast_burn() -> Iterator[Scenario]:
    """More than 14.4 times the budget in an hour, or 6 times in six, and still so."""

    def firing(target: str, share: str, slo: str = "availability", allows: str = "1%") -> Firing:
        return Firing(
            {"target": target, "slo": slo},
            f"{target} spends its error budget for {slo} fast",
            f"{share} of the probes of {target} were bad by the objective {slo}, which allows {allows}. Spent at more "
            "than 14.4 times that rate over 1h, or 6 times over 6h, and still so.",
            "critical",
        )

    long = 700
    quick = {
        **objectives("fires", path((400, 1), (9, 0), (long - 409, 1)), path((long, 1))),
        **objectives("below", path((400, 1), (8, 0), (long - 408, 1)), path((long, 1))),
        **objectives("one cut", path((400, 1), (1, 0), (long - 401, 1)), path((long, 1))),
        **objectives("few", path((long, 0)), path((long, 1 / 30))),
        **objectives("strict", path((400, 1), (2, 0), (long - 402, 1)), path((long, 1)), objective=0.9999),
        **objectives(
            "reset", path((389, 1)) + " " + path((long - 390, 1)), path((389, 1)) + " " + path((long - 390, 1))
        ),
        **objectives("paused", path((long, 0)), path((long, 1))),
        'chat_stream_paused{target="paused"}': flat(1, long),
        'chat_stream_slo_probes_total{target="missing", slo="availability"}': path((long, 1)),
    }
    yield Scenario(
        "ChatStreamErrorBudgetBurn",
        "fires below resolves few missing reset paused",
        quick,
        {408: (), 409: (firing("fires", "15%"),), 414: (), 500: ()},
        severity="critical",
    )
    six, new = [(9, 1.0), (1, 0.0)], 550
    steady = {
        **objectives("steady", path((300, 1), *(six * 40)), path((long, 1)), "first_chunk", 0.99),
        **objectives("slow", path((300, 1 / 16), (long - 300, 0)), path((long, 1 / 16)), objective=0.95),
        **objectives("new", late(new, path((long - new, 0))), late(new, path((long - new, 1)))),
    }
    # One in ten is bad from minute 300 on: 6% of six hours at minute 520. The slow one asks every 16 minutes.
    slow = firing("slow", "33.33%", allows="5%")
    yield Scenario(
        "ChatStreamErrorBudgetBurn",
        "fires new",
        steady,
        {
            360: (),
            420: (slow,),
            500: (firing("slow", "55.56%", allows="5%"),),
            540: (firing("slow", "66.67%", allows="5%"), firing("steady", "6.667%", "first_chunk")),
            565: (firing("slow", "73.61%", allows="5%"), firing("steady", "7.222%", "first_chunk")),
            575: (
                firing("slow", "76.39%", allows="5%"),
                firing("steady", "7.5%", "first_chunk"),
                firing("new", "100%"),
            ),
        },
        severity="critical",
    )


def slow_burn() -> Scenario:
    """Three times the budget in a day, once in three days, and still so; a sample every five minutes."""
    long = 1200
    firing = Firing(
        {"target": "fires", "slo": "availability"},
        "fires spends its error budget for availability slowly",
        "3.125% of the probes of fires were bad by the objective availability, which allows 1%. Spent at more than 3 "
        "times that rate over 1d, or faster than it over 3d, and still so.",
    )
    series = {
        **objectives("fires", path((900, 1), (9, 0), (long - 909, 1)), path((long, 1))),
        **objectives("below", path((900, 1), (8, 0), (long - 908, 1)), path((long, 1))),
        **objectives(
            "reset", path((889, 1)) + " " + path((long - 890, 1)), path((889, 1)) + " " + path((long - 890, 1))
        ),
    }
    checks = {911 * 5: (), 912 * 5: (firing,), (909 + 73) * 5: (), 1190 * 5: ()}
    return Scenario(
        "ChatStreamErrorBudgetBurn", "fires below resolves reset", series, checks, step=5, severity="warning"
    )


def auth() -> Scenario:
    """The key is refused, from the first time on; counters of failures appear when first seen."""
    pair = 'chat_stream_failures_total{{target="{}", outcome="http_error", cause="auth"}}'
    row = 'chat_stream_consecutive_failures{{target="{}"}}'

    def firing(target: str, times: int) -> Firing:
        return Firing(
            {"target": target},
            f"{target} refuses the monitor's key",
            f"The last {times} probes of {target} failed, and within 1h some because the server refused the key (401, "
            "403, or an error in the stream that says so). Users with other keys may be fine.",
        )

    series = {
        row.format("fires"): path((60, 0), (10, 1)) + " 0x300",
        pair.format("fires"): late(61, "1+1x9 10x300"),
        row.format("below"): "0x59 1 0x300",
        pair.format("below"): late(60, "1x300"),
        row.format("another cause"): path((LONG, 1)),
        'chat_stream_failures_total{target="another cause", outcome="unreachable", cause="refused"}': path((LONG, 1)),
        row.format("missing"): path((LONG, 1)),
        row.format("paused"): path((LONG, 1)),
        pair.format("paused"): path((LONG, 1)),
        'chat_stream_paused{target="paused"}': flat(1, LONG),
        row.format("new"): late(200, "1+1x9 0x200"),
        pair.format("new"): late(200, "1+1x9 10x200"),
        row.format("reset"): "0x300",
        pair.format("reset"): "5x99 1x200",
    }
    checks = {61: (), 62: (), 63: (firing("fires", 3),), 71: (), 201: (), 203: (firing("new", 4),), 211: ()}
    return Scenario("ChatStreamAuthFailing", "fires below resolves missing new paused reset", series, checks)


def certificates() -> Scenario:
    """Three days and fourteen; promtool's clock begins at 0, so that an expiry is a number of seconds."""
    name = 'chat_stream_certificate_expiry_timestamp_seconds{{target="{}"}}'
    day = 86400

    limits = {"warning": "14 days", "critical": "3 days, or a quarter of the target's `certificate_expiry`"}

    def firing(target: str, left: str, severity: str) -> Firing:
        ends = "has expired" if not left else f"expires in {left}"
        valid = "has expired" if not left else f"is valid for {left} more"
        return Firing(
            {"target": target},
            f"The certificate of {target} {ends}",
            f"The last known certificate of {target} {valid} (the limit is {limits[severity]}).",
            severity,
        )

    series = {
        name.format("warns"): f"{14 * day + 600}x19 {90 * day}x99",
        name.format("pages"): f"{3 * day + 1200}x29 {90 * day}x99",
        name.format("ends"): flat(1500, 99),
        name.format("paused"): flat(0, 99),
        'chat_stream_paused{target="paused"}': flat(1, 99),
        name.format("new"): late(40, flat(15 * day, 60)),
        # Renewed every two days, and a ticket: no alert before the last half day.
        name.format("short"): flat(day, 99),
        'chat_stream_threshold{target="short", kind="certificate_expiry"}': flat(day / 2, 99),
        name.format("silent"): flat(600, 99),
        'chat_stream_alerts_info{target="silent", alerts="none"}': flat(1, 99),
        'chat_stream_up{target="missing"}': flat(1, 99),
    }
    ends = [firing("ends", "", severity) for severity in limits]

    def alive(left: str) -> tuple[Firing, ...]:
        return (firing("ends", left, "warning"), firing("ends", left, "critical"))

    checks = {
        10: (*alive("15m 0s"), firing("pages", "3d 0h 10m 0s", "warning")),
        11: (
            *alive("14m 0s"),
            firing("pages", "3d 0h 9m 0s", "warning"),
            firing("warns", "13d 23h 59m 0s", "warning"),
        ),
        20: (*alive("5m 0s"), firing("pages", "3d 0h 0m 0s", "warning")),
        21: (
            *alive("4m 0s"),
            firing("pages", "2d 23h 59m 0s", "warning"),
            firing("pages", "2d 23h 59m 0s", "critical"),
        ),
        30: tuple(ends),
        50: tuple(ends),
    }
    return Scenario(
        "ChatStreamCertificateExpiry", "fires below resolves missing new paused", series, checks, fits=False
    )


def budgets() -> Scenario:
    """A tenth of the day's tokens left, and less."""

    def tokens(target: str, left: str) -> dict[str, str]:
        return {
            f'chat_stream_budget_tokens_remaining{{target="{target}"}}': left,
            f'chat_stream_budget_tokens_limit{{target="{target}"}}': flat(1000, 99),
        }

    firing = Firing(
        {"target": "fires"},
        "The probes of fires have nearly spent today's tokens",
        "9.9% of the tokens that the probes of fires may spend today are left; without any, they are skipped until the "
        "day ends in UTC.",
        "info",
    )
    series = {
        **tokens("fires", "500x9 99x9 1000x80"),
        **tokens("below", "100x99"),
        **tokens("paused", "0x99"),
        'chat_stream_paused{target="paused"}': flat(1, 99),
        'chat_stream_budget_tokens_limit{target="missing"}': flat(1000, 99),
        **tokens("new", "_x30 1000x60"),
    }
    return Scenario(
        "ChatStreamTokenBudgetLow",
        "fires below resolves missing new paused",
        series,
        {9: (), 10: (firing,), 20: (), 50: ()},
    )


def stale() -> Scenario:
    """Four intervals without a probe, and ten minutes more."""
    last = 'chat_stream_last_probe_timestamp_seconds{{target="{}"}}'
    every = 'chat_stream_interval_seconds{{target="{}"}}'

    def firing(target: str, when: str) -> Firing:
        return Firing(
            {"target": target},
            f"{target} is no longer probed",
            f"No scheduled probe of {target} has ended {when}, and its interval is 1m 0s: nothing is known about it "
            "now.",
        )

    busy = path((30, 60))
    series = {
        every.format("fires"): flat(60, 199),
        last.format("fires"): f"{busy} 1800x29 3600+60x100",
        every.format("below"): flat(60, 199),
        last.format("below"): f"{busy} 1800x11 2580+60x150",
        every.format("slow"): flat(900, 199),
        last.format("slow"): "0x44 2700x44 5400x99",
        every.format("never"): late(20, flat(60, 39)) + " stale",
        # Inconclusive from its first on: counted without its name, and its own gauge never exists.
        every.format("inconclusive"): late(70, flat(60, 39)) + " stale",
        'chat_monitor_probe_errors_total{outcome="inconclusive", cause="internal"}': late(70, path((39, 1))),
        every.format("paused"): flat(60, 199),
        last.format("paused"): flat(0, 199),
        'chat_stream_paused{target="paused"}': flat(1, 199),
        every.format("at rest"): flat(60, 199),
        last.format("at rest"): flat(0, 199),
        'chat_stream_probes_skipped_total{target="at rest", reason="maintenance"}': path((199, 1)),
        every.format("new"): late(100, flat(60, 99)),
        last.format("new"): late(101, "6060+60x99"),
        'chat_stream_up{target="missing"}': flat(1, 199),
    }
    checks = {
        25: (),
        32: (firing("never", "yet"),),
        43: (firing("never", "yet"),),
        44: (firing("never", "yet"), firing("fires", "for 14m 0s")),
        59: (firing("never", "yet"), firing("fires", "for 29m 0s")),
        61: (),
        79: (),
        82: (firing("inconclusive", "yet"),),
        109: (firing("inconclusive", "yet"),),
        111: (),
        120: (),
    }
    return Scenario("ChatStreamProbesStale", "fires below resolves missing new paused", series, checks, fits=False)


# ---- alerts on the monitor


def own(alert: str, series: Mapping[str, str], checks: Mapping[int, tuple[Firing, ...]], shows: str) -> Scenario:
    """An alert on monitors, which are called m and others."""
    return Scenario(alert, shows, series, checks)


def one_location() -> Scenario:
    """Return the scenario of a target that only one of two locations finds down, with others for comparison."""

    def up(target: str, place: str) -> str:
        return f'chat_stream_up{{target="{target}", location="{place}", instance="{place}"}}'

    failures = 'chat_stream_failures_total{target="fires", location="eu", outcome="unreachable", cause="network"}'
    series = {
        up("fires", "eu"): "1x9 0x20 1x30",
        up("fires", "us"): "1x60",
        failures: "0x9 0+1x20 20x30",
        up("below", "eu"): "1x9 0x9 1x41",
        up("below", "us"): "1x60",
        up("both", "eu"): "1x9 0x50",
        up("both", "us"): "1x14 0x45",
        up("only", "eu"): "1x9 0x50",
        up("paused", "eu"): "1x9 0x50",
        up("paused", "us"): "1x60",
        'chat_stream_paused{target="paused", location="eu"}': flat(1, 60),
        up("missing", "eu"): "1x9 0x5 stale",
        up("missing", "us"): "1x60",
    }
    firing = Firing(
        {"target": "fires", "location": "eu"},
        "fires fails from eu alone",
        "The monitors in eu see fires down, every stream of it cut, or its error budget spent fast, and no other "
        "location does: the way from there is the likely cause, or an endpoint that only serves that region; within 1h "
        "mostly with unreachable/network.",
    )
    checks: dict[int, tuple[Firing, ...]] = {19: (), 20: (firing,), 29: (firing,), 31: (), 59: ()}
    return Scenario("ChatStreamOneLocation", "fires below resolves missing paused", series, checks, stays=False)


def missing_shards() -> Iterator[Scenario]:
    """Yield scenarios of a missing shard, with complete locations, short gaps, restarts and changes of the number."""

    def of(location: str, *values: str) -> dict[str, str]:
        """The shards of a location: what each of them says of its number, which is written i."""
        found: dict[str, str] = {}
        for index, value in enumerate(values):
            labels = f'{{location="{location}", instance="{location}-{index}", pod="{location}-{index}"}}'
            found[f"chat_monitor_shard_index{labels}"] = value.replace("i", str(index))
            found[f"chat_monitor_shards{labels}"] = value.replace("i", str(len(values)))
        return found

    def firing(location: str, missing: int) -> Firing:
        where = f"in {location} " if location else ""
        return Firing(
            {"location": location} if location else {},
            f"{missing} of the shards of chat-monitor {where}are missing",
            f"The shards of chat-monitor {where}report their number, and {missing} of that number have not been "
            "scraped for 5m: nothing probes their targets, unless these have replicas.",
            "critical",
        )

    # stale: discovery has removed it; else Prometheus itself marks what it cannot scrape
    series = {
        **of("eu", "ix60", "ix9 stale _x20 ix29", "ix60"),
        **of("us", "ix60", "ix9 stale _x3 ix46", "ix60"),
        **of("ap", "ix60"),
        # one more shard: the others are restarted one after the other, in less than five minutes
        'chat_monitor_shard_index{location="grows", instance="a"}': "0x60",
        'chat_monitor_shards{location="grows", instance="a"}': "1x13 2x46",
        'chat_monitor_shard_index{location="grows", instance="b"}': "_x10 1x49",
        'chat_monitor_shards{location="grows", instance="b"}': "_x10 2x49",
        # and one that is never restarted
        'chat_monitor_shard_index{location="old", instance="a"}': "0x60",
        'chat_monitor_shards{location="old", instance="a"}': "1x60",
        'chat_monitor_shard_index{location="old", instance="b"}': "_x30 1x29",
        'chat_monitor_shards{location="old", instance="b"}': "_x30 2x29",
        # two with one number, and replicas of the same
        'chat_monitor_shard_index{location="twice", instance="a"}': "_x39 0x20",
        'chat_monitor_shards{location="twice", instance="a"}': "_x39 2x20",
        'chat_monitor_shard_index{location="twice", instance="b"}': "_x39 0x20",
        'chat_monitor_shards{location="twice", instance="b"}': "_x39 2x20",
        'chat_monitor_build_info{instance="missing"}': flat(1, 60),
    }
    yield own(
        "ChatMonitorShardMissing",
        series,
        {
            14: (),
            15: (firing("eu", 1),),
            30: (firing("eu", 1),),
            31: (),
            34: (),
            36: (firing("old", 1),),
            46: (firing("old", 1), firing("twice", 1)),
        },
        "fires below resolves missing",
    )


def monitors() -> Iterator[Scenario]:
    """The alerts on the monitor itself but its absence."""
    m = {"instance": "m"}
    isolated = Firing(
        m,
        "chat-monitor at m reaches none of its targets",
        "Every target of chat-monitor at m fails before its response head, on several hosts at once: most likely "
        "its own network is down. Its other alerts about targets are meaningless.",
        "critical",
    )
    yield own(
        "ChatMonitorIsolated",
        {
            'chat_monitor_isolated{instance="m"}': "0x9 1x9 0x30",
            'chat_monitor_isolated{instance="blip"}': "0x9 1 0x30",
            'chat_monitor_build_info{instance="missing"}': flat(1, 40),
        },
        {10: (), 11: (isolated,), 18: (isolated,), 20: ()},
        "fires below resolves missing",
    )
    yield from missing_shards()
    reload = Firing(
        m,
        "chat-monitor at m runs with an old config",
        "The last reload of the config of chat-monitor at m failed; it runs with the one of 15m 0s ago.",
    )
    yield Scenario(
        "ChatMonitorReloadFailed",
        "fires below resolves missing",
        {
            'chat_monitor_config_last_reload_successful{instance="m"}': "1x9 0x9 1x30",
            'chat_monitor_config_last_reload_success_timestamp_seconds{instance="m"}': "0x19 1200x30",
            'chat_monitor_config_last_reload_successful{instance="mended"}': "1x9 0x3 1x30",
            'chat_monitor_build_info{instance="missing"}': flat(1, 40),
        },
        {14: (), 15: (reload,), 20: ()},
        fits=False,
    )
    found = Firing(
        {"instance": "m", "source": "fleet"},
        "chat-monitor at m cannot read fleet",
        "The last refresh of the targets of fleet by chat-monitor at m failed: targets that were added or removed "
        "there since are not known.",
    )
    yield own(
        "ChatMonitorDiscoveryFailing",
        {
            'chat_monitor_discovery_last_refresh_successful{instance="m", source="fleet"}': "1x9 0x15 1x30",
            'chat_monitor_discovery_last_refresh_successful{instance="m", source="other"}': "1x9 0x8 1x30",
            'chat_monitor_build_info{instance="missing"}': flat(1, 40),
        },
        {19: (), 20: (found,), 26: ()},
        "fires below resolves missing",
    )
    yield _lag(m)
    yield from _counted(m)


def _lag(m: Mapping[str, str]) -> Scenario:
    """Two wake-ups in a hundred later than a tenth of a second, and one."""

    def lags(instance: str, late_ones: float) -> dict[str, str]:
        def bucket(bound: str) -> str:
            return f'chat_monitor_event_loop_lag_seconds_bucket{{instance="{instance}", le="{bound}"}}'

        return {
            bucket("0.05"): path((20, 200), (20, 200 - late_ones), (40, 200)),
            bucket("0.1"): path((20, 200), (20, 200 - late_ones), (40, 200)),
            bucket("0.25"): path((80, 200)),
            bucket("+Inf"): path((80, 200)),
        }

    firing = Firing(
        m,
        "chat-monitor at m is too slow to measure",
        "The event loop of chat-monitor at m wakes up to 175ms late (99th percentile over 5m, more than 100 ms for "
        "10m): its machine is overloaded, and its timings are uncertain.",
    )
    series = {**lags("m", 4), **lags("below", 2), 'chat_monitor_build_info{instance="missing"}': flat(1, 80)}
    restarted = {name.replace('"m"', '"reset"'): path((30, 200)) + " " + path((40, 200)) for name in lags("m", 0)}
    return own(
        "ChatMonitorLoopLag",
        {**series, **restarted},
        {31: (), 36: (firing,), 48: ()},
        "fires below resolves missing reset",
    )


def _counted(m: Mapping[str, str]) -> Iterator[Scenario]:
    """Yield scenarios of the counters that must stay at 0."""
    for alert, name, summary, description in (
        (
            "ChatMonitorSinkErrors",
            "chat_monitor_sink_errors_total",
            "chat-monitor at m cannot write to its log",
            "The sink log of chat-monitor at m failed 1 times within 15m.",
        ),
        (
            "ChatMonitorEventsDropped",
            "chat_monitor_events_dropped_total",
            "chat-monitor at m loses events of its log",
            "The sink log of chat-monitor at m dropped 1 events within 15m; the metrics are not affected.",
        ),
    ):
        yield own(
            alert,
            {
                f'{name}{{instance="m", sink="log"}}': "0x19 1x60",
                f'{name}{{instance="m", sink="metrics"}}': "0x80",
                f'{name}{{instance="below", sink="log"}}': "7x80",
                f'{name}{{instance="reset", sink="log"}}': "7x39 0x40",
                f'{name}{{instance="new", sink="log"}}': "_x30 0x50",
                'chat_monitor_build_info{instance="missing"}': flat(1, 80),
            },
            {19: (), 21: (Firing({**m, "sink": "log"}, summary, description),), 36: (), 45: ()},
            "fires below resolves missing reset new",
        )
    errors = 'chat_monitor_probe_errors_total{{instance="{}", outcome="{}", cause="{}"}}'
    exceptions = 'chat_monitor_unhandled_exceptions_total{{instance="{}"}}'
    yield own(
        "ChatMonitorInternalErrors",
        {
            exceptions.format("m"): "0x19 1x100",
            errors.format("m", "inconclusive", "internal"): "0x29 1x100",
            errors.format("m", "inconclusive", "resources"): "0x120",
            exceptions.format("below"): "3x120",
            errors.format("below", "inconclusive", "internal"): "3x120",
            errors.format("below", "aborted", "shutdown"): path((120, 1)),
            exceptions.format("reset"): "3x39 0x80",
            errors.format("reset", "inconclusive", "internal"): "3x39 0x80",
            exceptions.format("missing"): "0x120",
            exceptions.format("new"): "_x30 0x90",
            errors.format("new", "inconclusive", "internal"): "_x30 0x90",
        },
        {
            19: (),
            25: (_internal(m, 1),),
            40: (_internal(m, 2),),
            85: (_internal(m, 1),),
            95: (),
        },
        "fires below resolves missing reset new",
    )


def _internal(m: Mapping[str, str], times: int) -> Firing:
    return Firing(
        m,
        "chat-monitor at m has internal errors",
        f"Within 1h chat-monitor at m could not judge probes, or had unexpected exceptions, {times} times in "
        "total. They count in no ratio of any target; the log has each.",
    )


SCENARIOS = (
    *kinds(),
    *other_shares(),
    at_one_age(),
    regression(),
    gaps(),
    *fast_burn(),
    slow_burn(),
    auth(),
    certificates(),
    budgets(),
    stale(),
    one_location(),
    *monitors(),
)
NAMES = [f"{scenario.alert}-{number}" for number, scenario in enumerate(SCENARIOS)]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=NAMES)
def test_an_alert_fires_when_it_should_and_at_no_other_time(scenario: Scenario, promtool: str, tmp_path: Path) -> None:
    """The alert fires above its threshold, not just below, and resolves; gaps, resets and new targets are no alarm."""
    rules = tmp_path / "rules.yml"
    rules.write_text(concerned(RULES.read_text(), scenario))
    run(promtool, save(written(scenario, rules), tmp_path / "scenario.yml"))


@pytest.mark.parametrize(
    "scenario", [scenario for scenario in SCENARIOS if scenario.fits], ids=lambda scenario: scenario.alert
)
def test_a_fitted_file_shows_the_same_scenario_faster(scenario: Scenario, promtool: str, tmp_path: Path) -> None:
    """In a file for an interval of a second, every minute of the scenario is a second, and nothing else changes."""
    rules = tmp_path / "fitted.rules.yml"
    rules.write_text(concerned(fitted(RULES.read_text(), [1.0]), scenario))
    file = written(scenario, rules, "s", lambda text: fitted(text, [1.0]))
    run(promtool, save(file, tmp_path / "scenario.yml"))


def test_every_alert_has_a_scenario_that_fires_that_stays_below_and_that_resolves() -> None:
    """Every alert has a scenario here or in the rules' own test file."""
    alerts = {
        rule["alert"]
        for group in yaml.safe_load(RULES.read_text())["groups"]
        for rule in group["rules"]
        if "alert" in rule
    }
    tested = {scenario.alert for scenario in SCENARIOS}
    assert tested | BY_HAND == alerts
    for alert in tested:
        shown = {word for scenario in SCENARIOS if scenario.alert == alert for word in scenario.shows.split()}
        assert {"fires", "below", "resolves", "missing"} <= shown, alert


def run(promtool: str, file: Path) -> None:
    """Run promtool on a scenario; its output is the message of a failure."""
    done = subprocess.run([promtool, "test", "rules", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
