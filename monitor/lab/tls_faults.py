"""The table of TLS faults, each on its own port, and the config to probe them."""

from __future__ import annotations

import json
from dataclasses import dataclass

from monitor.lab.fault import OK, Expect

PATH = "/openai-chat/ok"
CERTIFICATE = Expect("unreachable/tls_certificate")
HANDSHAKE = Expect("unreachable/tls_handshake")


@dataclass(frozen=True, slots=True)
class TlsFault:
    """One port, its fault, and the expected verdict."""

    name: str
    summary: str
    expect: Expect
    detail: str = ""
    """Text in the event's `detail`."""
    path: str = PATH
    port: int = 0

    @property
    def target(self) -> str:
        """Its name in the config."""
        return f"tls-{self.name}"


FAULTS = (
    TlsFault("good", "nothing: the whole lab, over TLS, in HTTP/2 if a client offers it (ALPN)", OK),
    TlsFault("expired", "the certificate expired yesterday", CERTIFICATE, "verify code 10"),
    TlsFault("not-yet-valid", "the certificate is valid from tomorrow on", CERTIFICATE, "verify code 9"),
    TlsFault("self-signed", "the certificate is signed by nobody but itself", CERTIFICATE, "verify code 18"),
    TlsFault("wrong-host", "the certificate is for other.invalid", CERTIFICATE, "verify code 6"),
    TlsFault("unknown-ca", "the certificate is signed by an authority that is not trusted", CERTIFICATE, "code 20"),
    TlsFault("plain", "a server that speaks plain HTTP", HANDSHAKE),
    TlsFault("fin", "the connection is closed in the handshake", HANDSHAKE),
    TlsFault("rst", "the connection is reset in the handshake", HANDSHAKE),
    TlsFault("silence", "no answer to the handshake", Expect("timeout/connect")),
    TlsFault("old-protocol", "a server that speaks TLS 1.0 and nothing newer", HANDSHAKE, "unsupported protocol"),
    TlsFault("client-certificate", "a client certificate is demanded", HANDSHAKE, "tls.cert_file"),
    TlsFault(
        "no-close-notify",
        "a body without length or chunks ends in a bare FIN, after all of its content",
        OK,
        path=f"{PATH}?framing=close",
    ),
)
"""In the order of their ports."""
SAME_PORT = (
    TlsFault(
        "no-close-notify-cut",
        "the same port, and the answer is not whole",
        Expect("truncated/no_terminator"),
        path="/openai-chat/cut?after=5&framing=close",
    ),
    TlsFault("client-certificate-given", "the same port, and the client has one", OK),
)
"""What else can be probed on the port of the fault whose name it begins with."""
TARGET = """
[[targets]]
name = {name}  # expect {expect}
protocol = "openai-chat"
url = {url}
check = {{ kind = "count" }}
tls = {{ {tls} }}
"""


@dataclass(frozen=True, slots=True)
class TlsLab:
    """The listening TLS faults, and the directory of the certificates."""

    faults: tuple[TlsFault, ...]
    ca_pem: bytes
    """The authority to trust; it is deleted with the lab."""
    ca_file: str
    cert_file: str
    """A client's certificate, for the port that demands one."""
    key_file: str

    def url(self, fault: TlsFault, host: str) -> str:
        """The URL of this fault."""
        return f"https://{host}:{fault.port}{fault.path}"

    def config(self, host: str) -> str:
        """A config with a target for each fault, for this machine; another one needs `ca_file` from /ca.pem."""
        return "".join(self._target(fault, host) for fault in self.faults).lstrip("\n")

    def _target(self, fault: TlsFault, host: str) -> str:
        files = {"ca_file": self.ca_file}
        if fault.name == "client-certificate-given":
            files |= {"cert_file": self.cert_file, "key_file": self.key_file}
        return TARGET.format(
            name=json.dumps(fault.target),
            expect=fault.expect.verdict,
            url=json.dumps(self.url(fault, host)),
            tls=", ".join(f"{key} = {json.dumps(file)}" for key, file in files.items()),
        )
