"""What all tests of segments share."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def descriptors_of_the_dead(tmp_path: Path) -> Iterator[None]:
    """Tests drop shelves and readers as a kill does; here nobody else takes their descriptors back."""
    yield
    for descriptor in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            if os.readlink(f"/proc/self/fd/{descriptor}").startswith(str(tmp_path)):
                os.close(int(descriptor))
