"""SIGKILL this process at its n-th change of the disk: in the middle of a write, or just before anything else.

``python -m tests.support.kill_at N recorder|sealer|shipper DATA [DESTINATION]`` runs the real recorder or shipper on a
data folder without waiting for clocks, until nothing is left to do (exit 0) or it is killed. N = 0: never; prints how
many there were. The recorder seals what is full, the sealer is a recorder that seals everything.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.counters import Counters
from engine.recorder import Recorder
from engine.recording.options import RecordingOptions
from engine.recording.sealing import Origin

RUN_ID = "20261120T103000Z-a1b2c3d4"
NOW_NS = 1_795_170_600_000_000_000
CALLS = ("open", "fsync", "fdatasync", "truncate", "ftruncate", "rename", "replace", "link", "unlink", "mkdir", "rmdir")


class Countdown:
    """Counts changes of the disk."""

    def __init__(self, at: int) -> None:
        self.at, self.seen = at, 0

    def due(self) -> bool:
        """Whether this one is the last."""
        self.seen += 1
        return self.seen == self.at

    def install(self) -> None:
        """Wrap the calls of ``os``; what buffers itself (``open``) shows when it is flushed to the disk."""
        for name in CALLS:
            setattr(os, name, self._wrapped(getattr(os, name)))
        write = os.write

        def torn(descriptor: int, data: Any, /) -> int:
            if self.due():
                write(descriptor, data[: len(data) // 2])
                die()
            return write(descriptor, data)

        os.write = torn
        remove = shutil.rmtree

        def half_removed(path: Any, *arguments: Any, **options: Any) -> None:
            if self.due():
                for file in sorted(Path(path).iterdir())[:1]:
                    file.unlink()
                die()
            remove(path, *arguments, **options)

        shutil.rmtree = half_removed  # type: ignore[assignment]  # one signature of several

    def _wrapped(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **options: Any) -> Any:
            if self.due():
                die()
            return call(*arguments, **options)

        return wrapped


def die() -> None:
    """As ``kill -9`` would."""
    os.kill(os.getpid(), signal.SIGKILL)


def record(data: Path, destination: str, everything: bool = False) -> None:
    """Passes until nothing is left to copy, or to seal."""
    options = RecordingOptions(batch_bytes=60_000)
    recorder = Recorder(data, RUN_ID, Origin("local", "n1"), destination, options, Counters())
    now_s = 0.0
    quiet = 0
    while quiet < 2:
        now_s += 1
        moved = recorder.step(NOW_NS, now_s, everything=everything)
        quiet = 0 if moved or (everything and recorder.unsealed) else quiet + 1
        time.sleep(0.001)
    recorder.close()


def seal_all(data: Path, destination: str) -> None:
    """The recorder at its end."""
    record(data, destination, everything=True)


def ship(data: Path, _: str) -> None:
    """Uploads until nothing is left in ``ready``."""
    from engine.shipping.choose import Destinations
    from engine.shipping.shipper import Shipper
    from engine.shipping.web import Web

    os.chdir(data)
    shipper = Shipper(Path("outbox"), 4, Destinations(), Web([], {}), {}, Counters(), lambda: 0.0)
    shipper.step(0.0)
    while shipper.pending:
        time.sleep(0.001)
        shipper.hurry(0.0)
        shipper.step(0.0)
    shipper.close()


def main() -> None:
    countdown = Countdown(int(sys.argv[1]))
    countdown.install()
    {"recorder": record, "sealer": seal_all, "shipper": ship}[sys.argv[2]](Path(sys.argv[3]), *sys.argv[4:] or [""])
    print(countdown.seen)


if __name__ == "__main__":
    main()
