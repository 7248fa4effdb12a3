"""Everything that can go wrong between the shipper and its bucket, one at a time: what arrives, and at what cost.

Batches wait, the fault holds for two minutes of the shipper's clock, then it ends. The client and the shipper are the
real ones; the clock is moved by hand, and the client's own patience is cut short, so that a row takes seconds.
"""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import engine.shipping.gcs as gcs
from tests.support import fault_proxy
from tests.support.fault_proxy import Faults, proxy
from tests.support.gcs_server import Store, serve
from tests.support.harbour import FILES, Harbour
from tests.support.tokens import Tokens, serve_tokens

BATCHES = 6
_getaddrinfo = socket.getaddrinfo
LARGE_BYTES = 9 << 20
"""Of one file: it goes in chunks."""
FAULT_S = 120
BUCKET = "forensics"
LINE = re.compile(r"upload_failed error=(?P<quote>['\"])(?P<error>.*)(?P=quote) times=(?P<times>\d+) waiting=")


@dataclass
class Place:
    """Where things can be broken."""

    store: Store
    faults: Faults
    tokens: Tokens
    harbour: Harbour
    environment: dict[str, str]


@dataclass(frozen=True)
class Fault:
    """How one thing breaks and is mended."""

    begin: Callable[[Place], object]
    end: Callable[[Place], object] = field(default=lambda place: place.faults.heal())
    named: str = ""
    """What the log calls it."""
    with_key: bool = False
    """By a service account, whose tokens come from an endpoint."""
    moves: bool = False
    """The address changes: connections are new ones."""
    persons: bool = False
    """A person has to put it right: tried once a minute."""


def broken(kind: str, named: str, status: int = 503, rate: float = 1.0) -> Fault:
    """By the proxy."""
    return Fault(lambda place: place.faults.fault(kind, status=status, rate=rate), named=named)


def status(code: int, named: str) -> Fault:
    """An answer in the server's place."""
    return broken("status", named, code)


def _answers(code: int) -> Fault:
    def begin(place: Place) -> None:
        place.tokens.status = code

    def end(place: Place) -> None:
        place.tokens.status, place.tokens.failures = 200, 0

    return Fault(begin, end, "no access token", with_key=True)


def _elsewhere(address: str, named: str) -> Fault:
    def begin(place: Place) -> None:
        place.environment["before"] = os.environ["STORAGE_EMULATOR_HOST"]
        os.environ["STORAGE_EMULATOR_HOST"] = address

    def end(place: Place) -> None:
        os.environ["STORAGE_EMULATOR_HOST"] = place.environment["before"]

    return Fault(begin, end, named, moves=True)


def _bucket_goes(place: Place) -> None:
    del place.store.buckets[BUCKET]


def _bucket_comes(place: Place) -> None:
    place.store.buckets[BUCKET] = {}


def _hang_up(place: Place) -> None:
    place.tokens.hangs_up = True


def _take_calls(place: Place) -> None:
    place.tokens.hangs_up = False


def _unauthorized(place: Place) -> None:
    place.store.accepted = set()


def _authorized(place: Place) -> None:
    place.store.accepted = None


FAULTS: Mapping[str, Fault] = {
    "408 Request Timeout": status(408, "408"),
    "429 Too Many Requests": status(429, "429"),
    "500 Internal Server Error": status(500, "500"),
    "502 Bad Gateway": status(502, "502"),
    "503 Service Unavailable": status(503, "503"),
    "504 Gateway Timeout": status(504, "504"),
    "reset before the body": broken("reset before the body", "reset by peer"),
    "reset in the body": broken("reset in the body", "reset by peer"),
    "stored, answer lost (412 when repeated)": broken("answer lost", "reset by peer"),
    "no answer": broken("stall", "TimeoutError"),
    "answer cut": broken("answer cut", "reset by peer"),
    "answer that is no HTTP": broken("no answer but noise", "BadStatusLine"),
    "body changed on the way": broken("body changed", "Provided CRC32C"),
    "connection refused": _elsewhere("http://127.0.0.1:9", "Connection refused"),
    "name that no DNS knows": _elsewhere("http://storage.invalid:80", "not known"),
    "token endpoint: 503": _answers(503),
    "token endpoint: down": Fault(_hang_up, _take_calls, "no access token", with_key=True),
    "bucket deleted, made again": Fault(_bucket_goes, _bucket_comes, "does not exist", persons=True),
    "403 Forbidden": Fault(
        lambda place: place.faults.fault("status", status=403), named="may not write there", persons=True
    ),
    "401 Unauthorized": Fault(_unauthorized, _authorized, "does not accept", with_key=True, persons=True),
    "all of them, 30 % of requests": broken("answer lost", "", rate=0.3),
}


@dataclass(frozen=True)
class Row:
    """What came of it."""

    fault: str
    lost: int
    """Objects that are not there, or not what was sealed."""
    doubled: int
    """Objects that came into being twice."""
    dead: int
    requests: int
    """While the fault held, in two minutes."""
    attempts: int
    """Uploads that failed, as counted."""
    told: int
    """The same, as the log says."""
    lines: int
    """In the log, while it held."""
    errors: list[str]


def run(name: str) -> Row:
    """One fault."""
    fault = FAULTS[name]
    with _place(fault.with_key) as place:
        for number in range(BATCHES):
            padding = LARGE_BYTES if number == 0 else 0
            key = "KEY" if fault.with_key else ""
            place.harbour.add(f"b{number}", f"gs://{BUCKET}", credentials=key, padding=padding)
        with _log() as lines:
            before = _requests(place)
            fault.begin(place)
            _live(place, fault, FAULT_S, mixed=name.startswith("all of them"))
            requests, during = _requests(place) - before, len(lines)
            fault.end(place)
            _forget_connections(place, fault)
            place.harbour.until(lambda: not place.harbour.shipper.pending)
        objects = place.store.objects(BUCKET)
        told = [match for line in lines if (match := LINE.search(line))]
        return Row(
            name,
            sum(objects.get(key) != content for key, content in _expected().items()),
            sum(times - 1 for times in place.store.created.values()),
            len(place.harbour.names("dead")),
            requests,
            place.harbour.counters.get("shipper_retries_total"),
            sum(int(match["times"]) for match in told),
            during,
            [match["error"] for match in told],
        )


def _live(place: Place, fault: Fault, seconds: int, *, mixed: bool) -> None:
    """Two minutes of the shipper's clock."""
    harbour, kinds = place.harbour, [kind for kind in fault_proxy.KINDS if kind not in ("stall", "other checksum")]
    for second in range(seconds):
        if mixed:
            place.faults.fault(kinds[second % len(kinds)], rate=0.3)
        if second == 0:
            _forget_connections(place, fault)
        harbour.step()
        harbour.now_s += 1


def _forget_connections(place: Place, fault: Fault) -> None:
    if fault.moves:
        place.harbour.destinations.close()


def _requests(place: Place) -> int:
    return place.faults.requests.total() + place.tokens.asked


def _expected() -> dict[str, bytes]:
    return {
        f"{file}/b{number}": f"{file} of b{number}".encode()
        + bytes(LARGE_BYTES if (number, file) == (0, FILES[0]) else 0)
        for number in range(BATCHES)
        for file in FILES
    }


@contextmanager
def _place(with_key: bool) -> Iterator[Place]:
    with ExitStack() as stack:
        root = Path(tempfile.mkdtemp())
        stack.callback(shutil.rmtree, root)
        address, store = stack.enter_context(serve(BUCKET))
        front, faults = stack.enter_context(proxy(address))
        tokens, endpoint = stack.enter_context(serve_tokens())
        environment = {"STORAGE_EMULATOR_HOST": front}
        stack.enter_context(mock.patch.dict(os.environ, environment))
        os.environ.pop("GOOGLE_APPLICATION_CREDENTIALS", None)
        quick = gcs._RETRY.with_delay(initial=0.001, maximum=0.01, multiplier=2).with_timeout(0.05)
        stack.enter_context(mock.patch.object(gcs, "_RETRY", quick))
        stack.enter_context(mock.patch.object(gcs, "TIMEOUT_S", (5, 0.5)))
        stack.enter_context(mock.patch.object(fault_proxy, "STALL_S", 1.0))
        stack.enter_context(mock.patch("google.auth._exponential_backoff.time", SimpleNamespace(sleep=lambda _: None)))
        stack.enter_context(mock.patch("socket.getaddrinfo", _resolve))
        secrets = {"KEY": json.dumps(tokens.info(endpoint))} if with_key else {}
        harbour = Harbour(root, secrets=secrets)
        stack.callback(harbour.shipper.close)
        stack.callback(harbour.destinations.close)
        yield Place(store, faults, tokens, harbour, {})


def _resolve(host: str, *arguments: Any, **options: Any) -> Any:
    """As a name server answers at once; that of this machine may take seconds to find out that it has none."""
    if host.endswith(".invalid"):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    return _getaddrinfo(host, *arguments, **options)


class _Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@contextmanager
def _log() -> Iterator[list[str]]:
    """What the shipper says."""
    handler, logger = _Lines(), logging.getLogger("engine.shipping.shipper")
    logger.addHandler(handler)
    try:
        yield handler.lines
    finally:
        logger.removeHandler(handler)
