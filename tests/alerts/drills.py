"""The drills: which fault is to bring which alerts, and which of them others make needless."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

QUICK = "{connect = '2s', headers = '5s', first_chunk = '5s', idle = '1s', total = '20s', drain = '1s'}"
LONG = "{connect = '2s', headers = '5s', first_chunk = '5s', idle = '9s', total = '40s', drain = '1s'}"


@dataclass(frozen=True)
class Alert:
    """An alert by its name, and by its severity where it has several."""

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
    """An alert for nobody in particular."""
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


DOWN = critical("ChatStreamTargetDown")
IN_A_ROW, SOME = critical("ChatStreamTruncations"), warning("ChatStreamTruncations")
NO_CHECK = {"check": "'none'"}
LOOSE = {"slo": "{availability = 0.01, first_chunk = {threshold = '10s', objective = 0.01}}"}
"""Objectives that a drill on something else cannot break."""

DRILLS = (
    Drill("well", "ok:gap=5ms", ()),
    # Complete, and unclean behind its end: for the boards, and no alert's business.
    Drill("odd", "trailing:gap=5ms", (), config=LOOSE),
    Drill("down", "status:code=500", (DOWN,), config=LOOSE),
    Drill(
        "wire",
        "cut:after=3:by=rst:gap=5ms",
        (IN_A_ROW, warning("ChatStreamWireCuts")),
        quiet=(DOWN, SOME),
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
    Drill("end", "clean-cut:after=3:gap=5ms", (IN_A_ROW, warning("ChatStreamMissingEnd")), quiet=(DOWN,), config=LOOSE),
    Drill(
        "error",
        "error:after=3:kind=upstream:gap=5ms",
        (IN_A_ROW, warning("ChatStreamErrorsInStream")),
        quiet=(DOWN,),
        config=LOOSE,
    ),
    Drill(
        "stall",
        "stall:after=3:gap=5ms",
        (IN_A_ROW, warning("ChatStreamStalls")),
        quiet=(DOWN, warning("ChatStreamProbesSkipped")),
        config=LOOSE,
    ),
    Drill(
        "one-age",
        "cut:after=16:gap=1s",
        (IN_A_ROW, warning("ChatStreamCutsAtOneAge")),
        quiet=(DOWN,),
        config={**LOOSE, "timeouts": LONG, "check": "{kind = 'count', to = 20}"},
    ),
    Drill(
        "late",
        "slow:ttfc=400ms:gap=5ms",
        (warning("ChatStreamTimeToFirstChunkSlow"), critical("ChatStreamErrorBudgetBurn")),
        quiet=(warning("ChatStreamErrorBudgetBurn"),),
        config={"slo": "{first_chunk = {threshold = '200ms', objective = 0.95}}"},
    ),
    # More than half is bad and half is allowed: once the budget is slow, six times of it is more than all.
    Drill(
        "slowly",
        "slow:ttfc=400ms:gap=5ms",
        (warning("ChatStreamErrorBudgetBurn"),),
        config={"slo": "{first_chunk = {threshold = '200ms', objective = 0.5}}"},
    ),
    Drill(
        "unlike-yesterday",
        "slow:ttfc=300ms:gap=5ms",
        (info("ChatStreamTimeToFirstChunkRegression"),),
        config=LOOSE,
    ),
    # One stream in six pauses: often enough for a percentile of nine in ten, and seldom enough for twenty in a minute.
    Drill(
        "pausing",
        ",".join(("slow:gap=5200ms:n=2", *["ok:gap=5ms"] * 5)),
        (warning("ChatStreamLongGaps"), warning("ChatStreamProbesSkipped")),
        config={**LOOSE, **NO_CHECK, "timeouts": LONG},
    ),
    Drill("buffered", "buffered:delay=50ms", (info("ChatStreamBuffered"),), config=LOOSE),
    Drill("refused-key", "status:code=401", (DOWN, warning("ChatStreamAuthFailing")), config=LOOSE),
    Drill("limited", "status:code=429", (DOWN, warning("ChatStreamRateLimited")), config=LOOSE),
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
