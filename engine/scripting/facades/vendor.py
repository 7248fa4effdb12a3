"""``vendor``: where results go."""

from __future__ import annotations

from typing import Any

from engine.scripting.calls import Calls
from engine.scripting.facades.facade import Facade, Remote, fill


class Gcs(Remote):
    """Google Cloud Storage."""

    __slots__ = ()

    def put(self, bucket: str, path: str, key: Any = None) -> Any:
        """Hand a file of the work folder over for upload; the URL it will have.

        Returns once it is in the outbox, from where it is uploaded and verified, however long the network is away.
        ``key`` is a service account key as ``env`` shows it, or nothing for the operator's own.
        """
        return self._calls.call("vendor.gcs.put", bucket, path, key)


class Vendor(Facade):
    """One name per vendor."""

    __slots__ = ("gcs",)

    gcs: Gcs

    def __init__(self, calls: Calls) -> None:
        fill(self, gcs=Gcs(calls))
