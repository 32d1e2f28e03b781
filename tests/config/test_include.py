"""A config in several files: what is appended and merged, and where the mistakes are."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.config import Config, ConfigError, load
from monitor.config.include import fingerprint
from tests.config.cases import TARGET

SECOND = TARGET.replace('"a"', '"b"')


def written(place: Path, **files: str) -> Path:
    """Write files by their stems, with `_` for a folder; return the main one."""
    for name, text in files.items():
        file = place / f"{name.replace('_', '/')}.toml"
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    return place / "main.toml"


def refused(main: Path, environ: dict[str, str] | None = None) -> list[str]:
    """Return the mistakes of a config, without the name of its directory."""
    with pytest.raises(ConfigError) as caught:
        load(main, environ or {})
    return str(caught.value).replace(f"{main.parent}/", "").split("\n")


def names(config: Config) -> list[str]:
    """Return the names of the targets."""
    return [target.name for target in config.targets]


def test_targets_are_appended_and_tables_merged(tmp_path: Path) -> None:
    """Files come in the order of the patterns and of their names; defaults hold for the targets of all files."""
    main = written(
        tmp_path,
        main='include = ["conf.d/*.toml", "extra.toml"]\n[defaults]\nmodel = "m"\ntimeouts.idle = "9s"\n' + TARGET,
        **{"conf.d_2": TARGET.replace('"a"', '"c"'), "conf.d_1": "[log]\nlevel = 'error'\n" + SECOND},
        extra='[defaults]\ntimeouts.connect = "1s"\n[[maintenance]]\nname = "w"\nat = "02:00"\nduration = "1h"\n',
    )
    config = load(main, {})
    assert names(config) == ["a", "b", "c"]
    assert {target.model for target in config.targets} == {"m"}
    assert {(target.timeouts.idle, target.timeouts.connect) for target in config.targets} == {(9.0, 1.0)}
    assert config.settings.log.level == "error"
    assert [window.name for window in config.settings.maintenance] == ["w"]


def test_a_config_may_have_its_targets_elsewhere(tmp_path: Path) -> None:
    """The main file needs no target, a pattern may match nothing, and each file is read once."""
    main = written(tmp_path, main='include = ["*.toml", "a.*", "${WHERE}/none*"]', a=TARGET)
    assert names(load(main, {"WHERE": "conf.d"})) == ["a"]


def test_files_beside_the_config_are_found_from_an_included_one(tmp_path: Path) -> None:
    """Names of files in an included file are relative to the main one."""
    (tmp_path / "key").write_text("s3cret")
    main = written(tmp_path, main='include = ["d/a.toml"]', d_a=TARGET + 'api_key_file = "key"')
    key = load(main, {}).targets[0].api_key
    assert key is not None
    assert key.reveal() == "s3cret"


def test_a_mistake_is_at_its_line_of_its_file(tmp_path: Path) -> None:
    """Each mistake has its file, line and key, and all are reported together."""
    main = written(
        tmp_path,
        main='include = ["d/*.toml"]\n[log]\nlevel = "inf"\n' + TARGET,
        d_1=SECOND + "interval = 5\n[limits]\nper_host = 0\n",
        d_2=SECOND + "upstream = 'x'\nintervall = 1\n",
        d_3="[history\n",
        d_4='[[targets]]\nname = "c"\nprotocol = "raw"\nurl =\n[limits]\nevents =\n',
    )
    messages = refused(main)
    assert any(line.startswith("d/1.toml:5: targets[0].interval: 5 is not a duration") for line in messages)
    assert any(line.startswith("d/1.toml:7: limits.per_host: 0 is below") for line in messages)
    assert any(line.startswith("d/2.toml:6: targets[0].intervall: unknown key") for line in messages)
    assert any(
        line.startswith("d/2.toml:2: targets[0].name: ") and "d/1.toml:1 has this name" in line for line in messages
    )
    assert any(line.startswith("d/3.toml:1: the file is not valid TOML") for line in messages)
    assert any(line.startswith("d/4.toml:4: the file is not valid TOML") for line in messages)
    assert any(line.startswith("main.toml:3: log.level") for line in messages)
    assert not any("targets[0].url" in line for line in messages)


@pytest.mark.parametrize(
    ("text", "more", "mistakes"),
    [
        ('include = ["none.toml"]', "", ["main.toml:1: include[0]: names a file that cannot be read"]),
        ("include = 3", "", ["main.toml:1: include: 3 is not an array (write [3])"]),
        ("include = [3]", "", ['main.toml:1: include[0]: 3 is not a string (write "3")']),
        ('include = ["a.toml"]', 'include = ["b"]', ["a.toml:1: include: only the main file can include others"]),
        (
            'include = ["a.toml"]\n[log]\nlevel = "info"',
            '[log]\nlevel = "error"',
            ["a.toml:2: log.level: is also set in main.toml:3"],
        ),
        ('include = ["a.toml"]', "log = 3", ["a.toml:1: log: must be a table (write [log])"]),
    ],
)
def test_what_cannot_be_included(tmp_path: Path, text: str, more: str, mistakes: list[str]) -> None:
    """A file that is missing, includes others, or sets a key again is a mistake."""
    main = written(tmp_path, main=f"{text}\n{TARGET}", a=more)
    messages = refused(main)
    assert set(mistakes) <= set(messages)


def test_a_change_of_any_file_is_seen(tmp_path: Path) -> None:
    """The fingerprint covers all files: a new matching file changes it, and a missing file gives none."""
    main = written(tmp_path, main='include = ["d/*.toml"]\n' + TARGET, d_b=SECOND)
    document = load(main, {}).document
    assert fingerprint(document, {}) == document.fingerprint
    (tmp_path / "d/b.toml").write_text(SECOND + "\n")
    assert fingerprint(document, {}) != document.fingerprint
    written(tmp_path, d_b=SECOND, d_c="")
    assert fingerprint(document, {}) != document.fingerprint
    (tmp_path / "d/c.toml").unlink()
    assert fingerprint(document, {}) == document.fingerprint
    main.unlink()
    assert fingerprint(document, {}) is None
