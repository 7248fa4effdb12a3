"""Frames of a plan, written as a pcap file: headers as columns, with right checksums, a few calls for all packets.

Packets that have the same layers share an array of structures; NumPy fills it and sums it up. A million packets take
about 3 s, where a Python object per packet takes minutes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.plan import COLUMNS, SYN, UDP, Plan

PCAP_HEADER = bytes.fromhex("d4c3b2a1 02000400 00000000 00000000 00000400 01000000")
"""Little-endian, microseconds, Ethernet, at most 256 KiB a packet."""
START_S = 1_717_500_000
PACKETS_AT_ONCE = 20_000

Ints = npt.NDArray[np.int64]
Layers = list[tuple[str, str]]
Rows = dict[str, Ints]

RECORD: Layers = [("seconds", "<u4"), ("microseconds", "<u4"), ("captured", "<u4"), ("wire", "<u4")]
ADDRESSES: Layers = [("to_side", "u1"), ("to_mac", "V5"), ("from_side", "u1"), ("from_mac", "V5")]
VLAN: Layers = [("tag", ">u2"), ("vlan", ">u2")]
IPV4: Layers = [
    ("version", "u1"), ("service", "u1"), ("total", ">u2"), ("ident", ">u2"), ("fragment", ">u2"), ("ttl", "u1"),
    ("protocol", "u1"), ("checksum", ">u2"), ("source", "V4"), ("target", "V4"),
]  # fmt: skip
IPV6: Layers = [
    ("version", ">u4"), ("total", ">u2"), ("protocol", "u1"), ("ttl", "u1"), ("source", "V16"), ("target", "V16"),
]  # fmt: skip
DATAGRAM: Layers = [("from_port", ">u2"), ("to_port", ">u2"), ("length", ">u2"), ("checksum", ">u2")]
SEGMENT: Layers = [
    ("from_port", ">u2"), ("to_port", ">u2"), ("sequence", ">u4"), ("acknowledgement", ">u4"), ("offset", "u1"),
    ("flags", "u1"), ("window", ">u2"), ("checksum", ">u2"), ("urgent", ">u2"),
]  # fmt: skip
STAMPS: Layers = [("kind", ">u2"), ("value", ">u4"), ("echo", ">u4")]
SYN_OPTIONS: Layers = [("mss", ">u4"), ("sack", ">u2"), *STAMPS, ("scale", ">u4")]
OPTIONS: Layers = [("nops", ">u2"), *STAMPS]
CONSTANTS = {
    "tag": 0x8100, "fragment": 0x4000, "ttl": 64, "window": 502, "kind": 0x080A, "nops": 0x0101, "mss": 0x020405B4,
    "sack": 0x0402, "scale": 0x01030307, "from_side": 2, "to_side": 2,
}  # fmt: skip


def write(plan: Plan, path: Path) -> int:
    """Write all packets in time order; how many they are."""
    matrix = np.frombuffer(plan.rows, np.int64).reshape(-1, len(COLUMNS))
    order = np.argsort(matrix[:, 0], kind="stable")
    rows: Rows = {name: matrix[order, index] for index, name in enumerate(COLUMNS)}
    rows |= ends(plan, rows)
    rows["payload_sum"] = payload_sums(plan.payload, rows["start"], rows["length"])
    pool, first, last = headers(rows, addresses(plan))
    payload = memoryview(plan.payload)
    with path.open("wb") as file:
        file.write(PCAP_HEADER)
        for at in range(0, len(order), PACKETS_AT_ONCE):
            part = slice(at, at + PACKETS_AT_ONCE)
            cuts = [column[part].tolist() for column in (first, last, rows["start"], rows["start"] + rows["length"])]
            file.writelines(
                piece
                for header, body, start, stop in zip(*cuts, strict=True)
                for piece in (pool[header:body], payload[start:stop])
            )
    return len(order)


def ends(plan: Plan, rows: Rows) -> Rows:
    """What a packet has from its conversation, with the sender's side in ``from_*``."""
    flows = np.array(plan.flows, np.int64)[rows["flow"]].T
    protocol, client, client_port, server, server_port, ipv6, vlan = flows
    asks = rows["from_client"] == 1
    return {
        "protocol": protocol, "ipv6": ipv6, "vlan": vlan,
        "from_host": np.where(asks, client, server), "to_host": np.where(asks, server, client),
        "from_port": np.where(asks, client_port, server_port), "to_port": np.where(asks, server_port, client_port),
    }  # fmt: skip


def addresses(plan: Plan) -> npt.NDArray[np.uint8]:
    """Host number -> 16 bytes of IPv6, of which the last 4 are its IPv4 address (10/8)."""
    highest = max(max(flow.client, flow.server) for flow in plan.flows)
    table = np.zeros((highest + 1, 16), np.uint8)
    table[:, 12:] = (np.arange(highest + 1) + 0x0A000000).astype(">u4").view(np.uint8).reshape(-1, 4)
    table[:, :2] = 0xFD, 0x00
    return table


def headers(rows: Rows, table: npt.NDArray[np.uint8]) -> tuple[memoryview, Ints, Ints]:
    """``(all headers, where each packet's begins, where it ends)``; the record header is part of it."""
    kind = rows["ipv6"] * 8 + (rows["vlan"] > 0) * 4 + (rows["protocol"] == UDP) * 2 + (rows["flags"] & SYN > 0)
    first, size = np.zeros(len(kind), np.int64), np.zeros(len(kind), np.int64)
    pool = bytearray()
    for each in np.unique(kind):
        index = np.flatnonzero(kind == each)
        group = {name: column[index] for name, column in rows.items()} | {"index": index}
        filled = fill(group, table, ipv6=bool(each & 8), vlan=bool(each & 4), udp=bool(each & 2), syn=bool(each & 1))
        size[index] = filled.itemsize
        first[index] = len(pool) + np.arange(len(index)) * filled.itemsize
        pool += filled.tobytes()
    return memoryview(pool), first, first + size


def fill(rows: Rows, table: npt.NDArray[np.uint8], *, ipv6: bool, vlan: bool, udp: bool, syn: bool) -> Any:
    """The headers of packets that have the same layers."""
    link = [*ADDRESSES, *(VLAN if vlan else []), ("ethertype", ">u2")]
    transport = DATAGRAM if udp else [*SEGMENT, *(SYN_OPTIONS if syn else OPTIONS)]
    network = IPV6 if ipv6 else IPV4
    count, bytes_4 = len(rows["flow"]), np.dtype(transport).itemsize + rows["length"]
    lower, upper = np.zeros(count, network), np.zeros(count, transport)
    hosts = {"source": table[rows["from_host"]], "target": table[rows["to_host"]]}
    for name, host in hosts.items():
        lower[name] = np.ascontiguousarray(host if ipv6 else host[:, 12:]).view(lower.dtype[name]).ravel()
    put(lower, rows, version=6 << 28 if ipv6 else 0x45, total=bytes_4 + (0 if ipv6 else 20), ident=rows["index"])
    if not ipv6:
        lower["checksum"] = folded(words(lower))
    put(upper, rows, offset=np.dtype(transport).itemsize // 4 << 4, length=bytes_4)
    pseudo = words(lower["source"].copy()) + words(lower["target"].copy()) + rows["protocol"] + bytes_4
    sums = folded(words(upper) + pseudo + rows["payload_sum"])
    upper["checksum"] = np.where(sums == 0, 0xFFFF, sums) if udp else sums
    whole = np.zeros(count, [*RECORD, *link, ("lower", lower.dtype), ("upper", upper.dtype)])
    captured = whole.itemsize - 16 + rows["length"]
    put(
        whole, rows, captured=captured, wire=captured, ethertype=0x86DD if ipv6 else 0x0800,
        seconds=rows["at_us"] // 1_000_000 + START_S, microseconds=rows["at_us"] % 1_000_000,
        lower=lower, upper=upper,
    )  # fmt: skip
    for side, host in (("from_mac", hosts["source"]), ("to_mac", hosts["target"])):
        whole[side] = np.ascontiguousarray(host[:, 11:]).view("V5").ravel()
    return whole


def put(into: Any, rows: Rows, **values: Any) -> None:
    """Fill each field that has a value: given, constant, or a column of its name; others stay zero."""
    for name in into.dtype.names:
        value = values.get(name, CONSTANTS.get(name, rows.get(name)))
        if value is not None:
            into[name] = value if getattr(into.dtype[name], "names", None) else _wrapped(value, into.dtype[name])


def _wrapped(value: Any, dtype: np.dtype[Any]) -> Any:
    """Numbers as wide as their field: sequence numbers and idents begin again at zero."""
    return np.asarray(value, np.int64) & ((1 << 8 * dtype.itemsize) - 1)


def payload_sums(payload: bytearray, start: Ints, length: Ints) -> Ints:
    """The sum of the 16-bit words of each payload; an odd last byte counts as the upper half of a word.

    Sums up to a place are kept modulo 2**32, which is enough for differences of less than that.
    """
    whole = np.frombuffer(payload, ">u2", len(payload) // 2)
    upto = np.zeros(len(whole) + 1, np.uint32)
    np.cumsum(whole, out=upto[1:], dtype=np.uint32)
    sums: Ints = (upto[(start + length) // 2] - upto[start // 2]).astype(np.int64)
    odd = np.flatnonzero(length % 2)
    sums[odd] += np.frombuffer(payload, np.uint8)[start[odd] + length[odd] - 1].astype(np.int64) << 8
    return sums


def words(structures: Any) -> Ints:
    """The sum of the 16-bit words of each structure."""
    table = structures.view(">u2").reshape(len(structures), -1)
    return np.asarray(table.sum(axis=1, dtype=np.int64))


def folded(sums: Ints) -> Ints:
    """The Internet checksum (RFC 1071) of a sum of words."""
    for _ in range(3):
        sums = (sums & 0xFFFF) + (sums >> 16)
    return np.asarray(sums ^ 0xFFFF)
