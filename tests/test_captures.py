"""What real servers sent, replayed byte for byte: each capture comes to its verdict."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from monitor.judge.verdict import Verdict
from monitor.protocols import PROTOCOLS
from monitor.target import Check, CountCheck, PatternCheck
from tests.protocols.replay import CAPTURES, capture, dechunked, judged, seen

# Name -> protocol; outcome, cause, phase, unclean end; chunks; the visible answer, or how it begins.
EXPECTED: dict[str, tuple[str, str, int, str]] = {
    # Langchain-Chatchat 0.3
    "chatchat/c03_success": ("chatchat", "ok - end -", 6, "Hello from the fake upstream."),
    "chatchat/c031_llm_ok": ("chatchat", "ok - end -", 6, "Hello from the fake upstream."),
    "chatchat/c03_llm_err500": ("chatchat", "stream_error upstream first_chunk -", 0, ""),
    "chatchat/c03_stall50s": ("chatchat", "stalled no_output stream -", 3, "Hello from the"),
    "chatchat/c03_agent_qwen": ("chatchat-agent", "ok - end -", 1, "Hello from the fake upstream."),
    "chatchat/c03_kb_ok": ("chatchat-kb", "unverified - stream -", 6, "Hello from the fake upstream."),
    "chatchat/c03_kb_nokb": ("chatchat-kb", "bad_response content_type first_event -", 0, ""),
    # Langchain-Chatchat 0.2
    "chatchat/c0210_chat_ok": ("chatchat-0.2", "unverified - stream -", 6, "Hello from the fake upstream."),
    "chatchat/c0210_nonstream": ("chatchat-0.2", "unverified - stream -", 1, "Hello from the fake upstream."),
    "chatchat/c0210_kb_nokb": ("chatchat-0.2", "bad_response content_type first_event -", 0, ""),
    "chatchat/mini_v020": ("chatchat-0.2-text", "unverified - stream -", 1, "Hello from the fake upstream."),
    "chatchat/mini_v023kb": ("chatchat-0.2-json", "unverified - stream -", 6, "Hello from the fake upstream."),
    "chatchat/mini_v024kb": ("chatchat-0.2-json", "unverified - stream -", 6, "Hello from the fake upstream."),
    "chatchat/mini_v027": ("chatchat-0.2-json", "unverified - stream -", 6, "Hello from the fake upstream."),
    "chatchat/mini_v027_fail": ("chatchat-0.2-json", "truncated incomplete_body stream -", 3, "Hello from the"),
    # Ollama, after its documentation
    "made/ollama_chat_whole": ("ollama-chat", "ok - end -", 6, "Hello from the fake upstream."),
    "made/ollama_chat_runner_died": ("ollama-chat", "stream_error upstream stream -", 3, "Hello from the"),
    # Gemini, after its documentation
    "made/gemini_whole": ("gemini", "ok - end -", 7, "Hello from the fake upstream."),
    "made/gemini_overloaded": ("gemini", "stream_error overloaded stream -", 3, "Hello from the"),
    # Cohere, after its documentation
    "made/cohere_v2_whole": ("cohere-v2", "ok - end -", 6, "Hello from the fake upstream."),
    "made/cohere_v2_timeout": ("cohere-v2", "truncated server_abort end -", 3, "Hello from the"),
    # Text Generation Inference, after its source
    "made/tgi_whole": ("tgi", "ok - end -", 6, "Hello from the fake upstream."),
    "made/tgi_incomplete": ("tgi", "stream_error other stream -", 3, "Hello from the"),
    # Dify, after its documentation
    "made/dify_chat_whole": ("dify", "ok - end -", 6, "Hello from the fake upstream."),
    "made/dify_chat_error": ("dify", "stream_error upstream stream -", 3, "Hello from the"),
    "made/dify_chatflow_whole": ("dify", "ok - end -", 6, "Hello from the fake upstream."),
    "made/dify_agent_whole": ("dify", "ok - end -", 6, "Hello from the fake upstream."),
    "made/dify_workflow_failed": ("dify", "stream_error overloaded stream -", 3, "Hello from the"),
    # FastGPT, after its documentation
    "made/fastgpt_whole": ("fastgpt", "ok - end -", 6, "Hello from the fake upstream."),
    "made/fastgpt_detail_whole": ("fastgpt", "ok - end -", 6, "Hello from the fake upstream."),
    "made/fastgpt_error": ("fastgpt", "stream_error upstream stream -", 3, "Hello from the"),
    # Coze, after its client
    "made/coze_v3_whole": ("coze-v3", "ok - end -", 6, "Hello from the fake upstream."),
    "made/coze_v3_failed": ("coze-v3", "stream_error other stream -", 3, "Hello from the"),
    # an upstream that closes in the middle, in four releases and routes of Langchain-Chatchat
    "chatchat/c031_llm_mid_fin": ("chatchat", "truncated incomplete_body stream -", 3, "Hello from the"),
    "chatchat/c03_llm_mid_fin": ("chatchat", "stream_error upstream stream -", 3, "Hello from the"),
    "chatchat/c0210_chat_mid_fin": ("chatchat-0.2", "unverified - stream -", 3, "Hello from the"),
    # model servers
    "servers/llama-server_openai_chat": ("openai-chat", "ok - end -", 16, "Write one sentence about the sea."),
    "servers/llama-server_openai_chat_usage": ("openai-chat", "ok - end -", 6, "Write one sentence about the sea"),
    "servers/llama-server_error_badjson": ("openai-chat", "http_error server headers -", 0, ""),
    "servers/llama-cpp-python_openai_chat": ("openai-chat", "ok - end -", 7, "Write one sentence about the sea."),
    "servers/llama-cpp-python_empty_stream_default_format": ("openai-chat", "empty no_output end -", 0, ""),
    "servers/litellm_openai_chat": ("openai-chat", "ok - end -", 12, "Write one sentence about the sea."),
    "servers/litellm_mock-429": ("openai-chat", "http_error rate_limited headers -", 0, ""),
    "servers/llama-server_anthropic_messages": ("anthropic-messages", "ok - end -", 16, "Write one sentence"),
    "servers/litellm_anthropic_messages": ("anthropic-messages", "ok - end -", 16, "Write one sentence"),
    "servers/llama-server_completion_native": ("llamacpp-completion", "ok - end -", 6, " our best friend. It is"),
    "servers/llama-server_responses": ("openai-responses", "ok - end -", 8, "Write one sentence"),
    "servers/litellm_responses": ("openai-responses", "ok - end -", 16, "Write one sentence"),
    # a model server killed in the middle, and what stands before it
    "servers/01_direct_kill9": ("openai-chat", "truncated incomplete_body stream -", 48, "Write a long story"),
    "servers/17_caddy_kill9": ("openai-chat", "truncated no_terminator stream -", 27, "Write a long story"),
    "servers/40_litellm_upstream_kill9": ("openai-chat", "stream_error upstream stream -", 78, "Write a long story"),
}


def replayed(name: str, protocol: str, check: Check | None = None, nonce: str = "") -> tuple[Verdict, int, str]:
    """Return the verdict on a capture, its chunks and its visible answer."""
    came = capture(name)
    recorder = seen(PROTOCOLS[protocol], came.body if came.head.status == 200 else b"", came.head)
    verdict = judged(PROTOCOLS[protocol], recorder, came.ending, check, nonce)
    return verdict, recorder.chunks, recorder.finish().text


@pytest.mark.parametrize(("name", "expected"), EXPECTED.items(), ids=EXPECTED.keys())
def test_what_it_comes_to(name: str, expected: tuple[str, str, int, str]) -> None:
    """A capture, read whole with the ending that it had, comes to this verdict, and no output of it is lost."""
    protocol, comes_to, chunks, text = expected
    verdict, found, answer = replayed(name, protocol)
    assert f"{verdict.outcome} {verdict.cause or '-'} {verdict.phase} {verdict.unclean or '-'}" == comes_to
    assert (found, answer[: len(text)]) == (chunks, text)


def test_every_capture_is_replayed() -> None:
    """No capture is left out."""
    kept = [file for kind in ("chatchat", "made", "servers") for file in (CAPTURES / kind).glob("*.raw")]
    names = {f"{file.parent.name}/{file.stem}" for file in kept}
    assert names == EXPECTED.keys()


@pytest.mark.parametrize("name", [name for name in EXPECTED if "nokb" not in name])
def test_any_of_them_reads_as_raw(name: str) -> None:
    """The plainest probe sees the bytes of any of them, and says how the wire ended."""
    came = capture(name)
    verdict, _, text = replayed(name, "raw")
    whole = {"complete": "unverified", "incomplete": "truncated", "deadline": "stalled"}
    assert verdict.outcome == (whole[came.ending.kind] if came.head.status == 200 else "http_error")
    assert text == (came.body.decode() if came.head.status == 200 else "")


class Face(NamedTuple):
    """How one release shows that its upstream died in the middle: without a content check, and with one."""

    name: str
    protocol: str
    check: Check
    without: str
    proved: str
    nonce: str = ""


WHOLE = PatternCheck(r"upstream\.$")
FACES = {
    "0.3.0 to 0.3.1.1 cut the body": Face(
        "chatchat/c031_llm_mid_fin", "chatchat", WHOLE, "truncated incomplete_body", "truncated incomplete_body"
    ),
    "0.3.1.2 and up say an error": Face(
        "chatchat/c03_llm_mid_fin", "chatchat", WHOLE, "stream_error upstream", "stream_error upstream"
    ),
    "its knowledge base says nothing": Face(
        "real/c0313_kb_model_kill",
        "chatchat-kb",
        CountCheck(400),
        "unverified -",
        "truncated incomplete_answer",
        "b2c4",
    ),
    "0.2.10 says nothing": Face(
        "chatchat/c0210_chat_mid_fin", "chatchat-0.2", WHOLE, "unverified -", "wrong_content pattern"
    ),
}


@pytest.mark.parametrize("face", FACES.values(), ids=FACES.keys())
def test_one_upstream_failure_has_four_faces(face: Face) -> None:
    """All four answers have status 200; where the stream says nothing of the failure, only a content check sees it."""
    assert capture(face.name).head.status == 200
    found = [replayed(face.name, face.protocol, check, face.nonce)[0] for check in (None, face.check)]
    assert [f"{verdict.outcome} {verdict.cause or '-'}" for verdict in found] == [face.without, face.proved]


def test_what_is_cut_is_counted_as_cut() -> None:
    """Of all captures, exactly those that were cut or failed in the stream count as truncated."""
    truncated = {name for name, (protocol, *_) in EXPECTED.items() if replayed(name, protocol)[0].truncated}
    assert truncated == {
        "chatchat/c03_llm_err500",
        "chatchat/c03_stall50s",
        "chatchat/c031_llm_mid_fin",
        "chatchat/mini_v027_fail",
        "made/ollama_chat_runner_died",
        "made/gemini_overloaded",
        "made/coze_v3_failed",
        "made/fastgpt_error",
        "made/dify_chat_error",
        "made/dify_workflow_failed",
        "made/tgi_incomplete",
        "made/cohere_v2_timeout",
        "chatchat/c03_llm_mid_fin",
        "servers/01_direct_kill9",
        "servers/17_caddy_kill9",
        "servers/40_litellm_upstream_kill9",
    }


CHUNKS = {
    "two chunks": (b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", (b"abcde", True)),
    "hexadecimal": (b"0A\r\n0123456789\r\n0\r\n\r\n", (b"0123456789", True)),
    "nothing": (b"0\r\n\r\n", (b"", True)),
    "no terminal chunk": (b"3\r\nabc\r\n", (b"abc", False)),
    "half a chunk": (b"3\r\nab", (b"ab", False)),
    "half a terminal chunk": (b"3\r\nabc\r\n0\r\n", (b"abc", False)),
}


@pytest.mark.parametrize(("data", "payload"), CHUNKS.values(), ids=CHUNKS.keys())
def test_a_chunked_body(data: bytes, payload: tuple[bytes, bool]) -> None:
    """The payload of a recorded body is found, and whether it is whole."""
    assert dechunked(data) == payload
