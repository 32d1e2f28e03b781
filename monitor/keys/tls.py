"""The keys of a table `tls`: how a server's certificate is verified, and the client certificate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from monitor.keys import types
from monitor.keys.types import doc

PemFile = Annotated[types.File | None, types.Path.PEM]


@dataclass(frozen=True, slots=True)
class Tls:
    """How the server's certificate is verified, and the client certificate; PEM files."""

    ca_file: Annotated[PemFile, doc("The authorities to trust instead of the system's.", "ca.pem")] = None
    cert_file: Annotated[PemFile, doc("The client certificate, with its chain.", "client.pem")] = None
    key_file: Annotated[
        PemFile, doc("The client certificate's key, if `cert_file` does not contain it.", "client.key")
    ] = None
    server_name: Annotated[
        types.HostName | None,
        doc("The name to ask for and to expect in the certificate, instead of the URL's host.", "gateway.internal"),
    ] = None
    insecure_skip_verify: Annotated[bool, doc("Whether any certificate is accepted: for tests only.")] = False
