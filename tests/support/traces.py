"""The golden traces: ``tests/traces/<behaviour>.pcap`` and what must come of it, ``<behaviour>.items.json``.

They are built by the functions in ``TRACES`` of the modules ``tests/support/traces_<protocol>.py``;
``python -m tests.support.traces [NAME…]`` builds them again; look at the difference before you believe it. Those called
``recorded_…`` come from real servers (``tests.recorded``): ``--recorded`` writes their items again.
"""

from __future__ import annotations

import importlib
import itertools
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.capture.sources import open_source
from engine.counters import Counters
from engine.dissect.options import DissectOptions
from engine.dissect.registry import load_rows
from engine.dissect.tls_keylog import KeyRing
from engine.items.item import LazyItem
from engine.pipeline import Node, Pipeline
from engine.resolve.static import NoNames
from engine.streams.options import StreamOptions
from tests.support.packets import Packet, write_pcap

FOLDER = Path(__file__).parent.parent / "traces"
Trace = Callable[[], list[Packet]]
_modules = [
    importlib.import_module(f"tests.support.{file.stem}") for file in sorted(Path(__file__).parent.glob("traces_*.py"))
]
TRACES: dict[str, Trace] = {trace.__name__: trace for module in _modules for trace in module.TRACES}
ON_REQUEST: dict[str, list[str]] = {
    name: enabled for module in _modules for name, enabled in getattr(module, "DISSECTORS", {}).items()
}
"""Of traces whose items come on request: what is enabled for them."""


def items_of(path: Path, options: DissectOptions | None = None) -> list[LazyItem]:
    """Every item of a capture, in the order in which they are finished; ``<name>.keys`` beside it is its key log."""
    ids, keys, log = itertools.count(1), KeyRing(), path.with_suffix(".keys")
    if log.exists():
        keys.add(log.read_bytes())
    pipeline = Pipeline(
        StreamOptions(),
        options or _options_of(path.stem),
        load_rows(installed=False, keys=keys),
        NoNames(),
        Node("n1", "10.0.0.9"),
        Counters(),
        lambda: next(ids),
    )
    source = open_source(str(path), 0)
    items: list[LazyItem] = []
    while not source.ended:
        batch = source.read()
        for more in source.take_key_logs():
            keys.add(more)
        if batch is not None:
            items += itertools.chain.from_iterable(pipeline.items(batch, pipeline.packets(batch)))
            items += pipeline.expire()[1]
    source.close()
    return items + pipeline.finish()[1]


def _options_of(name: str) -> DissectOptions:
    return DissectOptions(dissectors=ON_REQUEST[name]) if name in ON_REQUEST else DissectOptions()


def expected(name: str) -> list[dict[str, Any]]:
    """What stands in ``<name>.items.json``."""
    items: list[dict[str, Any]] = json.loads((FOLDER / f"{name}.items.json").read_text(encoding="utf-8"))
    return items


def write_items(path: Path) -> int:
    """Write ``<name>.items.json`` beside ``path``, a ``.pcap``; how many there are."""
    items = [item.as_dict() for item in items_of(path)]
    text = json.dumps(items, indent=1, ensure_ascii=False) + "\n"
    path.with_suffix(".items.json").write_text(text, encoding="utf-8")
    return len(items)


def main(names: list[str]) -> None:
    """Build these traces again, or all; ``--recorded``: the items of those that are not built."""
    if names == ["--recorded"]:
        paths = sorted(FOLDER.glob("recorded_*.pcap"))
    else:
        paths = [write_pcap(FOLDER / f"{name}.pcap", TRACES[name]()) for name in names or TRACES]
    for path in paths:
        print(f"{path.stem}: {write_items(path)} items")


if __name__ == "__main__":
    main(sys.argv[1:])
