"""Configuration of where sealed batches go."""

from __future__ import annotations

from dataclasses import dataclass

from engine.options import option


@dataclass(frozen=True, slots=True)
class ShippingOptions:
    """Without a bucket, recordings go to a local folder."""

    destination: str = option(
        "",
        "recording.destination",
        "Where batches go: gs://bucket/prefix or a folder; default: GCS_BUCKET, else <data>/recordings.",
        kind="path",
    )
    bucket: str = option(
        "", "scripting.env.GCS_BUCKET", "Bucket for recordings.", environment=("GCS_BUCKET", "SNAPSHOT_GCS_BUCKET")
    )
    key_json: str = option(
        "",
        "scripting.env.GCS_SA_KEY_JSON",
        "Service account key: JSON, base64 of it, or a path. Default: application default credentials.",
        kind="key",
        environment=("GCS_SA_KEY_JSON", "SNAPSHOT_GCS_CREDENTIALS_JSON"),
        secret=True,
    )
    parallel: int = option(4, "shipping.parallel", "Uploads at the same time.", least=1, most=64)
    dead_limit_bytes: int = option(
        1 << 30,
        "shipping.deadMaxSize",
        "Budget for what a destination refused for good; beyond it the oldest of that is deleted, loudly.",
        kind="size",
    )
    egress: list[str] = option(
        [], "scripting.egress", "Hosts that scripts may send requests to: host, host:port, *.domain, http://host."
    )
