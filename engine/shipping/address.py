"""Where recordings go, as text; the text becomes a destination in the shipper alone (``choose``)."""

from __future__ import annotations

from engine.shipping.options import ShippingOptions

DEFAULT_FOLDER = "recordings"
"""Relative to the data folder, which is every child's working folder: it may lie where the child cannot look."""
KEY_VARIABLE = "GCS_SA_KEY_JSON"
BUCKET_SCHEME = "gs://"


def destination_text(options: ShippingOptions) -> str:
    """``gs://bucket/prefix`` or a folder."""
    if options.destination:
        return options.destination
    return BUCKET_SCHEME + options.bucket.removeprefix(BUCKET_SCHEME) if options.bucket else DEFAULT_FOLDER


def credentials_for(destination: str) -> str:
    """The variable that may hold the key of a destination; empty where none is needed."""
    return KEY_VARIABLE if destination.startswith(BUCKET_SCHEME) else ""
