"""What a hook gets: items and packets, read-only, decoded as far as somebody looks.

An item travels as one msgpack map. Its sections stay closed until they are touched and are then opened one level at a
time: a script that looks at ``data.response.status`` pays for no headers and no body (2 µs; all of it would be 5).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

import msgspec

from hooks.records import open_level, shown

_NULL = msgspec.Raw(b"\xc0")
_top_level = msgspec.msgpack.Decoder(dict[str, msgspec.Raw]).decode
_all_levels = msgspec.msgpack.Decoder(dict[str, Any]).decode
_force = msgspec.structs.force_setattr


def _closed(key: str) -> Any:
    return msgspec.field(default=_NULL, name=key)


def _private(key: str, default: Any) -> Any:
    return msgspec.field(default=default, name=f" {key}")  # a name that no key of an item has


class Item(msgspec.Struct, eq=False, gc=False):
    """One finished exchange; a mapping whose keys are attributes too: ``data.stream`` is ``data["stream"]``.

    A key that is not there is ``None`` as an attribute and ``KeyError`` as an item. As attributes, names that begin
    with ``_`` and the methods (``get``, ``keys``, ``items``, ``values``, ``as_dict``) never come from the data.
    """

    id: str | None = None
    """``<worker>/<stream>-<index>``."""
    index: int | None = None
    """Place of the item within its stream, from 0."""
    stream: str | None = None
    """Name of the stream's PCAP, such as ``000000000144.pcap``."""
    worker: str | None = None
    """``ip:port``."""
    tls: bool | None = None
    timestamp: int | None = None
    """Milliseconds since the epoch, UTC: the first byte of the request."""
    startTime: str | None = None
    """The same in RFC 3339, nanoseconds."""
    requestSize: int | None = None
    """Bytes of the request on the wire; likewise ``responseSize``."""
    responseSize: int | None = None
    elapsedTime: int | None = None
    """Milliseconds from the first byte of the request to the last byte of the response."""
    passed: bool | None = None
    failed: bool | None = None
    entryFile: str | None = None
    """Name of the item's JSON file."""
    record: str | None = None
    """The recording it was read from; empty for what was captured now."""
    outgoing: bool | None = None

    _request: msgspec.Raw = _closed("request")
    _response: msgspec.Raw = _closed("response")
    _src: msgspec.Raw = _closed("src")
    _dst: msgspec.Raw = _closed("dst")
    _protocol: msgspec.Raw = _closed("protocol")
    _node: msgspec.Raw = _closed("node")
    _error: msgspec.Raw = _closed("error")
    _data: msgspec.Raw = _closed("data")

    _blob: bytes = _private("blob", b"")
    _opened: dict[str, Any] | None = _private("opened", None)
    """Sections that were touched; with the key ``""``, the closed values of the whole map."""

    @classmethod
    def decode(cls, blob: bytes) -> Item:
        """The item in ``blob``, one msgpack map.

        Raises:
            msgspec.DecodeError: it is none.
        """
        item = _decode(blob)
        _force(item, "_blob", blob)
        _force(item, "_opened", {})
        return item

    @property
    def request(self) -> Any:
        """What was asked: a ``Record``; None if it was never seen, and then ``error`` says why."""
        return self._section("request", self._request)

    @property
    def response(self) -> Any:
        """What was answered: a ``Record`` or None, as ``request``."""
        return self._section("response", self._response)

    @property
    def src(self) -> Any:
        """Who asked: a ``Record`` with ip, port, name, namespace …"""
        return self._section("src", self._src)

    @property
    def dst(self) -> Any:
        """Who was asked, as ``src``."""
        return self._section("dst", self._dst)

    @property
    def protocol(self) -> Any:
        """A ``Record`` with name, version, abbr, layer4 …"""
        return self._section("protocol", self._protocol)

    @property
    def node(self) -> Any:
        """Where it was captured: a ``Record`` with ip and name."""
        return self._section("node", self._node)

    @property
    def error(self) -> Any:
        """None, or a ``Record`` with type (dissection, connection, timeout, pair-not-found) and msg."""
        return self._section("error", self._error)

    @property
    def data(self) -> Any:
        """A ``Record``: of raw items their payload, of connections their state and sums; None of all others."""
        return self._section("data", self._data)

    def _section(self, key: str, raw: msgspec.Raw) -> Any:
        opened: Any = self._opened
        if key in opened:
            return opened[key]
        value = opened[key] = open_level(key, raw)
        return value

    def _closed_values(self) -> dict[str, msgspec.Raw]:
        opened: Any = self._opened
        if "" not in opened:
            opened[""] = _top_level(self._blob)
        values: dict[str, msgspec.Raw] = opened[""]
        return values

    def __getitem__(self, key: str) -> Any:
        """The value of ``key``; a map is a ``Record``, a list a new list: nothing can be changed through it."""
        value = getattr(self, key) if key in _KNOWN else None
        if value is not None:
            return value
        return shown("", self._section(key, self._closed_values()[key]))

    def get(self, key: str, default: Any = None) -> Any:
        """``self[key]``, or ``default`` where there is no such key."""
        try:
            return self[key]
        except KeyError:
            return default

    def __getattr__(self, name: str) -> Any:
        if name[:1] == "_":
            raise AttributeError(f"'Item' object has no attribute {name!r}")
        return self.get(name)

    def __contains__(self, key: object) -> bool:
        return key in self._closed_values()

    def __iter__(self) -> Iterator[str]:
        return iter(self._closed_values())

    def __len__(self) -> int:
        return len(self._closed_values())

    def __eq__(self, other: object) -> bool:
        return self.as_dict() == dict(other) if isinstance(other, Mapping) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    keys, values, items = Mapping.keys, Mapping.values, Mapping.items

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"what was captured is read-only: {name!r} cannot be set")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"what was captured is read-only: {name!r} cannot be deleted")

    def __repr__(self) -> str:
        return f"Item({self.as_dict()!r})"

    def as_dict(self) -> dict[str, Any]:
        """A plain copy, down to the last level, that the caller may change."""
        return _all_levels(self._blob)

    def encode(self) -> bytes:
        """The msgpack map that this item came as."""
        return self._blob


Mapping.register(Item)
_decode = msgspec.msgpack.Decoder(Item).decode
_KNOWN = frozenset(field.encode_name for field in msgspec.structs.fields(Item) if field.encode_name[0] != " ")


class PacketInfo(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What ``onPacketCaptured`` is told about one packet."""

    timestamp_ns: int
    """Nanoseconds since the epoch, UTC, as the capture says."""
    captureLength: int
    """Bytes of the frame that were captured."""
    length: int
    """Bytes of the frame on the wire."""
    truncated: bool
    """The capture has less of the frame than the wire had."""
    fragmented: bool
    """The packet is a fragment of an IP datagram."""

    @property
    def timestamp(self) -> int:
        """Milliseconds since the epoch, UTC, as ``Item.timestamp``."""
        return self.timestamp_ns // 1_000_000
