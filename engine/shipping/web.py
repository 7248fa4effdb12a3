"""Sends the requests of scripts; follows no redirect and reads no answer: the operator decides what they may reach."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import requests

from engine.errors import UploadError, UploadRefused
from engine.shipping.destination import DestinationMisconfigured
from engine.shipping.outbox import Request
from engine.shipping.reasons import reason
from engine.shipping.request import SECRET, check_origin, origin_of

CONNECT_S, READ_S = 10.0, 30.0
WORTH_REPEATING = {408, 425, 429, *range(500, 600)}
"""RFC 9110, section 15; RFC 8470; RFC 6585."""


class Web:
    """For several threads."""

    def __init__(self, hosts: Sequence[str], secrets: Mapping[str, str]) -> None:
        """``hosts``: patterns of ``scripting.egress``; ``secrets``: values by name, without those of destinations."""
        self._hosts, self._secrets = hosts, secrets

    def send(self, request: Request, body: Path, identity: str) -> None:
        """Send a request once; ``identity`` goes with it, so that a receiver can tell a repetition.

        Raises:
            UploadRefused: not sent, or refused, and trying again will not help.
            DestinationMisconfigured: the receiver's certificate is not trusted.
            UploadError: worth trying again.
        """
        url = self._filled(request.url)
        origin = origin_of(url)
        check_origin(origin, self._hosts)
        headers = {name: self._filled(value) for name, value in request.headers.items()}
        status = _status(request.method, url, origin, {**headers, "Idempotency-Key": identity}, body)
        if status in WORTH_REPEATING:
            raise UploadError(f"{origin}: answered {status}")
        if not 200 <= status < 300:
            raise UploadRefused(f"{origin}: expected an answer of 200 to 299, got {status}; redirects are not followed")

    def _filled(self, text: str) -> str:
        for name in set(SECRET.findall(text)):
            if name not in self._secrets:
                raise UploadRefused(f"expected a secret that scripts may send, got {name}")
        return SECRET.sub(lambda match: self._secrets[match[1]], text)


def _status(method: str, url: str, origin: str, headers: Mapping[str, str], body: Path) -> int:
    session = requests.Session()
    session.trust_env = False  # no proxies, no .netrc
    session.verify = os.environ.get("REQUESTS_CA_BUNDLE") or True
    prepared = requests.Request(method, url, dict(headers), data=body.read_bytes() or None).prepare()
    try:
        with (
            session,
            session.send(
                prepared, timeout=(CONNECT_S, READ_S), allow_redirects=False, stream=True, verify=session.verify
            ) as answer,
        ):
            return int(answer.status_code)
    except requests.exceptions.SSLError as error:
        raise DestinationMisconfigured(f"{origin}: {reason(error)}") from None
    except requests.RequestException as error:
        raise UploadError(f"{origin}: {reason(error)}") from None
