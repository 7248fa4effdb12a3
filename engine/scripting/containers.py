"""Names of a script that can hold nothing but a container of its own: stores into those need no guard.

A store costs a guard of 60 ns, which is more than the store itself. Where every binding of a name, in whatever scope,
is a display such as ``{}`` or a call such as ``Counter()``, no helper, item or class of ours can be behind it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

_BUILTIN = frozenset({"dict", "list"})
_IMPORTED = frozenset({"Counter", "OrderedDict", "defaultdict", "deque"})
_DISPLAYS = (ast.Dict, ast.List, ast.DictComp, ast.ListComp)


def own_containers(tree: ast.Module, known: frozenset[str]) -> frozenset[str]:
    """The names, none of them ``known``: builtins and helpers that another scope may mean by the same name."""
    makers = _makers(tree)
    proved: set[str] = set()
    others: set[str] = set()
    for name, value in _bindings(tree):
        (proved if value is not None and _is_container(value, makers) else others).add(name)
    return frozenset(proved - others - known)


def _makers(tree: ast.Module) -> frozenset[str]:
    """What makes containers: builtins, and names imported from ``collections``, that nothing else is called."""
    imported = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "collections" and not node.level
        for alias in node.names
        if alias.name in _IMPORTED and alias.asname in (None, alias.name)
    }
    bound = [name for name, _ in _bindings(tree)]
    return frozenset(name for name in _BUILTIN | imported if bound.count(name) == (0 if name in _BUILTIN else 1))


def _is_container(value: ast.expr, makers: frozenset[str]) -> bool:
    if isinstance(value, ast.Call):
        return isinstance(value.func, ast.Name) and value.func.id in makers
    return isinstance(value, _DISPLAYS)


def _bindings(tree: ast.Module) -> Iterator[tuple[str, ast.expr | None]]:
    """``(name, what is assigned to it alone)`` of every binding of the text; None for all other kinds of binding."""
    plain: set[ast.expr] = set()
    for node in ast.walk(tree):
        targets: list[ast.expr] = []
        if isinstance(node, ast.Assign):
            targets = node.targets
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            targets = [node.target]
        for target in targets:
            if isinstance(target, ast.Name):
                plain.add(target)
                yield target.id, node.value  # type: ignore[attr-defined]  # both have one
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node not in plain:
            yield node.id, None
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name, None
        elif isinstance(node, ast.arg):
            yield node.arg, None
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
            yield node.name, None
        elif isinstance(node, ast.alias):
            yield (node.asname or node.name).partition(".")[0], None
