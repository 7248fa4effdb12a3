"""``wrapper``: what several helpers do together, in one call."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from engine.scripting.calls import HelperError
from engine.scripting.facades.console import Console
from engine.scripting.facades.facade import Facade, fill
from engine.scripting.facades.kfl import Kfl
from engine.scripting.facades.pcap import Pcap
from engine.scripting.facades.timers import Timers
from engine.scripting.facades.vendor import Vendor
from engine.scripting.har import archive
from engine.scripting.plain import NotPlain, plain

_ELSEWHERE = "uploads go where recording.destination says, with the operator's account; leave it out"
REFUSED = {
    "awsRegion": _ELSEWHERE,
    "awsAccessKeyId": _ELSEWHERE,
    "awsSecretAccessKey": _ELSEWHERE,
    "s3Bucket": _ELSEWHERE,
    "slackAuthToken": "slackWebhook sends messages; leave it out",
    "slackChannelId": "slackWebhook sends messages; leave it out",
}
"""Options of Kubeshark that mean nothing here: refused, because traffic that goes elsewhere than its owner thinks is
worse than an error."""
MAX_FILTERS = 64


@dataclass(slots=True)
class _Open:
    """What a filter has collected since its recording was sealed."""

    streams: set[str] = field(default_factory=set)
    timer: int | None = None


@dataclass(frozen=True, slots=True)
class _Options:
    """Of ``kflPcapS3``."""

    kflArr: list[str]
    slackWebhook: str = ""
    active: bool = True
    verbose: bool = False
    maxMinutes: float = 60
    maxL4Streams: int = 100_000


class Wrapper(Facade):
    """Keeps what ``kflPcapS3`` has collected, in this process alone; what it recorded is kept by others."""

    __slots__ = ("_console", "_kfl", "_open", "_pcap", "_timers", "_vendor")

    _kfl: Kfl
    _pcap: Pcap
    _vendor: Vendor
    _console: Console
    _timers: Timers
    _open: dict[str, _Open]

    def __init__(self, kfl: Kfl, pcap: Pcap, vendor: Vendor, console: Console, timers: Timers) -> None:
        fill(self, _kfl=kfl, _pcap=pcap, _vendor=vendor, _console=console, _timers=timers, _open={})

    def joinMaps(self, first: Any, second: Any) -> dict[str, Any]:
        """A dict with the keys of both; those of ``second`` count."""
        return {**_mapping("wrapper.joinMaps", first), **_mapping("wrapper.joinMaps", second)}

    def buildHAR(self, items: Iterable[Any]) -> str:
        """The HTTP exchanges among ``items`` as the text of an HTTP Archive (1.2)."""
        if type(items) not in (list, tuple):
            raise HelperError(f"wrapper.buildHAR: expected a list of items, got {type(items).__name__}")
        found = [_mapping("wrapper.buildHAR", item) for item in items]
        return json.dumps(archive(found), ensure_ascii=False)

    def kflPcapS3(self, data: Any, options: Any) -> None:
        """Record the streams of items that match one of the filters, and seal each recording now and then.

        ``options``: ``kflArr``, filters; the streams of the first go into the recording ``kfl_0`` and so on.
        ``maxMinutes`` (60) and ``maxL4Streams`` (100,000) say when it is sealed and uploaded; ``slackWebhook`` is told.
        ``active`` false does nothing, ``verbose`` writes a line per recording.
        """
        chosen = _options(options)
        if not chosen.active:
            return
        for index, query in enumerate(chosen.kflArr):
            if self._kfl.match(query, data):
                self._keep(f"kfl_{index}", query, _stream(data), chosen)

    def _keep(self, name: str, query: str, stream: str, options: _Options) -> None:
        opened = self._open.setdefault(name, _Open())
        if stream in opened.streams:
            return
        self._pcap.record(stream, name)
        opened.streams.add(stream)
        if opened.timer is None:
            opened.timer = self._timers.set(lambda: self._seal(name, query, options), options.maxMinutes * 60_000)
        if len(opened.streams) >= options.maxL4Streams:
            self._seal(name, query, options)

    def _seal(self, name: str, query: str, options: _Options) -> None:
        opened = self._open.pop(name, None)
        if opened is None:
            return
        self._timers.clear(opened.timer)
        self._pcap.seal(name)
        said = f"{len(opened.streams)} streams of {query!r} are on their way as {name}"
        if options.verbose:
            self._console.log(said)
        if options.slackWebhook:
            self._vendor.slack(options.slackWebhook, "Remora", said)


def _mapping(helper: str, value: Any) -> dict[str, Any]:
    try:
        copied = plain(value)
    except NotPlain as error:
        raise HelperError(f"{helper}: {error}") from None
    if type(copied) is not dict:
        raise HelperError(f"{helper}: expected an item or a dict, got {type(value).__name__}")
    return copied


def _stream(data: Any) -> str:
    stream = _mapping("wrapper.kflPcapS3", data).get("stream")
    if type(stream) is not str:
        raise HelperError("wrapper.kflPcapS3: expected an item, which names its stream")
    return stream


def _options(given: Any) -> _Options:
    where = "wrapper.kflPcapS3"
    options = _mapping(where, given)
    for name in options:
        if name in REFUSED:
            raise HelperError(f"{where}: {name}: {REFUSED[name]}")
        if name not in _Options.__dataclass_fields__:
            raise HelperError(
                f"{where}: expected one of {', '.join(_Options.__dataclass_fields__)}, got {name[:100]!r}"
            )
    filters = options.get("kflArr")
    if type(filters) is not list or not 0 < len(filters) <= MAX_FILTERS or any(type(one) is not str for one in filters):
        raise HelperError(f"{where}: kflArr: expected a list of 1 to {MAX_FILTERS} filters")
    numbers = (options.get("maxMinutes", 60), options.get("maxL4Streams", 1))
    if any(type(number) not in (int, float) or not 0 < number < 1e9 for number in numbers):
        raise HelperError(f"{where}: maxMinutes, maxL4Streams: expected numbers above 0")
    return _Options(**options)
