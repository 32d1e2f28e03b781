"""One request for one fault, its expected verdict, and the definition of a fault."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TypeVar, cast

from monitor.lab.dialects.base import Dialect, Encode, EncodedAnswer
from monitor.lab.params import COMMON, BadParameterError, Param
from monitor.lab.steps import Script

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Expect:
    """The expected result of a probe with the counted list as its check and default timeouts."""

    verdict: str
    flag: str = ""


OK = Expect("ok")
UNCLEAN = Expect("ok", "unclean_end")


@dataclass(frozen=True, slots=True)
class ScriptContext:
    """The input of a script."""

    dialect: Dialect
    pieces: tuple[str, ...]
    values: Mapping[str, object]
    """Parameters by name, as read."""
    stream: bool = True
    truth: tuple[tuple[str, str], ...] = ()
    """Headers that describe the fault."""

    def __getitem__(self, param: Param[T]) -> T:
        return cast("T", self.values[param.name])

    def but(self, param: Param[T], value: T) -> ScriptContext:
        """The same with one value set, for faults with a fixed parameter."""
        return replace(self, values={**self.values, param.name: value})

    def encode(self, pieces: tuple[str, ...], finish: str | None = None) -> EncodedAnswer:
        """An answer with these pieces, in one message if no stream was requested."""
        if not self.stream:
            return EncodedAnswer((self.dialect.whole("".join(pieces)),), range(1), 0)
        return _encoded(self.dialect.encode, pieces, self.dialect.finishes[0] if finish is None else finish)

    @property
    def answer(self) -> EncodedAnswer:
        """The correct, whole answer."""
        return self.encode(self.pieces)

    @property
    def content_type(self) -> str:
        """The correct content type."""
        return self.dialect.content_type if self.stream else self.dialect.whole_type

    @property
    def endless(self) -> bool:
        """Whether only the content check can prove that the answer is whole."""
        return self.answer.end is None

    def named(self, what: str, name: str, messages: Mapping[str, bytes]) -> bytes:
        """One of the protocol's messages, by the name in a parameter."""
        if name not in messages:
            raise BadParameterError(f"{what}={name}: allowed here is one of {', '.join(messages) or '(nothing)'}")
        return messages[name]


@lru_cache(maxsize=256)
def _encoded(encode: Encode, pieces: tuple[str, ...], finish: str) -> EncodedAnswer:
    """The answer, cached because a case uses it several times."""
    return encode(pieces, finish)


Expectation = Expect | Callable[[ScriptContext], Expect]


@dataclass(frozen=True, slots=True, kw_only=True)
class LabFault:
    """One fault: its description, parameters, expected verdict, and script."""

    name: str
    summary: str
    script: Callable[[ScriptContext], Script]
    ended: Expectation
    """The verdict for a protocol that declares an end."""
    endless: Expectation | None = None
    """The verdict for a protocol without an end, if it differs."""
    params: tuple[Param[object], ...] = ()
    needs: tuple[str, ...] = ()
    """What the protocol must support."""
    examples: tuple[str, ...] | Callable[[Dialect], tuple[str, ...]] = ("",)
    """Example queries, or a function of the protocol; the index page and the tests use them."""

    def examples_for(self, dialect: Dialect) -> tuple[str, ...]:
        """Example queries for this protocol."""
        return self.examples(dialect) if callable(self.examples) else self.examples

    @property
    def all_params(self) -> tuple[Param[object], ...]:
        """Its own parameters and the common ones."""
        return tuple({param.name: param for param in COMMON + self.params}.values())

    def expect(self, case: ScriptContext) -> Expect:
        """The verdict for this case."""
        expectation = self.endless if case.endless and self.endless is not None else self.ended
        return expectation if isinstance(expectation, Expect) else expectation(case)


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomFault:
    """A fault that varies with the number of the request."""

    name: str
    summary: str
    params: tuple[Param[object], ...]
    pick: Callable[[Mapping[str, object], int], tuple[str, str]]
    """The name and the query of the fault for this request."""
    examples: tuple[str, ...] = ("",)
