"""tshark as a second oracle besides dpkt, for sound frames and damaged ones."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from engine.counters import Counters, Drop
from engine.decode.columns import FRAGMENT
from engine.decode.decode import Decoder
from tests.support.decoding import seen
from tests.support.dpkt_decode import Seen
from tests.support.frames_at_random import random_packets
from tests.support.packets import batch_of, write_pcap

pytestmark = pytest.mark.slow

NAMES = {1: "icmp", 6: "tcp", 17: "udp", 58: "icmpv6", 132: "sctp"}
FIELDS = (
    *("ip.src", "ip.dst", "ipv6.src", "ipv6.dst", "tcp.srcport", "tcp.dstport", "udp.srcport", "udp.dstport"),
    *("sctp.srcport", "sctp.dstport", "tcp.seq_raw", "tcp.ack_raw", "tcp.len", "udp.length", "frame.protocols"),
)
TOLD_BY_NONE = {Drop.EXTENSION_HEADER, Drop.CUT_BY_SNAPLEN, Drop.BAD_HEADER, Drop.FRAGMENT}
"""What tshark shows as far as it can be read and we drop with a reason."""


def told_by_tshark(path: Path) -> list[dict[str, str]]:
    """The outermost value of each field, frame by frame."""
    command = ["tshark", "-n", "-r", str(path), "-T", "fields", "-E", "occurrence=f"]
    command += ["-o", "ip.defragment:FALSE", "-o", "ipv6.defragment:FALSE"]
    command += [argument for name in FIELDS for argument in ("-e", name)]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return [dict(zip(FIELDS, line.split("\t"), strict=True)) for line in lines]


@pytest.mark.parametrize(("seed", "damage"), [(1, 0.0), (2, 0.5)])
def test_rows_are_what_tshark_sees(tmp_path: Path, seed: int, damage: float) -> None:
    packets = random_packets(seed, 3000, damage=damage)
    told = told_by_tshark(write_pcap(tmp_path / "x.pcap", packets))
    decoded = Decoder(Counters()).decode(batch_of(packets))
    compared = 0
    assert len(told) == len(packets)
    for number, theirs in enumerate(told):
        mine = seen(decoded, number)
        if mine is None:
            carried = set(theirs["frame.protocols"].split(":")) & set(NAMES.values())
            assert not carried or Drop(int(decoded.columns.drop[number])) in TOLD_BY_NONE, (number, theirs)
        elif not decoded.columns.flags[number] & FRAGMENT:
            check(mine, theirs, is_damaged=damage > 0)
            compared += 1
    assert compared > 1500


def check(mine: Seen, theirs: dict[str, str], *, is_damaged: bool) -> None:
    """Where a damaged IP length goes behind the frame, tshark believes the frame."""
    family, name = ("ipv6" if ":" in mine.source else "ip"), NAMES[mine.protocol]
    assert (mine.source, mine.target) == (theirs[f"{family}.src"], theirs[f"{family}.dst"])
    if name in ("tcp", "udp", "sctp"):
        assert (mine.source_port, mine.target_port) == (int(theirs[f"{name}.srcport"]), int(theirs[f"{name}.dstport"]))
    else:
        assert name in theirs["frame.protocols"]
    length = len(mine.payload) + mine.missing
    if name == "tcp":
        assert (mine.sequence, mine.acknowledgement) == (int(theirs["tcp.seq_raw"]), int(theirs["tcp.ack_raw"]))
        assert length == int(theirs["tcp.len"]) or (is_damaged and mine.missing)
    elif name == "udp" and theirs["udp.length"] != "0":
        assert length + 8 == int(theirs["udp.length"])
