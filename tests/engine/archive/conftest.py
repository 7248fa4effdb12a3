from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.recordings import make


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made once; nobody changes it."""
    return make(tmp_path_factory.mktemp("recordings"))
