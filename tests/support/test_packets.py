from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.packets import (
    EPOCH_NS,
    ETHERTYPE_IPV6,
    UDP,
    Packet,
    TcpConversation,
    checksum,
    ethernet,
    extension,
    in_time_order,
    ipv6,
    udp,
    udp_frame,
    write_pcap,
)


def test_the_checksum_is_that_of_rfc_1071() -> None:
    assert checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0xFFFF ^ 0xDDF2


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("tshark"), reason="tshark is not installed")
def test_tshark_finds_nothing_wrong(tmp_path: Path) -> None:
    four = (
        TcpConversation(("10.0.0.1", 4000), ("10.0.0.2", 81))
        .handshake()
        .client_says(b"odd", segments=[1])
        .server_acks()
    )
    six = TcpConversation(("fd00::1", 4000), ("fd00::2", 81), vlans=(5, 6)).handshake().server_says(b"x" * 3000)
    walked = extension(60, 62) + extension(UDP) + udp(("fd00::1", 7), ("fd00::2", 8), b"odd")
    others = [
        Packet(EPOCH_NS, ethernet(ETHERTYPE_IPV6, ipv6("fd00::1", "fd00::2", 0, walked))),
        Packet(EPOCH_NS, udp_frame(("10.0.0.1", 7), ("10.0.0.2", 8), b"padded", pad=True)),
    ]
    packets = in_time_order(four.finish().packets, six.client_acks().reset().packets, others)
    path = write_pcap(tmp_path / "x.pcap", packets)
    preferences = [option for layer in ("ip", "tcp", "udp") for option in ("-o", f"{layer}.check_checksum:TRUE")]
    command = ["tshark", "-n", *preferences, "-r", str(path), "-T", "fields", "-e", "_ws.expert.message"]
    complaints = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(complaints) == len(packets)
    usual = ("Connection establish", "Connection finish", "Connection reset", "This frame")
    assert [line for line in complaints if line and not line.startswith(usual)] == []
