"""Where recordings go, as text; the text becomes a destination in the shipper alone (``choose``)."""

from __future__ import annotations

import re

from engine.errors import ConfigError
from engine.shipping.options import ShippingOptions

DEFAULT_FOLDER = "recordings"
"""Relative to the data folder, which is every child's working folder: it may lie where the child cannot look."""
KEY_VARIABLE = "GCS_SA_KEY_JSON"
BUCKET_SCHEME = "gs://"
_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")


def destination_text(options: ShippingOptions) -> str:
    """``gs://bucket/prefix`` or a folder.

    Raises:
        ConfigError: it is neither.
    """
    if options.destination:
        return checked("recording.destination", options.destination)
    if options.bucket:
        return checked("GCS_BUCKET", BUCKET_SCHEME + options.bucket.removeprefix(BUCKET_SCHEME))
    return DEFAULT_FOLDER


def checked(where: str, destination: str) -> str:
    """``destination``, if something can be sent there.

    Raises:
        ConfigError: a scheme that is not built, or what Google does not take as the name of a bucket.
    """
    scheme, separator, rest = destination.partition("://")
    if not separator:
        return destination
    if f"{scheme}://" != BUCKET_SCHEME or not _BUCKET.fullmatch(rest.partition("/")[0]):
        raise ConfigError(where, "gs://bucket, gs://bucket/prefix or a folder", destination)
    return destination


def credentials_for(destination: str) -> str:
    """The variable that may hold the key of a destination; empty where none is needed."""
    return KEY_VARIABLE if destination.startswith(BUCKET_SCHEME) else ""
