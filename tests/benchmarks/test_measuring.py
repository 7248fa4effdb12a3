from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from benchmarks.captures import build
from benchmarks.measuring import measure, run, warm
from benchmarks.tools import ENGINE, PEERS, QUERY, SURICATA, TSHARK, Tool

CORE = max(os.sched_getaffinity(0))


def python(name: str, code: str) -> Tool:
    return Tool(name, sys.executable, lambda capture, _: [sys.executable, "-c", code, str(capture)], lambda: name)


def test_cost_is_of_the_whole_process(tmp_path: Path) -> None:
    idle = run(python("idle", "import time; time.sleep(0.2)"), Path("x"), tmp_path, CORE)
    large = run(python("large", "x = b'x' * (80 << 20)"), Path("x"), tmp_path, CORE)
    assert idle.wall_s > 0.2 > idle.cpu_s > 0
    assert large.peak_mib > 80 > idle.peak_mib


def test_warming_leaves_nothing_behind(tmp_path: Path) -> None:
    warm(tmp_path, 8 << 20)
    assert list(tmp_path.iterdir()) == []


def test_a_program_runs_on_one_core(tmp_path: Path) -> None:
    run(python("cores", "import os; print(os.sched_getaffinity(0))"), Path("x"), tmp_path, CORE)
    assert (tmp_path / "stdout").read_text() == f"{{{CORE}}}\n"


def test_a_program_may_keep_its_bytecode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    run(python("kept", "import sys; print(sys.dont_write_bytecode)"), Path("x"), tmp_path, CORE)
    assert (tmp_path / "stdout").read_text() == "False\n"


def test_a_program_that_fails_ends_the_benchmark_with_its_last_words(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"failed with 3: alas"):
        run(python("broken", "import sys; print('alas', file=sys.stderr); sys.exit(3)"), Path("x"), tmp_path, CORE)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["short", "dns"])
def test_all_programs_find_what_was_generated(tmp_path: Path, name: str) -> None:
    capture = build(name, tmp_path, scale=0.01)
    tools = [tool for tool in (ENGINE, QUERY, *PEERS) if tool.installed]
    result = measure(name, capture, tools, rounds=1, core=CORE, tmpfs=tmp_path)
    assert result.found[ENGINE.name] == result.found[QUERY.name] == result.expected > 0
    for peer in (tool.name for tool in (SURICATA, TSHARK) if tool.installed):
        assert result.found[peer] >= result.expected * 0.99, f"{peer} must see the same exchanges"
