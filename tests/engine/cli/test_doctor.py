"""`remora doctor` and an instance that insists on what cannot be had."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from engine.cli import doctor
from engine.jail.layers import LAYERS
from tests.support.instance import SHOP, clean, command, remora

pytestmark = pytest.mark.slow

without_setuid = pytest.mark.skipif(
    os.getuid() != 0 or shutil.which("setpriv") is None, reason="takes the right to change users away from root"
)
STRIPPED = ["setpriv", "--bounding-set=-setuid,-setgid"]
STRICT = ("--set", "scripting.sandbox=strict")


def test_every_layer_is_listed_and_tried() -> None:
    told = remora("doctor")
    assert told.returncode == 0, told.stdout + told.stderr
    assert {layer.name for layer in LAYERS} <= {line.split()[0] for line in told.stdout.splitlines()}
    assert "tried from inside: read a file: refused" in told.stdout
    assert "tried from inside: make a socket: ended by SIGSYS" in told.stdout
    assert told.stdout.endswith("scripting.sandbox=standard: scripts run\n")


def test_no_sandbox_is_shown_as_what_it_is() -> None:
    told = remora("doctor", "--set", "scripting.sandbox=off")
    assert told.returncode == 0
    assert "tried from inside: start a process: done" in told.stdout
    assert "seccomp" not in told.stdout


@pytest.mark.parametrize(
    ("machine", "said"),
    [
        ("x86_64", "x86_64, "),
        ("aarch64", "aarch64 (its table of system calls is unverified), "),
        ("riscv64", "riscv64 (without a table of system calls, so without seccomp), "),
    ],
)
def test_a_table_that_was_never_run_is_marked(machine: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: machine)
    assert f" {said}" in doctor._machine(-1)


@without_setuid
def test_what_strict_lacks_is_named() -> None:
    told = subprocess.run(
        [*STRIPPED, *command("doctor", *STRICT)], env=clean(), capture_output=True, text=True, check=False
    )
    assert told.returncode == 1
    assert "user          no: Operation not permitted" in told.stdout
    assert "scripting.sandbox=strict: expected every layer, user, processes cannot be had\n" in told.stdout


@without_setuid
def test_an_instance_that_insists_does_not_start(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    run = command("run", str(SHOP), "--data", str(tmp_path / "data"), "--scripts", str(tmp_path / "scripts"), *STRICT)
    told = subprocess.run([*STRIPPED, *run], env=clean(), capture_output=True, text=True, check=False)
    assert told.returncode == 2
    assert told.stderr == (
        "remora: scripting.sandbox: expected what this machine gives, got 'strict'; the layer 'user' cannot be had here"
        " (Operation not permitted); 'remora doctor' shows all of them\n"
    )
    assert not (tmp_path / "data").exists()


@without_setuid
def test_root_that_may_not_change_users_runs_all_the_same_and_says_once_what_scripts_lack(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    for name in ("a.py", "b.py"):
        (tmp_path / "scripts" / name).write_text("def onItemCaptured(data):\n    pass\n")
    run = command("run", str(SHOP), "--data", str(tmp_path / "data"), "--scripts", str(tmp_path / "scripts"))
    told = subprocess.run([*STRIPPED, *run], env=clean(), capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    line = "scripting.sandbox: this machine does not give scripts user, processes; 'remora doctor' says why"
    assert told.stderr.count(line) == 1, told.stderr
