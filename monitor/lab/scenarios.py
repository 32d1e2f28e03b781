"""The table of all faults: the description, parameters and expected verdict of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from monitor.lab.answer import pieces
from monitor.lab.dialects import DIALECTS
from monitor.lab.dialects.base import Dialect, lacks
from monitor.lab.fault import Expect, LabFault, RandomFault, ScriptContext
from monitor.lab.faults import cuts, drawn, framing, h2, heads, healthy, messages
from monitor.lab.params import BadParameterError, N, read_query

FAULTS: Mapping[str, LabFault] = {
    fault.name: fault for fault in (*healthy.FAULTS, *cuts.FAULTS, *messages.FAULTS, *heads.FAULTS, *framing.FAULTS)
}
HTTP2_FAULTS: Mapping[str, LabFault] = {fault.name: fault for fault in h2.FAULTS}
"""The faults that exist only in HTTP/2."""
DRAWS: Mapping[str, RandomFault] = {draw.name: draw for draw in drawn.DRAWS}
ALL: tuple[LabFault | RandomFault, ...] = (*FAULTS.values(), *DRAWS.values(), *HTTP2_FAULTS.values())


@dataclass(frozen=True, slots=True)
class Scenario:
    """One example URL and its expected verdict."""

    protocol: str
    fault: str
    query: str
    expect: Expect

    @property
    def path(self) -> str:
        """The URL after the host."""
        return f"/{self.protocol}/{self.fault}" + (f"?{self.query}" if self.query else "")


def case_for(fault: LabFault, dialect: Dialect, query: str, body: bytes = b"", *, stream: bool = True) -> ScriptContext:
    """The case for a query and a request's body."""
    if why := lacks(dialect, fault.needs):
        raise BadParameterError(f"{fault.name} is not available in this protocol: {why}")
    values = read_query(fault.all_params, query)
    return ScriptContext(dialect, pieces(body, ScriptContext(dialect, (), values)[N]), values, stream)


@cache
def scenarios(protocol: str, fault: LabFault) -> tuple[Scenario, ...]:
    """All examples of a fault that a protocol can show, with the verdict for the default list."""
    dialect = DIALECTS[protocol]
    queries = () if lacks(dialect, fault.needs) else fault.examples_for(dialect)
    return tuple(
        Scenario(protocol, fault.name, query, fault.expect(case_for(fault, dialect, query))) for query in queries
    )


def all_scenarios() -> Iterator[Scenario]:
    """Every example of every fault in every protocol."""
    for protocol in DIALECTS:
        for fault in FAULTS.values():
            yield from scenarios(protocol, fault)
