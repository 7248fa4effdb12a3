from __future__ import annotations

import pytest

from engine.errors import ConfigError
from engine.shipping.address import credentials_for, destination_text
from engine.shipping.options import ShippingOptions

CHOICES = {
    "nothing configured": (ShippingOptions(), "recordings", ""),
    "a bucket": (ShippingOptions(bucket="forensics"), "gs://forensics", "GCS_SA_KEY_JSON"),
    "a bucket with a scheme": (ShippingOptions(bucket="gs://forensics/a"), "gs://forensics/a", "GCS_SA_KEY_JSON"),
    "a folder before a bucket": (ShippingOptions(destination="/srv", bucket="forensics"), "/srv", ""),
    "a prefix": (ShippingOptions(destination="gs://forensics/a/b"), "gs://forensics/a/b", "GCS_SA_KEY_JSON"),
}


@pytest.mark.parametrize(("options", "destination", "credentials"), CHOICES.values(), ids=CHOICES.keys())
def test_the_options_say_where_recordings_go(options: ShippingOptions, destination: str, credentials: str) -> None:
    assert destination_text(options) == destination
    assert credentials_for(destination) == credentials


@pytest.mark.parametrize(
    ("options", "where"),
    [
        (ShippingOptions(destination="s3://forensics"), "recording.destination"),
        (ShippingOptions(destination="gs://"), "recording.destination"),
        (ShippingOptions(bucket="Forensics"), "GCS_BUCKET"),
    ],
)
def test_what_is_no_destination_is_for_the_operator(options: ShippingOptions, where: str) -> None:
    with pytest.raises(ConfigError, match=f"{where}: expected gs://bucket, gs://bucket/prefix or a folder, got"):
        destination_text(options)
