"""The encodings in which servers and proxies repeat a secret: those that redaction claims to find."""

from __future__ import annotations

import html
import json
import quopri
import re
from base64 import b32encode, b64encode, encodebytes, urlsafe_b64encode
from collections.abc import Callable
from functools import partial
from urllib.parse import quote, quote_plus


def _mixed(secret: str, sign: str = "%") -> str:
    """Encode each second character."""
    return "".join(f"{sign}{ord(one):02X}" if at % 2 and one.isascii() else one for at, one in enumerate(secret))


def _dump(data: bytes, line: Callable[[int, bytes, str], str]) -> str:
    """Return a hexadecimal dump in lines of 16 bytes, which begin with an offset and end with the characters."""
    parts = [(at, data[at : at + 16]) for at in range(0, len(data), 16)]
    return "\n".join(line(at, part, re.sub(r"[^ -~]", ".", part.decode("latin-1"))) for at, part in parts)


FORMS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "in capitals": str.upper,
    "in small letters": str.lower,
    "percent-encoded": quote,
    "percent-encoded, slashes too": lambda secret: quote(secret, safe=""),
    "percent-encoded in small letters": lambda secret: re.sub("%..", lambda it: it[0].lower(), quote(secret)),
    "percent-encoded, spaces as plus": quote_plus,
    "percent-encoded twice": lambda secret: quote(quote(secret)),
    "every byte percent-encoded": lambda secret: "".join(f"%{byte:02X}" for byte in secret.encode()),
    "in part": _mixed,
    "quoted-printable": lambda secret: quopri.encodestring(secret.encode(), quotetabs=True).decode(),
    "quoted-printable in part": lambda secret: _mixed(secret, "="),
    "quoted-printable in JSON": lambda secret: json.dumps(
        quopri.encodestring(json.dumps(secret)[1:-1].encode()).decode()
    )[1:-1],
    "in JSON": lambda secret: json.dumps(secret)[1:-1],
    "in JSON as UTF-8": lambda secret: json.dumps(secret, ensure_ascii=False)[1:-1],
    "in JSON with slashes escaped": lambda secret: json.dumps(secret)[1:-1].replace("/", "\\/"),
    "in JSON in JSON": lambda secret: json.dumps(json.dumps(secret)[1:-1])[1:-1],
    "every character escaped in JSON": lambda secret: "".join(
        json.dumps(one)[1:-1] if ord(one) > 0xFFFF else f"\\u{ord(one):04X}" for one in secret
    ),
    "in HTML": html.escape,
    "every character an entity": lambda secret: "".join(f"&#{ord(one)};" for one in secret),
    "every character an entity in hexadecimal": lambda secret: "".join(f"&#x{ord(one):X};" for one in secret),
    "JSON in HTML in a URL": lambda secret: quote(html.escape(json.dumps(secret)[1:-1])),
    "bytes of Python": lambda secret: repr(secret.encode())[2:-1],
    "text of Python": lambda secret: repr(secret)[1:-1],
    "base64": lambda secret: b64encode(secret.encode()).decode(),
    "base64 for URLs": lambda secret: urlsafe_b64encode(secret.encode()).decode(),
    "base64 of a password": lambda secret: b64encode(f"user:{secret}".encode()).decode(),
    "base64 of a header": lambda secret: b64encode(f"Bearer {secret}".encode()).decode(),
    "base64 of what is around": lambda secret: b64encode(f"{{'k': '{secret}'}}".encode()).decode(),
    "base64 in small letters": lambda secret: b64encode(secret.encode()).decode().lower(),
    "base64 in a URL": lambda secret: quote(b64encode(f"u:{secret}".encode()).decode(), safe=""),
    "hexadecimal": lambda secret: secret.encode().hex(),
    "HEXADECIMAL": lambda secret: secret.encode().hex().upper(),
    "read as Latin-1": lambda secret: secret.encode().decode("latin-1"),
    "read as ASCII": lambda secret: secret.encode().decode("ascii", "replace"),
}
"""A secret in an encoding that is found with the text around it."""

ENCODED: dict[str, Callable[[bytes], str]] = {
    "base64": lambda data: b64encode(data).decode(),
    "base64 in lines, as MIME and PEM have it": lambda data: (
        encodebytes(b"Authorization: " * 4 + data).decode().strip()
    ),
    "base64 in indented lines": lambda data: encodebytes(b"x" * 90 + data).decode().strip().replace("\n", "\r\n  "),
    "base64 of UTF-16": lambda data: b64encode(data.decode().encode("utf-16-le")).decode(),
    "base64 of base64": lambda data: b64encode(b"Authorization: Basic " + b64encode(b"user:" + data)).decode(),
    "base64 of hexadecimal": lambda data: b64encode(data.hex().encode()).decode(),
    "base64 of JSON in JSON": lambda data: b64encode(json.dumps(json.dumps(data.decode())).encode()).decode(),
    "base64 of a URL": lambda data: b64encode(quote(data.decode(), safe="").encode()).decode(),
    "hexadecimal of base64": lambda data: b64encode(data).hex(),
    "bytes in hexadecimal": lambda data: data.hex(" "),
    "bytes in hexadecimal, with colons": lambda data: data.hex(":").upper(),
    "bytes in C": lambda data: ", ".join(f"0x{byte:02x}" for byte in data),
    "each byte in quoted-printable": lambda data: "".join(f"={byte:02X}" for byte in data),
    "bytes in JSON": lambda data: json.dumps(list(data)).strip("[]"),
    "bytes in indented JSON": lambda data: json.dumps(list(data), indent=2).strip("[]\n "),
    "bytes in decimal": lambda data: " ".join(map(str, data)),
    "base32": lambda data: b32encode(data).decode(),
    "base32 of a password": lambda data: b32encode(b"user:" + data).decode(),
    "base32 of what is around": lambda data: b32encode(b"{'k': '" + data + b"'}").decode(),
    "base64 of base32": lambda data: b64encode(b32encode(data)).decode(),
    "quoted-printable in lines": lambda data: "=\n".join(
        f"={byte:02X}" if at % 2 else chr(byte) for at, byte in enumerate(data)
    ),
    "octal escapes": lambda data: "".join(f"\\{byte:03o}" for byte in data),
    "octal escapes in JSON": lambda data: json.dumps("".join(f"\\{byte:03o}" for byte in data)).strip('"'),
    "escapes of JavaScript": lambda data: "".join(f"\\u{{{byte:x}}}" for byte in data),
    "long escapes of Python": lambda data: "".join(f"\\U{byte:08x}" for byte in data),
    "escapes of IIS": lambda data: "".join(f"%u{byte:04x}" for byte in data),
    "escapes of IIS and of JSON": lambda data: "".join(f"{'%' if byte % 2 else chr(92)}u{byte:04x}" for byte in data),
    "entities without a semicolon": lambda data: "".join(f"&#{byte}" for byte in data),
    "entities with zeros": lambda data: "".join(f"&#x{byte:08x};" for byte in data),
    "UTF-16 read as UTF-8": lambda data: "\0".join(data.decode()),
    "UTF-16 in JSON": lambda data: json.dumps("\0".join(data.decode())).strip('"'),
    "a line that continues": lambda data: f"{data[:5].decode()}\\\n  {data[5:].decode()}",
    "a line of quoted-printable that continues": lambda data: f"{data[:5].decode()}=\r\n{data[5:].decode()}",
}
"""The bytes of a secret in an encoding."""

_LINES: dict[str, Callable[[int, bytes, str], str]] = {
    "xxd": lambda at, part, text: f"{at:08x}: {part.hex(' ', -2):39}  {text}",
    "hexdump -C": lambda at, part, text: f"{at:08x}  {part[:8].hex(' '):23}  {part[8:].hex(' '):23}  |{text}|",
    "od -A x -t x1z": lambda at, part, text: f"{at:06x} {part.hex(' '):47}  >{text}<",
    "curl --trace": lambda at, part, text: f"{at:04x}: {part.hex(' '):47} {text}",
    "tcpdump -X": lambda at, part, text: f"\t0x{at:04x}:  {part.hex(' ', -2):39}  {text}",
    "Wireshark": lambda at, part, text: f"{at:04x}   {part[:8].hex(' '):23}  {part[8:].hex(' '):23}   {text}",
}
DUMPS: dict[str, Callable[[bytes], str]] = {name: partial(_dump, line=line) for name, line in _LINES.items()}
"""Dumps of bytes, in which lines divide a secret."""
