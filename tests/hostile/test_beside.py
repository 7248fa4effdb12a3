"""What scripts do to each other: nothing."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hostile.beside import ITEMS, PATIENCE_S
from tests.support.instance import ROOT


@pytest.mark.slow
@pytest.mark.skipif(os.getuid() != 0, reason="needs root for a network namespace and AF_PACKET")
@pytest.mark.skipif(not (shutil.which("unshare") and shutil.which("ip")), reason="needs unshare and ip")
def test_a_good_script_gets_every_item_while_five_hostile_ones_fail(tmp_path: Path) -> None:
    command = ["unshare", "--net", sys.executable, "-m", "tests.hostile.beside", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=3 * PATIENCE_S, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["seen"] == [ITEMS], found["told"]
    assert found["deaths"]["crash.py"] >= 1
    assert found["deaths"]["c_loop.py"] >= 1
    for name in ("raising.py", "memory.py", "loop.py"):
        assert found["errors"][name] >= 1
        assert name not in found["deaths"]
