"""What a script hears of a capture follows ``tap.enabledDissectors``, in a whole instance."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.instance import remora
from tests.support.packets import write_pcap
from tests.support.traces import TRACES

pytestmark = pytest.mark.slow

SCRIPT = """
# What there is
seen = {}

def onItemCaptured(data):
    kind, more = data.protocol.abbr, data.data
    if more is not None:
        kind += " " + (more.state or more.direction)
    seen[kind] = seen.get(kind, 0) + 1

def onShutdown():
    print(sorted(seen.items()))
"""


@pytest.mark.parametrize(
    ("dissectors", "heard"),
    [
        ("", "[('DNS', 1), ('ICMP', 5)]"),
        ("dns", "[('DNS', 1)]"),
        (
            "icmp,tcp-conn,udp-conn,mongodb",
            "[('ICMP', 5), ('TCP-CONN closed', 1), ('TCP-CONN open', 1), ('UDP-CONN closed', 3), ('UDP-CONN open', 3)]",
        ),
        ("udp", "[('UDP client', 3)]"),
    ],
)
def test_a_script_hears_what_is_enabled(tmp_path: Path, dissectors: str, heard: str) -> None:
    capture = write_pcap(tmp_path / "errors.pcap", TRACES["icmp_errors"]())
    folder = tmp_path / "scripts"
    folder.mkdir()
    (folder / "seen.py").write_text(SCRIPT)
    sets = ["--set", f"scripting.source={folder}"]
    sets += ["--set", f"tap.enabledDissectors={dissectors}"] if dissectors else []
    done = remora("run", str(capture), *sets, "--data", str(tmp_path / "data"))
    assert heard in done.stdout + done.stderr
    assert ("mongodb in tap.enabledDissectors" in done.stdout + done.stderr) is ("mongodb" in dissectors)
