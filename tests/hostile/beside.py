"""A good script with five hostile ones beside it, live: ``unshare --net python -m tests.hostile.beside FOLDER``.

12,000 DNS exchanges go over a veth pair at 2,000 a second into a whole instance. Prints as JSON what the good script
saw and what became of the others.
"""

from __future__ import annotations

import json
import re
import socket
import struct
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from tests.support.instance import clean, command
from tests.support.live_capture import pair
from tests.support.packets import udp_frame

ITEMS, PER_SECOND, BURST = 12_000, 2_000, 20
RESOLVER = ("10.0.0.53", 53)
PATIENCE_S = 90.0

GOOD = f"""
seen = {{}}

def onItemCaptured(data):
    seen[data.id] = True
    if len(seen) == {ITEMS}:
        console.log("saw everything")

def onShutdown():
    console.log(f"saw {{len(seen)}}")
"""
HOOK = "def onItemCaptured(data):\n    "
HOSTILE = {
    "loop.py": HOOK + "while True: pass\n",
    "c_loop.py": HOOK + "sum(range(10**13))\n",
    "memory.py": HOOK + "x = [0]\n    while True: x += x\n",
    "crash.py": HOOK + "t = ()\n    for i in range(500_000): t = (t,)\n    hash(t)\n",
    "raising.py": HOOK + "1 / 0\n",
}


def main(folder: Path) -> None:
    """Once."""
    pair()
    scripts = folder / "scripts"
    scripts.mkdir()
    for name, text in {"good.py": GOOD, **HOSTILE}.items():
        (scripts / name).write_text(text)
    arguments = ("run", "iface:right", "--scripts", str(scripts), "--data", str(folder / "data"), "--grace", "1s")
    remora = subprocess.Popen(command(*arguments), env=clean(), stderr=subprocess.PIPE, text=True)
    assert remora.stderr is not None
    lines: list[str] = []
    try:
        wait_for(remora, lines, lambda: sum("' loaded: " in line for line in lines) == 1 + len(HOSTILE))
        send(frames())
        wait_for(remora, lines, lambda: any("saw everything" in line for line in lines))
        remora.terminate()
        lines += remora.communicate(timeout=PATIENCE_S)[1].splitlines()
    finally:
        remora.kill()
    print(json.dumps(report(lines)))


def wait_for(remora: subprocess.Popen[str], lines: list[str], condition: object) -> None:
    """Read what the instance tells until ``condition()``, or until it is too late."""
    assert remora.stderr is not None
    assert callable(condition)
    give_up_s = time.monotonic() + PATIENCE_S
    while not condition() and time.monotonic() < give_up_s and (line := remora.stderr.readline()):
        lines.append(line.rstrip())


def frames() -> list[tuple[bytes, bytes]]:
    """A question and its answer, from a port of its own each."""
    name = b"\6remora\4test\0"
    made = []
    for number in range(ITEMS):
        client = (f"10.0.{1 + number // 50_000}.{1 + number % 200}", 10_000 + number % 50_000)
        asked = struct.pack(">HHHHHH", number & 0xFFFF, 0x0100, 1, 0, 0, 0) + name + b"\0\1\0\1"
        found = struct.pack(">HHHHHH", number & 0xFFFF, 0x8180, 1, 1, 0, 0) + name + b"\0\1\0\1"
        found += b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\x0a\0\0\1"
        made.append((udp_frame(client, RESOLVER, asked, pad=True), udp_frame(RESOLVER, client, found, pad=True)))
    return made


def send(exchanges: list[tuple[bytes, bytes]]) -> None:
    """In bursts, by the clock."""
    begun_s = time.monotonic()
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as sock:
        sock.bind(("left", 0))
        for number in range(0, len(exchanges), BURST):
            time.sleep(max(begun_s + number / PER_SECOND - time.monotonic(), 0.0))
            for asked, found in exchanges[number : number + BURST]:
                sock.send(asked)
                sock.send(found)


def report(lines: list[str]) -> dict[str, object]:
    """What the good script saw, and what the instance said of the others."""
    seen = [int(match[1]) for line in lines if (match := re.search(r"good\.py\] saw (\d+)", line))]
    ends = Counter(match[1] for line in lines if (match := re.search(r"script '(\w+\.py)' died", line)))
    errors = Counter(match[1] for line in lines if (match := re.search(r"-(\w+\.py):ERROR\]", line)))
    return {"seen": seen, "deaths": ends, "errors": errors, "told": lines[-60:]}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
