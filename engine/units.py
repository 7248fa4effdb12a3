"""Durations, sizes and moments as people write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import NamedTuple

from engine.errors import ConfigError

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(i?)(B?)")
_POWER = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}


def parse_duration_s(where: str, text: str | float) -> float:
    """Seconds in ``'10s'``, ``'1h30m'``, ``'250ms'``, ``'0'``; a bare number is seconds.

    Raises:
        ConfigError: anything else.
    """
    if isinstance(text, int | float) and not isinstance(text, bool) and text >= 0:
        return float(text)
    compact = str(text).strip()
    if re.fullmatch(r"\d+(\.\d+)?", compact):
        return float(compact)
    parts = _DURATION.findall(compact)
    if not parts or "".join(number + unit for number, unit in parts) != compact:
        raise ConfigError(where, "a duration such as '10s'", text)
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


class Span(NamedTuple):
    """A part of time; milliseconds since the epoch, both ends included."""

    since_ms: int = -(1 << 62)
    until_ms: int = 1 << 62


ALWAYS = Span()


def parse_moment_ms(where: str, text: str) -> int:
    """Milliseconds since the epoch of ``2026-11-30T14:00``, ISO 8601; UTC where no zone is given.

    Raises:
        ConfigError: anything else.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(where, "a time such as 2026-11-30T14:00 (UTC)", text) from None
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


def parse_size_bytes(where: str, text: str | int) -> int:
    """Bytes in ``'500Mi'`` (2**20), ``'50MB'`` (10**6), ``'1Gi'``; a bare number is bytes.

    Raises:
        ConfigError: anything else.
    """
    match = _SIZE.fullmatch(str(text).strip())
    if not match:
        raise ConfigError(where, "a size such as '500Mi'", text)
    number, prefix, binary, _ = match.groups()
    return int(float(number) * (1024 if binary else 1000) ** _POWER[prefix])


def format_bytes(count: int) -> str:
    """``'1.5 MiB'``."""
    size = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"


def format_duration(seconds: float) -> str:
    """``'10s'``, ``'1m30s'``, ``'2h'``: what ``parse_duration_s`` reads back."""
    if seconds < 1 and seconds > 0:
        return f"{seconds * 1000:.0f}ms"
    rest, out = round(seconds), ""
    for unit, size in (("h", 3600), ("m", 60)):
        count, rest = divmod(rest, size)
        out += f"{count}{unit}" if count else ""
    return out + (f"{rest}s" if rest or not out else "")
