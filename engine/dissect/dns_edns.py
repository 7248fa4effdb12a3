"""EDNS (RFC 6891): what an OPT record says, for people (``opt`` of the record) and for scripts (``edns``)."""

from __future__ import annotations

import ipaddress
import struct
from functools import lru_cache
from typing import Any

from engine.dissect.dns_texts import quoted

_OPTION = struct.Struct(">HH")
_BARE_BYTES = 11
"""The root, type, size, flags, no data."""

OPTIONS = {
    1: "llq", 2: "update-lease", 3: "nsid", 5: "dau", 6: "dhu", 7: "n3u", 8: "client-subnet", 9: "expire",
    10: "cookie", 11: "tcp-keepalive", 12: "padding", 13: "chain", 14: "key-tag", 15: "extended-error",
    18: "report-channel", 19: "zone-version",
}  # fmt: skip
"""As IANA registers them, in lower case."""
ERRORS = {
    0: "Other", 1: "Unsupported DNSKEY Algorithm", 2: "Unsupported DS Digest Type", 3: "Stale Answer",
    4: "Forged Answer", 5: "DNSSEC Indeterminate", 6: "DNSSEC Bogus", 7: "Signature Expired",
    8: "Signature Not Yet Valid", 9: "DNSKEY Missing", 10: "RRSIGs Missing", 11: "No Zone Key Bit Set",
    12: "NSEC Missing", 13: "Cached Error", 14: "Not Ready", 15: "Blocked", 16: "Censored", 17: "Filtered",
    18: "Prohibited", 19: "Stale NXDOMAIN Answer", 20: "Not Authoritative", 21: "Not Supported",
    22: "No Reachable Authority", 23: "Network Error", 24: "Invalid Data", 25: "Signature Expired before Valid",
    26: "Too Early", 27: "Unsupported NSEC3 Iterations Value", 28: "Unable to Conform to Policy", 29: "Synthesized",
    30: "Invalid Query Type", 31: "Rate Limited", 32: "Over Quota",
}  # fmt: skip
"""Extended errors (RFC 8914, 5.2, and what IANA added)."""


class Edns:
    """One OPT record; the same for all messages that have the same one, so it is never changed."""

    __slots__ = ("high", "section", "text")

    def __init__(self, size_bytes: int, ttl: int, options: bytes) -> None:
        self.high = ttl >> 24
        """The upper eight bits of the response code (RFC 6891, 6.1.3)."""
        version, wants_dnssec = ttl >> 16 & 255, bool(ttl & 0x8000)
        found = _options(options)
        self.section: dict[str, Any] = {
            "version": version,
            "udpSize": size_bytes,
            "dnssecOk": wants_dnssec,
            "options": found,
        }
        """``edns`` of the item."""
        parts = [f"version {version}", f"udp {size_bytes}", *(["do"] if wants_dnssec else [])]
        parts += [f"{one['name']} {one['value']}".rstrip() for one in found]
        self.text = ", ".join(parts)
        """``opt`` of the record: ``version 0, udp 1232, do, cookie a1b2…``."""


bare_edns = lru_cache(maxsize=256)(lambda size_bytes, ttl: Edns(size_bytes, ttl, b""))
"""The usual one, without options."""


def only_edns(data: bytes, pos: int) -> Edns | None:
    """The OPT that is all of ``data`` from ``pos`` on, where it has no options: that is how most queries end."""
    if len(data) - pos != _BARE_BYTES or data[pos : pos + 3] != b"\0\0\x29" or data[-2:] != b"\0\0":
        return None
    found: Edns = bare_edns(data[pos + 3] << 8 | data[pos + 4], int.from_bytes(data[pos + 5 : pos + 9], "big"))
    return found


def _options(data: bytes) -> list[dict[str, Any]]:
    found, pos = [], 0
    while pos + 4 <= len(data):
        code, length = _OPTION.unpack_from(data, pos)
        value = data[pos + 4 : pos + 4 + length]
        pos += 4 + length
        reader = _READERS.get(code)
        text = None if reader is None or len(value) < length else reader(value)
        found.append(
            {
                "code": code,
                "name": OPTIONS.get(code, f"option {code}"),
                "value": value.hex() if text is None else text,
            }
        )
    return found


def _client_subnet(value: bytes) -> str | None:
    """``192.0.2.0/24/0``: address, how much of it was asked with, for how much the answer holds (RFC 7871, 6)."""
    if len(value) < 4 or value[:2] not in (b"\0\1", b"\0\2"):
        return None
    size, prefix, scope = 4 if value[1] == 1 else 16, value[2], value[3]
    if max(prefix, scope) > 8 * size or len(value) != 4 + (prefix + 7) // 8:  # what RFC 7871, 6 calls malformed
        return None
    return f"{ipaddress.ip_address(value[4:].ljust(size, bytes(1)))}/{value[2]}/{value[3]}"


def _extended_error(value: bytes) -> str | None:
    """``18 Prohibited "text"`` (RFC 8914, 2)."""
    if len(value) < 2:
        return None
    code = value[0] << 8 | value[1]
    text = value[2:].removesuffix(b"\0").decode("utf-8", "replace")
    return " ".join([str(code), *filter(None, [ERRORS.get(code, ""), f'"{text}"' if text else ""])])


def _nsid(value: bytes) -> str | None:
    """RFC 5001 says nothing of what it is; most are text."""
    return quoted(value) if value and all(0x20 <= byte < 0x7F for byte in value) else None


def _number(value: bytes) -> str | None:
    return str(int.from_bytes(value, "big")) if 0 < len(value) <= 4 else None


_READERS = {
    3: _nsid,
    8: _client_subnet,
    9: _number,
    11: lambda value: f"{int.from_bytes(value, 'big') / 10:g} s" if len(value) == 2 else None,
    12: lambda value: f"{len(value)} bytes",
    14: lambda value: ",".join(str(value[at] << 8 | value[at + 1]) for at in range(0, len(value) - 1, 2)),
    15: _extended_error,
}
"""What has a form of its own; others are hexadecimal, and so are those whose bytes do not fit theirs."""
