"""One request for one fault, the verdict to expect of it, and what a fault is."""

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
    """What a probe with the counted list as its check and default timeouts is to come to."""

    verdict: str
    flag: str = ""


OK = Expect("ok")
UNCLEAN = Expect("ok", "unclean_end")


@dataclass(frozen=True, slots=True)
class ScriptContext:
    """Everything that a script is made from."""

    dialect: Dialect
    pieces: tuple[str, ...]
    values: Mapping[str, object]
    """Parameters by name, as read."""
    stream: bool = True
    truth: tuple[tuple[str, str], ...] = ()
    """Headers that say what is really done."""

    def __getitem__(self, param: Param[T]) -> T:
        return cast("T", self.values[param.name])

    def but(self, param: Param[T], value: T) -> ScriptContext:
        """The same with one value set, for faults that leave no choice."""
        return replace(self, values={**self.values, param.name: value})

    def encode(self, pieces: tuple[str, ...], finish: str | None = None) -> EncodedAnswer:
        """An answer made of these pieces, in one message where no stream was asked for."""
        if not self.stream:
            return EncodedAnswer((self.dialect.whole("".join(pieces)),), range(1), 0)
        return _encoded(self.dialect.encode, pieces, self.dialect.finishes[0] if finish is None else finish)

    @property
    def answer(self) -> EncodedAnswer:
        """The right and whole answer."""
        return self.encode(self.pieces)

    @property
    def content_type(self) -> str:
        """The right content type."""
        return self.dialect.content_type if self.stream else self.dialect.whole_type

    @property
    def endless(self) -> bool:
        """Whether only the content check can tell that the answer is whole."""
        return self.answer.end is None

    def named(self, what: str, name: str, messages: Mapping[str, bytes]) -> bytes:
        """One of the protocol's own messages, by the name that a parameter gives."""
        if name not in messages:
            raise BadParameterError(f"{what}={name}: allowed here is one of {', '.join(messages) or '(nothing)'}")
        return messages[name]


@lru_cache(maxsize=256)
def _encoded(encode: Encode, pieces: tuple[str, ...], finish: str) -> EncodedAnswer:
    """The answer, kept, for a case looks at it again and again."""
    return encode(pieces, finish)


Expectation = Expect | Callable[[ScriptContext], Expect]


@dataclass(frozen=True, slots=True, kw_only=True)
class LabFault:
    """One way to answer: what it does, what it takes, what it is to come to, and its script."""

    name: str
    says: str
    script: Callable[[ScriptContext], Script]
    ended: Expectation
    """The verdict for a protocol that declares an end."""
    endless: Expectation | None = None
    """The verdict for one that declares none, where it is another."""
    params: tuple[Param[object], ...] = ()
    needs: tuple[str, ...] = ()
    """What the protocol must have for it."""
    examples: tuple[str, ...] | Callable[[Dialect], tuple[str, ...]] = ("",)
    """Queries worth trying, or those for a protocol; the index page and the tests go through them."""

    def examples_for(self, dialect: Dialect) -> tuple[str, ...]:
        """Queries worth trying in this protocol."""
        return self.examples(dialect) if callable(self.examples) else self.examples

    @property
    def all_params(self) -> tuple[Param[object], ...]:
        """Its own parameters and those that every fault takes."""
        return tuple({param.name: param for param in COMMON + self.params}.values())

    def expect(self, case: ScriptContext) -> Expect:
        """The verdict for this case."""
        expectation = self.endless if case.endless and self.endless is not None else self.ended
        return expectation if isinstance(expectation, Expect) else expectation(case)


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomFault:
    """A fault that is another one each time, by the number of the request."""

    name: str
    says: str
    params: tuple[Param[object], ...]
    pick: Callable[[Mapping[str, object], int], tuple[str, str]]
    """The name and the query of the fault for this request."""
    examples: tuple[str, ...] = ("",)
