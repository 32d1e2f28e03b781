"""From a file to a config, or to every mistake in it."""

from __future__ import annotations

import gc
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from monitor.config import ConfigError, Mistake, check_window, load, target
from monitor.config.model import FileTable
from monitor.keys.secret import Secret
from monitor.settings import Maintenance
from monitor.shard import Shard
from monitor.target import Target
from tests.config.cases import ENVIRON, TARGET, Case, Mistakes, Outside, Read, Reported, cases


@pytest.mark.parametrize("case", cases("load"))
def test_all_that_is_wrong_is_reported_once(reported: Reported, case: Case) -> None:
    """Eight mistakes give eight messages, in the order of the file."""
    assert reported(case.text, ENVIRON) == (case.mistakes, case.warnings)


def test_a_target_is_named_in_its_mistakes(read: Read, tmp_path: Path) -> None:
    """A mistake in a target ends with the target's name, as the file has it."""
    with pytest.raises(ConfigError) as caught:
        read(TARGET + "confirm = 0")
    file = tmp_path / "c.toml"
    assert str(caught.value) == f"{file}:5: targets[0].confirm: 0 is below the minimum, 1 [target a]"


def test_warnings_come_with_the_mistakes(read: Read) -> None:
    """Warnings are reported together with mistakes."""
    with pytest.raises(ConfigError) as caught:
        read(TARGET + 'interval = "10s"\nconfirm = 0')
    assert [one.key for one in caught.value.warnings] == ["targets[0].interval"]


@pytest.mark.parametrize("more", ["", "confirm = 0"], ids=["used", "refused"])
def test_a_reload_leaves_nothing_for_the_garbage_collector(reported: Reported, more: str) -> None:
    """No reference cycle holds a config that was read: its text, values and targets are freed at once."""
    text = TARGET + f'api_key_env = "KEY"\nslo = {{ availability = 0.9 }}\n{more}'
    reported(text, ENVIRON)  # what is made once, is made now
    gc.disable()
    gc.freeze()  # what is there already is not in `get_objects`
    try:
        reported(text, ENVIRON)
        assert [one for one in gc.get_objects() if type(one).__module__.startswith("monitor.")] == []
    finally:
        gc.enable()
        gc.unfreeze()


def test_only_targets_of_this_location_are_watched_here(read: Read) -> None:
    """A target with locations is probed by the monitors there, one without by all."""
    b, c = TARGET.replace('"a"', '"b"'), TARGET.replace('"a"', '"c"')
    text = '[monitor]\nlocation = "eu"\n' + TARGET + b + 'locations = ["us"]\n' + c + 'locations = ["us", "eu"]\n'
    config = read(text)
    assert [one.name for one in config.targets] == ["a", "b", "c"]
    assert [one.name for one in config.here] == ["a", "c"]


def here(read: Read, text: str, shard: Shard) -> Target | None:
    """Return the first target of a monitor; None if that monitor does not probe it."""
    return next((one for one in replace(read(text), shard=shard).here if one.name == "a"), None)


@pytest.mark.parametrize("replicas", [1, 2, 5])
def test_the_monitors_of_a_target_take_turns(read: Read, replicas: int) -> None:
    """Each replica in each location has its own turn and its share of the budget."""
    text = "[monitor]\nlocation = 'PLACE'\nlocations = ['us', 'eu']\n" + TARGET
    text += f"replicas = {replicas}\ntokens_per_day = 1000\n"
    monitors = [(place, index) for place in ("eu", "us") for index in range(3)]
    found = [one for place, index in monitors if (one := here(read, text.replace("PLACE", place), Shard(index, 3)))]
    turns = 2 * replicas
    assert sorted(one.turn for one in found) == list(range(2 * min(replicas, 3)))
    assert {one.turns for one in found} == {turns}
    assert {one.tokens_per_day for one in found} == {1000 // turns}
    assert {one.turn_seconds for one in found} == {60 / turns}


def test_a_target_of_one_monitor_is_as_it_was_written(read: Read) -> None:
    """Without replicas or locations nothing is shared, and not with a location alone."""
    for text in (TARGET, "[monitor]\nlocation = 'eu'\n" + TARGET + "tokens_per_day = 7\n"):
        assert read(text).here == read(text).targets
    config = read("[monitor]\nlocation = 'eu'\nlocations = ['eu', 'us']\n" + TARGET + "locations = ['us']\n")
    assert config.here == ()


def test_a_budget_is_never_shared_to_nothing(read: Read) -> None:
    """A share is at least one token; all shards of all locations share the total; without a total there is no share."""
    config = read(TARGET + "replicas = 3\ntokens_per_day = 2\n")
    assert replace(config, shard=Shard(0, 9)).tokens_per_day is None
    assert {one.tokens_per_day for index in range(3) for one in replace(config, shard=Shard(index, 3)).here} == {1}
    text = TARGET + "[limits]\ntokens_per_day = 1000\n[monitor]\nlocation = 'eu'\nlocations = ['eu', 'us']\n"
    assert replace(read(text), shard=Shard(0, 5)).tokens_per_day == 100
    assert read(TARGET + "[limits]\ntokens_per_day = 1000\n").tokens_per_day == 1000


def test_a_protocol_from_outside_may_raise_anything(
    mistakes: Mistakes, outside: Outside, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A module that fails or exits while it is imported is a mistake of the config, with its reason."""
    (tmp_path / "bad_protocol.py").write_text("raise SystemExit('no licence')")
    monkeypatch.syspath_prepend(tmp_path)
    text = TARGET.replace("openai-chat", "bad_protocol:X")
    assert mistakes(text) == ['3: targets[0].protocol: unknown protocol "bad_protocol:X" (no licence)']
    outside(NOT_ONE=3)
    (reported,) = mistakes(TARGET.replace("openai-chat", "outside:NOT_ONE"))
    assert reported.startswith(
        "3: targets[0].protocol: unknown protocol \"outside:NOT_ONE\" ('outside:NOT_ONE' is a int, "
    )


def test_a_protocol_from_a_variable_is_not_repeated(mistakes: Mistakes) -> None:
    """An unknown protocol from a variable is reported without the value of the variable."""
    (reported,) = mistakes(TARGET.replace("openai-chat", "${P}"), {"P": "s3cret:X"})
    assert "s3cret" not in reported


def test_load_takes_a_path(tmp_path: Path) -> None:
    """A missing file is a ConfigError."""
    with pytest.raises(ConfigError, match="cannot be read: no such file or directory"):
        load(tmp_path / "none.toml", {})


# -- a target in no file -----------------------------------------------------------------------------------------------


def test_a_target_can_come_from_the_command_line() -> None:
    """A target is built from plain keys and its defaults, and may have secrets in plain text."""
    given = {"name": "x", "protocol": "openai-chat", "url": "http://x", "headers": {"Authorization": "Bearer abc"}}
    assert target(given, {}).headers == {"Authorization": Secret("Bearer abc")}


def test_its_mistakes_name_the_keys_alone() -> None:
    """Mistakes of a single target have no line and no index."""
    with pytest.raises(ConfigError) as caught:
        target({"name": "x", "protocol": "openai-chatt", "url": "x", "model": "m"}, {}, "probe")
    assert str(caught.value).split("\n") == [
        'probe: url: the value is not an http or https URL (for example "https://host:8443/v1/chat/completions")',
        'probe: protocol: unknown protocol "openai-chatt" (did you mean "openai-chat"?)',
    ]


# -- anything ----------------------------------------------------------------------------------------------------------

_SECTIONS = st.sampled_from([*FileTable.model_fields, "unknown"])
_KEYS = st.sampled_from(
    ["name", "protocol", "url", "check", "timeouts", "labels", "body", "interval", "listen", "headers", "kind", "x y",
     "at",
     "start", "targets", "deny", "slo", "tls", "api_key_env", "header_files", "upstream", "buckets", "first_chunk"]
)  # fmt: skip
_PLAIN = st.one_of(
    st.sampled_from(["a", "raw", "http://x", "5s", "${V}", "${", "none", "10.0.0.0/8", "count", "", "\n"]),
    st.integers(-1, 2**70), st.booleans(), st.floats(), st.dates(), st.times(), st.datetimes(),
)  # fmt: skip
_VALUES = st.recursive(
    _PLAIN, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(_KEYS, inner, max_size=3), max_leaves=8
)


def toml(value: object) -> str:
    """Write any value as TOML."""
    match value:
        case str():
            return '"' + value.replace("\n", "\\n") + '"'
        case bool() | int() | float():
            return str(value).lower()
        case list():
            return "[" + ", ".join(map(toml, value)) + "]"
        case dict():
            return "{" + ", ".join(f'"{key}" = {toml(inner)}' for key, inner in value.items()) + "}"
        case _:
            return value.isoformat()  # type: ignore[attr-defined, no-any-return]  # dates and times are left


@example({"monitor": ["${", ["${"]]})  # two mistakes, of which the first takes the key away
@given(st.dictionaries(_SECTIONS, _VALUES, max_size=5))
def test_no_values_raise_anything_but_a_config_error(
    tmp_path_factory: pytest.TempPathFactory, values: dict[str, object]
) -> None:
    """Any file content gives a config, or a ConfigError with at least one mistake."""
    file = tmp_path_factory.getbasetemp() / "any.toml"
    file.write_text("\n".join(f"{key} = {toml(value)}" for key, value in values.items()), encoding="utf-8")
    _loads_or_refuses(file)


@given(st.binary(max_size=60))
def test_no_bytes_raise_anything_but_a_config_error(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    """Any bytes give a config, or a ConfigError with at least one mistake."""
    file = tmp_path_factory.getbasetemp() / "bytes.toml"
    file.write_bytes(data)
    _loads_or_refuses(file)


def _loads_or_refuses(file: Path) -> None:
    mistakes: tuple[Mistake, ...] = ()
    config = None
    try:
        config = load(file, {"V": "v"})
    except ConfigError as error:
        mistakes = error.mistakes
    assert (config is None) == bool(mistakes)
    assert all(str(one) for one in mistakes)


def test_each_of_several_models_is_a_target(read: Read) -> None:
    """Targets of one table differ only in name and model, and an upstream is resolved model by model."""
    text = '[defaults]\nmodel = "m"\n' + TARGET + 'models = ["org/big:70b", "small"]\n'
    front = TARGET.replace('"a"', '"front"') + 'models = ["org/big:70b", "small"]\nupstream = "a"\n'
    alone = TARGET.replace('"a"', '"alone"') + 'upstream = "a/small"\n'
    targets = {target.name: target for target in read(text + front + alone).targets}
    assert {name: (target.model, target.upstream) for name, target in targets.items()} == {
        "a/org/big:70b": ("org/big:70b", None),
        "a/small": ("small", None),
        "front/org/big:70b": ("org/big:70b", "a/org/big:70b"),
        "front/small": ("small", "a/small"),
        "alone": ("m", "a/small"),
    }
    assert replace(targets["a/small"], name="x", model="y") == replace(targets["a/org/big:70b"], name="x", model="y")


@pytest.mark.parametrize(
    ("more", "mistake"),
    [
        ('models = ["x"]\nmodel = "m"', "5: targets[0].models: model is also set (leave one of them out)"),
        ('models = ["x", "x"]', "5: targets[0].models: an array contains the same text twice"),
        ('models = ["x"]\ninterval = 1', '6: targets[0].interval: 1 is not a duration (write "1s")'),
        ('models = ["x"]\nupstream = "b"', "6: targets[0].upstream: no target has this name"),
        ('models = ["x"]\nupstream = "a"', "6: targets[0].upstream: a target cannot be its own upstream"),
    ],
)
def test_a_mistake_of_several_models_is_reported_once(mistakes: Mistakes, more: str, mistake: str) -> None:
    """Each mistake of a table with many models is reported once."""
    assert mistakes(TARGET + more) == [mistake]


PROXIED = TARGET.replace("127.0.0.1", "a.test") + TARGET.replace('"a"', '"b"').replace("127.0.0.1", "b.test")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", [None, None]),
        ("[network]\nproxy_from_environment = true\n", ["http://env:1", "http://env:1"]),
        ("[network]\nproxy_from_environment = true\nno_proxy = ['b.test']\n", ["http://env:1", None]),
        ("[network]\nproxy_from_environment = true\n[defaults]\nproxy = ''\n", [None, None]),
        ("[network]\nproxy_from_environment = true\n[defaults]\nproxy = 'http://own:2'\n", ["http://own:2"] * 2),
        ("[network]\nno_proxy = ['a.test']\n[defaults]\nproxy = 'http://own:2'\n", [None, "http://own:2"]),
    ],
)
def test_the_proxy_of_the_environment_counts_if_it_is_asked_for(read: Read, text: str, found: list[str | None]) -> None:
    """A target's own proxy comes first, an empty one disables it, and `no_proxy` applies to all."""
    targets = read(text + PROXIED, {"HTTP_PROXY": "env:1"}).targets
    assert [one.proxy and one.proxy.reveal() for one in targets] == found


def test_a_variable_that_names_no_proxy_is_a_mistake(mistakes: Mistakes) -> None:
    """An invalid proxy variable is reported by its name, without its value, and once for all targets."""
    environ = {"HTTP_PROXY": "socks5://user:pass-canary@h:1"}
    hint = '(for example "http://proxy.internal:3128")'
    text = "[network]\nproxy_from_environment = true\n" + TARGET
    assert mistakes(text, environ) == [
        f"2: network.proxy_from_environment: the variable HTTP_PROXY does not hold the URL of an HTTP proxy {hint}"
    ]
    assert mistakes("[network]\nproxy_from_environment = true\n" + TARGET.replace("http:", "nope:"), {}) != []


def test_http_2_through_the_proxy_of_the_environment(mistakes: Mistakes) -> None:
    """The rules treat a proxy of the environment like one of the config."""
    text = "[network]\nproxy_from_environment = true\n" + PROXIED + 'http = "2"\n'
    found = mistakes(text, {"HTTP_PROXY": "env:1"})
    assert len(found) == 1
    assert "HTTP/2 without TLS does not go through a proxy" in found[0]


def test_a_window_that_stands_in_no_file(read: Read) -> None:
    """A window is checked like one of the config, and must apply to a target."""
    b = TARGET.replace('"a"', '"b"')
    targets = read(TARGET + "labels = { team = 'x' }\n" + b + "labels = { team = 'y' }\n").targets
    start, end = datetime(2030, 1, 1, tzinfo=UTC), datetime(2030, 1, 2, tzinfo=UTC)
    check_window(Maintenance("w", ("a",), {"team": "x"}, start, end), targets)
    for window, message in (
        (Maintenance("w", ("a b",), {}, start, end), 'request: targets[0]: "a b" is not a valid name'),
        (Maintenance("w", ("c",), {}, start, end), "request: targets[0]: no target has this name"),
        (Maintenance("w", ("a",), {"team": "y"}, start, end), "request: labels: no target has these names and labels"),
    ):
        with pytest.raises(ConfigError) as caught:
            check_window(window, targets)
        assert str(caught.value).startswith(message)
