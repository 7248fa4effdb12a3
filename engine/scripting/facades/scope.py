"""The globals of a script: its helpers, and the errors they raise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from engine.scripting.calls import Calls, HelperError
from engine.scripting.facades.console import Console
from engine.scripting.facades.env import Env
from engine.scripting.facades.facade import Facade, name_of
from engine.scripting.facades.file import File
from engine.scripting.facades.jobs import Jobs, Task
from engine.scripting.facades.kfl import Kfl, KflError
from engine.scripting.facades.language import Json, Math, Time
from engine.scripting.facades.pcap import Pcap
from engine.scripting.facades.utilities import Utils
from engine.scripting.facades.vendor import Vendor
from engine.scripting.guards import guards, script_builtins

HELPERS: tuple[type[Facade], ...] = (Console, Env, File, Jobs, Json, Kfl, Math, Pcap, Time, Utils, Vendor)
ERRORS: tuple[type[Exception], ...] = (HelperError, KflError)


@dataclass(frozen=True, slots=True)
class Scope:
    """What a script runs in, and the two parts of it that the host looks into."""

    names: dict[str, Any]
    kfl: Kfl
    tasks: dict[str, Task]


def build_scope(script: str, environment: dict[str, str], node: str, calls: Calls, filters: Kfl | None = None) -> Scope:
    """Fresh globals for one script."""
    tasks: dict[str, Task] = {}
    console, filters = Console(calls), filters or Kfl()
    helpers: tuple[Facade, ...] = (
        console,
        Env(environment),
        File(calls),
        Jobs(calls, tasks),
        Json(),
        filters,
        Math(),
        Pcap(calls),
        Time(),
        Utils(calls, node),
        Vendor(calls),
    )
    errors = {error.__name__: error for error in ERRORS}
    names: dict[str, Any] = {"__name__": script, "__builtins__": script_builtins({"print": console.print, **errors})}
    names |= guards() | {name_of(type(helper)): helper for helper in helpers}
    return Scope(names, filters, tasks)


def helper_names() -> frozenset[str]:
    """Names of helpers and their errors."""
    return frozenset(map(name_of, HELPERS)) | {error.__name__ for error in ERRORS}
