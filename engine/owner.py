"""Whose a file is, for the message about one that may not be used."""

from __future__ import annotations

import os
import pwd
import stat
from pathlib import Path

from engine.errors import RemoraError


class NotAllowed(RemoraError):
    """The system refused a file or a socket; somebody else may use it, or it is ours and its mode says no."""

    def __init__(self, path: Path) -> None:
        me = os.geteuid()
        place, found = _nearest(path)
        if found.st_uid == me:
            text = f"{place} is yours, its mode is {stat.S_IMODE(found.st_mode):04o}; chmod u+rwX {place}"
        else:
            owner = _name(found.st_uid)
            how = f"as {owner} (sudo -u {owner} …) or as root" if found.st_uid else "as root (sudo …)"
            text = f"{place} belongs to {owner}, this is {_name(me)}; run it {how}"
        super().__init__(f"{path}: permission denied: {text}")


def _nearest(path: Path) -> tuple[Path, os.stat_result]:
    """``path``, or where it cannot be seen the folder that hides it."""
    for place in (path, *path.absolute().parents):
        try:
            return place, place.stat()
        except OSError:
            continue
    return Path("/"), os.stat("/")


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
