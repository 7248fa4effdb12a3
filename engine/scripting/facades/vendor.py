"""``vendor``: where results go."""

from __future__ import annotations

from typing import Any

from engine.scripting.calls import Calls
from engine.scripting.facades.facade import Remote, fill


class Gcs(Remote):
    """Google Cloud Storage."""

    __slots__ = ()

    def put(self, bucket: str, path: str, key: Any = None) -> Any:
        """Hand a file of the work folder over for upload; the URL it will have.

        Returns once it is in the outbox, from where it is uploaded and verified, however long the network is away.
        ``key`` is a service account key as ``env`` shows it, or nothing for the operator's own.
        """
        return self._calls.call("vendor.gcs.put", bucket, path, key)

    def clear(self, *ignored: Any) -> None:  # noqa: ARG002  # whatever Kubeshark's takes
        """Refused: nothing here deletes what is stored remotely. A bucket's lifecycle rules do."""
        raise PermissionError(
            "vendor.gcs.clear: Remora deletes nothing remotely; let a lifecycle rule of the bucket do it"
        )


class Vendor(Remote):
    """One name per vendor, and requests to hosts that the operator named in ``scripting.egress``.

    A request is on disk when the call returns, and is sent when the network allows it; no answer comes back.
    """

    __slots__ = ("gcs",)

    gcs: Gcs

    def __init__(self, calls: Calls) -> None:
        super().__init__(calls)
        fill(self, gcs=Gcs(calls))

    def webhook(self, method: str, url: str, body: Any = "", headers: Any = None) -> Any:
        """Send a request; a body that is no text becomes JSON. Its id."""
        return self._calls.call("vendor.webhook", method, url, body, headers)

    def webhookForm(self, method: str, url: str, fields: Any) -> Any:
        """Send a form. Its id."""
        return self._calls.call("vendor.webhookForm", method, url, fields)

    def slack(self, url: str, pretext: str, text: str, color: str = "") -> Any:
        """Send a message to a Slack webhook. Its id."""
        return self._calls.call("vendor.slack", url, pretext, text, color)
