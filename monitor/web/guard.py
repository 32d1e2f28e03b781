"""Request checks: Host must be ours (against DNS rebinding), and so must the origin (against cross-site requests)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import ip_address

# RFC 9110, section 7.2: uri-host [ ":" port ]; no user-info, and nothing ambiguous for a later parser.
_AUTHORITY = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9._-]+))(?::[0-9]{0,5})?", re.ASCII)

FOREIGN_HOST = (
    "This Host name is not one of this monitor's. It accepts localhost, IP addresses, and the names that "
    "`[web] allowed_hosts` lists."
)
FOREIGN_PAGE = "Requests from the pages of other sites are refused."


def hostname(authority: str) -> str | None:
    """Return the lower-case name or address of `host[:port]`; None if it is invalid."""
    found = _AUTHORITY.fullmatch(authority)
    if found is None:
        return None
    return (found["six"] or found["name"]).lower().removesuffix(".")


def refusal(method: str, target: str, headers: Mapping[str, str], allowed: frozenset[str]) -> str | None:
    """Return why a request is refused; None if it is allowed.

    `target` is the request-target as sent. `allowed` are names that are accepted besides "localhost" and IP literals:
    DNS rebinding needs a name, never an address.
    """
    host = headers.get("Host")
    named = [authority for authority in (host, _authority(target)) if authority is not None]
    # DNS rebinding affects only browsers, which always send Host; health checks in HTTP/1.0 may omit it.
    if not all(_ours(hostname(authority), allowed) for authority in named):
        return FOREIGN_HOST
    return FOREIGN_PAGE if _from_elsewhere(method, headers, host or "", allowed) else None


def _authority(target: str) -> str | None:
    """Return the authority of a request-target in absolute form, which replaces Host (RFC 9112, 3.2.2)."""
    if target.startswith("/") or "://" not in target:
        return None
    return re.split("[/?#]", target.partition("://")[2], maxsplit=1)[0]


def _ours(name: str | None, allowed: frozenset[str]) -> bool:
    return name is not None and (name == "localhost" or name in allowed or _is_address(name))


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _from_elsewhere(method: str, headers: Mapping[str, str], host: str, allowed: frozenset[str]) -> bool:
    site = headers.get("Sec-Fetch-Site")
    if site == "same-origin":
        return False
    if site not in {None, "none"} and not _is_followed_link(method, headers):
        return True
    origin = headers.get("Origin")
    return origin is not None and not _same_origin(origin, host, allowed)


def _is_followed_link(method: str, headers: Mapping[str, str]) -> bool:
    """Whether a user follows a link (from an alert or dashboard): the other site cannot read the page."""
    navigates = headers.get("Sec-Fetch-Mode") == "navigate" and headers.get("Sec-Fetch-Dest") == "document"
    return navigates and method in {"GET", "HEAD"}


def _same_origin(origin: str, host: str, allowed: frozenset[str]) -> bool:
    """Whether the authority is ours; the scheme may be either, because a proxy may terminate TLS."""
    scheme, _, authority = origin.partition("://")
    name = hostname(authority)
    if scheme not in {"http", "https"} or name is None:
        return False
    return authority.lower() == host.lower() or name in allowed
