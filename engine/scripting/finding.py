"""Which hooks a script has, before it runs: functions of its top level by name, and those that ``on_item`` marks."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from difflib import get_close_matches

from hooks.specs import hook_names, parameters_of

Function = ast.FunctionDef | ast.Lambda


def find_hooks(tree: ast.Module) -> tuple[list[str], list[str]]:
    """``(hooks, reasons)`` of the functions at the top level."""
    hooks: dict[str, None] = {}
    reasons: list[str] = []
    for name, function in _top_level_functions(tree.body):
        if name in hook_names():
            hooks[name] = None
            reasons += _wrong_parameters(name, name, function)
        elif name[:2] == "on" and name[2:3].isupper():
            near = get_close_matches(name, hook_names(), 1, 0.6)
            hint = f"did you mean {near[0]!r}?" if near else f"the hooks are {', '.join(hook_names())}"
            reasons.append(f"Line {function.lineno}: {name!r} is not a hook; {hint}")
        if name != "onItemCaptured" and is_marked(function):
            hooks["onItemCaptured"] = None
            reasons += _wrong_parameters("onItemCaptured", name, function)
    if any(isinstance(node, ast.Call) and _is_on_item(node.func) for node in ast.walk(tree)):
        hooks["onItemCaptured"] = None
    return [hook for hook in hook_names() if hook in hooks], reasons


def is_marked(function: Function) -> bool:
    """Whether it is decorated with ``on_item``."""
    decorators = function.decorator_list if isinstance(function, ast.FunctionDef) else []
    return any(_is_on_item(each.func if isinstance(each, ast.Call) else each) for each in decorators)


def _is_on_item(name: ast.expr) -> bool:
    return isinstance(name, ast.Name) and name.id == "on_item"


def _top_level_functions(body: list[ast.stmt]) -> Iterator[tuple[str, Function]]:
    for statement in body:
        if isinstance(statement, ast.FunctionDef):
            yield statement.name, statement
        elif isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Lambda):
            for target in statement.targets:
                if isinstance(target, ast.Name):
                    yield target.id, statement.value
        for inner in ("body", "orelse", "finalbody"):
            if isinstance(statement, ast.If | ast.Try | ast.With | ast.For | ast.While):
                yield from _top_level_functions(getattr(statement, inner, []))


def _wrong_parameters(hook: str, name: str, function: Function) -> Iterator[str]:
    """A reason where ``function`` cannot take what the hook is called with, or would not run when it is called."""
    wanted, arguments, line = parameters_of(hook), function.args, function.lineno
    if any(isinstance(node, ast.Yield | ast.YieldFrom) for node in _own_nodes(function)):
        yield f"Line {line}: {name!r} must not use yield; a generator does nothing when it is called"
    given = len(arguments.posonlyargs) + len(arguments.args)
    needed = given - len(arguments.defaults)
    keyword_only = [value for value in arguments.kw_defaults if value is None]
    if needed > len(wanted) or (given < len(wanted) and not arguments.vararg) or keyword_only:
        yield f"Line {line}: {name!r} is called with ({', '.join(wanted)}), but takes {given} parameters"


def _own_nodes(function: ast.AST) -> Iterator[ast.AST]:
    """Everything inside, except inside functions of its own."""
    pending = list(ast.iter_child_nodes(function))
    while pending:
        node = pending.pop()
        yield node
        if not isinstance(node, ast.FunctionDef | ast.Lambda):
            pending += ast.iter_child_nodes(node)
