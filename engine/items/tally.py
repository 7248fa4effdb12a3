"""Counts and latencies of items: by protocol, by status, by endpoint. Pure; bounded, whatever the traffic says.

Latencies are counted by milliseconds up to 127, and above in steps of less than 1.6 %, of which the middle stands for
all: percentiles are exact there and within 0.8 % here, and no line has more than 1,728 counts, whatever its items say.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

MAX_ROWS = 10_000
"""Of each table; what comes after counts as ``OTHERS``."""
OTHERS = "(others)"
MAX_TEXT = 120
_EXACT_BITS = 7
"""Of a latency, the leading ones that are kept."""
MAX_LATENCY_MS = (1 << 32) - 1
"""Fifty days; what took longer counts as this, though the longest is told as it is."""
_NOTHING: Mapping[str, Any] = {}

Item = Mapping[str, Any]
Half = Mapping[str, Any]


class Row(NamedTuple):
    """One line of a table."""

    key: tuple[str, ...]
    items: int
    errors: int
    """Items with ``error``, and answers that say that something went wrong."""
    request_bytes: int
    response_bytes: int
    latency_ms: tuple[int, int, int, int] | None
    """p50, p90, p99, the longest; None where nothing was answered."""


class _Sums:
    """What is known of one line."""

    __slots__ = ("errors", "items", "latencies", "longest_ms", "request_bytes", "response_bytes")

    def __init__(self) -> None:
        self.items = self.errors = self.request_bytes = self.response_bytes = self.longest_ms = 0
        self.latencies: Counter[int] = Counter()

    def took(self, latency_ms: int) -> None:
        self.latencies[rounded(latency_ms)] += 1
        self.longest_ms = max(self.longest_ms, latency_ms)

    def row(self, key: tuple[str, ...]) -> Row:
        found = percentiles(self.latencies)
        if found is not None:
            p50, p90, p99 = (min(value, self.longest_ms) for value in found[:3])
            found = p50, p90, p99, self.longest_ms
        return Row(key, self.items, self.errors, self.request_bytes, self.response_bytes, found)


def rounded(latency_ms: int) -> int:
    """The latency that stands for this one and its neighbours; itself where it is small."""
    value = min(max(latency_ms, 0), MAX_LATENCY_MS)
    dropped = max(value.bit_length() - _EXACT_BITS, 0)
    return value if not dropped else (value >> dropped << dropped) + (1 << dropped >> 1)


def percentiles(counted: Mapping[int, int]) -> tuple[int, int, int, int] | None:
    """The values below or at which 50, 90, 99 and 100 % lie (nearest rank); ``counted`` is value -> how often."""
    total = sum(counted.values())
    if not total:
        return None
    found: list[int] = []
    seen, wanted = 0, [-(-total * share // 100) for share in (50, 90, 99, 100)]
    for value in sorted(counted):
        seen += counted[value]
        while len(found) < 4 and seen >= wanted[len(found)]:
            found.append(value)
    return found[0], found[1], found[2], found[3]


class Tally:
    """Adds up items; ask for the tables at any time."""

    def __init__(self) -> None:
        self._tables: dict[str, dict[tuple[str, ...], _Sums]] = {"protocol": {}, "status": {}, "endpoint": {}}

    def add(self, item: Item) -> None:
        """One more item."""
        request, response, protocol = (_mapping(item[key]) for key in ("request", "response", "protocol"))
        kind = str(protocol.get("name", "?"))
        name = _short(protocol.get("abbr") or kind)
        status = _short(_STATUS.get(kind, _no_text)(request, response))
        wrong = bool(item["error"]) or _is_wrong(kind, status)
        endpoint = _short(_ENDPOINT.get(kind, _no_text)(request, response))
        for table, key in (("protocol", (name,)), ("status", (name, status)), ("endpoint", (name, endpoint))):
            self._count(self._tables[table], key, item, wrong, answered=bool(request and response))

    @staticmethod
    def _count(
        table: dict[tuple[str, ...], _Sums], key: tuple[str, ...], item: Item, wrong: bool, *, answered: bool
    ) -> None:
        if key not in table and len(table) >= MAX_ROWS:
            key = (key[0], OTHERS)
        sums = table.setdefault(key, _Sums())
        sums.items += 1
        sums.errors += wrong
        sums.request_bytes += _number(item["requestSize"])
        sums.response_bytes += _number(item["responseSize"])
        if answered and isinstance(item["elapsedTime"], int):
            sums.took(item["elapsedTime"])

    def rows(self, table: str) -> list[Row]:
        """``protocol``, ``status`` or ``endpoint``: the most frequent first."""
        rows = [sums.row(key) for key, sums in self._tables[table].items()]
        return sorted(rows, key=lambda row: (-row.items, row.key))


def _mapping(value: object) -> Mapping[str, Any]:
    """What was hidden by ``redact()``, or is something else in somebody's file, says nothing."""
    return value if isinstance(value, Mapping) else _NOTHING


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def _short(value: object) -> str:
    text = "" if value is None else str(value)
    return text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 1]}…"


def _no_text(request: Half, response: Half) -> str:  # noqa: ARG001 - one signature for all
    return ""


def _host(request: Half) -> str:
    headers = _mapping(request.get("headers"))
    found = [headers[name] for name in (":authority", "Host", "host") if name in headers]
    return str(found[0]) if found else ""


def _question(request: Half, response: Half) -> str:
    questions = request.get("questions") or response.get("questions")
    first = _mapping(questions[0]) if isinstance(questions, list | tuple) and questions else _NOTHING
    return f"{first.get('type', '')} {first.get('name', '')}" if first else ""


def _grpc_or_http(request: Half, response: Half) -> object:  # noqa: ARG001 - one signature for all
    headers = _mapping(response.get("headers"))
    grpc = headers.get("Grpc-Status", headers.get("grpc-status"))
    return response.get("status") if grpc is None else f"grpc {grpc}"


_ENDPOINT: dict[str, Callable[[Half, Half], object]] = {
    "http": lambda request, _: f"{request.get('method', '?')} {_host(request)}{request.get('path', '')}",
    "dns": _question,
    "redis": lambda request, response: request.get("command") or response.get("command"),
    "kafka": lambda request, response: request.get("apiKeyName") or response.get("apiKeyName"),
    "amqp": lambda request, response: request.get("method") or response.get("method"),
    "tls": lambda request, _: request.get("serverName"),
}
"""What was asked for, without what differs from one time to the next."""
_STATUS: dict[str, Callable[[Half, Half], object]] = {
    "http": _grpc_or_http,
    "dns": lambda _, response: response.get("code"),
    "redis": lambda _, response: response.get("type"),
}


def _is_wrong(protocol: str, status: str) -> bool:
    if protocol == "http":
        return status >= "400" if status.isdigit() else status not in ("", "grpc 0")
    return status not in ("", "No Error") if protocol == "dns" else status == "Error"
