from __future__ import annotations

import pytest

from engine.dissect.http2_frames import DATA, HEADERS, LIKELY_BYTES, SETTINGS, is_broken


@pytest.mark.parametrize("kind", [DATA, HEADERS])
@pytest.mark.parametrize("length", [1, 5, LIKELY_BYTES, (1 << 24) - 1])
@pytest.mark.parametrize("stream", [1, 2, (1 << 31) - 1])
def test_data_and_headers_of_a_stream_that_have_a_payload_are_never_broken(kind: int, length: int, stream: int) -> None:
    assert not is_broken(kind, length, stream)  # the dissector does not ask


@pytest.mark.parametrize(
    ("kind", "length", "stream"),
    [(DATA, 1, 0), (HEADERS, 1, 0), (HEADERS, 0, 1), (SETTINGS, 5, 0), (SETTINGS, 6, 1), (99, LIKELY_BYTES + 1, 1)],
)
def test_no_endpoint_goes_on_behind_a_broken_header(kind: int, length: int, stream: int) -> None:
    assert is_broken(kind, length, stream)
