"""The ``vendor`` helpers: the broker does no HTTP, it queues what the shipper sends."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from engine.errors import UploadRefused
from engine.helpers.calls import CallRefused, helper
from engine.helpers.confine import WorkPathError, parts_of
from engine.helpers.handles import HandleRefused, Handles
from engine.helpers.view import Reading

KEY_VARIABLE = "GCS_SA_KEY_JSON"

_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]", re.ASCII)
SLACK_LINES = {"pretext": 3_000, "text": 40_000, "color": 20}
"""Characters that Slack takes of each."""

Enqueue = Callable[[int, str, str, str], None]
"""``(descriptor, object name, bucket, variable of the key)``; durable when it returns."""
EnqueueOf = Callable[[int, str, str, str, str, int], None]
"""The same with the script, and how many bytes of it may wait."""
Send = Callable[[str, str, dict[str, str], bytes], str]
"""``(method, URL, headers, body)``; durable when it returns the id."""


class Gcs:
    """Google Cloud Storage. There is no delete, here or behind."""

    def __init__(self, reading: Reading, enqueue: Enqueue, prefix: str, handles: Handles) -> None:
        """``prefix`` is ``<NODE_NAME>_<NODE_IP>_<RUN_ID>``."""
        self._reading, self._enqueue, self._prefix, self._handles = reading, enqueue, prefix, handles

    @helper("vendor.gcs.put", slow=True)
    def put(self, bucket: str, path: str, key: Any = None) -> str:
        """Promise a file's upload; the URL that it will have. The copy is durable when this returns."""
        if not _BUCKET.fullmatch(bucket):
            raise CallRefused("vendor.gcs.put", f"bucket: expected a bucket's name, got {bucket[:100]!r}")
        parts = parts_of(path)
        if not parts:
            raise WorkPathError(path, "expected a file")
        name = f"{self._prefix}/{parts[-1]}"
        variable = self._variable(key)
        with self._reading.opened(path) as descriptor:
            try:
                self._enqueue(descriptor, name, bucket, variable)
            except UploadRefused as error:
                raise CallRefused("vendor.gcs.put", str(error)) from None
        return f"https://storage.googleapis.com/{bucket}/{quote(name)}"

    def _variable(self, key: Any) -> str:
        """The variable that holds the key; without one the operator's own, else application default credentials."""
        if key is None and self._handles.allows(KEY_VARIABLE):
            return KEY_VARIABLE
        if key is None:
            raise CallRefused("vendor.gcs.put", f"key: scripting.secrets does not give this script {KEY_VARIABLE}")
        try:
            return self._handles.name_of(key if isinstance(key, str) else "")
        except HandleRefused:
            if isinstance(key, str) and key.startswith("secret:"):
                raise
            reason = "key: expected env.GCS_SA_KEY_JSON or nothing, got a literal key"
            raise CallRefused(
                "vendor.gcs.put", f"{reason}; put it in the environment, where no script can read it"
            ) from None


class Web:
    """Requests to hosts that the operator named. Nobody waits for an answer: they leave when the network lets them."""

    def __init__(self, send: Send, handles: Handles) -> None:
        self._send, self._handles = send, handles

    @helper("vendor.webhook", slow=True, once=True)
    def webhook(self, method: str, url: str, body: Any = "", headers: dict[str, str] | None = None) -> str:
        """Promise a request. A body that is no text becomes JSON. Its id, with which it is durable."""
        given = dict(headers or {})
        if isinstance(body, str | bytes):
            payload = body.encode() if isinstance(body, str) else body
        else:
            payload = msgspec.json.encode(body)
            if not any(name.lower() == "content-type" for name in given):
                given["Content-Type"] = "application/json"
        return self._promise("vendor.webhook", method, url, given, payload)

    @helper("vendor.webhookForm", slow=True, once=True)
    def webhook_form(self, method: str, url: str, fields: dict[str, str | int | float | bool]) -> str:
        """Promise a request whose body is a form (``application/x-www-form-urlencoded``)."""
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return self._promise("vendor.webhookForm", method, url, headers, urlencode(fields).encode())

    @helper("vendor.slack", slow=True, once=True)
    def slack(self, url: str, pretext: str, text: str, color: str = "") -> str:
        """Promise a message to a Slack webhook."""
        lines = {"pretext": pretext, "text": text, "color": color}
        lines = {name: line[: SLACK_LINES[name]] for name, line in lines.items() if line}
        payload = msgspec.json.encode({"attachments": [lines]})
        return self._promise("vendor.slack", "POST", url, {"Content-Type": "application/json"}, payload)

    def _promise(self, name: str, method: str, url: str, headers: dict[str, str], payload: bytes) -> str:
        filled = {header: self._handles.sealed(value) for header, value in headers.items()}
        try:
            return self._send(method, self._handles.sealed(url), filled, payload)
        except UploadRefused as error:
            raise CallRefused(name, str(error)) from None
