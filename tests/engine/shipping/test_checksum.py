from __future__ import annotations

import io

import pytest

from engine.shipping.checksum import PIECE_BYTES, Crc32c, copy_with_checksum


@pytest.mark.parametrize("pieces", [[b"123456789"], [b"1", b"2345678", b"9"], [b"", b"123456789"]])
def test_the_checksum_is_that_of_google_and_does_not_depend_on_the_pieces(pieces: list[bytes]) -> None:
    checksum = Crc32c()
    for piece in pieces:
        checksum.update(piece)
    assert checksum.text() == "4waSgw=="  # the check value of CRC-32C: E3069283


def test_a_copy_is_whole_and_its_checksum_that_of_what_was_read() -> None:
    content = bytes(range(256)) * (PIECE_BYTES // 200)
    copy = io.BytesIO()
    assert copy_with_checksum(io.BytesIO(content), copy) == copy_with_checksum(io.BytesIO(content), None)
    assert copy.getvalue() == content
    assert copy_with_checksum(io.BytesIO(b""), None) == (0, "AAAAAA==")
