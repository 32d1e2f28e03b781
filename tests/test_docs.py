"""README and docs, read by a machine: every config loads, every command exists, both languages say the same."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import click
import pytest

from monitor.cli.main import commands
from monitor.config.load import load

ROOT = Path(__file__).parents[1]
DOCS = sorted((ROOT / "docs").rglob("*.md"))
PAGES = [*sorted(ROOT.glob("*.md")), *DOCS]
ENGLISH, CHINESE = ROOT / "README.md", ROOT / "README.zh-CN.md"

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))

TARGET = '\n[[targets]]\nname = "gateway"\nprotocol = "openai-chat"\nurl = "http://127.0.0.1:8000/v1/chat/completions"\nmodel = "m"\n'  # noqa: E501 - one config
"""What makes a config of a block that shows other tables only."""


WRITTEN = re.compile(r"^cat >config.toml <<'CONFIG'\n(.*?)^CONFIG$", re.MULTILINE | re.DOTALL)
"""A config that a shell command writes."""


def blocks(page: Path, language: str = "") -> list[str]:
    """The code blocks of a page, of one language; those without a language by default."""
    return re.findall(rf"^ *```{language}\n(.*?)^ *```$", page.read_text(), re.MULTILINE | re.DOTALL)


class Anything(dict[str, str]):
    """An environment in which every variable is set."""

    def __missing__(self, key: str) -> str:
        return "value"

    def __contains__(self, key: object) -> bool:
        return True


@every_page
def test_every_config_of_a_page_loads(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each TOML block, and each config that a command writes, is valid and has no warning.

    It is loaded as it is or with one target added, and the files that it names exist.
    """
    monkeypatch.chdir(tmp_path)
    if page.name == "add-a-protocol.md":
        return  # its config names a protocol that tests/test_add_a_protocol.py makes and probes
    written = [one for block in blocks(page, "sh") for one in re.findall(WRITTEN, block)]
    for number, block in enumerate([*blocks(page, "toml"), *written]):
        for name in re.findall(r'_file = "([^"/]+)"', block):
            (tmp_path / name).write_text("-----BEGIN CERTIFICATE-----")
            (tmp_path / name).chmod(0o600)
        file = tmp_path / f"{number}.toml"
        file.write_text(block if "[[targets]]" in block or "[[discovery]]" in block else block + TARGET)
        config = load(file, Anything())
        assert config.targets or config.settings.discovery
        assert not config.warnings


@pytest.mark.parametrize("page", [ROOT / "docs" / "evidence.md"])
def test_every_test_that_a_page_names_exists(page: Path) -> None:
    """A claim is shown by a test that is there."""
    named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", page.read_text())
    assert len(named) > 30
    for file, test in named:
        assert re.search(rf"^(?:async )?def {test}\(", (ROOT / file).read_text(), re.MULTILINE), f"{file}::{test}"


def typed(page: Path) -> Iterator[list[str]]:
    """Every command of ours that a page shows, in a code block or in its text, word by word."""
    for shown in re.findall(r"`(chat-monitor [a-z][^`]+)`", page.read_text()):
        yield shlex.split(" ".join(shown.split()))
    for block in [*blocks(page), *blocks(page, "sh")]:
        for line in block.replace("\\\n", " ").splitlines():
            found = re.match(r"(?:\$ )?(?:\S*/bin/)?(chat-monitor [a-z].*)", line.strip())
            if found:
                words = shlex.split(found[1], comments=True)
                yield words[: next((at for at, word in enumerate(words) if word in {"&", "|", ">", "&&"}), None)]


@every_page
def test_every_command_of_a_page_exists(page: Path) -> None:
    """Each command in a page exists, with each of its options."""
    for words in typed(page):
        command = commands.get_command(click.Context(commands), words[1])
        assert command, " ".join(words)
        known = {option for one in command.params if isinstance(one, click.Option) for option in one.opts}
        given = {word.partition("=")[0] for word in words[2:] if word.startswith("-")}
        assert given <= known | {"--help"}, " ".join(words)


@every_page
def test_every_make_target_of_a_page_exists(page: Path) -> None:
    """`make X` in a code block or in the text is a target of the Makefile."""
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    text = page.read_text()
    named = set(re.findall(r"`make ([a-z-]+)", text)) | set(re.findall(r"^ *make ([a-z-]+)", "".join(blocks(page)), re.MULTILINE))  # fmt: skip  # noqa: E501 - one set
    assert named <= targets


def headings(page: Path) -> list[int]:
    """The levels of a page's headings, in order, outside of code."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    return [len(found) for found in re.findall(r"^(#+) ", text, re.MULTILINE)]


def commands_of(page: Path) -> list[str]:
    """Every line of a page's code blocks, without its comment."""
    lines = "\n".join(re.findall(r"^```\w*\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)).splitlines()
    return [line.rstrip() for line in (re.sub(r"\s+# .*", "", line) for line in lines)]


def links(page: Path) -> set[str]:
    """The files that a page links to."""
    return set(re.findall(r"\]\(([^)#\s]+)", page.read_text()))


def test_the_chinese_readme_is_in_step() -> None:
    """The same headings, the same commands and configs, and every link of the English one."""
    assert headings(CHINESE) == headings(ENGLISH)
    assert commands_of(CHINESE) == commands_of(ENGLISH)
    assert links(ENGLISH) <= links(CHINESE)


def test_every_protocol_of_chatchat_is_in_the_chinese_quickstart() -> None:
    """A user of any version finds the protocol of his own."""
    text = (ROOT / "docs" / "zh-CN" / "quickstart.md").read_text()
    for name in ("chatchat", "chatchat-agent", "chatchat-kb", "chatchat-0.2", "chatchat-0.2-json", "chatchat-0.2-text"):
        assert re.search(rf'["`]{re.escape(name)}["`]|\b{re.escape(name)}\b', text), name


def misleading(page: Path) -> Mapping[str, str]:
    """The counts of misled clients, by client, in the page's own table."""
    rows = [[cell.strip() for cell in line.strip("|\n").split("|")] for line in page.read_text().splitlines() if line.startswith("|")]  # fmt: skip  # noqa: E501 - one table
    head = next(row for row in rows if "chat-monitor" in row[:2] and "aiohttp" in row)
    counts = next(row for row in rows if row[0].startswith("misleading") or row[0] == "0")
    return {name: count for name, count in zip(head, counts, strict=True) if count.isdigit()}


def test_the_counts_of_the_readme_are_those_of_the_comparison() -> None:
    """The counts are those of docs/comparison.md, and the text has its number of streams."""
    compared = ROOT / "docs" / "comparison.md"
    assert misleading(ENGLISH) == misleading(compared)
    streams = re.search(r"misleading, of (\d+)", compared.read_text())
    assert streams
    assert f"sends {streams[1]} streams" in ENGLISH.read_text()
    assert f"把 {streams[1]} 条流" in CHINESE.read_text()


TAPLO = Path(sys.executable).with_name("taplo")


@pytest.mark.skipif(not TAPLO.exists(), reason="taplo has no wheel for this system")
def test_an_editor_accepts_the_example_and_sees_a_wrong_key(tmp_path: Path) -> None:
    """taplo, which editors run, finds the schema by the example's first line, and refuses a key that it lacks."""
    example = (ROOT / "config.example.toml").read_text()
    schema = (ROOT / "docs" / "config.schema.json").as_posix()
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(example.replace("./docs/config.schema.json", schema) + "\nurll = 1\n")
    found = [
        subprocess.run([TAPLO, "check", file], cwd=ROOT, capture_output=True, text=True, check=False)
        for file in (ROOT / "config.example.toml", wrong)
    ]
    assert [one.returncode for one in found] == [0, 1]
    assert "urll" in found[1].stderr


def test_no_page_installs_a_name_from_an_index() -> None:
    """The name on the package index is not the project's yet."""
    for page in PAGES:
        assert not re.search(r"(?:pip|pipx|uv tool) install (?:-\S+ )*chat-monitor", page.read_text()), page.name


def test_the_site_builds(tmp_path: Path) -> None:
    """The site builds without a warning: every link between pages and every anchor exists."""
    built = subprocess.run(
        [Path(sys.executable).with_name("mkdocs"), "build", "--quiet", "--site-dir", tmp_path],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (built.returncode, built.stderr) == (0, "")
    assert (tmp_path / "index.html").exists()
    assert (tmp_path / "THREAT_MODEL" / "index.html").exists()


def test_every_page_is_in_the_site() -> None:
    """The navigation names each page of docs/, and the runbooks by their list."""
    navigation = (ROOT / "mkdocs.yml").read_text()
    for page in DOCS:
        name = str(page.relative_to(ROOT / "docs"))
        assert name.startswith("runbooks/") or name in navigation, name
