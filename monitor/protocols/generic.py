"""Any protocol that a config can describe: a framing, and the paths of output, end and the rest in its JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from monitor.keys.json_path import JsonPath
from monitor.protocols.base import Protocol
from monitor.protocols.finish_reasons import reason_of, stop_of
from monitor.protocols.shapes import FOREIGN, any_text, own_body
from monitor.protocols.stream_errors import failure, failure_in
from monitor.protocols.values import as_count, as_text, load_any
from monitor.stream.events import Done, Event, Failure, Finish, Message, Meta, Output, Part, Usage
from monitor.stream.framing import Framer
from monitor.stream.json_objects import ConcatenatedJson
from monitor.stream.lines import Lines
from monitor.stream.raw import Raw
from monitor.stream.sse import ServerSentEvents
from monitor.target import Generic, Target

_FRAMINGS: Mapping[str, Callable[[int], Framer]] = {
    "sse": ServerSentEvents,
    "lines": Lines,
    "json": ConcatenatedJson,
    "raw": Raw,
}
_NOTHING: tuple[object, ...] = (None, False, 0, "", {}, [])


class _Reader:
    """Reads the messages of one stream by the paths of a target, and keeps which of them matched."""

    def __init__(self, paths: Generic) -> None:
        self._paths = paths
        self._matched: set[str] = set()

    def interpret(self, message: Message) -> Iterator[Event]:
        """Read one message; without a path for the output its text is the output."""
        paths = self._paths
        if paths.marker is not None and message.data.strip() == paths.marker:
            self._matched.add("marker")
            if paths.end is None:
                yield Finish()
            yield Done()
            return
        if not paths.reads_json:
            yield Output(message.data)
            return
        value = load_any(message.data)
        if error := [one for one in self._find("error", paths.error, value) if one not in _NOTHING]:
            yield failure(error[0])
            return
        outputs = [
            Output(text, part)
            for name, path, part in (
                ("reasoning", paths.reasoning, Part.REASONING),
                ("output", paths.output, Part.CONTENT),
            )
            if (text := "".join(map(as_text, self._find(name, path, value))))
        ]
        yield from outputs
        usage = Usage(
            self._count("usage.input", paths.usage.input, value),
            self._count("usage.output", paths.usage.output, value),
        )
        ends = list(self._ends(value))
        if (reported := self._usual_error(value, output=bool(outputs or ends))) is not None:
            yield reported
            return
        if usage != Usage():
            yield Meta(usage=usage)
        elif not outputs and not ends:
            yield Meta() if self._matched else FOREIGN
        yield from ends

    def _usual_error(self, value: object, *, output: bool) -> Failure | None:
        """Return an error in a shape of a vendor, if the target has no path for errors."""
        if self._paths.error is not None or not isinstance(value, dict):
            return None
        return failure_in(value, output=output)

    def _ends(self, value: object) -> Iterator[Finish]:
        """Return the end of a value: a reason, true, or what the path expects."""
        path = self._paths.end
        for found in self._find("end", path, value)[:1]:
            if path is not None and path.expected is not None:
                yield Finish(path.expected)
            elif found is True:
                yield Finish()
            elif (reason := reason_of(found)) is not None:
                yield Finish(reason, stop_of(reason))

    def _count(self, name: str, path: JsonPath | None, value: object) -> int | None:
        return next(filter(None, map(as_count, self._find(name, path, value))), None)

    def _find(self, name: str, path: JsonPath | None, value: object) -> list[object]:
        found = path.find(value) if path is not None else []
        if found:
            self._matched.add(name)
        return found

    def remark(self) -> str:
        """Say which paths never matched; those of errors and reasoning need not."""
        paths = self._paths
        asked = {
            "output": paths.output and paths.output.text,
            "end": paths.end and paths.end.text,
            "marker": paths.marker,
            "usage.input": paths.usage.input and paths.usage.input.text,
            "usage.output": paths.usage.output and paths.usage.output.text,
        }
        missed = [f"generic.{name} = {text!r}" for name, text in asked.items() if text and name not in self._matched]
        return f"never matched: {', '.join(missed)}" if missed else ""


def configured(target: Target) -> Protocol:
    """Return the protocol that a target's `generic` describes, for one stream."""
    paths = target.generic
    reader = _Reader(paths)
    return replace(
        GENERIC,
        framing=_FRAMINGS[paths.framing or ("sse" if paths.reads_json or paths.marker else "raw")],
        interpret=reader.interpret,
        end=paths.end is not None or paths.marker is not None,
        marker=paths.marker is not None,
        remark=reader.remark,
    )


GENERIC = Protocol(
    name="generic",
    framing=Raw,
    request=own_body,
    interpret=any_text,
    end=False,
    content_types=(),
    asks=False,
    asked_at="any URL",
    note="the target's `generic` says the framing, and by dotted paths where output, reasoning, end, error and usage "
    "are; `body` is sent, with `{prompt}` filled in",
    example="chatchat/mini_v020",
    dialect="monitor.lab.dialects.raw:DIALECT",
    configure=configured,
)
