"""What a hook gets: items and packets, read-only, decoded as far as somebody looks.

An item travels as one msgpack map. Its sections stay closed until they are touched and are then opened one level at a
time: a script that looks at ``data.response.status`` pays for no headers and no body (2 us; all of it would be 5).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

import msgspec

from hooks.records import section, shown

_NULL = msgspec.Raw(b"\xc0")
_top_level = msgspec.msgpack.Decoder(dict[str, msgspec.Raw]).decode
_all_levels = msgspec.msgpack.Decoder(dict[str, Any]).decode
_Raw = msgspec.Raw


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
    _all: dict[str, Any] | None = _private("all", None)
    """The whole map, values closed (``msgspec.Raw``) where nobody has looked; None until it is needed."""

    @classmethod
    def decode(cls, blob: bytes) -> Item:
        """The item in ``blob``, one msgpack map.

        Raises:
            msgspec.DecodeError: it is none.
        """
        item = _decode(blob)
        _set_blob(item, blob)
        return item

    @property
    def request(self) -> Any:
        """What was asked: a ``Record``; None if it was never seen, and then ``error`` says why."""
        found: Any = self._request
        if type(found) is _Raw:
            found = section("request", found)
            _set_request(self, found)
        return found

    @property
    def response(self) -> Any:
        """What was answered: a ``Record`` or None, as ``request``."""
        found: Any = self._response
        if type(found) is _Raw:
            found = section("response", found)
            _set_response(self, found)
        return found

    @property
    def src(self) -> Any:
        """Who asked: a ``Record`` with ip, port, name, namespace …"""
        found: Any = self._src
        if type(found) is _Raw:
            found = section("src", found)
            _set_src(self, found)
        return found

    @property
    def dst(self) -> Any:
        """Who was asked, as ``src``."""
        found: Any = self._dst
        if type(found) is _Raw:
            found = section("dst", found)
            _set_dst(self, found)
        return found

    @property
    def protocol(self) -> Any:
        """A ``Record`` with name, version, abbr, layer4 …"""
        found: Any = self._protocol
        if type(found) is _Raw:
            found = section("protocol", found)
            _set_protocol(self, found)
        return found

    @property
    def node(self) -> Any:
        """Where it was captured: a ``Record`` with ip and name."""
        found: Any = self._node
        if type(found) is _Raw:
            found = section("node", found)
            _set_node(self, found)
        return found

    @property
    def error(self) -> Any:
        """None, or a ``Record`` with type (dissection, connection, timeout, pair-not-found) and msg."""
        found: Any = self._error
        if type(found) is _Raw:
            found = section("error", found)
            _set_error(self, found)
        return found

    @property
    def data(self) -> Any:
        """A ``Record``: of raw items their payload, of connections their state and sums; None of all others."""
        found: Any = self._data
        if type(found) is _Raw:
            found = section("data", found)
            _set_data(self, found)
        return found

    def _values(self) -> dict[str, Any]:
        if self._all is None:
            _set_all(self, _top_level(self._blob))
        values: Any = self._all
        return values  # type: ignore[no-any-return]  # it was just set, past the checker's back

    def __getitem__(self, key: str) -> Any:
        """The value of ``key``; a map is a ``Record``, a list a new list: nothing can be changed through it."""
        value = getattr(self, key) if key in _KNOWN else None
        if value is not None:
            return value
        values = self._values()
        value = values[key]
        if type(value) is _Raw:
            value = values[key] = section(key, value)
        return shown("", value)

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
        return key in self._values()

    def __iter__(self) -> Iterator[str]:
        return iter(self._values())

    def __len__(self) -> int:
        return len(self._values())

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
_set_blob: Any = Item.__dict__["_blob"].__set__
_set_all: Any = Item.__dict__["_all"].__set__
_set_request: Any = Item.__dict__["_request"].__set__
_set_response: Any = Item.__dict__["_response"].__set__
_set_src: Any = Item.__dict__["_src"].__set__
_set_dst: Any = Item.__dict__["_dst"].__set__
_set_protocol: Any = Item.__dict__["_protocol"].__set__
_set_node: Any = Item.__dict__["_node"].__set__
_set_error: Any = Item.__dict__["_error"].__set__
_set_data: Any = Item.__dict__["_data"].__set__
"""What sets fields of items past ``__setattr__``."""
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
