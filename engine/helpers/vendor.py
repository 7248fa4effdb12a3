"""The ``vendor`` helper: the broker does no HTTP, it queues what the shipper sends."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from engine.helpers.calls import CallRefused, helper
from engine.helpers.confine import WorkPathError, parts_of
from engine.helpers.view import Reading

KEY_VARIABLE = "GCS_SA_KEY_JSON"

_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]", re.ASCII)
_SECRET = re.compile(r"secret:([A-Z][A-Z0-9_]{0,63})", re.ASCII)

Enqueue = Callable[[int, str, str, str], None]
"""``(descriptor, object name, bucket, variable of the key)``; durable when it returns."""


class Gcs:
    """Google Cloud Storage. There is no delete, here or behind."""

    def __init__(self, reading: Reading, enqueue: Enqueue, prefix: str) -> None:
        """``prefix`` is ``<NODE_NAME>_<NODE_IP>_<RUN_ID>``."""
        self._reading, self._enqueue, self._prefix = reading, enqueue, prefix

    @helper("vendor.gcs.put", slow=True)
    def put(self, bucket: str, path: str, key: Any = None) -> str:
        """Promise a file's upload; the URL that it will have. The copy is durable when this returns."""
        if not _BUCKET.fullmatch(bucket):
            raise CallRefused("vendor.gcs.put", f"bucket: expected a bucket's name, got {bucket[:100]!r}")
        parts = parts_of(path)
        if not parts:
            raise WorkPathError(path, "expected a file")
        name = f"{self._prefix}/{parts[-1]}"
        variable = _variable(key)
        with self._reading.opened(path) as descriptor:
            self._enqueue(descriptor, name, bucket, variable)
        return f"https://storage.googleapis.com/{bucket}/{quote(name)}"


def _variable(key: Any) -> str:
    """The variable that holds the key; without one, the operator's own, whose absence means application default."""
    if key is None:
        return KEY_VARIABLE
    match = _SECRET.fullmatch(key) if isinstance(key, str) else None
    if not match:
        reason = "key: expected env.GCS_SA_KEY_JSON or nothing, got a literal key"
        raise CallRefused("vendor.gcs.put", f"{reason}; put it in the environment, where no script can read it")
    return match[1]
