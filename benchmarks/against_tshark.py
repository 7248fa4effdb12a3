"""`remora query` beside `tshark -T fields` on one HTTP capture: ``python -m benchmarks.against_tshark [FILE]``.

Both print every exchange: remora whole items as JSON, tshark eight fields per message. CPU seconds of the whole
process, start-up included, in pairs that run one after the other; the median of the pairs' ratios counts. A pair before
them does not count: it compiles the modules, as an installation does. What they print goes nowhere. A calibration loop
says how fast the machine was.
"""

from __future__ import annotations

import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.measuring import Cost, launch
from tests.support.packets import Packet, TcpConversation, in_time_order, write_pcap

PAIRS = 5
CONNECTIONS = 20_000
FIELDS = (
    "frame.time_epoch", "ip.src", "ip.dst", "tcp.stream", "http.request.method", "http.request.uri",
    "http.response.code", "http.host",
)  # fmt: skip


def main(arguments: list[str]) -> int:
    """Print both, and their ratio."""
    if shutil.which("tshark") is None:
        print("tshark is not installed: not shown, so not met (apt-get install tshark)")
        return 1
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        path = arguments[0] if arguments else str(write_pcap(Path(folder, "http.pcap"), short_connections()))
        remora = [sys.executable, "-m", "engine.cli.app", "query", path]
        tshark = ["tshark", "-o", "tcp.reassemble_out_of_order:TRUE", "-r", path, "-Y", "http", "-T", "fields"]
        tshark += [word for field in FIELDS for word in ("-e", field)]
        print(f"{path}: {os.path.getsize(path) / 1e6:.1f} MB; calibration {calibrate():.3f} s")
        Path(folder, "stdout").symlink_to(os.devnull)
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        _, *pairs = [(cost(remora, Path(folder)), cost(tshark, Path(folder))) for _ in range(1 + PAIRS)]
    for ours, theirs in pairs:
        print(
            f"remora query {ours.cpu_s:6.2f} s CPU {ours.peak_mib:5.0f} MiB"
            f"   tshark {theirs.cpu_s:6.2f} s CPU {theirs.peak_mib:5.0f} MiB"
        )
    ratio = statistics.median(theirs.cpu_s / ours.cpu_s for ours, theirs in pairs)
    print(f"median ratio: remora query takes 1/{ratio:.2f} of the CPU of tshark")
    return 0


def short_connections() -> list[Packet]:
    """About 200,000 packets: a connection, a request and an answer of 2 kB each, interleaved."""
    conversations = []
    for number in range(CONNECTIONS):
        client = f"10.{number >> 14 & 255}.{number >> 7 & 127}.{number & 127 | 1}"
        talk = TcpConversation(
            (client, 20_000 + number % 40_000), ("10.200.0.1", 80), start_ns=10**18 + number * 1_000_000
        )
        body = b"x" * (500 + number % 3000)
        request = b"GET /items/%d?page=%d HTTP/1.1\r\nHost: shop.test\r\nUser-Agent: bench/1\r\nAccept: */*\r\n\r\n"
        answer = b"HTTP/1.1 %d OK\r\nContent-Type: text/plain\r\nServer: bench\r\nContent-Length: %d\r\n\r\n"
        talk.handshake().client_says(request % (number, number % 9)).server_acks()
        talk.server_says(answer % (200 if number % 10 else 500, len(body)) + body).client_acks().finish()
        conversations.append(talk.packets)
    return in_time_order(*conversations)


def cost(command: list[str], folder: Path) -> Cost:
    """What a command costs on one core; ``folder`` is where its output goes."""
    return launch(command, folder, max(os.sched_getaffinity(0)))


def calibrate() -> float:
    """CPU seconds of ten million additions."""
    start = time.process_time()
    total = 0
    for step in range(10_000_000):
        total += step & 7
    return time.process_time() - start


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
