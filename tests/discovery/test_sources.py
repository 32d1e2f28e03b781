"""Discovery: groups as plain values, files in a directory, and URLs with the responses that a test sets."""

from __future__ import annotations

import asyncio
import base64
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from monitor import settings
from monitor.config import Config, ConfigError, all_discovered, load
from monitor.discovery import Discovery, DiscoveryCallbacks, sources
from monitor.http.fetch import FetchOptions
from monitor.keys.secret import Secret
from monitor.settings import BasicAuth, Network
from monitor.target import Target

URL = "http://10.0.0.7:8000/v1/chat/completions"
LISTS = "https://user:canary@lists.test/targets?token=canary"
CONFIG = """
[monitor]
location = "eu-1"

[defaults]
protocol = "openai-chat"
model = "m"
interval = "90s"
api_key_env = "KEY"
labels = { team = "search" }

[[discovery]]
name = "fleet"
file_sd = ["*.json"]

[[targets]]
name = "static"
url = "http://127.0.0.1:1/v1/chat/completions"
"""
ENVIRON = {"KEY": "k-1"}
NAME_HINT = "letters, digits, '.', '_' and '-', at most 63, a letter or digit first"


def group(*addresses: str, **labels: str) -> dict[str, Any]:
    """Return a target group of a document."""
    return {"targets": list(addresses), "labels": labels}


def written(*groups: dict[str, Any]) -> bytes:
    """Return a document."""
    return json.dumps(groups).encode()


class Reports:
    """Records the callbacks of discovery, and answers its requests."""

    def __init__(self) -> None:
        self.gauge: dict[str, bool] = {}
        self.wrong: list[str] = []
        self.failed: list[BaseException] = []
        self.answers: dict[str, bytes | Exception] = {}
        self.asked_with: list[FetchOptions] = []
        self.learned: list[str] = []
        self.made: list[str] = []
        self.asked = asyncio.Event()

    def callbacks(self) -> DiscoveryCallbacks:
        """Return callbacks that record their calls here."""
        return DiscoveryCallbacks(
            self.gauge.__setitem__,
            lambda source, text: self.wrong.append(f"{source}: {text}"),
            self._failed,
            self.learned.append,
        )

    def _failed(self, error: BaseException) -> None:
        self.failed.append(error)

    async def fetch(self, url: str, options: FetchOptions) -> bytes:
        """Answer a request."""
        self.asked_with.append(options)
        self.asked.set()
        answer = self.answers[url]
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """Return a config with defaults, a source and a target."""
    path = tmp_path / "config.toml"
    path.write_text(CONFIG)
    return load(path, ENVIRON)


@pytest.fixture
def reports() -> Reports:
    """Return the recorded callbacks."""
    return Reports()


Make = Callable[..., Discovery]


@pytest.fixture
def make(config: Config, reports: Reports) -> Make:
    """Return a function that makes a discovery over the defaults of the config."""

    def make_targets(several: Sequence[tuple[Mapping[str, Any], str]]) -> list[Target | ConfigError]:
        reports.made += [values["name"] for values, _ in several]
        return all_discovered(several, ENVIRON, config)

    def make(*sources: settings.DiscoverySource, **more: Any) -> Discovery:  # noqa: ANN401 - what Discovery takes
        return Discovery(sources, make_targets, reports.callbacks(), reports.fetch, **more)

    return make


def files(path: Path, pattern: str = "*.json", **more: Any) -> settings.DiscoverySource:  # noqa: ANN401 - its fields
    """Return a source of files."""
    return settings.DiscoverySource(more.pop("name", "fleet"), file_sd=(str(path / pattern),), **more)


def names(targets: Iterable[Target]) -> list[str]:
    """Return the names of targets."""
    return [one.name for one in targets]


# -- targets -----------------------------------------------------------------------------------------------------------


async def test_a_target_stands_over_the_defaults(make: Make, tmp_path: Path) -> None:
    """Keys that the source does not set are those of the config: protocol, interval, labels, and the key."""
    (tmp_path / "a.json").write_bytes(written(group(URL, __name__="one", __model__="other", zone="b")))
    (target,) = await make(files(tmp_path)).refresh()
    assert (target.name, target.url, target.protocol, target.model) == ("one", URL, "openai-chat", "other")
    assert (target.interval, target.labels, target.api_key) == (90.0, {"team": "search", "zone": "b"}, Secret("k-1"))


async def test_a_mistake_in_one_target_leaves_the_others_alone(make: Make, reports: Reports, tmp_path: Path) -> None:
    """Each invalid target is reported with its error, all others are probed, and the gauge is 0."""
    path = tmp_path / "a.json"
    path.write_bytes(
        written(
            group(URL, __name__="good"),
            group(URL, __name__="no name"),
            group(URL, __name__="slow", __interval__="soon", __confirm__="0"),
            group("ftp://a.test/", __name__="ftp"),
            group(URL, __name__="typo", __protcol__="raw"),
            group(URL, __name__="code", __protocol__="os:system"),
            group(URL, __name__="thief", zone="${KEY}", __locations__="${KEY}"),
            group(URL, __name__="good", team="other"),
            group(URL, __name__="n", outcome="x"),
        )
    )
    targets = await make(files(tmp_path)).refresh()
    assert {one.name: one.labels.get("zone") for one in targets} == {"good": None, "thief": "${KEY}"}
    assert {one.locations for one in targets} == {(), ("${KEY}",)}
    assert reports.gauge == {"fleet": False}
    assert reports.wrong[0].split("; ") == [
        f'fleet: {path}: target no name: name: "no name" is not a valid name ({NAME_HINT})',
        f'{path}: target slow: interval: "soon" is not a duration (write for example "500ms", "90s", "5m" or "1h")',
        f"{path}: target slow: confirm: 0 is below the minimum, 1",
        f'{path}: target ftp: url: the value is not an http or https URL (for example "https://host:8443/v1/chat/completions")',
        f"{path}: target typo: unknown label __protcol__",
        f"{path}: target code: protocol: a protocol from outside can only be set in the config",
        f"{path}: target good: another target has this name",
        f'{path}: target n: labels.outcome: "outcome" is a reserved label name (for example "config_outcome" is free)',
    ]


async def test_of_several_of_one_name_the_first_that_is_valid_counts(
    make: Make, reports: Reports, tmp_path: Path
) -> None:
    """Invalid targets before the first valid one of that name are reported, and different ones after it as well."""
    urls = ("ftp://a.test/", "ftp://b.test/", "http://c.test/", "http://d.test/", "http://c.test/", "http://e.test/")
    (tmp_path / "a.json").write_bytes(written(*(group(url, __name__="one") for url in urls)))
    found = make(files(tmp_path))
    for _ in range(2):
        assert [one.url for one in await found.refresh()] == ["http://c.test/"]
    [error] = reports.wrong
    assert [part.partition("target one: ")[2].split(" ")[0] for part in error.split("; ")] == [
        "url:", "url:", "another", "another",
    ]  # fmt: skip


async def test_one_mistake_among_many_is_found(make: Make, reports: Reports, tmp_path: Path) -> None:
    """Targets are validated in batches, and each has only its own labels."""
    groups = [group(f"http://{number}.test/", __name__=f"t{number}", zone=str(number)) for number in range(40)]
    groups[17] = group("ftp://17.test/", __name__="t17")
    groups[23] = group("http://23.test/", __name__="t23")
    (tmp_path / "a.json").write_bytes(written(*groups))
    targets = {one.name: one for one in await make(files(tmp_path)).refresh()}
    assert targets.keys() == {f"t{number}" for number in range(40)} - {"t17"}
    assert (targets["t23"].labels, targets["t39"].labels) == ({"team": "search"}, {"team": "search", "zone": "39"})
    assert reports.wrong[0].startswith(f"fleet: {tmp_path}/a.json: target t17: url: ")


async def test_ten_thousands_of_targets_are_taken_by_difference(reports: Reports, tmp_path: Path) -> None:
    """A document may have ten thousands of targets; after a change only new ones are made."""
    made = []

    def make(several: Sequence[tuple[Mapping[str, Any], str]]) -> list[Target | ConfigError]:
        made.append(len(several))
        return [Target(values["name"], "raw", values["url"]) for values, _ in several]

    groups = [group(f"http://a.test/{number}", __name__=f"t{number}") for number in range(12_000)]
    path = tmp_path / "a.json"
    path.write_bytes(written(*groups))
    found = Discovery([files(tmp_path)], make, reports.callbacks(), reports.fetch)
    assert len(await found.refresh()) == len(await found.refresh()) == 12_000
    path.write_bytes(written(*groups[10:], group("http://b.test/", __name__="new")))
    assert len(await found.refresh()) == 11_991
    assert (made, reports.wrong) == ([12_000, 1], [])


@pytest.mark.parametrize("key", ["api_key_env", "api_key_file", "header_files", "headers", "proxy", "tls", "body"])
async def test_a_source_says_nothing_of_secrets_and_files(
    make: Make, reports: Reports, tmp_path: Path, key: str
) -> None:
    """A source cannot choose a variable, file, header or proxy of the monitor."""
    (tmp_path / "a.json").write_bytes(written(group(URL, **{f"__{key}__": "HOME"})))
    assert await make(files(tmp_path)).refresh() == ()
    assert reports.wrong[0].endswith(f"unknown label __{key}__")


async def test_of_two_targets_of_one_name_the_first_counts(make: Make, reports: Reports, tmp_path: Path) -> None:
    """The config takes precedence over all sources, and a source over those after it."""
    (tmp_path / "a.json").write_bytes(written(group("http://a.test/x", __name__="one")))
    (tmp_path / "b.yml").write_bytes(written(*(group(URL, __name__=name) for name in ("two", "one", "static"))))
    found = make(files(tmp_path, name="first"), files(tmp_path, "b.*", name="second"), reserved=["static"])
    assert [(one.name, one.url) for one in await found.refresh()] == [("one", "http://a.test/x"), ("two", URL)]
    assert reports.gauge == {"first": True, "second": False}
    assert reports.wrong == [
        (
            "second: target one: the source first has another target with this name; "
            "target static: the config has another target with this name"
        )
    ]


# -- sources -----------------------------------------------------------------------------------------------------------


async def test_files_come_and_go(make: Make, reports: Reports, tmp_path: Path) -> None:
    """A pattern is matched at each refresh; the targets of a file that no longer matches are removed."""
    found = make(files(tmp_path))
    assert await found.refresh() == ()
    (tmp_path / "b.json").write_bytes(written(group("http://b.test/", __name__="b")))
    (tmp_path / "a.json").write_bytes(written(group("http://a.test/", __name__="a")))
    assert names(await found.refresh()) == ["a", "b"]
    (tmp_path / "b.json").unlink()
    assert names(await found.refresh()) == ["a"]
    assert (reports.gauge, reports.wrong) == ({"fleet": True}, [])


def _half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _large(path: Path) -> None:
    os.truncate(path, sources.LARGEST + 1)


def _long(path: Path) -> None:
    path.write_bytes(written(*[group("10.0.0.7:1", "10.0.0.7:2")] * 25_001))


async def test_a_long_list_of_errors_is_a_short_message(make: Make, reports: Reports, tmp_path: Path) -> None:
    """Of ten thousand invalid targets, the message has the first errors and the number of the others."""
    (tmp_path / "a.json").write_bytes(
        written(*(group(URL, __name__=f"a{number}", __protocol__="x" * 5000) for number in range(100)))
    )
    await make(files(tmp_path)).refresh()
    (error,) = reports.wrong
    assert error.endswith("; and 80 more")
    assert error.count("a.json: ") == sources.MOST_ERRORS
    assert len(error) < 20_000


@pytest.mark.parametrize(
    ("harm", "wrong"),
    [
        (_half, "is not valid JSON (line 1); for YAML name the file *.yml or *.yaml"),
        (Path.unlink, "cannot be read: No such file or directory"),
        (_pipe, "is not a regular file"),
        (_large, "is larger than 16 MiB"),
        (_long, "lists more than 50,000 targets"),
    ],
)
async def test_the_last_good_list_is_kept(
    make: Make, reports: Reports, tmp_path: Path, harm: Callable[[Path], None], wrong: str
) -> None:
    """A named file that becomes unreadable keeps its targets; the error is reported once, and again if it changes."""
    path = tmp_path / "a.json"
    path.write_bytes(written(group(URL, __name__="a")))
    found = make(files(tmp_path, "a.json"))
    before = await found.refresh()
    harm(path)
    assert await found.refresh() == await found.refresh() == before
    assert (reports.gauge, reports.wrong) == ({"fleet": False}, [f"fleet: {path}: {wrong}"])
    path.unlink(missing_ok=True)
    path.write_bytes(written(group(URL, __name__="b")))
    assert names(await found.refresh()) == ["b"]
    assert reports.gauge == {"fleet": True}
    harm(path)
    await found.refresh()
    assert len(reports.wrong) == 2


async def test_what_is_unchanged_is_not_made_again(make: Make, reports: Reports, tmp_path: Path) -> None:
    """A refresh makes only targets with changed keys, and those that had an error."""
    path = tmp_path / "a.json"
    path.write_bytes(written(group(URL, __name__="a"), group(URL, __name__="b", __confirm__="x")))
    found = make(files(tmp_path))
    assert names(await found.refresh()) == names(await found.refresh()) == ["a"]
    assert reports.made == ["a", "b", "b"]
    path.write_bytes(written(group(URL, __name__="a"), group(URL, __name__="b")))
    assert names(await found.refresh()) == ["a", "b"]
    assert reports.made == ["a", "b", "b", "b"]


async def test_lists_at_urls(make: Make, reports: Reports) -> None:
    """Each URL has its own list; one that fails keeps its targets, and no message shows a secret of its URL."""
    source = settings.DiscoverySource("lists", http_sd=(LISTS, "http://b.test/"))
    reports.answers = {LISTS: written(group(URL, __name__="a")), "http://b.test/": written(group(URL, __name__="b"))}
    found = make(source)
    assert names(await found.refresh()) == ["a", "b"]
    reports.answers = {LISTS: OSError("HTTP status 503"), "http://b.test/": b"<html>"}
    assert names(await found.refresh()) == ["a", "b"]
    reports.answers = {LISTS: TimeoutError(), "http://b.test/": written(group(URL, __name__="c", __confirm__="x"))}
    assert names(await found.refresh()) == ["a"]
    shown = "lists: https://lists.test/targets?token=***: cannot be read"
    assert reports.wrong == [
        f"{shown}: HTTP status 503; http://b.test/: is not valid JSON (line 1); for YAML name the file *.yml or *.yaml",
        f'{shown}: TimeoutError; http://b.test/: target c: confirm: "x" is not an integer',
    ]


async def test_a_token_is_read_at_each_refresh(make: Make, reports: Reports, tmp_path: Path) -> None:
    """A new token is sent from the next refresh on, no message contains either, and an empty file keeps the list."""
    token = tmp_path / "token"
    source = settings.DiscoverySource("lists", http_sd=(LISTS,), bearer_token_file=str(token))
    reports.answers = {LISTS: written(group(URL, __name__="a"))}
    found = make(source)
    token.write_text("first-canary\n")
    assert names(await found.refresh()) == ["a"]
    token.write_text("second-canary")
    reports.answers = {LISTS: OSError("not for first-canary or second-canary")}
    assert names(await found.refresh()) == ["a"]
    token.write_text("")
    assert names(await found.refresh()) == ["a"]
    assert [one.authorization for one in reports.asked_with] == ["Bearer first-canary", "Bearer second-canary"]
    assert reports.learned == ["first-canary", "second-canary"]
    shown = "lists: https://lists.test/targets?token=***: cannot be"
    assert reports.wrong == [
        f"{shown} read: not for [redacted] or [redacted]",
        f"{shown} asked: bearer_token_file names a file that is empty",
    ]


@pytest.mark.parametrize("password", ["pass-canary", "пароль-canary"])
async def test_a_user_and_a_password(make: Make, reports: Reports, tmp_path: Path, password: str) -> None:
    """User and password are sent in the Basic scheme, in UTF-8, from file or variable; no message shows them."""
    file = tmp_path / "password"
    file.write_text(f"{password}\n")
    sources = (
        settings.DiscoverySource("one", http_sd=(LISTS,), basic_auth=BasicAuth("me", password_file=str(file))),
        settings.DiscoverySource("two", http_sd=("http://b.test/",), basic_auth=BasicAuth("me", password_env="P")),
        settings.DiscoverySource("gone", http_sd=("http://c.test/",), basic_auth=BasicAuth("me", password_env="NO")),
    )
    reports.answers = {LISTS: OSError(f"not for {password}"), "http://b.test/": written(group(URL, __name__="b"))}
    assert names(await make(*sources, environ={"P": password}).refresh()) == ["b"]
    header = f"Basic {base64.b64encode(f'me:{password}'.encode()).decode()}"
    assert [one.authorization for one in reports.asked_with] == [header, header]
    assert set(reports.learned) == {password}
    assert reports.wrong == [
        "one: https://lists.test/targets?token=***: cannot be read: not for [redacted]",
        "gone: http://c.test/: cannot be asked: basic_auth.password_env the variable NO is not set",
    ]
    assert password not in repr(reports.asked_with)


async def test_the_proxy_of_a_source(make: Make, reports: Reports) -> None:
    """The source's own proxy comes first, then that of the environment if enabled; `no_proxy` makes exceptions."""
    own, url, here = Secret("http://own.test:1"), "http://b.test/", "http://127.0.0.1/"
    sources = [
        settings.DiscoverySource("own", http_sd=("http://a.test/",), proxy=own),
        settings.DiscoverySource("other", http_sd=(url, "http://in.lan/", here)),
    ]
    asked = ("http://a.test/", url, "http://in.lan/", here)
    reports.answers = dict.fromkeys(asked, b"[]")
    environ, mine, theirs = {"HTTP_PROXY": "of.environment:2"}, own.reveal(), "http://of.environment:2"
    for network, expected in (
        (Network(), [mine, None, None, None]),
        (Network(proxy_from_environment=True), [mine, theirs, theirs, None]),
        (Network(proxy_from_environment=True, no_proxy=("a.test", ".lan")), [None, theirs, None, None]),
    ):
        reports.asked_with.clear()
        await make(*sources, environ=environ, network=network).refresh()
        assert [one.proxy for one in reports.asked_with] == expected


async def test_one_target_in_two_lists(make: Make, reports: Reports, tmp_path: Path) -> None:
    """Equal entries in one or two sources are one target without an error; a different one of that name is an error."""
    same = written(group(URL, __name__="a", team="x"), group(URL, __name__="a", team="x"))
    (tmp_path / "a.json").write_bytes(same)
    reports.answers = {LISTS: same, "http://b.test/": same}
    source = settings.DiscoverySource("lists", http_sd=(LISTS, "http://b.test/"))
    found = make(source, files(tmp_path))
    assert names(await found.refresh()) == ["a"]
    assert (reports.gauge, reports.wrong) == ({"lists": True, "fleet": True}, [])
    (tmp_path / "a.json").write_bytes(written(group(URL, __name__="a", team="y")))
    assert names(await found.refresh()) == ["a"]
    assert reports.wrong == ["fleet: target a: the source lists has another target with this name"]


async def test_a_bug_in_one_source_is_no_end_of_the_others(make: Make, reports: Reports, tmp_path: Path) -> None:
    """An unexpected exception is reported, the source keeps its targets, and the other sources are read."""
    (tmp_path / "a.json").write_bytes(written(group(URL, __name__="a")))
    reports.answers = {LISTS: written(group(URL, __name__="b"))}
    found = make(settings.DiscoverySource("lists", http_sd=(LISTS,)), files(tmp_path))
    await found.refresh()
    reports.answers = {}
    assert names(await found.refresh()) == ["a", "b"]
    assert (reports.gauge, reports.wrong) == (
        {"lists": False, "fleet": True},
        ["lists: could not be read because of a bug of the monitor"],
    )
    assert isinstance(reports.failed[0], KeyError)


async def test_a_reload_loses_nothing(make: Make, reports: Reports) -> None:
    """The discovery of a new config has the targets of the previous one until the source can be read."""
    source = settings.DiscoverySource("lists", http_sd=(LISTS,), refresh=60.0)
    reports.answers = {LISTS: written(group(URL, __name__="a"))}
    before = make(source)
    await before.refresh()
    reports.answers = {LISTS: ConnectionRefusedError(111, "Connection refused")}
    again = settings.DiscoverySource("renamed", http_sd=(LISTS,), refresh=30.0)
    assert names(await make(again, before=before).refresh()) == ["a"]
    assert names(await make(again).refresh()) == []


# -- the loop ----------------------------------------------------------------------------------------------------------


class Changes:
    """Records the changed targets, and fails as often as the test sets."""

    def __init__(self, failing: int = 0) -> None:
        self.taken: list[list[str]] = []
        self.failing = failing
        self.news = asyncio.Event()

    async def __call__(self, targets: tuple[Target, ...]) -> None:
        """Record the targets."""
        if self.failing:
            self.failing -= 1
            raise RuntimeError("not now")
        self.taken.append(names(targets))
        self.news.set()


async def _stopped(task: asyncio.Task[None]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_changes_are_passed_on(make: Make, reports: Reports, no_leaks: None) -> None:  # noqa: ARG001 - see conftest
    """Targets are passed on only if they differ, and again if the callback failed."""
    source = settings.DiscoverySource("lists", http_sd=(LISTS,), refresh=0.0)
    reports.answers = {LISTS: written(group(URL, __name__="a"))}
    found, changes = make(source), Changes(failing=2)
    await found.refresh()
    task = asyncio.create_task(found.run(changes))
    reports.answers = {LISTS: written(group(URL, __name__="b"))}
    await changes.news.wait()
    changes.news.clear()
    reports.answers = {LISTS: written(group(URL, __name__="b"), group("http://c.test/", __name__="c"))}
    await changes.news.wait()
    for _ in range(3):
        reports.asked.clear()
        await reports.asked.wait()
    await _stopped(task)
    assert changes.taken == [["b"], ["b", "c"]]
    assert [str(one) for one in reports.failed] == ["not now", "not now"]


async def test_one_that_is_replaced_says_no_more(make: Make, reports: Reports, no_leaks: None) -> None:  # noqa: ARG001 - see conftest
    """A read that ends after the discovery was replaced changes no gauge and passes nothing on."""
    source = settings.DiscoverySource("lists", http_sd=(LISTS,), refresh=0.0)
    reports.answers = {LISTS: written(group(URL, __name__="a"))}
    found, changes = make(source), Changes()
    await found.refresh()
    reports.gauge.clear()
    reports.answers = {LISTS: written(group(URL, __name__="b"))}
    found.retire()
    await found.run(changes)
    assert (reports.gauge, changes.taken) == ({}, [])


async def test_without_sources_there_is_nothing_to_do(make: Make) -> None:
    """Without sources the refresh loop ends at once."""
    found = make()
    await found.run(Changes())
    assert await found.refresh() == found.targets == ()


async def test_targets_come_from_a_file_of_yaml(make: Make, tmp_path: Path) -> None:
    """The file name decides the format: one source has targets from JSON and YAML."""
    (tmp_path / "a.yml").write_text('- targets: ["http://a.test/v1"]\n  labels: {__name__: a}\n')
    (tmp_path / "b.json").write_text('[{"targets": ["http://b.test/v1"], "labels": {"__name__": "b"}}]')
    assert names(await make(files(tmp_path, "*")).refresh()) == ["a", "b"]
