"""One zygote for the tests of a file that asks for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.scripthost import Zygote, running_zygote


@pytest.fixture(scope="module")
def zygote() -> Iterator[Zygote]:
    with running_zygote() as process:
        yield process


@pytest.fixture(autouse=True)
def hosts_end_with_their_test(request: pytest.FixtureRequest) -> Iterator[None]:
    process = request.getfixturevalue("zygote") if "zygote" in request.fixturenames else None
    before = len(process.ends) if process else 0
    yield
    if process:
        process.close_hosts(before)
