"""`remora query` beside tshark on the same captures, by protocol: ``python -m benchmarks.protocols [--write]``.

The captures hold the exchanges of ``benchmarks.items``, each connection with its handshake and end. Remora prints whole
items as JSON, tshark six fields of each message. CPU seconds of whole processes, start-up included, one after the other
on one core; the median of the pairs' ratios counts. A pair before them does not count.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.items import EXCHANGES, kinds
from benchmarks.measuring import Cost, launch
from benchmarks.table import PAGE, machine, splice
from engine.streams.chunk import Chunk
from engine.streams.stream import CLIENT, ICMP, SERVER, UDP, Stream, format_address
from tests.support.packets import Packet, TcpConversation, in_time_order, udp_frame, write_pcap
from tests.support.traces_icmp import icmp

AIM = 0.25
PEERS = {
    "HTTP, keep-alive": ("http", "http.request.method", "http.response.code"),
    "HTTP, one each": ("http", "http.request.method", "http.response.code"),
    "HTTP/2": ("http2", "http2.headers.method", "http2.headers.status"),
    "gRPC": ("http2", "http2.headers.path", "http2.headers.status"),
    "WebSocket": ("websocket", "websocket.opcode", "websocket.payload_length"),
    "WebSocket, deflated": ("websocket", "websocket.opcode", "websocket.payload_length"),
    "DNS": ("dns", "dns.qry.name", "dns.flags.rcode"),
    "ICMP": ("icmp", "icmp.type", "icmp.seq"),
    "TLS handshakes": ("tls.handshake", "tls.handshake.extensions_server_name", "tls.handshake.ciphersuite"),
    "Redis": ("resp", "resp.bulk_string.value", "resp.error"),
    "Kafka": ("kafka", "kafka.api_key", "kafka.correlation_id"),
    "AMQP": ("amqp", "amqp.method.method", "amqp.method.class"),
}
"""What tshark is asked for: a display filter and two fields besides time, addresses and stream."""
_FIELDS = ("frame.time_epoch", "ip.src", "ip.dst", "tcp.stream")


def main() -> int:
    """Print a table, and write it if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--times", type=int, default=16, help=f"how often {EXCHANGES} exchanges")
    parser.add_argument("--core", type=int, default=0)
    parser.add_argument("--write", action="store_true", help=f"put the table into docs/{PAGE.name}")
    options = parser.parse_args()
    if shutil.which("tshark") is None:
        print("tshark is not installed: not shown, so not met (apt-get install tshark)")
        return 1
    text = "\n".join(report(options.pairs, options.times, options.core))
    print(text)
    if options.write:
        PAGE.write_text(splice(PAGE.read_text(), "protocols", text))
    return 0


def report(pairs: int, times: int, core: int) -> list[str]:
    """Lines of the table."""
    lines = [
        f"{machine()}. {times * EXCHANGES:,} exchanges of each, median of {pairs} pairs.",
        "",
        f"| exchanges | MB | remora query, s CPU | tshark, s CPU | ratio (aim {AIM}) | us an exchange |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
        folder = Path(name)
        (folder / "stdout").symlink_to(os.devnull)
        for kind, make in kinds().items():
            path = write_pcap(folder / "p.pcap", packets_of(make(), times))
            _, *found = [_pair(kind, path, folder, core) for _ in range(1 + pairs)]
            ratio = statistics.median(ours.cpu_s / theirs.cpu_s for ours, theirs in found)
            ours, theirs = (statistics.median(pair[side].cpu_s for pair in found) for side in (0, 1))
            figures = f"{path.stat().st_size / 1e6:.1f} | {ours:.2f} | {theirs:.2f} | {ratio:.2f}"
            lines.append(f"| {kind} | {figures} | {ours / times / EXCHANGES * 1e6:.1f} |")
    return lines


def _pair(kind: str, path: Path, folder: Path, core: int) -> tuple[Cost, Cost]:
    shown, *fields = PEERS[kind]
    remora = [sys.executable, "-m", "engine.cli.app", "query", str(path)]
    tshark = ["tshark", "-n", "-o", "tcp.reassemble_out_of_order:TRUE", "-r", str(path), "-Y", shown, "-T", "fields"]
    tshark += ["-d", "tcp.port==80,http2"] if shown == "http2" else []
    tshark += [word for field in (*_FIELDS, *fields) for word in ("-e", field)]
    return launch(remora, folder, core), launch(tshark, folder, core)


def packets_of(chunks: Sequence[Chunk], times: int) -> list[Packet]:
    """The same bytes as packets, the whole of them some times, from other ports each time."""
    said: dict[int, list[Chunk]] = {}
    for chunk in chunks:
        said.setdefault(chunk.stream.id, []).append(chunk)
    conversations = []
    for turn in range(times):
        for number, talk in enumerate(said.values()):
            start_ns = 10**18 + (turn * len(said) + number) * 1_000_000
            stream = talk[0].stream
            make = {UDP: _datagrams, ICMP: _pings}.get(stream.protocol, _connection)
            conversations.append(make(stream, talk, stream.client_port + turn, start_ns))
    return in_time_order(*conversations)


def _connection(stream: Stream, talk: Sequence[Chunk], port: int, start_ns: int) -> list[Packet]:
    ends = (format_address(stream.client_ip), port), (format_address(stream.server_ip), stream.server_port)
    conversation = TcpConversation(*ends, start_ns=start_ns).handshake()
    for chunk in talk:
        (conversation.client_says if chunk.direction == CLIENT else conversation.server_says)(chunk.data)
    return conversation.finish().packets


def _datagrams(stream: Stream, talk: Sequence[Chunk], port: int, start_ns: int) -> list[Packet]:
    client = format_address(stream.client_ip), port
    server = format_address(stream.server_ip), stream.server_port
    ends = {CLIENT: (client, server), SERVER: (server, client)}
    return [
        Packet(start_ns + place * 100_000, udp_frame(*ends[chunk.direction], chunk.data))
        for place, chunk in enumerate(talk)
    ]


def _pings(stream: Stream, talk: Sequence[Chunk], identifier: int, start_ns: int) -> list[Packet]:
    """The same messages with another identifier in them, so that each turn is streams of its own."""
    client, server = format_address(stream.client_ip), format_address(stream.server_ip)
    ends = {CLIENT: (client, server), SERVER: (server, client)}
    packets = []
    for place, chunk in enumerate(talk):
        kind, rest = chunk.data[0], identifier.to_bytes(2, "big") + chunk.data[6:8]
        frame = icmp(*ends[chunk.direction], kind, 0, rest, chunk.data[8:])
        packets.append(Packet(start_ns + place * 100_000, frame))
    return packets


if __name__ == "__main__":
    sys.exit(main())
