from __future__ import annotations

import pytest

from engine.naming import stream_id_of, stream_name


@pytest.mark.parametrize(
    ("protocol", "name"),
    [
        (6, "000000000144.pcap"),
        (17, "000000000144_udp.pcap"),
        (132, "000000000144_sctp.pcap"),
        (1, "000000000144_icmp.pcap"),
        (58, "000000000144_icmp.pcap"),
        (47, "000000000144.pcap"),
    ],
)
def test_streams_are_named_as_kubeshark_names_them(protocol: int, name: str) -> None:
    assert stream_name(144, protocol) == name
    assert stream_id_of(name) == stream_id_of(f"pcaps/{name}") == 144


@pytest.mark.parametrize("text", ["", "x", "../etc", "12x.pcap", ".pcap"])
def test_what_is_no_streams_name_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        stream_id_of(text)
