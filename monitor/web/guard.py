"""Who may ask: the Host has to be ours (DNS rebinding) and the page that asks has to be ours (cross-site requests)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import ip_address

# RFC 9110, section 7.2: uri-host [ ":" port ]; no user-info, and nothing that a later parser could read another way.
_AUTHORITY = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9._-]+))(?::[0-9]{0,5})?", re.ASCII)

FOREIGN_HOST = (
    "This Host name is not one of this monitor's. It accepts localhost, IP addresses, and the names that "
    "`[web] allowed_hosts` lists."
)
FOREIGN_PAGE = "Requests from the pages of other sites are refused."


def hostname(authority: str) -> str | None:
    """Return the lower-case name or address of `host[:port]`; None where it is no such thing."""
    found = _AUTHORITY.fullmatch(authority)
    if found is None:
        return None
    return (found["six"] or found["name"]).lower().removesuffix(".")


def refusal(method: str, target: str, headers: Mapping[str, str], allowed: frozenset[str]) -> str | None:
    """Say why a request is refused; None if it may pass.

    `target` is the request-target as it was sent. `allowed` are names that are served besides "localhost" and IP
    literals: a page can be rebound to a name of its own, never to an address.
    """
    host = headers.get("Host")
    named = [authority for authority in (host, _authority(target)) if authority is not None]
    # Only a browser can be rebound, and every browser sends Host: health checks in HTTP/1.0 do without.
    if not all(_ours(hostname(authority), allowed) for authority in named):
        return FOREIGN_HOST
    return FOREIGN_PAGE if _from_elsewhere(method, headers, host or "", allowed) else None


def _authority(target: str) -> str | None:
    """Return the authority of a request-target in absolute form, which takes the place of Host (RFC 9112, 3.2.2)."""
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
    """Whether a person follows a link (from an alert, a board): it shows a page, and tells the other site nothing."""
    navigates = headers.get("Sec-Fetch-Mode") == "navigate" and headers.get("Sec-Fetch-Dest") == "document"
    return navigates and method in {"GET", "HEAD"}


def _same_origin(origin: str, host: str, allowed: frozenset[str]) -> bool:
    """Whether scheme and authority are ours; either scheme will do, for TLS may end in front of us."""
    scheme, _, authority = origin.partition("://")
    name = hostname(authority)
    if scheme not in {"http", "https"} or name is None:
        return False
    return authority.lower() == host.lower() or name in allowed
