"""An HTTP request that a script asked for: what may be asked, where it may go, and its way into the outbox.

Hosts are named by the operator (``scripting.egress``); a request to any other is refused when it is asked for, and once
more before it is sent. Secrets stand in it as ``secret:NAME:`` until it is sent.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from engine.errors import ConfigError, StorageError, UploadRefused
from engine.shipping.outbox import BODY_FILE, Request, Upload, make_building_folder, publish

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD")
MAX_BODY_BYTES = 1 << 20
MAX_URL_CHARACTERS = 4096
MAX_HEADERS, MAX_HEADER_CHARACTERS = 32, 4096
MAX_WAITING = 1000
"""Requests of all scripts that may wait in the outbox; a host that is away for long must not fill the disk."""
SECRET = re.compile(r"secret:([A-Za-z_][A-Za-z0-9_]{0,63}):", re.ASCII)
"""How a secret stands in a request that waits."""

_PORTS = {"https": 443, "http": 80}
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}", re.ASCII)
_OURS = {"host", "content-length", "transfer-encoding", "connection", "idempotency-key"}


def checked_request(method: str, url: str, headers: Mapping[str, str], hosts: Sequence[str]) -> Request:
    """A request that may be sent.

    Args:
        method: one of ``METHODS``, in any case.
        url: absolute, or ``secret:NAME:``, a secret that holds one.
        headers: names and values; a value may hold ``secret:NAME:``.
        hosts: patterns of ``scripting.egress``.

    Raises:
        UploadRefused: it may not, and why.
    """
    if method.upper() not in METHODS:
        raise UploadRefused(f"expected a method of {', '.join(METHODS)}, got {method[:20]!r}")
    if not SECRET.fullmatch(url):
        check_origin(origin_of(url), hosts)
    if len(headers) > MAX_HEADERS:
        raise UploadRefused(f"expected at most {MAX_HEADERS} headers, got {len(headers)}")
    for name, value in headers.items():
        _check_header(name, value)
    return Request(method.upper(), url, dict(headers))


def _check_header(name: str, value: str) -> None:
    if not _HEADER_NAME.fullmatch(name) or name.lower() in _OURS:
        raise UploadRefused(f"header {name[:40]!r}: expected a header that a request may set (RFC 9110, section 5.1)")
    if len(value) > MAX_HEADER_CHARACTERS or not value.isascii() or not value.isprintable():
        raise UploadRefused(f"header {name}: expected at most {MAX_HEADER_CHARACTERS} printable ASCII characters")


def origin_of(url: str) -> str:
    """``https://host:port`` of an absolute URL (RFC 6454, section 4).

    Raises:
        UploadRefused: it is none, or names a user.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError:
        parts, port = urlsplit(""), 0
    host = parts.hostname or ""
    wrong = len(url) > MAX_URL_CHARACTERS or not url.isascii() or not url.isprintable() or " " in url
    if wrong or not host or not port or parts.username is not None or parts.scheme not in _PORTS:
        raise UploadRefused(f"expected a URL such as https://host/path, without a user, got {_without_query(url)!r}")
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def check_origin(origin: str, hosts: Sequence[str]) -> None:
    """See that one of the patterns allows ``origin``.

    A pattern is ``host`` (https, port 443), ``host:port``, either with ``http://`` before it, and with ``*.`` before
    the host for any name below a domain.

    Raises:
        UploadRefused: none does.
    """
    if not any(_matches(origin, pattern.strip().lower()) for pattern in hosts):
        scheme, _, place = origin.partition("://")
        shown = place.removesuffix(f":{_PORTS[scheme]}") if scheme == "https" else origin
        raise UploadRefused(f"{shown} is no host that scripts may send to; the operator can add it to scripting.egress")


def check_hosts(patterns: Sequence[str]) -> None:
    """See that each pattern of ``scripting.egress`` can match something.

    Raises:
        ConfigError: one cannot.
    """
    for pattern in patterns:
        place = pattern.rpartition("://")[2].strip()
        try:
            _allowed(pattern.strip().lower())
            wrong = "*" in place.removeprefix("*.")
        except UploadRefused:
            wrong = True
        if wrong:
            raise ConfigError("scripting.egress", "host, host:port, *.domain or http://host", pattern)


def _allowed(pattern: str) -> str:
    """The origin that a pattern names, with ``any`` in the place of its ``*``; raises ``UploadRefused`` if none."""
    return origin_of((pattern if "://" in pattern else f"https://{pattern}").replace("*.", "any.", 1))


def _matches(origin: str, pattern: str) -> bool:
    try:
        allowed = _allowed(pattern)
    except UploadRefused:
        return False
    if "://*." not in pattern and not pattern.startswith("*."):
        return origin == allowed
    scheme, _, place = allowed.partition("://any.")
    return origin.startswith(f"{scheme}://") and origin.endswith(f".{place}")


def _without_query(url: str) -> str:
    """What may be shown: paths and queries of webhooks are often secrets."""
    scheme, mark, rest = url[:200].partition("://")
    return scheme + mark + rest.split("/")[0].split("?")[0].rpartition("@")[2]


def enqueue_request(outbox: Path, request: Request, body: bytes, now_ns: int) -> str:
    """Promise to send a request; durable when this returns. Its id, under which receivers know repetitions.

    Args:
        outbox: ``<data>/outbox``.
        request: a checked one.
        body: what is sent.
        now_ns: wall clock.

    Raises:
        UploadRefused: the body is too large, or too many requests wait.
        StorageError: it could not be written; nothing was enqueued.
    """
    if len(body) > MAX_BODY_BYTES:
        raise UploadRefused(f"expected a body of at most {MAX_BODY_BYTES} bytes, got {len(body)}")
    if waiting(outbox) >= MAX_WAITING:
        raise UploadRefused(f"{MAX_WAITING} requests wait in the outbox already; see why they do not leave")
    entry = f"send-{now_ns:020d}-{os.getpid()}"
    building = make_building_folder(outbox, f"put-{os.getpid()}-{entry}")
    try:
        (building / BODY_FILE).write_bytes(body)
        lane = request.url if SECRET.fullmatch(request.url) else origin_of(request.url)
        publish(building, outbox, entry, Upload(lane, "", [], request))
    except OSError as error:
        raise StorageError(f"request not enqueued: {error.strerror or error}") from error
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return entry


def waiting(outbox: Path) -> int:
    """Requests in the outbox."""
    try:
        return sum(name.startswith("send-") for name in os.listdir(outbox / "ready"))
    except FileNotFoundError:
        return 0
