"""Prometheus' own web config format (`--web.config.file`): TLS, client certificates, users, headers; or every mistake.

Settings that Python's TLS does not support are rejected, never ignored: a file must not protect less than it says.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path

import yaml

from monitor.config import ConfigError
from monitor.config.mistake import Mistake, printable

_HASH = re.compile(r"\$2[aby]\$(0[4-9]|1[0-9]|2[0-9]|3[01])\$[./A-Za-z0-9]{53}")
_COSTLIEST = 14
"""A hash with more rounds would take seconds of CPU time."""
_VERSIONS = {
    "TLS10": ssl.TLSVersion.TLSv1, "TLS11": ssl.TLSVersion.TLSv1_1,
    "TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3,
}  # fmt: skip
_CLIENT_AUTH = {
    "NoClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}
_UNVERIFIED = frozenset({"RequestClientCert", "RequireAnyClientCert"})
_CURVES = {"CurveP256": "prime256v1", "CurveP384": "secp384r1", "CurveP521": "secp521r1", "X25519": "X25519"}
# Go's names, as in Prometheus, to OpenSSL's. Those of TLS 1.3 are always enabled, as in Prometheus.
_CIPHERS = {
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305": "ECDHE-ECDSA-CHACHA20-POLY1305",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305": "ECDHE-RSA-CHACHA20-POLY1305",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA": "ECDHE-ECDSA-AES128-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA": "ECDHE-ECDSA-AES256-SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": "ECDHE-RSA-AES128-SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA": "ECDHE-RSA-AES256-SHA",
    "TLS_RSA_WITH_AES_128_GCM_SHA256": "AES128-GCM-SHA256",
    "TLS_RSA_WITH_AES_256_GCM_SHA384": "AES256-GCM-SHA384",
    "TLS_RSA_WITH_AES_128_CBC_SHA": "AES128-SHA",
    "TLS_RSA_WITH_AES_256_CBC_SHA": "AES256-SHA",
    "TLS_AES_128_GCM_SHA256": "",
    "TLS_AES_256_GCM_SHA384": "",
    "TLS_CHACHA20_POLY1305_SHA256": "",
}
_SHORT_LIST = 5
"""The most values that a message lists."""
_HEADERS: Mapping[str, tuple[str, ...]] = {  # with the values that Prometheus allows; none for any
    "Strict-Transport-Security": (),
    "X-Content-Type-Options": ("nosniff",),
    "X-Frame-Options": ("deny", "sameorigin"),
    "X-XSS-Protection": (),
    "Content-Security-Policy": (),
}


@dataclass(frozen=True, slots=True)
class Pem:
    """A certificate or key: a file that may be replaced while the daemon runs, or the text itself."""

    file: str = ""
    text: str = field(default="", repr=False)

    def __bool__(self) -> bool:
        return bool(self.file or self.text)


@dataclass(frozen=True, slots=True)
class ServerTls:
    """`tls_server_config`."""

    certificate: Pem
    key: Pem
    client_ca: Pem = Pem()
    client_auth: ssl.VerifyMode = ssl.CERT_NONE
    client_sans: tuple[str, ...] = ()
    min_version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2
    max_version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3
    ciphers: tuple[str, ...] = ()
    curve: str = ""


@dataclass(frozen=True, slots=True)
class AccessFile:
    """The content of a web config file; `users` are names with their bcrypt hashes."""

    tls: ServerTls | None = None
    users: Mapping[str, str] = field(default_factory=dict, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def protects(self) -> bool:
        """Whether it restricts access or encrypts the connection."""
        return self.tls is not None or bool(self.users)


def read_access(path: Path) -> AccessFile:
    """Read a web config file; a ConfigError has every mistake."""
    reading = _Reading(path)
    try:
        root = yaml.compose(path.read_text("utf-8"), yaml.SafeLoader)
    except OSError as error:
        reading.wrong(None, "", f"cannot be read: {(error.strerror or 'unknown error').lower()}")
    except UnicodeDecodeError:
        reading.wrong(None, "", "is not UTF-8")
    except RecursionError:
        reading.wrong(None, "", "is nested too deep")
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        reading.wrong(mark, "", f"is not valid YAML: {printable(getattr(error, 'problem', None) or 'unreadable', 200)}")
    else:
        found = _file(reading, {} if root is None else reading.table(root, "", _TOP))
        reading.raise_if_wrong()
        return found
    raise ConfigError(tuple(reading.mistakes))


class _Reading:
    """Reads values from YAML nodes, and notes mistakes; no value is quoted, because it may be secret."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.mistakes: list[Mistake] = []

    def wrong(self, place: yaml.Node | yaml.Mark | None, key: str, message: str, hint: str = "") -> None:
        mark = place.start_mark if isinstance(place, yaml.Node) else place
        self.mistakes.append(Mistake(str(self.path), None if mark is None else mark.line + 1, key, message, hint))

    def raise_if_wrong(self) -> None:
        if self.mistakes:
            raise ConfigError(tuple(sorted(self.mistakes, key=lambda one: one.line or 0)))

    def table(self, node: yaml.Node, key: str, known: Mapping[str, object] | None) -> dict[str, yaml.Node]:
        """Return the values of a mapping by their keys, which have to be in `known` if that is given."""
        if not isinstance(node, yaml.MappingNode):
            if not _is_nothing(node):
                self.wrong(node, key, "is not a mapping")
            return {}
        found: dict[str, yaml.Node] = {}
        for name, value in node.value:
            text = name.value if isinstance(name, yaml.ScalarNode) else ""
            path = f"{key}.{printable(text)}" if key else printable(text)
            if known is not None and text not in known:
                near = get_close_matches(text, known, 1)
                self.wrong(name, path, "unknown key", f"did you mean {near[0]}?" if near else "")
            elif text in found:
                self.wrong(name, path, "is given twice")
            elif not _is_nothing(value):
                found[text] = value
        return found

    def text(self, node: yaml.Node | None, key: str) -> str:
        if node is None:
            return ""
        if not isinstance(node, yaml.ScalarNode) or node.tag != _TEXT or not node.value.strip():
            self.wrong(node, key, "is not a string")
            return ""
        return str(node.value)

    def flag(self, node: yaml.Node | None, key: str) -> None:
        if node is not None and node.tag != _FLAG:
            self.wrong(node, key, "is neither true nor false")

    def texts(self, node: yaml.Node | None, key: str) -> list[tuple[yaml.Node, str]]:
        if node is None:
            return []
        if not isinstance(node, yaml.SequenceNode):
            self.wrong(node, key, "is not a list")
            return []
        return [(one, self.text(one, f"{key}[{index}]")) for index, one in enumerate(node.value)]

    def choice(self, node: yaml.Node, key: str, text: str, words: Mapping[str, object]) -> str:
        """Return the value if it is one of those."""
        if text in words:
            return text
        near = get_close_matches(text, words, 1)
        listed = ", ".join(words) if len(words) <= _SHORT_LIST else "those that Prometheus' docs list"
        self.wrong(node, key, f"is not one of {listed}", f"did you mean {near[0]}?" if near else "")
        return ""


_TEXT, _FLAG, _NOTHING = "tag:yaml.org,2002:str", "tag:yaml.org,2002:bool", "tag:yaml.org,2002:null"
_TOP = dict.fromkeys(("tls_server_config", "http_server_config", "basic_auth_users"))
_TLS = dict.fromkeys((
    "cert_file", "key_file", "cert", "key", "client_ca_file", "client_ca", "client_auth_type", "client_allowed_sans",
    "min_version", "max_version", "cipher_suites", "prefer_server_cipher_suites", "curve_preferences",
))  # fmt: skip
_HTTP = dict.fromkeys(("http2", "headers"))


def _is_nothing(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag == _NOTHING


def _file(reading: _Reading, top: Mapping[str, yaml.Node]) -> AccessFile:
    tls, http, users = (top.get(name) for name in _TOP)
    return AccessFile(
        tls=None if tls is None else _tls(reading, tls),
        users={} if users is None else _users(reading, users),
        headers={} if http is None else _http(reading, http),
    )


def _users(reading: _Reading, node: yaml.Node) -> dict[str, str]:
    found = {}
    for name, value in reading.table(node, "basic_auth_users", None).items():
        key, hashed = f"basic_auth_users.{printable(name)}", reading.text(value, f"basic_auth_users.{printable(name)}")
        known = _HASH.fullmatch(hashed)
        if not name or ":" in name:
            reading.wrong(value, key, "is not a valid user name: it is empty or contains a colon")
        elif hashed and not known:
            reading.wrong(value, key, "is not a bcrypt hash", "htpasswd -nBC 10 NAME makes one")
        elif known and int(known[1]) > _COSTLIEST:
            reading.wrong(value, key, f"is a bcrypt hash of a cost above {_COSTLIEST}, which takes seconds to check")
        found[name] = hashed
    return found


def _http(reading: _Reading, node: yaml.Node) -> dict[str, str]:
    table = reading.table(node, "http_server_config", _HTTP)
    reading.flag(table.get("http2"), "http_server_config.http2")  # the server uses HTTP/1.1 in any case
    found, key = {}, "http_server_config.headers"
    headers = reading.table(table["headers"], key, _HEADERS) if "headers" in table else {}
    for name, value in headers.items():
        text = reading.text(value, f"{key}.{name}")
        if _HEADERS[name] and text and text.lower() not in _HEADERS[name]:
            reading.wrong(value, f"{key}.{name}", f"is not one of {', '.join(_HEADERS[name])}")
        elif not text.isascii() or not text.isprintable():
            reading.wrong(value, f"{key}.{name}", "is not a valid header value")
        found[name] = text
    return found


def _tls(reading: _Reading, node: yaml.Node) -> ServerTls:
    base = "tls_server_config"
    table = reading.table(node, base, _TLS)

    def word(key: str, words: Mapping[str, object], otherwise: str) -> str:
        text = reading.text(table.get(key), f"{base}.{key}")
        return reading.choice(table[key], f"{base}.{key}", text, words) or otherwise if text else otherwise

    def pem(key: str) -> Pem:
        return _pem(reading, table, key)

    found = ServerTls(
        certificate=pem("cert"),
        key=pem("key"),
        client_ca=pem("client_ca"),
        client_auth=_CLIENT_AUTH[_client_auth(reading, table, word)],
        client_sans=tuple(text for _, text in reading.texts(table.get("client_allowed_sans"), "client_allowed_sans")),
        min_version=_VERSIONS[word("min_version", _VERSIONS, "TLS12")],
        max_version=_VERSIONS[word("max_version", _VERSIONS, "TLS13")],
        ciphers=tuple(_words(reading, table, "cipher_suites", _CIPHERS)),
        curve=next(_words(reading, table, "curve_preferences", _CURVES), ""),
    )
    reading.flag(table.get("prefer_server_cipher_suites"), f"{base}.prefer_server_cipher_suites")
    for place, key, message in _odd(found, table):
        reading.wrong(place or node, f"{base}.{key}", message)
    return found


def _pem(reading: _Reading, table: Mapping[str, yaml.Node], key: str) -> Pem:
    base, path = "tls_server_config", f"{key}_file"
    text, file = reading.text(table.get(key), f"{base}.{key}"), reading.text(table.get(path), f"{base}.{path}")
    if text and file:
        reading.wrong(table[key], f"{base}.{key}", f"{path} is also set", "leave one of them out")
    place = reading.path.parent / file
    if file and not place.is_file():
        reading.wrong(table[path], f"{base}.{path}", "file does not exist", f"looked for {printable(str(place), 200)}")
    return Pem(str(place) if file else "", text)


def _client_auth(
    reading: _Reading, table: Mapping[str, yaml.Node], word: Callable[[str, Mapping[str, object], str], str]
) -> str:
    node = table.get("client_auth_type")
    if isinstance(node, yaml.ScalarNode) and node.value in _UNVERIFIED:
        message = "requests certificates without verifying them, which this server does not support"
        reading.wrong(node, "tls_server_config.client_auth_type", message, "write RequireAndVerifyClientCert")
        return "NoClientCert"
    return word("client_auth_type", _CLIENT_AUTH, "NoClientCert")


def _words(reading: _Reading, table: Mapping[str, yaml.Node], key: str, words: Mapping[str, str]) -> Iterator[str]:
    """Return what the values of a list map to; unknown ones are mistakes."""
    path = f"tls_server_config.{key}"
    found = [reading.choice(node, path, text, words) for node, text in reading.texts(table.get(key), path) if text]
    return iter([words[text] for text in found if text and words[text]])


def _odd(tls: ServerTls, table: Mapping[str, yaml.Node]) -> Iterator[tuple[yaml.Node | None, str, str]]:
    """Yield combinations that are not allowed: the place, the key, and why."""
    curves = table.get("curve_preferences")
    if not tls.certificate and not {"cert", "cert_file"} & table.keys():
        yield None, "cert_file", "is missing"
    if not tls.key and not {"key", "key_file"} & table.keys():
        yield None, "key_file", "is missing"
    if tls.client_auth is not ssl.CERT_NONE and not {"client_ca", "client_ca_file"} & table.keys():
        yield table.get("client_auth_type"), "client_auth_type", "needs a client_ca_file to verify with"
    if tls.client_auth is ssl.CERT_NONE and tls.client_ca:
        yield table.get("client_ca_file"), "client_ca_file", "has no effect without a client_auth_type that verifies"
    if tls.client_auth is not ssl.CERT_REQUIRED and tls.client_sans:
        place = table.get("client_allowed_sans")
        yield place, "client_allowed_sans", "needs client_auth_type RequireAndVerifyClientCert"
    if tls.min_version > tls.max_version:
        yield table.get("min_version"), "min_version", "is above max_version"
    if isinstance(curves, yaml.SequenceNode) and len(curves.value) > 1:
        yield curves, "curve_preferences", "can name only one curve"
