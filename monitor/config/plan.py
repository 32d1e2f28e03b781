"""The cost of a config: requests and tokens a day, series and bytes of a scrape, computed without sending anything."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from monitor.config.load import Config
from monitor.config.rules import takes_prompt
from monitor.protocols import find
from monitor.protocols.decoder import MOST_VALUES
from monitor.settings import (
    KEPT_BYTES,
    KEPT_BYTES_PER_TARGET,
    LOG_QUEUE_BYTES,
    MIB,
    QUEUE_BYTES,
    Limits,
    MetricsSettings,
)
from monitor.stream.recording import ARRIVAL_BYTES, EVENT_BYTES
from monitor.target import ListCheck, ModelPrice, Target, own_limits

DAY = 86400.0
# The prompt for the list, its two nonces and the chat template, for the tokenizers with the most tokens.
_LIST_PROMPT_TOKENS = 100
_TEMPLATE_TOKENS = 20
_CHARACTERS_PER_TOKEN = 3
# The contract's limits on series, and the largest practical size of a line of the text format.
_SERIES = {"full": 250, "lean": 120}
_BYTES_PER_SERIES = 130
# Measured: the program with its libraries, and a target without its recordings, metrics included.
_PROGRAM_BYTES, _TARGET_BYTES = 112 * MIB, 160 * 1024
# A connection takes, besides its stream: a head of 256 KiB as bytes and as headers, a read, the buffers of TLS.
_CONNECTION_BYTES = 1 * MIB
# Buffers of streams grow by an eighth. One event at a time is joined, decoded and parsed, as texts of up to four bytes
# a character, and each of its values takes some 220 bytes. One stream at a time is judged: its columns are copied, and
# its answer is such a text, and bytes again for a pattern.
_GROWTH, _COPIES_OF_EVENT, _BYTES_OF_A_VALUE, _COPIES_WHEN_JUDGED = 9 / 8, 12, 256, 6


@dataclass(frozen=True, slots=True)
class Footprint:
    """One target's share of a scrape."""

    series: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of one target's probes, as upper bounds: the prompt is estimated, and every answer has full length."""

    requests_per_day: float
    input_tokens: int
    """For one request."""
    output_tokens: int
    """For one request."""
    price: ModelPrice | None = None

    @property
    def tokens_per_request(self) -> int:
        """Tokens of one request, input and output."""
        return self.input_tokens + self.output_tokens

    @property
    def tokens_per_day(self) -> int:
        """Tokens at the target's interval, before any budget."""
        return round(self.requests_per_day * self.tokens_per_request)

    @property
    def money_per_day(self) -> float | None:
        """Money at the target's interval, before any budget; None if the config has no price for its model."""
        if self.price is None:
            return None
        return self.requests_per_day * self.price.of(self.input_tokens, self.output_tokens)


def cost_of(target: Target, monitors: int = 1) -> Cost:
    """Return the cost of `target`'s probes by this many monitors at its interval; a paused target has none."""
    asked, answered = _tokens(target)
    requests = 0.0 if target.paused else monitors * DAY / target.interval
    return Cost(requests, asked, answered, target.price)


@dataclass(frozen=True, slots=True)
class TargetPlan:
    """The cost of one target."""

    target: Target
    monitors: int
    """The number of monitors that probe it: its replicas in all its locations."""
    cost: Cost
    footprint: Footprint
    """The share of a scrape of all its monitors together."""

    @property
    def requests_per_day(self) -> float:
        """Requests a day, of all monitors."""
        return self.cost.requests_per_day

    @property
    def tokens_per_request(self) -> int:
        """Tokens of one request, input and output."""
        return self.cost.tokens_per_request

    @property
    def tokens_per_day(self) -> int:
        """Tokens at the target's interval, before any budget."""
        return self.cost.tokens_per_day

    @property
    def money_per_day(self) -> float | None:
        """Money at the target's interval, before any budget; None if the config has no price for its model."""
        return self.cost.money_per_day


@dataclass(frozen=True, slots=True)
class Plan:
    """The cost of a whole config."""

    targets: tuple[TargetPlan, ...]
    budget: int | None
    memory: int
    """Bytes of memory at most, if as many streams as may run at a time are endless; for `MemoryMax=`."""

    @property
    def requests_per_day(self) -> float:
        """Requests of all targets a day."""
        return sum(one.requests_per_day for one in self.targets)

    @property
    def tokens_per_day(self) -> int:
        """Tokens of all targets a day, at most, before any budget."""
        return sum(one.tokens_per_day for one in self.targets)

    @property
    def money_per_day(self) -> float | None:
        """Money of all targets that have a price, a day, at most; None if none has one."""
        priced = [money for one in self.targets if (money := one.money_per_day) is not None]
        return sum(priced) if priced else None

    @property
    def footprint(self) -> Footprint:
        """Series of all targets, and bytes of one scrape."""
        prints = [one.footprint for one in self.targets]
        return Footprint(sum(one.series for one in prints), sum(one.bytes for one in prints))


def plan(config: Config, footprint: Callable[[Target], Footprint] | None = None) -> Plan:
    """Compute the cost; `footprint` is for the configured metrics, and without it their upper bounds are used."""
    measure = footprint or _bound(config.settings.metrics)
    targets = tuple(_one(target, config.monitors(target), measure) for target in config.targets)
    return Plan(targets, config.settings.limits.tokens_per_day, memory_bound(len(config.here), config.settings.limits))


def memory_bound(targets: int, limits: Limits) -> int:
    """Return how many bytes the daemon takes at most with so many targets."""
    kept = max(KEPT_BYTES, KEPT_BYTES_PER_TARGET * targets) + LOG_QUEUE_BYTES + QUEUE_BYTES
    streams = min(limits.concurrency, targets)
    stream = limits.stream_bytes + limits.events * ARRIVAL_BYTES + (limits.events + MOST_VALUES) * EVENT_BYTES
    in_flight = round(min(limits.in_flight_bytes, streams * stream) * _GROWTH) + streams * _CONNECTION_BYTES
    decoded = limits.event_bytes * _COPIES_OF_EVENT + MOST_VALUES * _BYTES_OF_A_VALUE
    judged = min(stream, limits.in_flight_bytes) * _COPIES_WHEN_JUDGED
    return _PROGRAM_BYTES + _TARGET_BYTES * targets + kept + in_flight + decoded + judged


def _one(target: Target, monitors: int, footprint: Callable[[Target], Footprint]) -> TargetPlan:
    each = footprint(target)
    taken = Footprint(monitors * each.series, monitors * each.bytes)
    return TargetPlan(target=target, monitors=monitors, cost=cost_of(target, monitors), footprint=taken)


def _tokens(target: Target) -> tuple[int, int]:
    """Return the most input and output tokens of one probe; 0 if the protocol takes no prompt."""
    if not takes_prompt(find(target.protocol), target.body):
        return 0, 0
    answer = max(own_limits(target.body), default=target.max_tokens)
    if target.tokens_per_probe is not None:
        return max(target.tokens_per_probe - answer, 0), min(answer, target.tokens_per_probe)
    prompt = _TEMPLATE_TOKENS + len(target.prompt or "") // _CHARACTERS_PER_TOKEN
    if isinstance(target.check, ListCheck):
        prompt += _LIST_PROMPT_TOKENS
    return prompt, answer


def _bound(metrics: MetricsSettings) -> Callable[[Target], Footprint]:
    series = _SERIES[metrics.detail]

    def bound(target: Target) -> Footprint:
        labels = sum(len(name) + len(value) + len('="",') for name, value in target.labels.items())
        return Footprint(series, series * (_BYTES_PER_SERIES + len(target.name) + labels))

    return bound
