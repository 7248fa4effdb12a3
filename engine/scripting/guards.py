"""What the rewritten text of a script calls at run time, and the builtins it sees."""

from __future__ import annotations

import builtins
import operator
from collections.abc import Callable
from typing import Any, NoReturn

RISKY_ATTRIBUTES = frozenset(
    {"format", "format_map", "vformat", "get_field", "get_value", "mro", "with_traceback", "obj"}
)
"""Public attributes that lead from plain values into the interpreter; their loads keep a guard."""

_SAFE_BUILTINS = """
    abs all any bool bytes callable chr complex dict divmod enumerate filter float frozenset hash hex id int isinstance
    issubclass iter len list map max min next object oct ord pow property range repr reversed round set slice sorted
    classmethod staticmethod str sum tuple zip None True False Ellipsis __build_class__
    ArithmeticError AssertionError AttributeError EOFError Exception FloatingPointError IndexError KeyError LookupError
    MemoryError NameError NotImplementedError OSError OverflowError RecursionError RuntimeError StopIteration TypeError
    UnicodeDecodeError UnicodeEncodeError UnicodeError ValueError ZeroDivisionError
""".split()  # noqa: SIM905  # read as a text, not as 70 lines

_IN_PLACE: dict[str, Callable[[Any, Any], Any]] = {
    "+=": operator.iadd,
    "-=": operator.isub,
    "*=": operator.imul,
    "/=": operator.itruediv,
    "//=": operator.ifloordiv,
    "%=": operator.imod,
    "**=": operator.ipow,
    "<<=": operator.ilshift,
    ">>=": operator.irshift,
    "|=": operator.ior,
    "&=": operator.iand,
    "^=": operator.ixor,
    "@=": operator.imatmul,
}

_MARK = "_made_by_script"


class Stop(BaseException):
    """The CPU budget of a call is spent. Not an ``Exception``, so that a script's ``except Exception`` lets it pass."""


def script_builtins(additions: dict[str, Any]) -> dict[str, Any]:
    """The ``__builtins__`` of a script: safe ones, and ``additions``."""
    return {name: getattr(builtins, name) for name in _SAFE_BUILTINS} | additions


def guards() -> dict[str, Any]:
    """The functions that ``engine.scripting.policy`` emits calls to, by name."""
    return {
        "_stop_": False,
        "_over_": over,
        "_getattr_": guarded_getattr,
        "_write_": writable,
        "_inplace_item_": inplace_item,
        "_inplace_attribute_": inplace_attribute,
        "__metaclass__": script_class,
    }


def over() -> NoReturn:
    """End the running call."""
    raise Stop


def guarded_getattr(value: Any, name: str) -> Any:
    """Load a risky attribute, except where it leads out: from text, types and exceptions.

    Raises:
        TypeError: it would.
    """
    if isinstance(value, str | bytes | type | BaseException):
        kind = value.__name__ if isinstance(value, type) else type(value).__name__
        hint = "; use an f-string" if name.startswith("format") else ""
        raise TypeError(f"'.{name}' of {kind} is not available{hint}")
    return getattr(value, name)


def script_class(name: str, bases: tuple[Any, ...], members: dict[str, Any]) -> type:
    """The metaclass of scripts: an ordinary class, marked so that its instances can be written to."""
    return type(name, bases, {**members, _MARK: True})


def writable(value: Any) -> Any:
    """``value`` where a script may store into it: dicts, lists, its own classes and their instances.

    Raises:
        TypeError: helpers, items, env and everything else.
    """
    kind = type(value)
    if kind is dict or kind is list or getattr(kind, _MARK, False):
        return value
    if kind is type and getattr(value, _MARK, False):
        return value
    raise TypeError(f"{value.__name__ if kind is type else kind.__name__.lower()} is read-only")


def inplace_item(symbol: str, container: Any, key: Any, value: Any) -> None:
    """``container[key] += value``.

    Raises:
        TypeError: the container is read-only.
    """
    target = writable(container)
    target[key] = _IN_PLACE[symbol](target[key], value)


def inplace_attribute(symbol: str, owner: Any, name: str, value: Any) -> None:
    """``owner.name += value``.

    Raises:
        TypeError: the owner is read-only.
    """
    target = writable(owner)
    before = guarded_getattr(target, name) if name in RISKY_ATTRIBUTES else getattr(target, name)
    setattr(target, name, _IN_PLACE[symbol](before, value))
