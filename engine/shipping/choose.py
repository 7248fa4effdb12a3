"""From a destination's text to the destination."""

from __future__ import annotations

import threading
from pathlib import Path

from engine.shipping.address import BUCKET_SCHEME
from engine.shipping.destination import Destination
from engine.shipping.gcs import GcsBucket
from engine.shipping.local import LocalFolder


class Destinations:
    """Makes each destination once, so that connections and locks are shared. For several threads."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, str], Destination] = {}
        self._lock = threading.Lock()

    def get(self, text: str, key: str) -> Destination:
        """The destination of a text.

        Args:
            text: ``gs://bucket/prefix`` or a folder.
            key: a service account's key in one of the forms that ``load_key`` knows, or empty.

        Raises:
            DestinationMisconfigured: no bucket is named, or the key is none.
        """
        with self._lock:
            if (text, key) not in self._made:
                is_bucket = text.startswith(BUCKET_SCHEME)
                self._made[text, key] = GcsBucket(text, key) if is_bucket else LocalFolder(Path(text))
            return self._made[text, key]

    def close(self) -> None:
        """Close the connections."""
        for made in self._made.values():
            if isinstance(made, GcsBucket):
                made.close()
        self._made.clear()
