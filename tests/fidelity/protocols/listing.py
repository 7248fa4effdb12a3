"""The protocols that are compared item by item, one module each, found by being there.

``QUANTITY`` names the row of ``docs/fidelity.md``, ``RULE`` is its line there: what is compared. ``ours`` takes
all items of a capture, ``theirs`` what tshark says of it and the capture's name, for other witnesses beside it; both
give the same facts.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol, cast


class ComparedProtocol(Protocol):
    """One module."""

    QUANTITY: str
    RULE: str

    def ours(self, items: list[dict[str, Any]]) -> Iterable[tuple[object, ...]]:
        """Facts of our items."""

    def theirs(self, expected: Mapping[str, Any], capture: str) -> Iterable[tuple[object, ...]]:
        """Facts of the others."""


def _listed() -> tuple[ComparedProtocol, ...]:
    names = sorted(path.stem for path in Path(__file__).parent.glob("*.py"))
    modules = (importlib.import_module(f"tests.fidelity.protocols.{name}") for name in names if name != "listing")
    return tuple(cast(ComparedProtocol, module) for module in modules if hasattr(module, "QUANTITY"))


PROTOCOLS = _listed()
