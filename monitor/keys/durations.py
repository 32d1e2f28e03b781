"""Durations for people, in pages and on terminals; `units.duration_text` writes them for a config."""

from __future__ import annotations

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_UNITS = ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min"))


def measured(seconds: float) -> str:
    """Return a measured time with about three digits: `45 us`, `4.5 ms`, `210 ms`, `4.10 s`, `2 min 05 s`."""
    if seconds < 0.001:  # noqa: PLR2004 - a millisecond
        return f"{seconds * 1e6:.0f} us"
    if seconds < 0.09995:  # noqa: PLR2004 - what rounds to 100.0 ms is written without the tenth
        return f"{seconds * 1e3:.1f} ms"
    if seconds < 0.9995:  # noqa: PLR2004 - what rounds to 1000 ms is a second
        return f"{seconds * 1e3:.0f} ms"
    if seconds < 2 * _MINUTE:
        return f"{seconds:.2f} s"
    minutes, rest = divmod(round(seconds), _MINUTE)
    return f"{minutes} min {rest:02d} s"


def elapsed(seconds: float) -> str:
    """Return an age or a long duration in one unit: `90 s`, `5 min`, `3 h`, `2 d`."""
    for length, unit in _UNITS:
        if seconds >= 2 * length:
            return f"{seconds // length:.0f} {unit}"
    return f"{max(seconds, 0.0):.0f} s"
