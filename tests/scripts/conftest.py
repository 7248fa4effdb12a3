"""One zygote for the scripts of a file."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.scripthost import Zygote, running_zygote


@pytest.fixture(scope="module")
def zygote() -> Iterator[Zygote]:
    with running_zygote() as process:
        yield process
