"""A simulator of incidents: servers, gateways and monitored targets, with noise, independent of the rules.

Processes live, die, freeze and raise at random times. A probe walks through the hops as a request does, and what it
meets is made into an observation. Whom a target may be blamed on is known from what was done, and from nothing else.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from monitor.judge.content_check import CheckResult
from monitor.judge.verdict import judge
from monitor.record.observation import Observation
from monitor.record.parts import ServerError, Suspect, Tokens
from monitor.stream.endings import AfterCut, BodyFraming, Deadline, Ending, EndKind, Head, Mark
from monitor.stream.events import Failure, Fault, Finish, Output
from monitor.stream.recorder import Recorder
from monitor.target import Target

IDLE, FIRST, TOTAL = 30.0, 60.0, 300.0
"""Our own time-outs."""
EPOCH = 1.8e9
INTERVALS = (5.0, 10.0, 20.0, 60.0, 120.0, 300.0, 600.0)


@dataclass(slots=True)
class Span:
    """A time during which a process or a gateway is not well: how, from when to when, for which requests."""

    how: str
    begin: float
    end: float
    share: float = 1.0
    value: float = 0.0


@dataclass(slots=True)
class Server:
    """A process that answers, or a gateway (`style`) that forwards to `behind`."""

    name: str
    style: str = "app"
    behind: Server | None = None
    patience: float = 60.0
    pace: float = 0.15
    begin: float = 0.6
    spans: list[Span] = field(default_factory=list)
    loading: float = 0.0
    """Seconds for which it says 503 after it was down."""

    def at(self, time: float, *hows: str) -> Span | None:
        """Return what is wrong with it at that time."""
        return next((span for span in self.spans if span.how in hows and span.begin <= time < span.end), None)

    def first(self, begin: float, end: float, *hows: str) -> Span | None:
        """Return what goes wrong with it first between these times."""
        found = [span for span in self.spans if span.how in hows and begin < span.begin <= end]
        return min(found, key=lambda span: span.begin, default=None)


@dataclass(slots=True)
class Answer:
    """What a client of a server gets: times are those of the world."""

    kind: str
    """whole, cut, reset, clean, frozen, error, status, refused, closed, noway, lost, short, said."""
    end: float
    chunks: Sequence[float] = ()
    status: int = 200
    words: str = ""
    fault: Fault | None = None
    retry_after: int | None = None
    framing: BodyFraming = BodyFraming.CHUNKED


GATEWAYS: Mapping[str, Mapping[str, tuple[int, str]]] = {
    "nginx": {"dead": (502, "<html>502 Bad Gateway</html>"), "late": (504, "<html>504 Gateway Time-out</html>")},
    "nginx10": {"dead": (502, "<html>502 Bad Gateway</html>"), "late": (504, "<html>504 Gateway Time-out</html>")},
    "envoy": {
        "dead": (503, "upstream connect error or disconnect/reset before headers: remote connection failure"),
        "late": (504, "upstream request timeout"),
    },
    "haproxy": {
        "dead": (503, "<html>503 Service Unavailable No server is available to handle this request.</html>"),
        "late": (504, "<html>504 Gateway Time-out The server didn't respond in time.</html>"),
    },
    "caddy": {"dead": (502, ""), "late": (504, "")},
    "router": {
        "dead": (500, "call_upstream_request_error: error sending request for url (http://10.0.0.7:8000/v1)"),
        "late": (500, "operation timed out"),
    },
    "node": {"dead": (500, "connect ECONNREFUSED 10.0.0.7:8000"), "late": (500, "Headers Timeout Error")},
    "litellm": {
        "dead": (500, "litellm.InternalServerError: InternalServerError: OpenAIException - Connection error."),
        "late": (408, "litellm.Timeout: APITimeoutError - Request timed out."),
    },
}  # fmt: skip
"""What gateways say of an upstream that is not there, and of one that does not answer in time."""


class World:
    """Servers and the dice; a request walks from hop to hop."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice

    def ask(self, server: Server, time: float) -> Answer:
        """Return what a request comes to that reaches a server at that time."""
        dice = self.dice
        time += abs(dice.gauss(0.002, 0.002))
        if server.at(time, "nodns"):
            return Answer("nodns", time + 0.01)
        if server.at(time, "noway"):
            return Answer("noway", time + 5.0)
        if server.at(time, "dead"):
            return Answer("refused", time)
        loading = next((s for s in server.spans if s.how == "dead" and s.end <= time < s.end + server.loading), None)
        if loading:
            return Answer("status", time, status=503, words="Loading model")
        if frozen := server.at(time, "frozen"):
            if frozen.end - time > FIRST:
                return Answer("frozen", time + FIRST)
            time = frozen.end
        answer = self.forward(server, time) if server.behind is not None else self.generate(server, time)
        return self.survive(server, time, answer)

    def generate(self, server: Server, time: float) -> Answer:
        """Return the answer of an application."""
        dice = self.dice
        if (busy := server.at(time, "overloaded")) and dice.random() < busy.share:
            kind = int(busy.value)
            return (
                Answer("status", time + 0.05, status=503, words="The server is overloaded, please try again later"),
                Answer("status", time + 0.02, status=503, words="", retry_after=5),
                Answer("status", time + 0.02, status=529, words="Overloaded"),
                Answer("error", time + 0.4, (time + 0.3,), words="engine overloaded", fault=Fault.OVERLOADED),
            )[kind % 4]
        if (full := server.at(time, "context")) and dice.random() < full.share:
            words = "This model's maximum context length is 512 tokens"
            return Answer("error", time + 0.3, words=words, fault=Fault.CONTEXT_LENGTH)
        if (raised := server.at(time, "raise500")) and dice.random() < raised.share:
            return Answer("status", time + 0.05, status=500, words="Internal Server Error")
        slow = server.at(time, "slow")
        begin = time + server.begin * dice.lognormvariate(0, 0.2) + (slow.value if slow else 0.0)
        many = dice.randint(25, 60)
        if long := server.at(time, "long"):
            many = int(long.value / server.pace * dice.uniform(1.0, 1.6))
        chunks, at = [], begin
        pausing = server.at(time, "pause")
        pause_at = dice.randint(2, 20) if pausing else -1
        for number in range(many):
            at += server.pace * dice.lognormvariate(0, 0.3) + (pausing.value if number == pause_at and pausing else 0.0)
            chunks.append(at)
        answer = Answer("whole", at + 0.01, chunks)
        if (raised := server.at(time, "raise")) and dice.random() < raised.share:
            return self.stop("cut", answer, chunks[dice.randint(0, many - 2)] + dice.uniform(0.0, 0.02))
        if (quiet := server.at(time, "swallow")) and dice.random() < quiet.share:
            return self.stop("clean", answer, chunks[dice.randint(0, many - 2)] + 0.01)
        return answer

    def forward(self, server: Server, time: float) -> Answer:
        """Return what a gateway makes of the answer of the server behind."""
        assert server.behind is not None
        says, inner = GATEWAYS[server.style], self.ask(server.behind, time)
        first = inner.chunks[0] if inner.chunks else inner.end
        if inner.kind in {"refused", "nodns"}:
            status, words = says["dead"]
            return Answer("status", time + 0.01, status=status, words=words)
        if (inner.kind in {"frozen", "noway"} and not inner.chunks) or first - time > server.patience:
            status, words = says["late"]
            return Answer("status", time + server.patience + self.dice.uniform(-0.05, 0.05), status=status, words=words)
        return self.hurry(server, time, self.end_of(server, inner))

    def end_of(self, server: Server, inner: Answer) -> Answer:
        """Return how a gateway passes on the end of an answer."""
        if inner.kind in {"cut", "reset"}:
            if server.style in {"nginx10", "caddy"}:
                return replace(inner, kind="clean")
            if server.style == "litellm":
                if self.dice.random() < 0.5:
                    return replace(inner, kind="said")
                words = "litellm.APIConnectionError: peer closed connection without sending complete message body"
                return replace(inner, kind="error", words=words, fault=Fault.UPSTREAM)
            return replace(inner, kind="cut")
        if inner.kind == "clean" and server.style == "litellm":
            return replace(inner, kind="said")
        return inner

    def hurry(self, server: Server, time: float, answer: Answer) -> Answer:
        """Apply a gateway's limits on the whole answer, or on silence in it."""
        total = server.at(time, "total")
        if total and answer.end - time > total.value:
            return self.stop("cut", answer, time + total.value + self.dice.uniform(0.0, 0.04))
        idle = server.at(time, "idle")
        limit = idle.value if idle else server.patience
        before = answer.chunks[0] if answer.chunks else answer.end
        for at in (*answer.chunks, answer.end):
            if at - before > limit:
                return self.stop("cut", answer, before + limit + self.dice.uniform(-0.2, 0.05))
            before = at
        return answer

    def survive(self, server: Server, time: float, answer: Answer) -> Answer:
        """Apply what happens to a process while it answers."""
        met = server.first(time, answer.end, "dead", "frozen", "reload")
        if met is None:
            return answer
        if met.how != "frozen":
            return self.stop(self.dice.choice(("cut", "cut", "reset")), answer, met.begin)
        before = [at for at in answer.chunks if at <= met.begin]
        if met.end - met.begin > IDLE:
            return Answer("frozen", (before[-1] if before else time) + (IDLE if before else FIRST), before)
        late = met.end - met.begin
        return replace(
            answer, end=answer.end + late, chunks=[at if at <= met.begin else at + late for at in answer.chunks]
        )

    def stop(self, kind: str, answer: Answer, at: float) -> Answer:
        """End an answer at that time."""
        chunks = [one for one in answer.chunks if one <= at]
        if not chunks and kind == "cut" and self.dice.random() < 0.7:
            kind = "closed"
        return replace(answer, kind=kind, end=at, chunks=chunks)

    def listening(self, server: Server, time: float) -> AfterCut:
        """Return what looks after a cut come to."""
        return AfterCut.REFUSED if server.at(time + 0.25, "dead") else AfterCut.ACCEPTED


# -- what a probe makes of it ------------------------------------------------------------------------------------------

_KINDS = {
    "cut": EndKind.INCOMPLETE, "reset": EndKind.RESET, "clean": EndKind.COMPLETE, "closed": EndKind.CLOSED,
    "refused": EndKind.REFUSED, "nodns": EndKind.DNS, "status": EndKind.DECLINED, "said": EndKind.COMPLETE,
    "whole": EndKind.COMPLETE, "error": EndKind.COMPLETE,
}  # fmt: skip
_CUT = {"cut", "reset", "closed"}


def observation(world: World, target: Target, server: Server, time: float, number: int) -> Observation:
    """Probe a target at that time."""
    answer = world.ask(server, time)
    recorder, age = Recorder(), max(answer.end - time, 0.001)
    age = min(age, TOTAL)
    if answer.kind not in {"refused", "nodns", "noway"}:
        recorder.connected = True
        recorder.mark(Mark.CONNECT, 0.001)
    headless = answer.kind in {"refused", "nodns", "noway", "closed"} or (answer.kind == "frozen" and not answer.chunks)
    if not headless:
        recorder.head = Head(answer.status, "text/event-stream", framing=answer.framing, retry_after=answer.retry_after)
    for count, at in enumerate(answer.chunks, start=1):
        recorder.arrived(max(at - time, 0.0001), 1e-5, count * 100)
        recorder.record(Output("x"), count * 100)
    size = len(answer.chunks) * 100 + 100
    last: dict[str, object] = {"whole": Finish("stop"), "said": Finish("stop")}
    if answer.kind in last:
        recorder.arrived(age, 1e-5, size)
        recorder.record(Finish("stop"), size)
    if answer.kind == "error" and answer.fault is not None:
        recorder.arrived(age, 1e-5, size)
        recorder.record(Failure(answer.fault, answer.words), size)
    if answer.kind == "frozen":
        deadline = Deadline.IDLE if answer.chunks else Deadline.FIRST_CHUNK
        recorder.ending = Ending(EndKind.DEADLINE, age, "", deadline)
    elif answer.kind == "noway":
        recorder.ending = Ending(EndKind.DEADLINE, age, "", Deadline.CONNECT)
    else:
        recorder.ending = Ending(_KINDS[answer.kind], age)
    recorder.mark(Mark.END, age)
    check = CheckResult("count", "missing", 0.5, beginning=True) if answer.kind == "said" else None
    recording = recorder.finish()
    return Observation(
        probe_id=f"{target.name}-{number}",
        target=target,
        timestamp=datetime.fromtimestamp(EPOCH + time, UTC),
        trigger="schedule",
        recording=recording,
        verdict=judge(recording, check),
        tokens=Tokens(input=20, output=3),
        check=check,
        server_error=ServerError(message=answer.words) if answer.words else None,
        after_cut=world.listening(server, answer.end) if answer.kind in _CUT else None,
    )


# -- the incidents -----------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Watched:
    """One monitored target: where it is asked, how often, and whom it may be blamed on, from when to when."""

    target: Target
    server: Server
    blames: list[tuple[float, float, frozenset[Suspect]]] = field(default_factory=list)
    kind: str = ""


@dataclass(slots=True)
class Scenario:
    """One incident, or two that overlap, with some targets and innocent ones beside them."""

    kind: str
    watched: list[Watched]
    until: float


@dataclass(slots=True)
class _Stage:
    """Makes the parts of one scenario."""

    dice: random.Random
    watched: list[Watched] = field(default_factory=list)

    def app(self, name: str) -> Server:
        dice = self.dice
        return Server(name, pace=dice.uniform(0.03, 0.3), begin=dice.uniform(0.1, 1.5))

    def gateway(self, name: str, behind: Server, style: str | None = None) -> Server:
        style = style or self.dice.choice(tuple(GATEWAYS))
        return Server(name, style, behind, patience=self.dice.choice((5.0, 8.0, 12.0, 17.0, 25.0)))

    def watch(self, server: Server, interval: float, upstream: str | None = None) -> Watched:
        url = f"http://{server.name}.test:8000/v1"
        target = Target(f"t{len(self.watched)}-{server.name}", "openai-chat", url, interval=interval, upstream=upstream)
        found = Watched(target, server)
        self.watched.append(found)
        return found


@dataclass(frozen=True, slots=True)
class Plot:
    """What an incident is made of: an application, the gateway in front, a target at each, and a time."""

    dice: random.Random
    app: Server
    gate: Server
    back: Watched
    front: Watched
    begin: float
    end: float


Make = Callable[[Plot], None]


def _blame(watched: Watched, begin: float, end: float, *suspects: Suspect) -> None:
    watched.blames.append((begin, end, frozenset(suspects)))


def _killed(plot: Plot) -> None:
    plot.app.spans.append(Span("dead", plot.begin, plot.end))
    plot.app.loading = plot.dice.choice((0.0, 0.0, 4.0, 30.0))
    _blame(plot.back, plot.begin, plot.end + plot.app.loading, Suspect.RESTART)
    _blame(plot.front, plot.begin, plot.end + plot.app.loading, Suspect.UPSTREAM)


def _flapping(plot: Plot) -> None:
    at, step = plot.begin, max((plot.end - plot.begin) / 5, 3.0)
    while at < plot.end:
        plot.app.spans.append(Span("dead", at, min(at + step * plot.dice.uniform(0.3, 0.8), plot.end)))
        at += step
    _blame(plot.back, plot.begin, plot.end, Suspect.RESTART)
    _blame(plot.front, plot.begin, plot.end, Suspect.UPSTREAM)


def _frozen(plot: Plot) -> None:
    plot.app.spans.append(Span("frozen", plot.begin, plot.end))
    _blame(plot.back, plot.begin, plot.end)
    _blame(plot.front, plot.begin, plot.end, Suspect.UPSTREAM)


def _raises(plot: Plot) -> None:
    plot.app.spans.append(
        Span(plot.dice.choice(("raise", "raise", "raise500")), plot.begin, plot.end, plot.dice.choice((0.5, 0.8, 1.0)))
    )
    _blame(plot.back, plot.begin, plot.end, Suspect.APP_EXCEPTION)
    _blame(plot.front, plot.begin, plot.end, Suspect.UPSTREAM)


def _overloaded(plot: Plot) -> None:
    plot.app.spans.append(
        Span("overloaded", plot.begin, plot.end, plot.dice.choice((0.4, 0.7, 1.0)), plot.dice.randint(0, 3))
    )
    _blame(plot.back, plot.begin, plot.end, Suspect.OVERLOAD)
    _blame(plot.front, plot.begin, plot.end, Suspect.UPSTREAM, Suspect.OVERLOAD)


def _context(plot: Plot) -> None:
    plot.app.spans.append(Span("context", plot.begin, plot.end))
    _blame(plot.back, plot.begin, plot.end, Suspect.CONTEXT)
    _blame(plot.front, plot.begin, plot.end, Suspect.CONTEXT, Suspect.UPSTREAM)


def _swallows(plot: Plot) -> None:
    plot.app.spans.append(Span("swallow", plot.begin, plot.end, plot.dice.choice((0.5, 1.0))))
    _blame(plot.back, plot.begin, plot.end, Suspect.SILENT_END)
    _blame(plot.front, plot.begin, plot.end, Suspect.UPSTREAM, Suspect.SILENT_END)


def _total(plot: Plot) -> None:
    limit = plot.dice.choice((3.0, 5.0, 10.0, 15.0, 30.0, 60.0)) + plot.dice.uniform(0.0, 0.02)
    plot.gate.spans.append(Span("total", plot.begin, plot.end, value=limit))
    plot.app.spans.append(Span("long", plot.begin - 60.0, plot.end + 60.0, value=limit * 1.2))
    _blame(plot.front, plot.begin, plot.end, Suspect.PROXY_TIMEOUT)


def _idle(plot: Plot) -> None:
    limit = plot.dice.choice((2.0, 5.0, 10.0, 20.0)) + plot.dice.uniform(0.0, 0.02)
    plot.gate.spans.append(Span("idle", plot.begin, plot.end, value=limit))
    plot.app.spans.append(Span("pause", plot.begin - 5.0, plot.end + 5.0, value=limit * plot.dice.uniform(1.1, 1.4)))
    _blame(plot.front, plot.begin, plot.end, Suspect.PROXY_TIMEOUT)


def _slow(plot: Plot) -> None:
    plot.gate.patience = plot.dice.choice((4.0, 6.0, 10.0))
    plot.app.spans.append(Span("slow", plot.begin, plot.end, value=plot.gate.patience * plot.dice.uniform(1.0, 1.5)))
    _blame(plot.front, plot.begin, plot.end, Suspect.PROXY_TIMEOUT)


def _gate_killed(plot: Plot) -> None:
    plot.gate.spans.append(Span("dead", plot.begin, plot.end))
    _blame(plot.front, plot.begin, plot.end, Suspect.RESTART)


def _no_way(plot: Plot) -> None:
    plot.gate.spans.append(Span(plot.dice.choice(("nodns", "noway")), plot.begin, plot.end))
    _blame(plot.front, plot.begin, plot.end, Suspect.NETWORK)


def _reloaded(plot: Plot) -> None:
    plot.gate.spans.append(Span("reload", plot.begin, plot.begin + 0.01))
    _blame(plot.front, plot.begin, plot.end, Suspect.RESTART)


KINDS: Mapping[str, Make] = {
    "a server is killed": _killed, "a server flaps": _flapping, "a server freezes": _frozen,
    "an application raises": _raises, "a server is overloaded": _overloaded, "the context is too short": _context,
    "an error is swallowed": _swallows, "a proxy limits the whole answer": _total,
    "a proxy limits silence": _idle, "a proxy limits the first byte": _slow, "a gateway is killed": _gate_killed,
    "the network fails": _no_way, "a proxy is reloaded": _reloaded,
}  # fmt: skip


def scenario_of(seed: int, kind: str | None = None) -> Scenario:
    """Return the scenario of a seed: every third one has a second incident that overlaps the first."""
    dice = random.Random(seed)  # noqa: S311 - a seeded simulation
    stage, names = _Stage(dice), tuple(KINDS)
    interval = dice.choice(INTERVALS)
    kinds = [kind or names[seed % len(names)]]
    apps = [stage.app("app"), stage.app("other")]
    gates = [stage.gateway("gate", apps[0]), stage.gateway("side", apps[1])]
    pairs = []
    for app, gate in zip(apps, gates, strict=True):
        back = stage.watch(app, interval * dice.choice((0.5, 1.0, 1.0, 2.0)))
        front = stage.watch(gate, interval, back.target.name)
        pairs.append((app, gate, back, front))
    if dice.random() < 0.5:  # a second target at the same gateway
        stage.watch(gates[0], interval * dice.choice((1.0, 1.5)), pairs[0][2].target.name)
    begin = interval * dice.uniform(6.0, 9.0) + 60.0
    end = begin + max(interval * dice.uniform(2.0, 9.0), dice.uniform(5.0, 60.0))
    KINDS[kinds[0]](Plot(dice, *pairs[0], begin, end))
    pairs[0][2].kind = pairs[0][3].kind = kinds[0]
    if seed % 3 == 0:
        kinds.append(dice.choice(names))
        KINDS[kinds[1]](Plot(dice, *pairs[1], begin + (end - begin) * dice.uniform(-0.5, 0.5), end))
        pairs[1][2].kind = pairs[1][3].kind = kinds[1]
    for twin in stage.watched[4:]:
        twin.blames, twin.kind = list(pairs[0][3].blames), kinds[0]
    return Scenario(kinds[0], stage.watched, end + 12 * interval)


def probes(scenario: Scenario, seed: int) -> Iterator[tuple[Watched, Observation]]:
    """Yield every probe of a scenario in the order in which they end."""
    dice = random.Random(seed + 1_000_000)  # noqa: S311 - as above
    world, found = World(dice), []
    for one in scenario.watched:
        at, number = dice.uniform(0.0, one.target.interval), 0
        while at < scenario.until:
            observed = observation(world, one.target, one.server, at, number)
            found.append((one, observed))
            at, number = max(at + one.target.interval, at + observed.duration) + dice.uniform(0.0, 0.3), number + 1
    yield from sorted(found, key=lambda it: it[1].timestamp.timestamp() + it[1].duration)
