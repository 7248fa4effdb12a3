"""Google Cloud Storage, by its own client: an upload that can be repeated, and is verified.

Three rules make it safe (the client's documentation and its source, tried against a strict server):

1. Name, size and CRC32C were fixed when the file was sealed. The checksum goes with the upload and Google refuses what
   does not fit; the client's own checksum would be taken from the file as it is now, and accept one that was damaged.
2. ``if_generation_match=0``: an object is created or left alone, never overwritten.
3. After any error the outcome is unknown: an upload whose answer was lost looks like a conflict (412) or like broken
   JSON. So the bucket is asked what it holds.

The rights it needs are ``storage.objects.create`` and ``storage.objects.get``.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, NamedTuple

# Else every client asks for the bucket's metadata, for tracing: a right that nobody needs to give.
os.environ.setdefault("DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA", "true")

import google.auth
from google.api_core import exceptions as api
from google.auth import exceptions as auth
from google.auth.credentials import AnonymousCredentials, Credentials
from google.cloud import storage
from google.cloud.storage.retry import DEFAULT_RETRY
from google.oauth2 import service_account
from requests.adapters import HTTPAdapter

from engine.errors import UploadError
from engine.shipping.address import BUCKET_SCHEME, KEY_VARIABLE
from engine.shipping.checksum import copy_with_checksum
from engine.shipping.destination import DestinationMisconfigured, LocalDamage, OtherContent
from engine.shipping.key import BadKey, load_key
from engine.shipping.outbox import check_name
from engine.shipping.reasons import reason

SCOPES = ("https://www.googleapis.com/auth/devstorage.read_write",)
TIMEOUT_S = (60, 60)
"""Connect and read. The first also bounds the sending of a body on a fresh connection, so it is not short."""
RETRY_S = 30.0
"""How long the client repeats a request by itself; the shipper repeats for ever."""
CHUNK_BYTES = 4 * 1024 * 1024
"""Of uploads above 8 MiB; the client's default holds 100 MiB in memory."""
CONNECTIONS = 64
"""At most; the client's default of 10 would throw connections of more threads away."""

_TYPES = {".gz": "application/gzip", ".json": "application/json", ".pcap": "application/vnd.tcpdump.pcap"}
_REQUEST = re.compile(r"\b(GET|POST|PUT) \S+: ?")
_RETRY = DEFAULT_RETRY.with_timeout(RETRY_S)


class Connected(NamedTuple):
    """A bucket, a prefix in it, and who asks."""

    client: Any
    bucket: Any
    prefix: str
    """Empty, or with a slash at its end."""
    who: str
    """For messages."""


def connect(address: str, key: str) -> Connected:
    """Find credentials for ``gs://bucket/prefix``; nothing is sent yet. ``key`` as in ``GcsBucket``.

    Raises:
        DestinationMisconfigured: no bucket, no credentials, or a key that is none.
    """
    bucket, _, prefix = address.removeprefix(BUCKET_SCHEME).partition("/")
    if not bucket:
        raise DestinationMisconfigured(f"{address!r}: expected gs://bucket or gs://bucket/prefix")
    credentials, project, who = _credentials(key)
    client = storage.Client(project=project, credentials=credentials)
    for scheme in ("https://", "http://"):
        client._http.mount(scheme, HTTPAdapter(pool_maxsize=CONNECTIONS))
    return Connected(client, client.bucket(bucket), f"{prefix.strip('/')}/" if prefix.strip("/") else "", who)


class GcsBucket:
    """Objects below ``gs://bucket/prefix``. ``put`` may be called from several threads."""

    def __init__(self, address: str, key: str) -> None:
        """Find credentials; nothing is sent yet.

        Args:
            address: ``gs://bucket`` or ``gs://bucket/prefix``.
            key: a service account's key as ``load_key`` takes it; empty: application default credentials, or none at
                all where ``STORAGE_EMULATOR_HOST`` is set.

        Raises:
            DestinationMisconfigured: no bucket, no credentials, or a key that is none.
        """
        self._client, self._bucket, self._prefix, self._who = connect(address, key)

    def put(self, local: Path, name: str, size: int, crc32c: str) -> None:
        """As ``Destination.put``."""
        check_name(self._prefix + name)
        found = local.stat().st_size
        if found != size:
            raise LocalDamage(local, (size, crc32c), (found, "not computed"))
        blob = self._bucket.blob(self._prefix + name, chunk_size=CHUNK_BYTES)
        blob.crc32c = crc32c  # for uploads in one request; ``crc32c_checksum_value`` serves the resumable ones
        try:
            self._upload(blob, local, (size, crc32c))
            stored = blob  # the answer to an upload describes what was stored
        except Exception as error:  # whatever it is, the object may be there
            stored = self._ask(blob, error)
            if stored is None:
                self._check_local(local, (size, crc32c))
                raise self._explain(error, blob.name) from error
        where = f"{BUCKET_SCHEME}{self._bucket.name}/{blob.name}"
        if stored.crc32c is None:
            raise UploadError(f"{where}: the server does not say what it stored (no crc32c)")
        if (stored.size, stored.crc32c) != (size, crc32c):
            raise OtherContent(where, (size, crc32c), (stored.size, stored.crc32c))

    @staticmethod
    def _upload(blob: Any, local: Path, wanted: tuple[int, str]) -> None:
        size, crc32c = wanted
        with local.open("rb") as file:
            blob.upload_from_file(
                file,
                size=size,
                content_type=_TYPES.get(Path(blob.name).suffix, "application/octet-stream"),
                if_generation_match=0,
                checksum=None,
                crc32c_checksum_value=crc32c,
                timeout=TIMEOUT_S,
                retry=_RETRY,
            )

    def _ask(self, blob: Any, error: Exception) -> Any:
        """The object of this name as the bucket holds it; ``None`` where it holds none."""
        try:
            return self._bucket.get_blob(blob.name, timeout=TIMEOUT_S, retry=_RETRY)
        except Exception as second:  # then it stays unknown, and the first error counts if it says what to do
            explained = self._explain(error, blob.name)
            if not isinstance(explained, DestinationMisconfigured):
                explained = self._explain(second, blob.name)
            raise explained from error

    @staticmethod
    def _check_local(local: Path, wanted: tuple[int, str]) -> None:
        with local.open("rb") as file:
            found = copy_with_checksum(file, None)
        if found != wanted:
            raise LocalDamage(local, wanted, found)

    def _explain(self, error: Exception, name: str) -> UploadError:
        """What to do about it, by who can do it."""
        bucket = f"{BUCKET_SCHEME}{self._bucket.name}"
        where = f"{bucket}/{name}"
        if isinstance(error, api.NotFound):
            return DestinationMisconfigured(f"{where}: the bucket {bucket} does not exist; create it or name another")
        if isinstance(error, api.Forbidden):
            return DestinationMisconfigured(
                f"{where}: {self._who} may not write there; give it storage.objects.create and storage.objects.get "
                f"(roles/storage.objectCreator and roles/storage.objectViewer) on {bucket}"
            )
        if isinstance(error, api.Unauthorized) or _refused_for_good(error):
            return DestinationMisconfigured(
                f"{where}: Google does not accept {self._who}; set a valid {KEY_VARIABLE} or renew the credentials"
            )
        return UploadError(f"{where}: {_short(error)}")

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def _credentials(key: str) -> tuple[Credentials, str | None, str]:
    """Credentials, project, and a name for messages."""
    if key.strip():
        info = load_key(key, KEY_VARIABLE)
        try:
            made = service_account.Credentials.from_service_account_info(info, scopes=SCOPES)  # type: ignore[no-untyped-call]
        except ValueError:
            raise BadKey(KEY_VARIABLE, "a private key that cannot be read (is it cut off?)") from None
        return made, info["project_id"], f"service account {info['client_email']}"
    if os.environ.get("STORAGE_EMULATOR_HOST") and not os.environ.get("GOOGLE_APPLICATION_CREDENTIALS"):
        return AnonymousCredentials(), "emulator", "anonymous access"  # type: ignore[no-untyped-call]
    try:
        found, project = google.auth.default(scopes=SCOPES)
    except auth.DefaultCredentialsError:
        raise DestinationMisconfigured(
            f"no credentials for Google Cloud Storage: set {KEY_VARIABLE} to a service account's key, or "
            "GOOGLE_APPLICATION_CREDENTIALS to the path of one, or run 'gcloud auth application-default login'"
        ) from None
    return found, project or "none", "the application default credentials"


def _refused_for_good(error: Exception) -> bool:
    """The token endpoint said no, and will say it again."""
    return (
        isinstance(error, auth.GoogleAuthError) and not error.retryable and not isinstance(error, auth.TransportError)
    )


def _short(error: BaseException) -> str:
    """``503 Service Unavailable``, ``ConnectionResetError: Connection reset by peer``: without URLs."""
    if isinstance(error, api.RetryError) and error.cause is not None:
        return f"{_short(error.cause)}, retried for {RETRY_S:.0f} s"
    if isinstance(error, api.GoogleAPICallError):
        return f"{int(error.code or 0)} {_REQUEST.sub('', ' '.join(str(error.message).split()))[:300]}"
    if isinstance(error, auth.GoogleAuthError):
        return f"no access token: {type(error).__name__}: {' '.join(str(error).split())[:300]}"
    return reason(error)
