"""One finished exchange as the worker holds it: nothing of it is built before somebody looks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import msgspec

from engine.clock import rfc3339
from engine.dissect.message import Message, Payload, Problem
from engine.dissect.table import ProtocolRow
from engine.resolve.resolver import NOBODY, Resolver
from engine.streams.stream import CLIENT, ICMPS, Stream, format_address

WORKER_PORT = 30001
"""The port in ``worker``; Kubeshark's, so that ids look as its users know them."""

_encode = msgspec.msgpack.Encoder().encode
_address = lru_cache(maxsize=1 << 16)(format_address)


@dataclass(frozen=True, slots=True)
class Place:
    """What all items of one worker have in common."""

    worker: str
    node: dict[str, str]
    resolver: Resolver

    @classmethod
    def of(cls, node_name: str, node_ip: str, resolver: Resolver) -> Place:
        """The place of a worker on this node."""
        return cls(f"{node_ip}:{WORKER_PORT}", {"ip": node_ip, "name": node_name}, resolver)


class LazyItem(Mapping[str, Any]):
    """The mapping that ``hooks.Item`` will be, with each value built at its first touch. Read-only by agreement.

    Sections are plain dicts. A payload is taken apart at most once and its message is let go of with the item.
    """

    __slots__ = (
        "_blob",
        "_built",
        "_error",
        "_place",
        "_request",
        "_response",
        "_row",
        "_tls",
        "index",
        "recording",
        "stream",
        "timestamp_ns",
    )

    def __init__(
        self,
        stream: Stream,
        index: int,
        row: ProtocolRow,
        place: Place,
        request: Message | None,
        response: Message | None,
        error: Problem | None = None,
        *,
        tls: bool = False,
    ) -> None:
        """``error`` is why a half is missing; what is wrong inside a half, its payload knows.

        ``tls``: it was encrypted on the wire.
        """
        self.stream = stream
        self.index = index
        """Place of the item within its stream."""
        self.timestamp_ns: int = (request or response).start_ns  # type: ignore[union-attr] # one of them is there
        """When its first byte was captured."""
        self.recording = ""
        """The recording that wants it; told before it is encoded, else it stays unsaid."""
        self._row = row
        self._place = place
        self._request = request
        self._response = response
        self._error = error
        self._tls = tls
        self._built: dict[str, Any] = {}
        self._blob: bytes | None = None

    def __getitem__(self, key: str) -> Any:
        built = self._built
        if key not in built:
            if key in _PARTS:
                built[key] = _PARTS[key](self)
            else:
                built.update(self._scalars())
        return built[key]

    def get(self, key: str, default: Any = None) -> Any:
        """``self[key]``, or ``default`` where there is no such key."""
        built = self._built
        if key in built:
            return built[key]
        return self[key] if key in _KEYS else default

    def __contains__(self, key: object) -> bool:
        return key in _KEYS

    def __iter__(self) -> Iterator[str]:
        return iter(_KEYS)

    def __len__(self) -> int:
        return len(_KEYS)

    def as_dict(self) -> dict[str, Any]:
        """All of it, a new dict; the sections in it are those of the item itself."""
        return self.whole().copy()

    def whole(self) -> dict[str, Any]:
        """All of it, for who reads it and changes nothing."""
        if len(self._built) < len(_KEYS):
            self._built = self._whole()
        return self._built

    def encode(self) -> bytes:
        """All of it as msgpack; made once."""
        if self._blob is None:
            self._blob = _encode(self.whole())
        return self._blob

    def _whole(self) -> dict[str, Any]:
        """Everything, in one pass: a lookup and a call per key would cost 2 us; what was looked at before is taken."""
        built, request, response = self._built, self._request, self._response
        return self._envelope(
            built["protocol"] if "protocol" in built else self._protocol(),
            built["src"] if "src" in built else self._end(True),
            built["dst"] if "dst" in built else self._end(False),
            built["request"] if "request" in built else request and request.payload.section(),
            built["response"] if "response" in built else response and response.payload.section(),
            self._error_section(),  # behind the sections: they find out what is wrong
        )

    def _scalars(self) -> dict[str, Any]:
        """What is too cheap to be built one by one."""
        scalars = self._envelope(*[None] * len(_SECTIONS))
        for key in _SECTIONS:
            del scalars[key]
        return scalars

    def _envelope(
        self, protocol: object, src: object, dst: object, request: object, response: object, error: object
    ) -> dict[str, Any]:
        """Sections and what stands around them; one display, because a dict that grows costs 0.4 us more."""
        stream, index, place = self.stream.name, self.index, self._place
        asked, answered, timestamp_ns = self._request, self._response, self.timestamp_ns
        elapsed_ns = 0 if asked is None or answered is None else answered.end_ns - asked.start_ns
        return {
            "id": f"{place.worker}/{stream}-{index}",
            "index": index,
            "stream": stream,
            "worker": place.worker,
            "node": place.node,
            "tls": self._tls,
            "timestamp": timestamp_ns // 1_000_000,
            "startTime": rfc3339(timestamp_ns),
            "requestSize": 0 if asked is None else asked.size_bytes,
            "responseSize": 0 if answered is None else answered.size_bytes,
            "elapsedTime": elapsed_ns // 1_000_000 if elapsed_ns > 0 else 0,  # first byte asked to last byte answered
            "passed": False,
            "failed": False,
            "entryFile": f"{stream.replace('.', '_')}-{index}_entry.json",
            "record": self.recording,
            "outgoing": False,
            "protocol": protocol,
            "src": src,
            "dst": dst,
            "request": request,
            "response": response,
            "error": error,
        }

    def _error_section(self) -> dict[str, str] | None:
        request, response = self._request, self._response
        if (
            self._error is None
            and (request is None or request.payload.problem() is None)
            and (response is None or response.payload.problem() is None)
        ):
            return None  # as nearly all
        problems = [] if self._error is None else [self._error]
        for message in (request, response):
            if message is not None and (problem := message.payload.problem()) is not None:
                problems.append(problem)
        return {"type": problems[0].type, "msg": "; ".join(problem.msg for problem in problems)}

    def _end(self, is_source: bool) -> dict[str, Any]:
        """``src`` is who sent the request, whoever opened the stream."""
        stream = self.stream
        asks = self._request.direction if self._request else 1 - self._response.direction  # type: ignore[union-attr]
        if (asks == CLIENT) == is_source:
            ip, port = _address(stream.client_ip), stream.client_port
        else:
            ip, port = _address(stream.server_ip), stream.server_port
        shown = "" if stream.protocol in ICMPS else str(port)
        name = self._place.resolver.name_of(ip, port, self.timestamp_ns)
        if name is NOBODY:
            return {"ip": ip, "port": shown, "name": "", "namespace": ""}
        return {"ip": ip, "port": shown, **name.section()}

    def _protocol(self) -> dict[str, Any]:
        return self._row.describe(_payload(self._request), _payload(self._response))


def _payload(message: Message | None) -> Payload | None:
    return None if message is None else message.payload


def _section(message: Message | None) -> dict[str, Any] | None:
    return None if message is None else message.payload.section()


_SECTIONS: dict[str, Callable[[LazyItem], Any]] = {
    "protocol": LazyItem._protocol,
    "src": lambda item: item._end(True),
    "dst": lambda item: item._end(False),
    "request": lambda item: _section(item._request),
    "response": lambda item: _section(item._response),
    "error": LazyItem._error_section,
}
_PARTS: dict[str, Callable[[LazyItem], Any]] = {
    **_SECTIONS,
    "tls": lambda item: item._tls,
    "timestamp": lambda item: item.timestamp_ns // 1_000_000,
}
"""What is built one by one, when somebody looks; the scalars that filters like to ask for among them, since all of them
take 2 us."""
_SCALARS = (
    "id", "index", "stream", "worker", "node", "tls", "timestamp", "startTime", "requestSize", "responseSize",
    "elapsedTime", "passed", "failed", "entryFile", "record", "outgoing",
)  # fmt: skip
_KEYS = dict.fromkeys((*_SCALARS, *_SECTIONS))
KEYS = tuple(_KEYS)
"""Of every item."""
