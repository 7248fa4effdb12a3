"""Which batches there are in a store, and which of them a question needs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from engine.archive.lines import Kinds, decoded
from engine.archive.lines import lines as lines_of
from engine.archive.manifest import TREE, Manifest, parse
from engine.archive.store import Store
from engine.errors import CaptureError
from engine.units import ALWAYS

if TYPE_CHECKING:
    from engine.kfl.needs import Needs

NS_PER_MS = 1_000_000
ITEMS_AHEAD_MS = 300_000
"""How much later than the last packet of its batch an item may be: the recorder reads items behind packets."""
_TRANSPORT = {"dns": ("tcp", "udp"), "icmp": ("icmp",), "udp": ("udp",), "udp-conn": ("udp",), "sctp": ("sctp",)}
"""Of the streams that items of a protocol come from; all others come from TCP."""


class Batch(NamedTuple):
    """One batch and where its files are."""

    store: Store
    root: str
    """What stands before the names of its files."""
    manifest: Manifest

    @property
    def run(self) -> tuple[str, ...]:
        """The recording, and the run of an instance that made the batch."""
        manifest = self.manifest
        return manifest.recording, manifest.cluster, manifest.node, manifest.batch.rpartition("-")[0]

    def shown(self, kind: str) -> str:
        """What messages call a file."""
        return self.store.shown(self.path(kind))

    def path(self, kind: str) -> str:
        """Full name of a file: ``pcap``, ``streams`` or ``items``."""
        return self.root + self.manifest.files[kind].name


ROW: Kinds = {
    **dict.fromkeys(("stream", "protocol", "client", "server", "state"), str),
    **dict.fromkeys(("packets", "bytes", "payload_bytes", "start", "end"), int),
}
"""Of every stream row."""


def find(store: Store) -> list[Batch]:
    """Every batch, by the time it was opened; a batch that lies twice (two copies of a tree) counts once.

    Raises:
        CaptureError: the store cannot be read, or a manifest in it is none.
    """
    found: dict[tuple[str, str], Batch] = {}
    for name in store.manifests():
        batch = batch_of(store, name)
        found.setdefault((batch.manifest.recording, batch.manifest.batch), batch)
    return sorted(found.values(), key=lambda batch: (batch.manifest.opened_ns, batch.manifest.batch))


def batch_of(store: Store, name: str) -> Batch:
    """The batch whose manifest ``name`` names.

    Raises:
        CaptureError: it cannot be read, is none, or lies or leads outside of its recording.
    """
    root = _root_of(name)
    manifest = parse(store.shown(name), store.read(name))
    own = name[len(root) :].partition("/")[0]
    for file in manifest.files.values():
        if file.name.partition("/")[0] != own:
            raise CaptureError(store.shown(name), f"names of files below {own}", repr(file.name))
    return Batch(store, root, manifest)


def _root_of(name: str) -> str:
    at = name.rfind(f"/{TREE}")
    if name.startswith(TREE):
        return ""
    if at < 0:
        raise CaptureError(name, f"a manifest below {TREE}NAME/manifest/", "one that lies elsewhere")
    return name[: at + 1]


def with_packets(batches: Iterable[Batch], needs: Needs) -> Iterator[Batch]:
    """Those with packets that can be of an item that is needed."""
    for batch in batches:
        manifest = batch.manifest
        since_ms, until_ms = manifest.first_packet_ns // NS_PER_MS, manifest.last_packet_ns // NS_PER_MS
        if manifest.packets and _fits(batch, needs, since_ms, until_ms):
            yield batch


def with_items(batches: Iterable[Batch], needs: Needs) -> Iterator[Batch]:
    """Those with items that can be needed.

    An item's time is that of its request: not before the first packet of its run, for which it may lie in an earlier
    batch, and little after the last packet of its own.
    """
    began: dict[tuple[str, ...], int] = {}
    for batch in batches:
        manifest = batch.manifest
        first_ns = manifest.first_packet_ns if manifest.packets else manifest.opened_ns
        since_ns = began.setdefault(batch.run, first_ns)
        until_ms = manifest.last_packet_ns // NS_PER_MS + ITEMS_AHEAD_MS if manifest.packets else ALWAYS.until_ms
        counted = manifest.protocols
        if needs.protocols is not None and counted is not None and needs.protocols.isdisjoint(counted):
            continue
        if manifest.items and _fits(batch, needs, since_ns // NS_PER_MS, until_ms):
            yield batch


def _fits(batch: Batch, needs: Needs, since_ms: int, until_ms: int) -> bool:
    """Rows of streams are read only where the manifest leaves it open."""
    if needs.recordings is not None and batch.manifest.recording not in needs.recordings:
        return False
    if since_ms > needs.until_ms or until_ms < needs.since_ms:
        return False
    return needs.ends is None or _has_end(batch, needs)


def _has_end(batch: Batch, needs: Needs) -> bool:
    assert needs.ends is not None
    transports = None
    if needs.protocols is not None:
        transports = {transport for name in needs.protocols for transport in _TRANSPORT.get(name, ("tcp",))}
    for row in rows(batch):
        if transports is not None and row["protocol"] not in transports:
            continue
        for endpoint in (row["client"], row["server"]):
            ip, _, port = endpoint.rpartition(":")
            if ("ip", ip.strip("[]")) in needs.ends or ("port", port) in needs.ends:
                return True
    return False


def rows(batch: Batch) -> Iterator[dict[str, Any]]:
    """The streams of a batch.

    Raises:
        CaptureError: the file cannot be read, or is damaged.
    """
    where = batch.shown("streams")
    for line in lines(batch, "streams"):
        yield decoded(where, line, ROW)


def lines(batch: Batch, kind: str) -> Iterator[bytes]:
    """The lines of ``streams`` or ``items``.

    Raises:
        CaptureError: the file cannot be read, or is damaged.
    """
    return lines_of(batch.store, batch.path(kind), batch.manifest.files[kind])
