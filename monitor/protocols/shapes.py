"""Shapes that protocols share: OpenAI's chunk, the tokens that servers count, Langchain-Chatchat 0.2's object."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from monitor.protocols.base import Request, json_request
from monitor.protocols.finish_reasons import finish_of, words_of
from monitor.protocols.stream_errors import ERRORS, failure, failure_in
from monitor.protocols.values import an_object, as_arguments, as_count, as_list, as_object, as_text, as_word, load
from monitor.stream.events import Event, Finish, Message, Meta, Output, Part, Usage
from monitor.target import Target

FOREIGN = Meta(foreign=True)
"""JSON without anything of the protocol: a sign of life that does not count as decoded."""


def own_body(target: Target, prompt: str) -> Request:
    """Send the target's own `body` as JSON, with `{prompt}` in its strings filled in; a GET if it has none."""
    if not target.body:
        return Request("GET", {"Accept": "*/*"})
    return json_request({}, target, accept="*/*", prompt=prompt)


def any_text(message: Message) -> Iterator[Event]:
    """Take the text of any message as output."""
    yield Output(message.data)


# -- Langchain-Chatchat 0.2 ----------------------------------------------------------------------------------------


def chatchat_request(target: Target, prompt: str) -> Request:
    """Ask with a query; a knowledge base is named in the target's `body` (`knowledge_base_name`).

    Releases without `max_tokens` and other keys ignore them.
    """
    body: dict[str, object] = {
        "query": prompt,
        "history": [],
        "stream": True,
        "model_name": target.model,
        "temperature": target.temperature,
        "max_tokens": target.max_tokens,
        "prompt_name": "default",
    }
    return json_request(body, target)


_OF_CHATCHAT = frozenset({"text", "answer", "final_answer", "docs", "tools"})
_OTHERS = frozenset({"type", "event", "choices"})
"""Keys of other protocols' events that have a `text`, an `answer` or `docs`, too."""


def chatchat_object(message: Message) -> Iterator[Event]:
    """Decode an object of Langchain-Chatchat 0.2: `text` or `answer` is output, `final_answer` repeats it."""
    frame = load(message.data)
    text = as_text(frame.get("text")) or as_text(frame.get("answer"))
    text = "" if frame.keys() & _OTHERS else text
    if (error := failure_in(frame, output=bool(text))) is not None:
        yield error
    elif text:
        yield Output(text)
    elif "type" not in frame and (text := as_text(frame.get("final_answer"))):
        yield Output(text, repeats=True)
    elif frame.keys() & _OTHERS or not frame.keys() & _OF_CHATCHAT:
        yield FOREIGN
    else:
        yield Meta()


# -- OpenAI's chunk ------------------------------------------------------------------------------------------------

_USAGES = ("usage", "x_groq", "x_openai")
"""Keys of a chunk, or of a choice (Moonshot), under which tokens are counted; Groq's holds a `usage`."""


_USUAL = frozenset({
    "id", "object", "created", "model", "system_fingerprint", "service_tier", "provider", "choices", "usage",
})  # fmt: skip
_USUAL_CHOICE = frozenset({"index", "delta", "finish_reason", "logprobs"})
"""Keys of a chunk and of its choice that carry no information in addition to a piece of text."""


def openai_frame(frame: Mapping[str, object]) -> Iterable[Event]:
    """Decode one `chat.completion.chunk`: output, then errors, then other information, then the ends of its choices."""
    return _usual(frame) or _any_frame(frame)


def _usual(frame: Mapping[str, object]) -> tuple[Output] | None:
    """Return the text of a chunk that has only that, in its only choice; None for any other chunk.

    Nearly every chunk is like this, and is decoded in half the time.
    """
    choices = frame.get("choices")
    if type(choices) is not list or len(choices) != 1 or not frame.keys() <= _USUAL:
        return None
    if frame.get("object") == "error" or frame.get("usage") is not None:
        return None
    choice = choices[0]
    if type(choice) is not dict or not choice.keys() <= _USUAL_CHOICE or choice.get("finish_reason") is not None:
        return None
    delta, index = choice.get("delta"), choice.get("index", 0)
    text = delta.get("content") if type(delta) is dict and len(delta) == 1 else None
    if type(text) is not str or not text or type(index) is not int or index < 0:
        return None
    return (Output(text, Part.CONTENT, index),)


def _any_frame(frame: Mapping[str, object]) -> Iterator[Event]:
    choices = choices_of(frame)
    silent: list[int | None] = []  # choices with neither output nor an end
    finishes: list[Finish] = []
    errors: list[Mapping[str, object]] = []
    output = False
    for choice in choices:
        index = as_count(choice.get("index")) or 0
        pieces = _pieces(choice, index)
        yield from pieces
        output = output or bool(pieces)
        if (reported := error_of(choice)) is not None:
            errors.append(reported)
        if (reason := finish_of(choice)) is not None:
            finishes.append(Finish(*reason, index, words_of(choice.get("finish_reason"))))
        elif not pieces:
            silent.append(index)
    if (error := failure_in(frame, output=output)) is not None:
        yield error
        return
    usage = counted_in(frame, choices)
    if "choices" not in frame or (choices and all(map(_of_completions, choices))):
        yield FOREIGN if usage is None else Meta(foreign=True, usage=usage)  # others count tokens under the same names
        return
    yield from map(failure, errors)
    if usage is not None or not choices or finishes:
        silent = silent or [None]
    for quiet in silent:
        yield Meta(shared=not choices, model=as_word(frame.get("model")), usage=usage, choice=quiet)
    yield from finishes


def _of_completions(choice: Mapping[str, object]) -> bool:
    """Whether a choice is one of the legacy completions, which have a `text`."""
    return "text" in choice and choice.keys().isdisjoint(("delta", "message"))


def choices_of(frame: Mapping[str, object]) -> list[dict[str, object]]:
    """Return the choices of a chunk; TypeError if they are not a list of objects."""
    return [as_object(choice) for choice in as_list(frame.get("choices")) if choice is not None]


def error_of(choice: Mapping[str, object]) -> Mapping[str, object] | None:
    """Return the error that a choice reports, as OpenRouter has it; None without one."""
    error = {"error": choice["error"]} if "error" in choice else None
    return error if error is not None and any(holds(error) for holds in ERRORS.values()) else None


def counted_in(frame: Mapping[str, object], choices: Sequence[Mapping[str, object]]) -> Usage | None:
    """Return the tokens that a chunk counts, itself or in one of its choices; None if it counts none."""
    return next(filter(None, map(_counted, (frame, *choices))), None)


def _counted(fields: Mapping[str, object]) -> Usage | None:
    if fields.keys().isdisjoint(_USAGES):  # as nearly every chunk has none
        return None
    for key in _USAGES:
        value = fields.get(key)
        counted = value if key == "usage" else an_object(value).get("usage")
        if (usage := usage_of(counted)) is not None:
            return usage
    return None


def _pieces(choice: Mapping[str, object], index: int) -> Sequence[Output]:
    """Return the output of a choice; a whole `message`, which some send at the end, repeats the deltas."""
    if choice.get("delta") is None and isinstance(choice.get("message"), dict):
        whole = openai_delta(as_object(choice["message"]), index)
        return [Output(piece.text, piece.part, index, repeats=True) for piece in whole]
    return openai_delta(as_object(choice.get("delta")), index)


REASONING = (
    "reasoning_content", "reasoning", "reasoning_text", "reasoning_details", "reasoning_summary", "thinking",
    "thinking_content", "thinking_blocks", "thought", "thoughts",
)  # fmt: skip
"""Keys of a delta under which vendors send reasoning; several of one delta say the same. Encrypted reasoning has no
text (`data`, `signature`, `reasoning_opaque`)."""
_THOUGHTS = ("text", "thinking", "reasoning", "summary", "content")
"""The keys of the text in an object of reasoning."""


def openai_delta(delta: Mapping[str, object], choice: int) -> Sequence[Output]:
    """Return the output of one delta: reasoning, text, refusal, tool calls; nothing for a role or an empty piece."""
    text = delta.get("content")
    if len(delta) == 1 and isinstance(text, str) and text:  # as nearly every delta is
        return (Output(text, Part.CONTENT, choice),)
    return list(_delta(delta, choice))


def _delta(delta: Mapping[str, object], choice: int) -> Iterator[Output]:
    if reasoning := reasoning_in(delta):
        yield Output(reasoning, Part.REASONING, choice)
    content = delta.get("content")
    if isinstance(content, list):
        yield from _parts(content, choice)
    elif text := as_text(content):
        yield Output(text, Part.CONTENT, choice)
    if refusal := as_text(delta.get("refusal")):
        yield Output(refusal, Part.REFUSAL, choice)
    calls = delta.get("tool_calls")
    for call in [calls] if isinstance(calls, dict) else as_list(calls):
        yield from _call(as_object(call), choice)
    yield from _call({"function": delta.get("function_call")}, choice)


def reasoning_in(fields: Mapping[str, object]) -> str:
    """Return the reasoning in a delta or a message, from the first of its keys that has a text."""
    return next(filter(None, (reasoning_of(fields[key]) for key in REASONING if key in fields)), "")


def reasoning_of(value: object) -> str:
    """Return the text of reasoning: a text, an object that has one, or a list of them."""
    return as_text(value, *_THOUGHTS)


def _parts(content: list[object], choice: int) -> Iterator[Output]:
    """Return the output of content given as a list of typed parts (Mistral, Databricks)."""
    for part in content:
        name = as_text(an_object(part).get("type"))
        if name in {"thinking", "reasoning"}:
            text, kind = reasoning_of(part), Part.REASONING
        elif name == "refusal":
            text, kind = as_text(part, "refusal"), Part.REFUSAL
        else:
            text, kind = as_text(part), Part.CONTENT
        if text:
            yield Output(text, kind, choice)


def _call(call: Mapping[str, object], choice: int) -> Iterator[Output]:
    """Return a piece of a tool call: its id, its name or some of its arguments; nothing for an empty one."""
    called = as_object(call.get("function")) or an_object(call.get("custom"))
    arguments = as_arguments(called.get("arguments")) or as_arguments(called.get("input"))
    if arguments or called.get("name") or call.get("id"):
        yield Output(arguments, Part.TOOL_CALL, choice)


# -- tokens --------------------------------------------------------------------------------------------------------

_READ = ("prompt_tokens", "input_tokens", "inputTokens", "promptTokens", "PromptTokens", "promptTokenCount")
_CACHED = ("cache_creation_input_tokens", "cache_read_input_tokens")
"""The tokens that Anthropic counts in addition to `input_tokens`."""
_WRITTEN = ("completion_tokens", "output_tokens", "outputTokens", "completionTokens", "CompletionTokens")
_DETAILS = ("completion_tokens_details", "output_tokens_details")


def usage_of(counted: object) -> Usage | None:
    """Return the tokens that an object counts, in the words of whichever vendor; None if it counts none."""
    if not counted:
        return None
    fields = an_object(counted)
    read, written = _first(fields, _READ), _first(fields, _WRITTEN)
    details = next((an_object(fields[key]) for key in _DETAILS if key in fields), {})
    thought = _first(details, ("reasoning_tokens",))
    thought = thought if thought is not None else _first(fields, ("reasoning_tokens",))
    if read is not None:
        read += sum(_first(fields, (key,)) or 0 for key in _CACHED)
    if written is not None and thought is not None and thought > written:  # xAI counts them separately
        written += thought
    return None if read is written is None else Usage(read, written, thought)


def _first(fields: Mapping[str, object], keys: tuple[str, ...]) -> int | None:
    return next((count for key in keys if (count := as_count(fields.get(key))) is not None), None)
