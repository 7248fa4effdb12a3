"""The globals of a script: its helpers, and the errors they raise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, get_type_hints

from engine.scripting.calls import Calls, HelperError
from engine.scripting.facades.console import Console
from engine.scripting.facades.env import Env
from engine.scripting.facades.facade import Facade, name_of
from engine.scripting.facades.file import File
from engine.scripting.facades.jobs import Jobs, Task
from engine.scripting.facades.kfl import Kfl, KflError, compiler
from engine.scripting.facades.language import Json, Math, Time
from engine.scripting.facades.modules import MODULES
from engine.scripting.facades.pcap import Pcap
from engine.scripting.facades.recordings import Recordings
from engine.scripting.facades.stats import Standing, Stats
from engine.scripting.facades.test import Test
from engine.scripting.facades.timers import Timers
from engine.scripting.facades.utilities import Utils
from engine.scripting.facades.vendor import Vendor
from engine.scripting.facades.wrapper import Wrapper
from engine.scripting.guards import guards, script_builtins
from engine.scripting.listeners import ItemListeners
from hooks.items import Item, PacketInfo
from hooks.records import Record

HELPERS: tuple[type[Facade], ...] = (
    Console, Env, File, Jobs, Json, Kfl, Math, Pcap, Recordings, Stats, Test, Time, Utils, Vendor, Wrapper,
)  # fmt: skip
FUNCTIONS = ("on_item", "setTimeout", "clearTimeout")
"""Helpers that are one function."""
ERRORS: tuple[type[Exception], ...] = (HelperError, KflError)
_TYPES: dict[str, type] = {"Item": Item, "PacketInfo": PacketInfo, "Record": Record}
"""For ``isinstance``, and for annotations, which editors read."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What a script runs in, and the two parts of it that the host looks into."""

    names: dict[str, Any]
    kfl: Kfl
    tasks: dict[str, Task]
    listeners: ItemListeners
    standing: Standing
    timers: Timers


def build_scope(script: str, environment: dict[str, str], node: str, calls: Calls, filters: Kfl | None = None) -> Scope:
    """Fresh globals for one script."""
    tasks: dict[str, Task] = {}
    standing = Standing()
    calls.on_delay = standing.count_delay
    console, filters, timers = Console(calls), filters or Kfl(), Timers(calls)
    pcap, vendor = Pcap(calls), Vendor(calls)
    helpers: tuple[Facade, ...] = (
        console,
        Env(environment),
        File(calls),
        Jobs(calls, tasks),
        Json(),
        filters,
        Math(),
        pcap,
        Recordings(calls),
        Stats(standing),
        Test(),
        Time(),
        Utils(node),
        vendor,
        Wrapper(filters, pcap, vendor, console, timers),
    )
    errors = {error.__name__: error for error in ERRORS}
    names: dict[str, Any] = {"__name__": script, "__builtins__": script_builtins({"print": console.print, **errors})}
    listeners = ItemListeners(compiler(filters))
    names |= dict(zip(FUNCTIONS, (listeners.on_item, timers.set, timers.clear), strict=True))
    names |= {"state": {}, **_TYPES}
    names |= guards() | {"_import_": MODULES.__getitem__} | {name_of(type(helper)): helper for helper in helpers}
    return Scope(names, filters, tasks, listeners, standing, timers)


def helper_names() -> frozenset[str]:
    """Names of helpers, their errors, and what stands beside them."""
    return frozenset(map(name_of, HELPERS)) | {error.__name__ for error in ERRORS} | {*FUNCTIONS, "state", *_TYPES}


def facade_at(path: Sequence[str]) -> type[Facade] | None:
    """The helper or module that is called ``path`` and has a list of functions; ``env`` answers any name."""
    first, *inner = path
    found: type[Facade] | None = next((helper for helper in HELPERS if name_of(helper) == first), None)
    if first in MODULES:
        found = type(MODULES[first])
    for name in inner:
        value = getattr(found, name, None)
        kind = get_type_hints(found).get(name) if found is not None else None
        found = kind if isinstance(kind, type) and issubclass(kind, Facade) else None
        found = type(value) if isinstance(value, Facade) else found
    return None if found is Env else found
