"""From the text of a script to its hooks: every mistake at once, in words its author can act on."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from types import CodeType
from typing import Any

from engine.errors import ScriptRejected
from engine.scripting.facades.scope import helper_names
from engine.scripting.guards import script_builtins
from engine.scripting.policy import Policy
from hooks.specs import FIRED, hook_names, parameters_of

MAX_SOURCE_BYTES = 256 * 1024
MAX_REASONS = 50
MAX_REASON_CHARACTERS = 300

_UNAVAILABLE = {
    "open": "use file.write, file.append and file.copy",
    "eval": "text is never run",
    "exec": "text is never run",
    "compile": "text is never run",
    "getattr": "a field that is missing is None: data.request.path",
    "hasattr": "a field that is missing is None: data.request.path",
    "setattr": "write value.name = 1",
    "type": "use isinstance",
    "super": "call the method of the base class: Base.start(self)",
    "format": "use an f-string",
    "BaseException": "use Exception",
    "SystemExit": "return from the hook instead",
    "requests": "scripts have no network; vendor.gcs.put uploads",
    "os": "scripts have no operating system; use file and env",
}


@dataclass(frozen=True, slots=True)
class ScriptReport:
    """What is known about a script before it runs."""

    hooks: tuple[str, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CompiledScript:
    """A script that may run."""

    name: str
    code: CodeType
    report: ScriptReport


def check_script(text: str, name: str) -> ScriptReport:
    """What ``text`` would listen to, without running any of it.

    Raises:
        ScriptRejected: it would not be loaded; carries every reason.
    """
    return compile_script(text.encode(errors="surrogatepass"), name).report


def compile_script(source: bytes, name: str) -> CompiledScript:
    """Check and compile, without running anything.

    Raises:
        ScriptRejected: with every reason.
    """
    if len(source) > MAX_SOURCE_BYTES:
        raise ScriptRejected(
            name, [f"expected a script of at most {MAX_SOURCE_BYTES} bytes, got {len(source)} or more"]
        )
    try:
        with warnings.catch_warnings(record=True) as noticed:
            warnings.simplefilter("always")
            return _compile(source.decode("utf-8-sig"), name, noticed)
    except UnicodeDecodeError as error:
        reason = f"expected UTF-8, got byte 0x{source[error.start]:02x} at offset {error.start}"
    except SyntaxError as error:
        where = f"Line {error.lineno}: " if error.lineno else ""
        reason = f"{where}{error.msg}" + (f": {error.text.strip()[:80]!r}" if error.text else "")
    except (RecursionError, MemoryError):
        reason = "it is nested too deeply, or too large, to be compiled"
    except ValueError as error:
        reason = f"it cannot be read as Python: {error}"
    raise ScriptRejected(name, [_short(reason)])


def _compile(text: str, name: str, noticed: list[warnings.WarningMessage]) -> CompiledScript:
    tree = ast.parse(text, name)
    hooks, reasons = _find_hooks(tree)
    reasons += _unknown_names(tree)
    policy = Policy()
    policy.visit(tree)
    reasons += policy.errors
    if reasons:
        raise ScriptRejected(name, _tidy(reasons))
    code = compile(tree, name, "exec", dont_inherit=True)
    told = [f"{hook!r}: nothing fires it yet" for hook in hooks if hook not in FIRED]
    told += [f"Line {warning.lineno}: {warning.message}" for warning in noticed]
    return CompiledScript(name, code, ScriptReport(tuple(hooks), tuple(_tidy(told))))


def _tidy(reasons: list[str]) -> list[str]:
    def line(reason: str) -> int:
        head = reason.split(":", 1)[0]
        return int(head[5:]) if head.startswith("Line ") and head[5:].isdigit() else 0

    each = sorted(dict.fromkeys(_short(reason) for reason in reasons), key=line)
    more = [f"and {len(each) - MAX_REASONS} more"] if len(each) > MAX_REASONS else []
    return each[:MAX_REASONS] + more


def _short(reason: str) -> str:
    reason = reason.encode(errors="backslashreplace").decode()
    return reason if len(reason) <= MAX_REASON_CHARACTERS else reason[:MAX_REASON_CHARACTERS] + "…"


# -- hooks -------------------------------------------------------------------------------------------------------------


def _find_hooks(tree: ast.Module) -> tuple[list[str], list[str]]:
    """``(hooks, reasons)`` of the functions at the top level."""
    hooks: dict[str, None] = {}
    reasons: list[str] = []
    for name, function in _top_level_functions(tree.body):
        line = function.lineno
        if name in hook_names():
            hooks[name] = None
            reasons += _wrong_parameters(name, function)
        elif name[:2] == "on" and name[2:3].isupper():
            near = get_close_matches(name, hook_names(), 1, 0.6)
            hint = f"did you mean {near[0]!r}?" if near else f"the hooks are {', '.join(hook_names())}"
            reasons.append(f"Line {line}: {name!r} is not a hook; {hint}")
    return list(hooks), reasons


def _top_level_functions(body: list[ast.stmt]) -> Iterator[tuple[str, ast.FunctionDef | ast.Lambda]]:
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


def _wrong_parameters(hook: str, function: ast.FunctionDef | ast.Lambda) -> Iterator[str]:
    """A reason where ``function`` cannot take what the hook is called with, or would not run when it is called."""
    wanted, arguments, line = parameters_of(hook), function.args, function.lineno
    if any(isinstance(node, ast.Yield | ast.YieldFrom) for node in _own_nodes(function)):
        yield f"Line {line}: {hook!r} must not use yield; a generator does nothing when it is called"
    given = len(arguments.posonlyargs) + len(arguments.args)
    needed = given - len(arguments.defaults)
    keyword_only = [value for value in arguments.kw_defaults if value is None]
    if needed > len(wanted) or (given < len(wanted) and not arguments.vararg) or keyword_only:
        yield f"Line {line}: {hook!r} is called with ({', '.join(wanted)}), but takes {given} parameters"


def _own_nodes(function: ast.AST) -> Iterator[ast.AST]:
    """Everything inside, except inside functions of its own."""
    pending = list(ast.iter_child_nodes(function))
    while pending:
        node = pending.pop()
        yield node
        if not isinstance(node, ast.FunctionDef | ast.Lambda):
            pending += ast.iter_child_nodes(node)


# -- names -------------------------------------------------------------------------------------------------------------


def _unknown_names(tree: ast.Module) -> Iterator[str]:
    """A reason for each name that nothing in the script binds and that is no helper."""
    bound, loaded = set(known_names()), []
    for node in _without_annotations(tree):
        if isinstance(node, ast.Name):
            if isinstance(node.ctx, ast.Load):
                loaded.append(node)
            else:
                bound.add(node.id)
        bound.update(_bound_by(node))
    for node in loaded:
        if node.id not in bound and not node.id.startswith("_"):
            yield f"Line {node.lineno}: {node.id!r} is not available{_instead(node.id, bound)}"


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
    near = get_close_matches(name, bound, 1, 0.8)
    return f"; did you mean {near[0]!r}?" if near else ""


def known_names() -> frozenset[str]:
    """Every name a script can use without binding it: builtins and helpers."""
    return frozenset(script_builtins({})) | helper_names() | {"print"}


# -- top level ---------------------------------------------------------------------------------------------------------


def run_top_level(script: CompiledScript, scope: dict[str, Any]) -> dict[str, Callable[..., Any]]:
    """Run the script's top level in ``scope`` once; its hooks by name.

    Raises:
        ScriptRejected: a hook's name is bound to something that cannot be called.
        Whatever the script raises.
    """
    exec(script.code, scope)
    hooks = {name: scope[name] for name in hook_names() if name in scope}
    reasons = [f"{name!r} is not a function" for name, value in hooks.items() if not callable(value)]
    if reasons:
        raise ScriptRejected(script.name, reasons)
    return hooks
