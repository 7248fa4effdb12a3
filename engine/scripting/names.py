"""The names a script uses, before it runs: which nothing binds, and which functions of helpers do not exist."""

from __future__ import annotations

import ast
import symtable
from collections.abc import Iterator
from difflib import get_close_matches

from engine.scripting.facades.facade import Facade, functions_of
from engine.scripting.facades.modules import INSTEAD, MODULES
from engine.scripting.facades.scope import facade_at, helper_names
from engine.scripting.guards import script_builtins

_UNAVAILABLE = {
    "open": "use file.write, file.append and file.copy",
    "eval": "text is never run",
    "exec": "text is never run",
    "compile": "text is never run",
    "input": "nobody is there to answer; use env",
    "delattr": "write del value.name",
    "type": "use isinstance",
    "vars": "use a dict",
    "dir": "look into docs/scripting.md",
    "globals": "name the variable",
    "locals": "name the variable",
    "memoryview": "use bytes",
    "exit": "return from the hook instead",
    "quit": "return from the hook instead",
    "BaseException": "use Exception",
    "SystemExit": "return from the hook instead",
    "KeyboardInterrupt": "onShutdown is called before the end",
    "setInterval": "use jobs.schedule",
    "clearInterval": "use jobs.remove",
    "hub": "there is none; each instance stands alone",
    "prometheus": "numbers of the engine are on tap.metrics.port; write your own with console.log",
    "chatgpt": "vendor.webhook sends requests to hosts that the operator named",
    "aggregation": "use console.log",
}
_NO_DELETE = "Remora deletes nothing remotely; let a lifecycle rule of the bucket do it"
_OTHER_STORES = "uploads go to Google Cloud Storage (vendor.gcs.put), or where recording.destination says (pcap.record)"
_NO_VENDOR = {
    "s3": _OTHER_STORES,
    "azure": _OTHER_STORES,
    "slackBot": "use vendor.slack with a webhook",
    "influxdb": "use vendor.webhook",
    "elastic": "use vendor.webhook",
    "kinesis": "use vendor.webhook",
}
"""What Kubeshark has under ``vendor`` and Remora has not, and what to do instead."""


def known_names() -> frozenset[str]:
    """Every name a script can use without binding it: builtins and helpers."""
    return frozenset(script_builtins({})) | helper_names() | {"print"}


def unknown_names(tree: ast.Module) -> Iterator[str]:
    """A reason for each name that nothing in the script binds and that is no helper."""
    bound = set(known_names()) | names_bound(tree)
    for node in _without_annotations(tree):
        if not isinstance(node, ast.Name) or not isinstance(node.ctx, ast.Load):
            continue
        if node.id not in bound and not node.id.startswith("_"):
            yield f"Line {node.lineno}: {node.id!r} is not available{_instead(node.id, bound)}"


def unknown_functions(tree: ast.Module) -> Iterator[str]:
    """A reason for each ``helper.name`` or ``module.name`` that does not exist, as far as names are not used twice."""
    bound = names_bound(tree)
    modules = _modules(tree, bound)
    for node in _without_annotations(tree):
        if not isinstance(node, ast.Attribute) or node.attr.startswith("_"):
            continue
        path = _path(node.value)
        facade: type[Facade] | None = None
        reason = _no_vendor((*path, node.attr)) if path and path[0] not in bound else ""
        if reason:
            yield f"Line {node.lineno}: {reason}"
            continue
        if path and path[0] in modules:
            facade = facade_at((modules[path[0]], *path[1:]))
        elif path and path[0] not in bound:
            facade = facade_at(path)
        if facade is not None and node.attr not in functions_of(facade):
            near = get_close_matches(node.attr, functions_of(facade), 1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(functions_of(facade))}"
            yield f"Line {node.lineno}: {'.'.join(path)} has no {node.attr!r}; {hint}"


def _no_vendor(path: tuple[str, ...]) -> str:
    """Why a script cannot have what is called ``path``, where Kubeshark has it; empty: nothing is known about that."""
    if path[0] != "vendor":
        return ""
    if path[2:] == ("clear",):
        return f"{'.'.join(path)} is not available; {_NO_DELETE}"
    if len(path) == 2 and path[1] in _NO_VENDOR:
        return f"vendor.{path[1]} is not available; {_NO_VENDOR[path[1]]}"
    return ""


def _modules(tree: ast.Module, bound: set[str]) -> dict[str, str]:
    """Name -> module of imports whose name nothing else binds."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                name = alias.asname or alias.name.partition(".")[0]
                found[name] = alias.name if alias.asname else name
    others = names_bound(tree, imports=False)
    return {name: module for name, module in found.items() if name in bound - others and module in MODULES}


def _path(node: ast.expr) -> tuple[str, ...]:
    """``("jobs", "scheduler")`` of ``jobs.scheduler``; empty for what is not names alone."""
    if isinstance(node, ast.Name):
        return (node.id,)
    if isinstance(node, ast.Attribute):
        before = _path(node.value)
        return (*before, node.attr) if before else ()
    return ()


def names_bound(tree: ast.AST, *, imports: bool = True) -> set[str]:
    """Every name that something in the script binds, wherever."""
    bound: set[str] = set()
    for node in _without_annotations(tree):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            bound.add(node.id)
        elif imports or not isinstance(node, ast.alias):
            bound.update(_bound_by(node))
    return bound


def _without_annotations(tree: ast.AST) -> Iterator[ast.AST]:
    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop()
        yield node
        for field, value in ast.iter_fields(node):
            if field not in ("annotation", "returns"):
                pending += [
                    child for child in (value if isinstance(value, list) else [value]) if isinstance(child, ast.AST)
                ]


def _bound_by(node: ast.AST) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.arg):
        return [node.arg]
    if isinstance(node, ast.ExceptHandler):
        return [node.name] if node.name else []
    if isinstance(node, ast.alias):
        return [(node.asname or node.name).split(".")[0]]
    return [node.name] if isinstance(node, ast.MatchAs | ast.MatchStar) and node.name else []


def _instead(name: str, bound: set[str]) -> str:
    if name in _UNAVAILABLE:
        return f"; {_UNAVAILABLE[name]}"
    if name in MODULES:
        return f"; write import {name}"
    if name in INSTEAD:
        return f"; {INSTEAD[name]}"
    near = get_close_matches(name, bound, 1, 0.8)
    return f"; did you mean {near[0]!r}?" if near else ""


def uses_global(text: str, script: str, name: str) -> bool:
    """Whether the script uses the helper ``name`` somewhere, and no variable of its own that is called so."""
    pending = [symtable.symtable(text, script, "exec")]
    used = False
    while pending:
        table = pending.pop()
        pending += table.get_children()
        if name in table.get_identifiers():
            symbol = table.lookup(name)
            ours = table.get_type() == "module" or symbol.is_global()
            if ours and (symbol.is_assigned() or symbol.is_imported() or symbol.is_namespace()):
                return False
            used = used or (ours and symbol.is_referenced())
    return used
