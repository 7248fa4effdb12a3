"""A tree of sealed batches, made by real instances from the shop's capture."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.support.instance import SHOP, Instance

BY_PROTOCOL = """
def onItemCaptured(data):
    pcap.record(data.stream, "web" if data.protocol.name == "http" else "names")
"""
PACKETS = """
def onStreamClosed(stream):
    pcap.record(stream, "raw")
"""


def make(folder: Path) -> Path:
    """``web`` has all of HTTP, ``names`` all of DNS, ``raw`` the packets of every stream and no items."""
    tree = folder / "tree"
    for name, script in (("items", BY_PROTOCOL), ("packets", PACKETS)):
        (folder / name).mkdir()
        sets = ("recording.batchMaxSize=100KB", "tap.misc.pcapTTL=60s")
        instance = Instance(folder / name, str(SHOP), scripts={"r.py": script}, sets=sets, grace="60s")
        try:
            assert instance.wait() == 0, instance.output()
        finally:
            instance.close()
        shutil.copytree(instance.data / "recordings", tree, dirs_exist_ok=True)
    return tree
