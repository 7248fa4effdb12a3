"""Data of records whose type has no key of its own in an item: the text that zone files have for it.

One reader per type, each with the RFC that defines the form. Names stand without the dot at their end, as everywhere in
items; the root alone is ``.``. Bytes are hexadecimal or base64 in one piece.
"""

from __future__ import annotations

import ipaddress
import struct
from base64 import b32hexencode, b64encode
from collections.abc import Callable
from datetime import UTC, datetime

from engine.dissect.dns_codes import TYPES
from engine.dissect.dns_names import Damaged, Names
from engine.dissect.dns_texts import quoted, take_string

Reader = Callable[[Names, bytes, int, int], str]
"""The text of the data between two offsets of a message. Raises ``Damaged``, ``struct.error`` or ``IndexError``."""


def _name(names: Names, pos: int) -> str:
    return names.read(pos)[0] or "."


def _naptr(names: Names, data: bytes, pos: int, end: int) -> str:
    """RFC 3403, 4.1."""
    order, preference = struct.unpack_from(">HH", data, pos)
    pos, texts = pos + 4, []
    for _ in range(3):  # flags, services, regular expression
        text, pos = take_string(data, pos, end)
        texts.append(quoted(text))
    return f"{order} {preference} {' '.join(texts)} {_name(names, pos)}"


def _caa(names: Names, data: bytes, pos: int, end: int) -> str:  # noqa: ARG001 - one signature for all readers
    """RFC 8659, 4.1."""
    tag, value = take_string(data, pos + 1, end)
    return f"{data[pos]} {tag.decode('latin-1')} {quoted(data[value:end])}"


def _ds(names: Names, data: bytes, pos: int, end: int) -> str:  # noqa: ARG001 - one signature for all readers
    """RFC 4034, 5.1."""
    return "{} {} {} ".format(*struct.unpack_from(">HBB", data, pos)) + data[pos + 4 : end].hex()


def _dnskey(names: Names, data: bytes, pos: int, end: int) -> str:  # noqa: ARG001 - one signature for all readers
    """RFC 4034, 2.1."""
    return "{} {} {} ".format(*struct.unpack_from(">HBB", data, pos)) + b64encode(data[pos + 4 : end]).decode()


def _rrsig(names: Names, data: bytes, pos: int, end: int) -> str:
    """RFC 4034, 3.1; times as year to second, UTC."""
    covered, algorithm, labels, ttl, expires, begins, tag = struct.unpack_from(">HBBIIIH", data, pos)
    signer, signature = names.read(pos + 18)
    times = [f"{datetime.fromtimestamp(each, UTC):%Y%m%d%H%M%S}" for each in (expires, begins)]
    numbers = f"{TYPES[covered]} {algorithm} {labels} {ttl} {times[0]} {times[1]} {tag}"
    return f"{numbers} {signer or '.'} {b64encode(data[signature:end]).decode()}"


def _nsec(names: Names, data: bytes, pos: int, end: int) -> str:
    """RFC 4034, 4.1."""
    name, pos = names.read(pos)
    return " ".join([name or ".", *_types(data, pos, end)])


def _nsec3(names: Names, data: bytes, pos: int, end: int) -> str:
    """RFC 5155, 3.2; the hash of the next owner in base 32."""
    head = _nsec3param(names, data, pos, end)
    hashed, pos = take_string(data, pos + 5 + data[pos + 4], end)
    return " ".join([head, b32hexencode(hashed).decode().rstrip("=").lower(), *_types(data, pos, end)])


def _nsec3param(names: Names, data: bytes, pos: int, end: int) -> str:  # noqa: ARG001 - one signature for all readers
    """RFC 5155, 4.2."""
    algorithm, flags, iterations = struct.unpack_from(">BBH", data, pos)
    salt, _ = take_string(data, pos + 4, end)
    return f"{algorithm} {flags} {iterations} {salt.hex() or '-'}"


def _types(data: bytes, pos: int, end: int) -> list[str]:
    """The bit map of NSEC (RFC 4034, 4.1.2): windows rise and have at most 32 bytes, so that there is an end to it."""
    found, before = [], -1
    while pos < end:
        window, bits, pos = data[pos], *take_string(data, pos + 1, end)
        if window <= before or len(bits) > 32:
            raise Damaged("a bit map that is none")
        before = window
        for at, byte in enumerate(bits):
            found += [TYPES[window * 256 + at * 8 + bit] for bit in range(8) if byte & 0x80 >> bit]
    return found


def _tlsa(names: Names, data: bytes, pos: int, end: int) -> str:  # noqa: ARG001 - one signature for all readers
    """RFC 6698, 2.2; SMIMEA has the same form (RFC 8162)."""
    return f"{data[pos]} {data[pos + 1]} {data[pos + 2]} {data[pos + 3 : end].hex()}"


def _sshfp(names: Names, data: bytes, pos: int, end: int) -> str:  # noqa: ARG001 - one signature for all readers
    """RFC 4255, 3.2."""
    return f"{data[pos]} {data[pos + 1]} {data[pos + 2 : end].hex()}"


def _strings(names: Names, data: bytes, pos: int, end: int) -> str:  # noqa: ARG001 - one signature for all readers
    """HINFO (RFC 1035, 3.3.2) and SPF, each string in quotes."""
    found = []
    while pos < end:
        text, pos = take_string(data, pos, end)
        found.append(quoted(text))
    return " ".join(found)


def _one_name(names: Names, data: bytes, pos: int, end: int) -> str:  # noqa: ARG001 - one signature for all readers
    """DNAME (RFC 6672, 2.1)."""
    return _name(names, pos)


def _two_names(names: Names, data: bytes, pos: int, end: int) -> str:  # noqa: ARG001 - one signature for all readers
    """RP (RFC 1183, 2.2), MINFO."""
    first, pos = names.read(pos)
    return f"{first or '.'} {_name(names, pos)}"


def _preferred(names: Names, data: bytes, pos: int, end: int) -> str:  # noqa: ARG001 - one signature for all readers
    """AFSDB (RFC 1183, 1), RT, KX (RFC 2230)."""
    return f"{data[pos] << 8 | data[pos + 1]} {_name(names, pos + 2)}"


def _svcb(names: Names, data: bytes, pos: int, end: int) -> str:
    """RFC 9460, 2.1: priority, target, parameters."""
    priority = data[pos] << 8 | data[pos + 1]
    target, pos = names.read(pos + 2)
    found = [str(priority), target or "."]
    while pos < end:
        key, length = struct.unpack_from(">HH", data, pos)
        pos += 4
        if pos + length > end:
            raise Damaged("a parameter ends behind its record")
        found.append(_parameter(key, data[pos : pos + length]))
        pos += length
    return " ".join(found)


_PARAMETERS = {
    0: "mandatory", 1: "alpn", 2: "no-default-alpn", 3: "port", 4: "ipv4hint", 5: "ech", 6: "ipv6hint", 7: "dohpath",
    8: "ohttp", 9: "tls-supported-groups",
}  # fmt: skip
"""As IANA registers them."""


def _parameter(key: int, value: bytes) -> str:
    name = _PARAMETERS.get(key, f"key{key}")
    if not value:
        return name
    return f'{name}="{_SVCB_VALUES[key](value)}"' if key in _SVCB_VALUES else f"{name}={quoted(value)}"


def _alpn(value: bytes) -> str:
    """Commas and backslashes inside an identifier are escaped once for the list and once for the text."""
    found, pos = [], 0
    while pos < len(value):
        text, pos = take_string(value, pos, len(value))
        found.append(text.replace(b"\\", b"\\\\").replace(b",", b"\\,"))
    return quoted(b",".join(found))[1:-1]


def _numbers(value: bytes) -> tuple[int, ...]:
    return struct.unpack(f">{len(value) // 2}H", value)


def _addresses(value: bytes, size: int) -> str:
    if len(value) % size:
        raise Damaged("an address of a wrong length")
    return ",".join(str(ipaddress.ip_address(value[at : at + size])) for at in range(0, len(value), size))


_SVCB_VALUES: dict[int, Callable[[bytes], str]] = {
    0: lambda value: ",".join(_PARAMETERS.get(key, f"key{key}") for key in _numbers(value)),
    1: _alpn,
    3: lambda value: str(*_numbers(value[:2])),
    4: lambda value: _addresses(value, 4),
    5: lambda value: b64encode(value).decode(),
    6: lambda value: _addresses(value, 16),
}

READERS: dict[int, Reader] = {
    13: _strings,
    14: _two_names,
    17: _two_names,
    18: _preferred,
    21: _preferred,
    35: _naptr,
    36: _preferred,
    39: _one_name,
    43: _ds,
    44: _sshfp,
    46: _rrsig,
    47: _nsec,
    48: _dnskey,
    50: _nsec3,
    51: _nsec3param,
    52: _tlsa,
    53: _tlsa,
    59: _ds,
    60: _dnskey,
    64: _svcb,
    65: _svcb,
    99: _strings,
    257: _caa,
}
"""By the number of the type."""
