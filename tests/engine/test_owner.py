from __future__ import annotations

import importlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine import controlsocket
from engine.cli.app import main
from engine.owner import NotAllowed
from tests.support.child import NOBODY, as_root, folder_of_nobody

for name in ("data", "exporting", "outbox", "recordings", "scripts"):
    importlib.import_module(f"engine.cli.{name}")  # while the installation can be read
needs_root = pytest.mark.skipif(os.getuid() != 0, reason="needs root: nobody else may make a folder of another user")


@pytest.fixture
def of_root() -> Iterator[Path]:
    """A data folder of root, for a test that works as nobody; its folder may be looked into."""
    with folder_of_nobody() as folder, as_root():
        data = folder / "data"
        data.mkdir(mode=0o755)
        (data / "instance.json").write_text('{"format":1,"created_ns":1,"node":"n"}')
        (data / "outbox/ready").mkdir(parents=True)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(data / "control.sock"))
            listener.listen(1)
            os.chmod(data / "control.sock", 0o600)
            os.seteuid(NOBODY)
            try:
                yield data
            finally:
                os.seteuid(0)


@needs_root
def test_a_socket_of_another_user_says_whose_it_is(of_root: Path) -> None:
    path = of_root / "control.sock"
    with pytest.raises(NotAllowed) as caught:
        controlsocket.ask(path, "status", {})
    assert str(caught.value) == (
        f"{path}: permission denied: {path} belongs to root, this is nobody; run it as root (sudo …)"
    )


@needs_root
@pytest.mark.parametrize(
    "command",
    [("outbox", "retry"), ("recordings", "list"), ("recordings", "export", "x"), ("status",), ("scripts", "list")],
    ids=" ".join,
)
@pytest.mark.parametrize("hidden", [False, True], ids=["may be looked into", "hidden"])
def test_each_command_says_so(
    of_root: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: tuple[str, ...],
    hidden: bool,
) -> None:
    if hidden:
        with as_root():
            of_root.chmod(0o700)
    monkeypatch.setattr("sys.argv", ["remora", *command, "--data", str(of_root)])
    with pytest.raises(SystemExit) as caught:
        main()
    found = capsys.readouterr()
    whose = of_root if hidden else of_root / "control.sock"
    assert caught.value.code == 1
    assert found.err.startswith(f"remora: {of_root}/")
    assert f": permission denied: {whose} belongs to root, this is nobody; run it as root" in found.err
    assert found.err.count("\n") == 1


@needs_root
def test_a_file_of_ours_that_its_mode_hides_is_told_apart() -> None:
    with folder_of_nobody() as folder:
        (folder / "x").mkdir(mode=0)
        text = str(NotAllowed(folder / "x" / "y"))
    assert text.endswith(f"{folder}/x is yours, its mode is 0000; chmod u+rwX {folder}/x")
