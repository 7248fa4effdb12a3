"""What tshark says beyond the corpus: ``python -m tests.fidelity.second_view`` writes ``second_view.json``.

The corpus holds no payload, and its tshark waits for the whole of a message: one that a gap or the end of the capture
cuts is not in it. Here are the digests of each direction of each stream, and each head of a message where it stands.
"""

from __future__ import annotations

import json
import re
import subprocess
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.fidelity.corpus import CORPUS, captures, carriers_of, expected_of
from tests.fidelity.facts import Fact, digest_of, payload_of, seen_of

PATH = Path(__file__).with_name("second_view.json")
_MISSING = re.compile(rb"\[([0-9]+) bytes missing in capture file\]\x00?")
_HEADS = [
    *("http.request.method", "http.request.uri", "http.response.code"),
    *("dns.flags.response", "dns.qry.name", "dns.qry.type"),
    *("ip.src", "ip.dst", "ipv6.src", "ipv6.dst", "tcp.srcport", "tcp.dstport", "udp.srcport", "udp.dstport"),
]


def load() -> dict[str, dict[str, Any]]:
    """By capture: ``packets``, a digest of their times and lengths; ``payload``, facts as ``payload_of`` gives them;
    ``heads``, each with its sender and receiver.
    """
    found: dict[str, dict[str, Any]] = json.loads(PATH.read_text(encoding="utf-8"))
    return found


def _tshark(capture: str, *arguments: str) -> bytes:
    command = ["tshark", "-n", "-r", str(CORPUS / capture), *arguments]
    return subprocess.run(command, capture_output=True, check=False, timeout=120).stdout  # a cut file ends with code 2


def packets(capture: str) -> str:
    """A digest of when each packet was captured, and how much of it.

    A simple packet block of pcapng has no time; the engine gives it that of the packet before, tshark none.
    """
    fields = [argument for name in ("time_epoch", "cap_len", "len") for argument in ("-e", f"frame.{name}")]
    seen, time_ns = [], 0
    for line in _tshark(capture, "-T", "fields", *fields).decode().splitlines():
        time, captured, wire = line.split("\t")
        time_ns = int(Decimal(time) * 10**9) if time else time_ns
        seen.append(seen_of(time_ns, int(captured), int(wire)))
    return digest_of(seen)


def followed(capture: str) -> list[Fact]:
    """Every direction that said something, put together by ``follow``."""
    expected = expected_of(capture)
    carriers = carriers_of(expected)
    wanted = {
        f"{protocol},raw,{one['stream']}": (one["client"], one["server"])
        for protocol in ("tcp", "udp")
        for one in expected.get(f"{protocol}_streams", [])
        if one not in carriers
    }
    if not wanted:
        return []
    arguments = [argument for one in wanted for argument in ("-z", f"follow,{one}")]
    told = _tshark(capture, "-q", "-o", "tcp.reassemble_out_of_order:TRUE", *arguments)
    return sorted(fact for part in told.split(b"Follow: ")[1:] for fact in _directions(part, wanted))


def _directions(part: bytes, wanted: dict[str, tuple[str, str]]) -> list[Fact]:
    """Of one stream. ``follow`` takes the innermost ports for those of the stream, so the expectations name them."""
    lines = part.split(b"\n")
    protocol, number = lines[0].split(b",")[0].decode(), lines[1].split()[-1].decode()
    ends = wanted[f"{protocol},raw,{number}"]
    if [_endpoint(line.split(b": ")[1].decode()) for line in lines[2:4]] == [*ends[::-1]]:
        ends = ends[::-1]
    said: tuple[list[bytes], list[bytes]] = ([], [])
    missing = [0, 0]
    for line in lines[4:]:
        if line and not line.startswith(b"="):
            side, data = int(line.startswith(b"\t")), bytes.fromhex(line.strip().decode())
            gap = _MISSING.fullmatch(data)
            missing[side] += int(gap[1]) if gap else 0
            said[side].append(b"" if gap else data)
    return [
        payload_of(protocol, ends[side], ends[1 - side], said[side], missing[side]) for side in (0, 1) if said[side]
    ]


def _endpoint(node: str) -> str:
    """``follow`` writes IPv6 without brackets."""
    address, _, port = node.rpartition(":")
    return f"[{address.strip('[]')}]:{port}" if ":" in address else node


def heads(capture: str) -> list[list[str]]:
    """Each head of an HTTP or DNS message, its body whole or not; the innermost addresses."""
    fields = [argument for name in _HEADS for argument in ("-e", name)]
    wishes = ["-o", "http.desegment_body:FALSE", "-Y", "(http or dns) and not icmp and not icmpv6"]
    told = _tshark(capture, *wishes, "-T", "fields", "-E", "separator=/t", "-E", "occurrence=a", *fields)
    return [head for line in told.decode().splitlines() for head in _heads_in(line.split("\t"))]


def _heads_in(values: list[str]) -> list[list[str]]:
    row = dict(zip(_HEADS, values, strict=True))
    ip = "ipv6" if row["ipv6.src"] and not row["ip.src"] else "ip"
    layer = "tcp" if row["tcp.srcport"] else "udp"
    ends = [
        _endpoint(f"{row[f'{ip}.{side}'].split(',')[-1]}:{row[f'{layer}.{side}port'].split(',')[-1]}")
        for side in ("src", "dst")
    ]
    found = [f"{row['http.request.method']} {row['http.request.uri']}"] if row["http.request.method"] else []
    found += [code for code in row["http.response.code"].split(",") if code]
    if row["dns.flags.response"] in ("0", "1"):
        found.append(f"{row['dns.qry.name']} {row['dns.qry.type']} {row['dns.flags.response']}")
    return [[*ends, head] for head in found]


if __name__ == "__main__":
    views = {
        capture: {"packets": packets(capture), "payload": followed(capture), "heads": heads(capture)}
        for capture in captures()
    }
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(view)}" for name, view in views.items())
    PATH.write_text("{\n" + lines + "\n}\n", encoding="utf-8")
    print(f"{PATH}: {len(views)} captures")
