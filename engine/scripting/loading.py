"""From the text of a script to its hooks: every mistake at once, in words its author can act on."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from types import CodeType
from typing import Any

from engine import kfl
from engine.errors import ScriptRejected
from engine.scripting.constants import ReadFilter, wrong_constants
from engine.scripting.containers import own_containers
from engine.scripting.facades.scope import Scope
from engine.scripting.finding import find_hooks
from engine.scripting.header import Header, read_header
from engine.scripting.names import known_names, names_bound, unknown_functions, unknown_names, uses_global
from engine.scripting.policy import Policy
from hooks.specs import FIRED, hook_names

MAX_SOURCE_BYTES = 256 * 1024
MAX_REASONS = 50
MAX_REASON_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class ScriptReport:
    """What is known about a script before it runs."""

    hooks: tuple[str, ...]
    warnings: tuple[str, ...]
    header: Header = Header()
    keeps_state: bool = False
    """It uses the ``state`` that survives its process."""


@dataclass(frozen=True, slots=True)
class CompiledScript:
    """A script that may run."""

    name: str
    code: CodeType
    report: ScriptReport


def check_script(text: str, name: str, read_filter: ReadFilter = kfl.compile) -> ScriptReport:
    """What ``text`` would listen to, without running any of it.

    Raises:
        ScriptRejected: it would not be loaded; carries every reason.
    """
    return compile_script(text.encode(errors="surrogatepass"), name, read_filter).report


def compile_script(source: bytes, name: str, read_filter: ReadFilter = kfl.compile) -> CompiledScript:
    """Check and compile, without running anything. ``read_filter`` compiles the filters that are written down in it.

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
            return _compile(source.decode("utf-8-sig"), name, noticed, read_filter)
    except UnicodeDecodeError as error:
        reason = f"expected UTF-8, got byte 0x{source[error.start]:02x} at offset {error.start}"
    except SyntaxError as error:
        where = f"Line {error.lineno}: " if error.lineno else ""
        reason = f"{where}{error.msg}" + (f": {error.text.strip()[:80]!r}" if error.text else "")
        if "test.pass(" in (error.text or ""):
            reason += "; pass is a keyword of Python, write test.pass_"
    except (RecursionError, MemoryError):
        reason = "it is nested too deeply, or too large, to be compiled"
    except ValueError as error:
        reason = f"it cannot be read as Python: {error}"
    raise ScriptRejected(name, [_short(reason)])


def _compile(text: str, name: str, noticed: list[warnings.WarningMessage], read_filter: ReadFilter) -> CompiledScript:
    tree = ast.parse(text, name)
    hooks, reasons = find_hooks(tree)
    reasons += unknown_names(tree)
    reasons += unknown_functions(tree)
    reasons += wrong_constants(tree, names_bound(tree), read_filter)
    keeps_state = uses_global(text, name, "state")
    policy = Policy()
    policy.containers = own_containers(tree, known_names())
    policy.visit(tree)
    reasons += policy.errors
    if reasons:
        raise ScriptRejected(name, _tidy(reasons))
    code = compile(tree, name, "exec", dont_inherit=True)
    told = [f"{hook!r}: nothing fires it yet" for hook in hooks if hook not in FIRED]
    told += [f"Line {warning.lineno}: {warning.message}" for warning in noticed]
    return CompiledScript(name, code, ScriptReport(tuple(hooks), tuple(_tidy(told)), read_header(text), keeps_state))


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


# -- top level ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LoadedScript:
    """What listens, once the top level has run."""

    hooks: dict[str, Callable[..., Any]]
    filters: list[str]
    """KFL; an item that none of them matches is not for this script. Empty: each is."""


def run_top_level(script: CompiledScript, scope: Scope) -> LoadedScript:
    """Run the script's top level in ``scope`` once.

    Raises:
        ScriptRejected: a hook's name is bound to something that cannot be called.
        Whatever the script raises.
    """
    exec(script.code, scope.names)
    hooks = {name: scope.names[name] for name in hook_names() if name in scope.names}
    reasons = [f"{name!r} is not a function" for name, value in hooks.items() if not callable(value)]
    if reasons:
        raise ScriptRejected(script.name, reasons)
    listener, filters = scope.listeners.close(hooks.get("onItemCaptured"))
    if listener is not None:
        hooks["onItemCaptured"] = listener
    return LoadedScript({name: hooks[name] for name in hook_names() if name in hooks}, filters)
