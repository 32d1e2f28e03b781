"""Tests of Prometheus' web config format: accepted files, and every mistake at its line."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from monitor.config import ConfigError
from monitor.web.access_file import AccessFile, Pem, read_access

HASH = "$2b$04$" + "a" * 53


def read(tmp_path: Path, text: str | bytes) -> AccessFile:
    """Read a file with this text, next to an invalid certificate, key and authority."""
    for name in ("cert.pem", "key.pem", "ca.pem"):
        (tmp_path / name).write_text("PEM")
    path = tmp_path / "web.yml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_access(path)


def wrong(tmp_path: Path, text: str | bytes) -> list[str]:
    """Return what is wrong with a file, each without the directory that it is in."""
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text)
    return [str(one).replace(f"{tmp_path}/", "") for one in caught.value.mistakes]


def test_all_of_it(tmp_path: Path) -> None:
    """Every key of Prometheus' format is accepted; relative files are next to the file."""
    found = read(
        tmp_path,
        f"""
tls_server_config:
  cert_file: cert.pem
  key_file: key.pem
  client_auth_type: RequireAndVerifyClientCert
  client_ca_file: ca.pem
  client_allowed_sans: [prometheus.internal]
  min_version: TLS13
  max_version: TLS13
  cipher_suites: [TLS_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]
  prefer_server_cipher_suites: true
  curve_preferences: [X25519]
http_server_config:
  http2: false
  headers:
    X-Frame-Options: deny
    Strict-Transport-Security: max-age=31536000
basic_auth_users:
  prom: {HASH}
""",
    )
    tls = found.tls
    assert tls is not None
    assert (tls.certificate, tls.key) == (Pem(str(tmp_path / "cert.pem")), Pem(str(tmp_path / "key.pem")))
    assert (tls.client_auth, tls.client_ca) == (ssl.CERT_REQUIRED, Pem(str(tmp_path / "ca.pem")))
    assert (tls.client_sans, tls.curve) == (("prometheus.internal",), "X25519")
    assert (tls.min_version, tls.max_version) == (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_3)
    assert tls.ciphers == ("ECDHE-RSA-AES128-GCM-SHA256",)
    assert found.headers == {"X-Frame-Options": "deny", "Strict-Transport-Security": "max-age=31536000"}
    assert found.users == {"prom": HASH}
    assert HASH not in repr(found)
    assert found.protects


def test_text_in_place_of_files(tmp_path: Path) -> None:
    """Certificate and key may be in the file itself, and no repr shows them."""
    found = read(tmp_path, "tls_server_config: {cert: the certificate, key: the key}")
    assert found.tls is not None
    assert (found.tls.certificate, found.tls.key) == (Pem(text="the certificate"), Pem(text="the key"))
    assert "the key" not in repr(found)
    assert (found.tls.min_version, found.tls.client_auth) == (ssl.TLSVersion.TLSv1_2, ssl.CERT_NONE)


@pytest.mark.parametrize("text", ["", "~", "# nothing\n", "basic_auth_users:\n", "http_server_config: {http2: true}\n"])
def test_a_file_that_protects_nothing(tmp_path: Path, text: str) -> None:
    """An empty file is valid, and restricts nothing."""
    assert not read(tmp_path, text).protects


TLS = "tls_server_config:\n  cert_file: cert.pem\n  key_file: key.pem\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a", "web.yml:1: is not a mapping"),
        ("a: [", "web.yml:1: is not valid YAML: expected the node content, but found '<stream end>'"),
        (b"\xff\xfe\x00a", "web.yml: is not UTF-8"),
        ("a: \x07", "web.yml: is not valid YAML: unreadable"),
        ("[" * 5000, "web.yml: is nested too deep"),
        ("tls_server_confg: {}", "web.yml:1: tls_server_confg: unknown key (did you mean tls_server_config?)"),
        ("[a]: 1", "web.yml:1: unknown key"),
        ("http_server_config: {http2: no thanks}", "http_server_config.http2: is neither true nor false"),
        ("basic_auth_users: {a: plain}", "basic_auth_users.a: is not a bcrypt hash (htpasswd -nBC 10 NAME makes one)"),
        ("basic_auth_users: {a: 5}", "basic_auth_users.a: is not a string"),
        (f"basic_auth_users: {{'a:b': {HASH}}}", "is not a valid user name: it is empty or contains a colon"),
        (f"basic_auth_users: {{a: {HASH}, a: {HASH}}}", "basic_auth_users.a: is given twice"),
        (f"basic_auth_users: {{a: {HASH.replace('04', '20')}}}", "a cost above 14, which takes seconds to check"),
        ("http_server_config: {headers: {X-Frame-Options: all}}", "X-Frame-Options: is not one of deny, sameorigin"),
        ("http_server_config: {headers: {X-Other: a}}", "http_server_config.headers.X-Other: unknown key"),
        ('http_server_config: {headers: {X-XSS-Protection: "a\\nb"}}', "is not a valid header value"),
        ("tls_server_config: {}", "web.yml:1: tls_server_config.cert_file: is missing"),
        ("tls_server_config: {}", "web.yml:1: tls_server_config.key_file: is missing"),
        (TLS + "  cert: text\n", "web.yml:4: tls_server_config.cert: cert_file is also set"),
        (TLS.replace("cert.pem", "none.pem"), "web.yml:2: tls_server_config.cert_file: file does not exist"),
        (TLS + "  min_version: TLS14\n", "min_version: is not one of TLS10, TLS11, TLS12, TLS13"),
        (TLS + "  min_version: TLS13\n  max_version: TLS12\n", "web.yml:4: tls_server_config.min_version: is above"),
        (TLS + "  client_auth_type: RequireAnyClientCert\n", "requests certificates without verifying them"),
        (TLS + "  client_auth_type: Any\n", "client_auth_type: is not one of NoClientCert, VerifyClientCertIfGiven"),
        (TLS + "  client_auth_type: VerifyClientCertIfGiven\n", "needs a client_ca_file to verify with"),
        (TLS + "  client_ca_file: ca.pem\n", "has no effect without a client_auth_type that verifies"),
        (TLS + "  client_allowed_sans: [a]\n", "needs client_auth_type RequireAndVerifyClientCert"),
        (TLS + "  client_allowed_sans: a\n", "client_allowed_sans: is not a list"),
        (TLS + "  cipher_suites: [TLS_FOO]\n", "cipher_suites: is not one of those that Prometheus' docs list"),
        (TLS + "  curve_preferences: [X25519, CurveP256]\n", "curve_preferences: can name only one curve"),
    ],
)
def test_a_mistake(tmp_path: Path, text: str | bytes, message: str) -> None:
    """Each mistake is one line with its place and its key."""
    assert any(message in one for one in wrong(tmp_path, text)), wrong(tmp_path, text)


def test_every_mistake_at_once(tmp_path: Path) -> None:
    """All mistakes are reported in the order of the file, and none contains a value."""
    text = "basic_auth_users: {a: hunter2}\nhttp_server_config: {http2: hunter2}\ntls_server_config: [hunter2]\nx: 1\n"
    message = wrong(tmp_path, text)
    assert [one.split(":")[1] for one in message] == ["1", "2", "3", "3", "3", "4"]
    assert "hunter2" not in " ".join(message)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    """A directory, or nothing at all, is one line."""
    for path, why in ((tmp_path, "is a directory"), (tmp_path / "none.yml", "no such file or directory")):
        with pytest.raises(ConfigError) as caught:
            read_access(path)
        assert str(caught.value) == f"{path}: cannot be read: {why}"
