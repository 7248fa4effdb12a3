"""Every way in which a capture may be compressed."""

from __future__ import annotations

import gzip
import sys
from collections.abc import Callable

import pytest

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

Pack = Callable[[bytes], bytes]


def gzipped(content: bytes) -> bytes:
    return gzip.compress(content, 1)


def zstandard(content: bytes) -> bytes:
    """With a checksum, as the command ``zstd`` writes it."""
    return zstd.compress(content, options={zstd.CompressionParameter.checksum_flag: 1})


PACKINGS = {"plain": bytes, "gzip": gzipped, "zstd": zstandard}
packings = pytest.mark.parametrize("pack", PACKINGS.values(), ids=PACKINGS.keys())
compressions = pytest.mark.parametrize(("form", "pack"), [("gzip", gzipped), ("zstd", zstandard)], ids=["gzip", "zstd"])
