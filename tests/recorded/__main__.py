"""``python -m tests.recorded NAME…`` (as root): record the traces of these protocols again; without names, list them.

What is recorded anew has new ports and times; look at the items before you believe them.
"""

from __future__ import annotations

import importlib
import sys
import tempfile
from pathlib import Path

from tests.recorded.recording import Scene, prepare, record
from tests.support.traces import FOLDER

HERE = Path(__file__).parent


def names() -> list[str]:
    """The protocols that have a module here."""
    others = ("__main__", "recording")
    return sorted(file.stem for file in HERE.glob("*.py") if file.stem not in others and file.stem[:5] != "test_")


def main(wanted: list[str]) -> None:
    """Record each of ``wanted``."""
    if not wanted or not set(wanted) <= set(names()):
        sys.exit(f"expected some of: {' '.join(names())}")
    for name in wanted:
        with tempfile.TemporaryDirectory(prefix="recorded-") as scratch:
            Path(scratch).chmod(0o755)  # servers may run as users of their own
            for made in record(f"tests.recorded.{name}", FOLDER, Path(scratch)):
                print(made)


def inside(module: str, folder: str, scratch: str) -> None:
    """What runs in the namespaces."""
    prepare(Path(scratch))
    scene = Scene(Path(folder), Path(scratch))
    try:
        importlib.import_module(module).record(scene)
    finally:
        scene.close()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--inside"]:
        inside(*sys.argv[2:])
    else:
        main(sys.argv[1:])
