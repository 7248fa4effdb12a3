"""The same over TCP, where lengths go before messages."""

from __future__ import annotations

from tests.fuzz.samples import dns
from tests.support.streams import Said

ROW, PORT = "dns", 53


def conversations() -> list[list[Said]]:
    """Each message behind its length."""
    return [[(way, len(data).to_bytes(2, "big") + data) for way, data in talk] for talk in dns.conversations()]
