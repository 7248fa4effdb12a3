"""A bucket to read recordings from. Rights that it needs: ``storage.objects.list`` and ``storage.objects.get``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from google.api_core import exceptions as api
from google.auth import exceptions as auth
from google.cloud.storage.retry import DEFAULT_RETRY

from engine.errors import CaptureError
from engine.shipping.address import BUCKET_SCHEME, KEY_VARIABLE
from engine.shipping.gcs import TIMEOUT_S, connect

_RETRY = DEFAULT_RETRY.with_timeout(60.0)
_MANIFEST = ".manifest.json"
_TREE, _MANIFESTS = "recording=", "manifest/"
_MAX_MANIFEST_BYTES = 64 << 20


class BucketStore:
    """Objects below ``gs://bucket/prefix``, which is where recordings go, or one of them, or a part of one."""

    def __init__(self, address: str, key: str) -> None:
        """Find credentials; nothing is sent yet. ``key`` as in ``GcsBucket``.

        Raises:
            DestinationMisconfigured: no bucket, no credentials, or a key that is none.
        """
        self.where = address
        self._client, self._bucket, self._prefix, self._who = connect(address, key)

    def manifests(self) -> Iterator[str]:
        """As ``Store.manifests``: packets and items are not listed, one request names a thousand manifests."""
        try:
            for folder in self._folders():
                for blob in self._bucket.list_blobs(prefix=folder, timeout=TIMEOUT_S, retry=_RETRY):
                    if blob.name.endswith(_MANIFEST):
                        _check_size(self.shown(blob.name), blob.size or 0)
                        yield blob.name
        except CaptureError:
            raise
        except Exception as error:  # whatever the client raises
            raise self._explain(error, self.where, "storage.objects.list") from error

    def _folders(self) -> list[str]:
        parts = self._prefix.split("/")
        if not any(part.startswith(_TREE) for part in parts):
            listed = self._bucket.list_blobs(prefix=self._prefix, delimiter="/", timeout=TIMEOUT_S, retry=_RETRY)
            for _ in listed:  # the prefixes are known once it was gone through
                pass
            wanted = sorted(name for name in listed.prefixes if name.removeprefix(self._prefix).startswith(_TREE))
            return [name + _MANIFESTS for name in wanted]
        return [self._prefix + _MANIFESTS if parts[-2].startswith(_TREE) else self._prefix]

    def shown(self, name: str) -> str:
        """``gs://bucket/name``."""
        return f"{BUCKET_SCHEME}{self._bucket.name}/{name}"

    def read(self, name: str, start: int = 0, end: int | None = None) -> bytes:
        """As ``Store.read``; a range is one request, a whole object is verified by its checksum."""
        if end is not None and end <= start:
            return b""
        span: dict[str, Any] = {} if (start, end) == (0, None) else {"start": start, "end": end and end - 1}
        try:
            blob = self._bucket.blob(name)
            data: bytes = blob.download_as_bytes(**span, raw_download=True, timeout=TIMEOUT_S, retry=_RETRY)
        except Exception as error:  # whatever the client raises
            where = self.shown(name)
            raise self._explain(error, where, "storage.objects.get") from error
        return data

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _explain(self, error: Exception, where: str, right: str) -> CaptureError:
        if isinstance(error, api.NotFound):
            return CaptureError(where, "a bucket or an object that is there", "nothing of that name")
        if isinstance(error, api.Forbidden):
            return CaptureError(where, right, f"a refusal for {self._who}", "give it roles/storage.objectViewer")
        if isinstance(error, api.Unauthorized | auth.RefreshError):
            hint = f"set a valid {KEY_VARIABLE} or renew the credentials"
            return CaptureError(where, "credentials that Google accepts", f"a refusal for {self._who}", hint)
        return CaptureError(where, "an answer", f"{type(error).__name__}: {' '.join(str(error).split())[:300]}")


def _check_size(where: str, size: int) -> None:
    if size > _MAX_MANIFEST_BYTES:
        raise CaptureError(where, f"a manifest of at most {_MAX_MANIFEST_BYTES} bytes", size)
