"""`config.example.toml` and `docs/configuration.md`, made from the schema; `make docs` writes both.

In the example, `# ` begins prose, and `#key = value` is a key that is left at its default or waits for your value.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import wrap
from typing import Any

from monitor.config.schema import Schema, schema

ROOT = Path(__file__).parents[1]
_WIDTH = 116
# Of two keys that exclude each other, the second is shown in prose.
_INSTEAD = frozenset({"api_key_file", "basic_auth", "http_sd", "password_env", "start", "end", "models"})
# Shown with a target: of all targets it would make no sense.
_OF_ONE_TARGET = frozenset({"upstream"})
_CHECKS = "check"

HEAD = """\
#:schema ./docs/config.schema.json
# The config of chat-monitor: every key with its default and its unit.
#
# "#key = value" is a key at its default, or, if it has none, with an example: remove the # to set it.
# Durations are text: "500ms", "90s", "5m", "1h", "30d". Sizes are text: "500kB", "32MiB". ${NAME} in any text is the
# environment variable of that name, ${NAME:-x} is x if it is not set or empty, and $${ is the text ${. Never write a
# secret here: use api_key_env, api_key_file, header_files, or ${NAME}. To check: chat-monitor check --config FILE
"""
TARGETS = """\
# One [[targets]] for each chat to probe. It can have every key of [defaults]; its own keys win.
[[targets]]
name = "local"
protocol = "openai-chat"
url = "http://127.0.0.1:8000/v1/chat/completions"
model = "my-model"

# A gateway in front of it. With `upstream`, a failure of both is attributed to the server behind the gateway.
#[[targets]]
#name = "gateway"
#protocol = "openai-chat"
#url = "https://gateway.example.net/v1/chat/completions"
#model = "my-model"
#interval = "5m"
"""


# -- the example -------------------------------------------------------------------------------------------------------


def example() -> str:
    """Return the text of `config.example.toml`."""
    properties = schema()["properties"]
    keys = [line for name, node in properties.items() if _is_key(node) for line in _key(name, node)]
    parts = [HEAD, "\n".join(keys) + "\n"]
    for name, section in properties.items():
        if name != "targets" and not _is_key(section):
            parts.append("\n".join(_section(name, section)) + "\n")
    target = properties["targets"]["items"]["properties"]
    own = [line for key in ("upstream", "models") for line in _key(key, target[key])]
    return "\n".join([*parts, TARGETS + "\n".join(own) + "\n"])


def _section(name: str, section: Schema) -> Iterator[str]:
    """Write a table and the tables in it; of arrays of tables, one that is all commented out."""
    several = section.get("type") == "array"
    table = section["items"] if several else section
    yield from _prose(section["description"])
    yield f"#[[{name}]]" if several else f"[{name}]"
    # an array's tables are commented out as a whole: what is below them is written inline
    plain = {key: node for key, node in table["properties"].items() if several or not _is_table(node)}
    for key, node in plain.items():
        if key not in _OF_ONE_TARGET:
            yield from _key(key, node)
    for key, node in table["properties"].items():
        if key not in plain:
            yield ""
            yield from _section(f"{name}.{key}", node) if "properties" in node else _free(f"{name}.{key}", node)


def _free(name: str, node: Schema) -> Iterator[str]:
    """Write a table whose keys are the user's."""
    yield from _prose(node["description"])
    yield f"[{name}]"
    for key, value in node["examples"][0].items():
        yield f"#{key} = {toml(value)}"


def _key(name: str, node: Schema) -> Iterator[str]:
    yield from _prose(f"{node['description']} [{facts(node)}]")
    value = toml(_shown(node), bare=node.get("format") == "date-time")
    if name in _INSTEAD:
        yield f"# In its stead: {name} = {value}"
    else:
        yield f"#{name} = {value}"
    for other in _INSTEAD & node.get("properties", {}).keys():
        yield f"# Or, in this table: {other} = {toml(node['properties'][other]['examples'][0])}"
    if name == _CHECKS:
        yield '# Or: check = "none"'
        yield from (f"# Or: check = {toml(_example_of(kind))}" for kind in _kinds(node)[1:])
        yield from _prose(
            f"Each kind may hold: required = true. {_kinds(node)[0]['properties']['required']['description']}"
        )


def _shown(node: Schema) -> object:
    """Return what a key is shown with: its default, or an example; of a table, the examples of its keys."""
    if "properties" in node:
        inner = node["properties"].items()
        return {key: one["examples"][0] for key, one in inner if "examples" in one and key not in _INSTEAD}
    return node["default"] if _speaks(node) else node["examples"][0]


def _prose(text: str) -> list[str]:
    return wrap(text, _WIDTH, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)


def _is_key(node: Schema) -> bool:
    """Whether a node of the whole file is a key outside of tables."""
    return not _is_table(node) and not _is_table(node.get("items", {}))


def _is_table(node: Schema) -> bool:
    return node.get("type") == "object"


def _speaks(node: Schema) -> bool:
    """Whether the default is one that shows how the key is written."""
    return node.get("default") not in (None, [], "") or "examples" not in node


def _kinds(node: Schema) -> list[Schema]:
    return [one for one in node["oneOf"] if "properties" in one]


def _example_of(kind: Schema) -> dict[str, Any]:
    properties = kind["properties"]
    return {key: properties[key].get("const") or properties[key]["examples"][0] for key in kind["required"]}


def toml(value: object, *, bare: bool = False) -> str:
    """Write a value as TOML; `bare` is text that is no string, as a date is."""
    match value:
        case str():
            return value if bare else json.dumps(value, ensure_ascii=False)
        case float():
            return f"{value:g}"
        case list():
            return f"[{', '.join(map(toml, value))}]"
        case dict():
            return "{ " + ", ".join(f"{key} = {toml(inner)}" for key, inner in value.items()) + " }"
        case _:
            return json.dumps(value)


# -- the page ----------------------------------------------------------------------------------------------------------


INTRODUCTION = """\
# Configuration

<!-- Made from the fields of monitor/settings.py and monitor/target.py by `make docs`; a test compares. -->

One TOML file; `chat-monitor init` writes a first one. Without `--config` it is `$CHAT_MONITOR_CONFIG`, `./config.toml`,
`$CONFIGURATION_DIRECTORY/config.toml` or `/etc/chat-monitor/config.toml`. `chat-monitor check --config FILE` names
every mistake in it at once, each with its line and a hint; `chat-monitor check --plan` prints the cost per day;
`chat-monitor schema` prints a JSON Schema for editors, which find [it](config.schema.json) by a line `#:schema PATH`.
[`config.example.toml`](../config.example.toml) shows every key.

- **Durations** are text with units: `"500ms"`, `"90s"`, `"5m"`, `"1h"`, `"1m30s"`, `"30d"`. A bare number is a mistake.
- **Sizes** are text with units: `B`, `kB`, `MB`, `GB` (powers of 1000) and `KiB`, `MiB`, `GiB` (powers of 1024).
- **Variables**: `${NAME}` in any text, in arrays and in `body` too, is the environment variable of that name. One that
  is not set is a mistake; `${NAME:-default}` is `default` if the variable is not set or empty. `$${` is the text `${`.
- **Secrets are never in the file.** `api_key_env` names a variable; `api_key_file` and `header_files` name files. A
  relative name is looked for in `$CREDENTIALS_DIRECTORY` first (systemd's `LoadCredential=`), then next to the config.
  Line ends after the secret are removed. A header that looks like a secret and is written out is a mistake. A file that
  others than its owner can read is a warning; the group may read a file of root's.
- **Defaults**: a target's own keys win over those of `[defaults]`. The tables `timeouts`, `slo`, `tls`, `labels`,
  `headers`, `header_files` and `body` are merged key by key, and an empty table replaces the whole table; `check` and
  arrays are replaced. `api_key_env` or `api_key_file` of a target replaces both of these keys in the defaults, and
  `model` or `models` does the same; `""` means none.
- **Presets**: `preset = "light"` sets `interval = "5m"`, `max_tokens = 100` and `check = { kind = "count", to = 10 }`.
  A preset in `[defaults]` sets what no other key sets. A preset in a target wins over the defaults, but not over the
  target's own keys; `"none"` cancels the preset of the defaults. With a `prompt` of your own its check is left out.
- **Several models**: a target with `models = ["large", "small"]` is two targets, `NAME/large` and `NAME/small`, which
  differ only in their model. The `upstream` of such a target may be another target with the same models.
- **Several files**: `include = ["conf.d/*.toml"]` reads further files, in the order of the patterns and of their names.
  `[[targets]]`, `[[discovery]]` and `[[maintenance]]` are appended; the keys of other tables are merged, and a key that
  is set in two files is a mistake. `[defaults]` apply to the targets of all files. File names in an included file are
  relative to the main config's directory. A file that is named without a wildcard must exist; an included file
  cannot include others.
- **Unknown keys** are mistakes.
"""
RULES = """\
## Constraints

- `timeouts.total` below another timeout of the same target is a mistake; `interval` below `timeouts.total` is a
  warning, because if a probe is still running when the next one is due, that one is skipped. The two defaults, 60s and
  5m, are not warned of: a usual probe takes seconds.
- `terminator` must fit the protocol: `marker` needs a marker, `either` and `both` need an end and a marker. In
  server-sent events and in lines every protocol can have a marker: if it declares none, it is `[DONE]`.
- Without a `check`, a target whose protocol takes a prompt is asked for the counted list to 40. A `prompt` of your own
  switches that off. If a `count` check is set as well, your text is put before the request for the list, so that an
  answer to a long or special prompt is checked too. `raw` sends no prompt, unless its `body` contains `{prompt}`.
- Label names are the same for all targets; a label that a target lacks is empty. `le`, `quantile`, `job`, `instance`,
  `target` and every label of the `chat_stream_*` metrics are reserved, and so are names that begin with `__`.
- `upstream` names another target, and the names must not form a circle.
- A target whose `locations` do not contain the `[monitor] location` is checked, but not probed.
"""


def reference() -> str:
    """Return the text of `docs/configuration.md`."""
    sections = schema()["properties"]
    parts = [INTRODUCTION, RULES]
    keys = {"properties": {name: node for name, node in sections.items() if _is_key(node)}}
    parts.extend(_tables("KEY = VALUE", "", keys, "Keys outside of tables, before the first of them.", 2))
    for name, section in sections.items():
        if _is_key(section):
            continue
        several = section.get("type") == "array"
        heading = f"[[{name}]]" if several else f"[{name}]"
        if name == "defaults":
            continue
        if name == "targets":
            heading = "[[targets]] and [defaults]"
            section["description"] += f" {sections['defaults']['description']}"
        parts.extend(_tables(heading, name, section["items"] if several else section, section["description"], 2))
    return "\n".join(parts)


_HEADER = "| key | value | default | what it does |\n|---|---|---|---|"


def _tables(heading: str, name: str, table: Schema, description: str, level: int) -> Iterator[str]:
    """Write a table of the keys, and the tables below it."""
    rows = "\n".join(_row(key, node, required=key in table.get("required", ())) for key, node in _keys(table))
    yield f"{'#' * level} `{heading}`\n\n{description}\n\n{_HEADER}\n{rows}\n"
    for key, node in table["properties"].items():
        if "properties" in node:
            yield from _tables(f"{name}.{key}", f"{name}.{key}", node, node["description"], 3)
        for kind in _kinds(node) if "oneOf" in node else ():
            label = f"{name}.{key}, kind = {kind['properties']['kind']['const']}"
            yield from _tables(label, f"{name}.{key}", kind, kind["description"], 3)


def _keys(table: Schema) -> Iterator[tuple[str, Schema]]:
    """Return the keys of a table but for the tables in it, its name first."""
    keys = [(key, node) for key, node in table["properties"].items() if "properties" not in node]
    return iter(sorted(keys, key=lambda one: one[0] != "name"))


def _row(key: str, node: Schema, *, required: bool) -> str:
    must = required or "x-required" in node
    default = f"`{toml(node['default'])}`" if "default" in node else "required" if must else "-"
    example = node.get("examples", [None])[0]
    shown = f" For example `{toml(example, bare=node.get('format') == 'date-time')}`." if example is not None else ""
    cells = (f"`{key}`", facts(node), default, node["description"] + shown)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


_NOUNS = {"string": "text", "boolean": "true or false", "integer": "integer", "number": "number", "object": "table"}


def facts(node: Schema) -> str:
    """Say in a few words what a key takes: its type, its unit, its bounds."""
    if "oneOf" in node:
        return '"none", or a table'
    if "const" in node:
        return toml(node["const"])
    if "anyOf" in node:
        return node.get("x-unit") or _choices(node)
    if "enum" in node:
        return ", ".join(map(toml, node["enum"]))
    if node["type"] == "array":
        return f"array of {facts(node['items'])}" + _unit(node)
    if node.get("format") == "date-time":
        return "date and time"
    noun = node["x-unit"] if "x-least" in node else _NOUNS[node["type"]]
    return noun + ("" if "x-least" in node else _unit(node)) + _bounds(node)


def _choices(node: Schema) -> str:
    """Name what may be chosen; a pattern beside words only lets variables and names from outside pass."""
    words = any("enum" in option for option in node["anyOf"])
    named = [option for option in node["anyOf"] if not words or "pattern" not in option]
    return " or ".join(facts(option) for option in named)


def _unit(node: Schema) -> str:
    return f" ({node['x-unit']})" if "x-unit" in node else ""


def _bounds(node: Schema) -> str:
    if "x-least" in node:
        return f", {node['x-least']} to {node['x-most']}"
    if "exclusiveMinimum" in node:
        above = f", above {toml(node['exclusiveMinimum'])}"
        return above + (f", below {toml(node['exclusiveMaximum'])}" if "exclusiveMaximum" in node else "")
    return f", {node['minimum']} to {node['maximum']}" if "minimum" in node else ""


def editor_schema() -> str:
    """Return the text of `docs/config.schema.json`."""
    return json.dumps(schema(), indent=2) + "\n"


FILES = {
    "config.example.toml": example,
    "docs/configuration.md": reference,
    "docs/config.schema.json": editor_schema,
}


def main(arguments: list[str], root: Path = ROOT) -> int:
    """Print both, or write them where they belong."""
    for name, text in FILES.items():
        if arguments == ["--write"]:
            (root / name).write_text(text(), encoding="utf-8")
        else:
            sys.stdout.write(text())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
