"""Documents of target groups: which are valid, and the keys and names of their targets."""

from __future__ import annotations

import re

import pytest

from monitor.discovery.documents import Group, keys, parse

URL = "http://10.0.0.7:8000/v1/chat/completions"

YAML = """\
# as Prometheus writes it
- targets: ["http://a.test/v1", &b http://b.test/v1]
  labels: {team: search, port: 80, on: yes}
- targets:
    - *b
  labels:
"""


@pytest.mark.parametrize(
    ("labels", "wanted"),
    [
        ({}, {}),
        ({"__model__": "m"}, {"model": "m"}),
        (
            {"__interval__": "30s", "__interval_when_failing__": "5s"},
            {"interval": "30s", "interval_when_failing": "5s"},
        ),
        ({"__confirm__": "3", "__max_tokens__": "200"}, {"confirm": 3, "max_tokens": 200}),
        ({"__tokens_per_day__": "9" * 5000}, {"tokens_per_day": int("9" * 20)}),
        ({"__confirm__": "three"}, {"confirm": "three"}),
        ({"__paused__": "True"}, {"paused": True}),
        ({"__paused__": "false"}, {"paused": False}),
        ({"__paused__": "maybe"}, {"paused": "maybe"}),
        ({"__locations__": "eu-1, us-1"}, {"locations": ["eu-1", "us-1"]}),
        ({"__upstream__": "static", "__terminator__": "marker"}, {"upstream": "static", "terminator": "marker"}),
        ({"__model__": ""}, {}),
        ({"team": "search", "zone": ""}, {"labels": {"team": "search", "zone": ""}}),
        # what an inventory says to Prometheus is not said to us
        ({"job": "vllm", "instance": "x", "__meta_dc": "1", "__metrics_path__": "/metrics", "__param_q": "x"}, {}),
        ({"__scrape_interval__": "1m", "__scrape_timeout__": "9s", "__tmp_x": "1", "__address__": "a:1"}, {}),
        # what nobody knows stays, to be complained of
        (
            {"__protcol__": "raw", "__api_key_env__": "HOME"},
            {"labels": {"__protcol__": "raw", "__api_key_env__": "HOME"}},
        ),
    ],
)
def test_labels_are_keys_or_labels(labels: dict[str, str], wanted: dict[str, object]) -> None:
    """`__KEY__` sets a key of the target, Prometheus' own labels are ignored, and all others are labels."""
    (found,) = keys(Group((URL,), labels))
    assert {"labels": {}} | wanted == {key: value for key, value in found.items() if key not in {"name", "url"}}


@pytest.mark.parametrize(
    ("address", "labels", "url"),
    [
        (URL, {"__scheme__": "https", "__path__": "/x"}, URL),
        ("10.0.0.7:8000", {"__path__": "/v1/chat/completions"}, URL),
        ("a.test", {"__scheme__": "https", "__path__": "/chat"}, "https://a.test/chat"),
        ("a.test", {}, "http://a.test"),
    ],
)
def test_an_address_is_a_url_or_the_part_of_one(address: str, labels: dict[str, str], url: str) -> None:
    """HOST:PORT gets its scheme and path from the labels; a URL is used unchanged."""
    (found,) = keys(Group((address,), labels))
    assert (found["url"], found["labels"]) == (url, {})


@pytest.mark.parametrize(
    ("addresses", "labels", "name"),
    [
        ([URL], {}, "10.0.0.7-8000-v1-chat-completions"),
        ([URL], {"__model__": "Org/Model-7B"}, "10.0.0.7-8000-v1-chat-completions-Org-Model-7B"),
        ([URL], {"__name__": "gateway"}, "gateway"),
        ([URL], {"__name__": "no name"}, "no name"),
        (
            [URL, "http://b.test/"],
            {"__name__": "gateway", "__model__": "m"},
            "gateway-10.0.0.7-8000-v1-chat-completions",
        ),
        (["https://user:canary@a.test/chat?key=canary"], {}, "a.test-chat"),
        (["http://[fd00::7]:80/chat"], {}, "fd00-7-80-chat"),
        (["http://u:canary@[fd00/chat?canary"], {}, "fd00-chat"),
        (["://"], {}, "nameless"),
        (["http://a.test/" + "long-" * 20], {}, "a.test-long-long-long-long-long-long-long-long-long-lo-e1b6d270"),
    ],
)
def test_a_name_depends_on_nothing_but_the_target(addresses: list[str], labels: dict[str, str], name: str) -> None:
    """A name is given, or made of host, port, path and model, and depends neither on secrets nor on other targets."""
    found = next(keys(Group(tuple(addresses), labels)))
    assert found["name"] == name
    assert len(name) <= 63


@pytest.mark.parametrize(
    ("document", "wrong"),
    [
        (b"", "is not valid JSON (line 1); for YAML name the file *.yml or *.yaml"),
        (b"- targets:\n  - a", "is not valid JSON (line 1); for YAML name the file *.yml or *.yaml"),
        (b'[\n{"targets": [}', "is not valid JSON (line 2); for YAML name the file *.yml or *.yaml"),
        (b"[" * 100_000, "is not valid JSON; for YAML name the file *.yml or *.yaml"),
        (b"\xff", "is not valid JSON; for YAML name the file *.yml or *.yaml"),
        (b"{}", "is not a list of target groups"),
        (b"[1]", "[0].targets is not a list of strings"),
        (b'[{"targets": [], "labels": {}}, {}]', "[1].targets is not a list of strings"),
        (b'[{"targets": "a"}]', "[0].targets is not a list of strings"),
        (b'[{"targets": [1]}]', "[0].targets is not a list of strings"),
        (b'[{"targets": [], "labels": []}]', ""),
        (b'[{"targets": [], "labels": [1]}]', "[0].labels is not a table of strings"),
        (b'[{"targets": [], "labels": {"a": 1}}]', "[0].labels is not a table of strings"),
        (b'[{"targets": [], "labels": null, "more": 1}]', ""),
    ],
)
def test_a_document_is_in_order_or_not(document: bytes, wrong: str) -> None:
    """A document that is not a list of groups in Prometheus' format is refused as a whole."""
    if wrong:
        with pytest.raises(ValueError, match=f"^{re.escape(wrong)}$"):
            parse(document)
    else:
        assert parse(document) == (Group((), {}),)


def test_files_of_yaml_are_read() -> None:
    """A file name ending in .yml or .yaml is YAML; each scalar is text, as in Prometheus."""
    groups = (
        Group(("http://a.test/v1", "http://b.test/v1"), {"team": "search", "port": "80", "on": "yes"}),
        Group(("http://b.test/v1",), {}),
    )
    assert parse(YAML.encode(), ".yml") == parse(YAML.encode(), ".yaml") == groups
    with pytest.raises(ValueError, match="is not valid JSON"):
        parse(YAML.encode(), ".json")


@pytest.mark.parametrize(
    ("document", "wrong"),
    [
        (b"- targets: [\n", "is not valid YAML (line 2)"),
        (b"a: &a [*a, *b]", "is not valid YAML (line 1)"),
        (b"\xff\xfe\xff", "is not valid YAML"),
        (b"targets: [a]", "is not a list of target groups"),
        (b"- targets: {a: b}", "[0].targets is not a list of strings"),
        (b"- targets: [a]\n  labels: {a: [b]}", "[0].labels is not a table of strings"),
        (b"- !!python/object/apply:os.system [id]", "[0].targets is not a list of strings"),
    ],
)
def test_what_is_wrong_with_yaml(document: bytes, wrong: str) -> None:
    """Invalid YAML is reported with its line, and tags never run code."""
    with pytest.raises(ValueError, match=f"^{re.escape(wrong)}$"):
        parse(document, ".yml")
