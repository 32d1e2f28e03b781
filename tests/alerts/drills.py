"""The drills: which fault is to bring which alerts, and which of them others make needless."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

QUICK = "{connect = '2s', headers = '5s', first_chunk = '5s', idle = '1s', total = '20s', drain = '1s'}"
LONG = "{connect = '2s', headers = '5s', first_chunk = '5s', idle = '9s', total = '40s', drain = '1s'}"


@dataclass(frozen=True)
class Alert:
    """An alert by its name, and by its severity if it has several."""

    name: str
    severity: str

    def __str__(self) -> str:
        return f"{self.name}-{self.severity}"


def critical(name: str) -> Alert:
    """An alert that pages."""
    return Alert(name, "critical")


def warning(name: str) -> Alert:
    """An alert for today."""
    return Alert(name, "warning")


def info(name: str) -> Alert:
    """Return an alert of severity info."""
    return Alert(name, "info")


@dataclass(frozen=True)
class Drill:
    """A target, what the lab does to it, and what that is to bring to the webhook.

    `quiet` are alerts that fire too and that an inhibition keeps from the webhook.
    """

    name: str
    fault: str
    brings: tuple[Alert, ...]
    quiet: tuple[Alert, ...] = ()
    config: Mapping[str, str] = field(default_factory=dict)


DOWN, DOWN_TICKET = critical("ChatStreamTargetDown"), warning("ChatStreamTargetDown")
IN_A_ROW, SOME = critical("ChatStreamTruncations"), warning("ChatStreamTruncations")
NO_CHECK = {"check": "'none'"}
LOOSE = {"slo": "{availability = 0.01, first_chunk = {threshold = '10s', objective = 0.01}}"}
"""Objectives that a drill on something else cannot break."""


def now_and_then(fault: str, of: int = 6) -> str:
    """Return what the lab answers in turn: one fault among so many answers, and never two in a row."""
    return ",".join([fault, *["ok:gap=5ms"] * (of - 1)])


DRILLS = (
    Drill("well", "ok:gap=5ms", ()),
    # One probe of ten minutes is lost, which is nobody's business.
    Drill("one-lost", ",".join([*["ok"] * 90, "status:code=500", *["ok"] * 600]), (), config=LOOSE),
    # Down and cut all the time, of which nobody wants to hear.
    Drill("staging", "status:code=500,cut:after=3:by=rst", (), config={**LOOSE, "alerts": "'none'"}),
    Drill("staging-cut", "cut:after=3:by=rst:gap=5ms", (), config={**LOOSE, "alerts": "'none'"}),
    Drill("tolerant", now_and_then("cut:after=3:by=rst"), (), config={**LOOSE, "thresholds": "{truncation = 0.5}"}),
    # Complete, and unclean behind its end: for the boards, and no alert's business.
    Drill("odd", "trailing:gap=5ms", (), config=LOOSE),
    Drill("down", "status:code=500", (DOWN,), config=LOOSE),
    Drill("no-response", "no-response", (DOWN,), config=LOOSE),
    Drill("ticket", "status:code=500", (DOWN_TICKET,), config={**LOOSE, "alerts": "'ticket'"}),
    Drill("ticket-cut", "cut:after=3:by=rst:gap=5ms", (DOWN_TICKET,), config={**LOOSE, "alerts": "'ticket'"}),
    Drill("cut", "cut:after=3:by=rst:gap=5ms", (IN_A_ROW,), config=LOOSE),
    Drill("all-end", "clean-cut:after=3:gap=5ms", (IN_A_ROW,), config=LOOSE),
    Drill("all-error", "error:after=3:kind=upstream:gap=5ms", (IN_A_ROW,), config=LOOSE),
    Drill("all-stall", "stall:after=3:gap=5ms", (IN_A_ROW,), config=LOOSE),
    Drill(
        "wire",
        now_and_then("cut:after=3:by=rst:gap=5ms"),
        (warning("ChatStreamWireCuts"),),
        quiet=(SOME,),
        config=LOOSE,
    ),
    # Of each kind too few for its own alert, and together too many.
    Drill(
        "some",
        ",".join(
            (
                *["ok:gap=5ms"] * 7,
                "cut:after=3",
                *["ok:gap=5ms"] * 7,
                "clean-cut:after=3",
                *["ok:gap=5ms"] * 7,
                "error:after=3",
                *["ok:gap=5ms"] * 7,
                "stall:after=3",
            )
        ),
        (SOME,),
        config=LOOSE,
    ),
    Drill("end", now_and_then("clean-cut:after=3:gap=5ms"), (warning("ChatStreamMissingEnd"),), config=LOOSE),
    Drill(
        "error",
        now_and_then("error:after=3:kind=upstream:gap=5ms"),
        (warning("ChatStreamErrorsInStream"),),
        config=LOOSE,
    ),
    Drill("stall", now_and_then("stall:after=3:gap=5ms"), (warning("ChatStreamStalls"),), config=LOOSE),
    # Two in three are cut: a target whose streams are all cut spends any error budget, and that is another alert.
    Drill(
        "one-age",
        "cut:after=16:gap=1s,cut:after=16:gap=1s,ok:n=20:gap=5ms",
        (warning("ChatStreamCutsAtOneAge"),),
        config={
            **LOOSE,
            "timeouts": LONG,
            "check": "{kind = 'count', to = 20}",
            "interval": "'20s'",
            "thresholds": "{cuts = 1000}",
        },
    ),
    Drill(
        "late",
        "slow:ttfc=400ms:gap=5ms",
        (critical("ChatStreamErrorBudgetBurn"),),
        config={"slo": "{availability = 0.01, first_chunk = {threshold = '200ms', objective = 0.95}}"},
    ),
    # Late more often than the objective allows, and not so often that its budget burns fast.
    Drill(
        "rather-late",
        now_and_then("slow:ttfc=400ms:gap=5ms", 3),
        (warning("ChatStreamTimeToFirstChunkSlow"),),
        config={"slo": "{availability = 0.01, first_chunk = {threshold = '200ms', objective = 0.8}}"},
    ),
    # One in six fails, and one in ten may.
    Drill(
        "slowly",
        now_and_then("status:code=500"),
        (warning("ChatStreamErrorBudgetBurn"),),
        config={"slo": "{availability = 0.9, first_chunk = {threshold = '10s', objective = 0.01}}"},
    ),
    Drill(
        "unlike-yesterday",
        "slow:ttfc=300ms:gap=5ms",
        (info("ChatStreamTimeToFirstChunkRegression"),),
        config=LOOSE,
    ),
    # One stream in six pauses, which is often enough for a percentile of nine in ten.
    Drill(
        "pausing",
        ",".join(("slow:gap=5200ms:n=2", *["ok:gap=5ms"] * 5)),
        (warning("ChatStreamLongGaps"),),
        config={**LOOSE, **NO_CHECK, "timeouts": LONG, "interval": "'3s'"},
    ),
    Drill("buffered", "buffered:delay=50ms", (info("ChatStreamBuffered"),), config=LOOSE),
    Drill("refused-key", "status:code=401", (DOWN,), quiet=(warning("ChatStreamAuthFailing"),), config=LOOSE),
    # Not down before a hundred failures: the key is the monitor's own.
    Drill("old-key", "status:code=401", (warning("ChatStreamAuthFailing"),), config={**LOOSE, "confirm": "100"}),
    Drill("limited", now_and_then("status:code=429"), (warning("ChatStreamRateLimited"),), config=LOOSE),
    Drill("wrong", "missing:gap=5ms", (warning("ChatStreamWrongContent"),), config=LOOSE),
)
"""Those of one monitor, each with a fault that the lab ends when all its alerts have come."""

EXPIRING = (
    Drill("expiring", "ok:gap=5ms", (warning("ChatStreamCertificateExpiry"),), config=LOOSE),
    Drill(
        "about-to-expire",
        "ok:gap=5ms",
        (critical("ChatStreamCertificateExpiry"),),
        quiet=(warning("ChatStreamCertificateExpiry"),),
        config=LOOSE,
    ),
)
"""Those with TLS: certificates for ten days and for two."""
