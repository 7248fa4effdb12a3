"""What the rewritten text of a script calls at run time, and the builtins it sees."""

from __future__ import annotations

import builtins
import importlib
import operator
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from typing import Any, NoReturn

from RestrictedPython.transformer import INSPECT_ATTRIBUTES

RISKY_ATTRIBUTES = frozenset(
    {"format", "format_map", "vformat", "get_field", "get_value", "mro", "with_traceback", "obj"}
)
"""Public attributes that lead from plain values into the interpreter; their loads keep a guard."""

_SAFE_BUILTINS = """
    abs all any ascii bin bool bytearray bytes callable chr complex dict divmod enumerate filter float format frozenset
    hash hex id int isinstance issubclass iter len list map max min next object oct ord pow property range repr reversed
    round set slice sorted classmethod staticmethod str sum super tuple zip None True False Ellipsis NotImplemented
    __build_class__
    ArithmeticError AssertionError AttributeError ConnectionError EOFError Exception FileExistsError FileNotFoundError
    FloatingPointError ImportError IndexError KeyError LookupError MemoryError ModuleNotFoundError NameError
    NotImplementedError OSError OverflowError PermissionError RecursionError RuntimeError StopIteration TimeoutError
    TypeError UnicodeDecodeError UnicodeEncodeError UnicodeError ValueError ZeroDivisionError
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
_STORABLE: set[type] = {dict, list, bytearray, Counter, OrderedDict, defaultdict, deque}
"""Types into whose instances a script may store: containers, and the first of its own classes."""
MAX_STORABLE = 256
"""A class in it lives as long as the process; further ones are known by their mark, which takes 50 ns more."""
_NOTHING = object()

LATE_IMPORTS = frozenset("_strptime time datetime re locale _locale unicodedata heapq calendar stringprep".split())  # noqa: SIM905
"""What functions of C import when they are first called, such as ``strptime``; from the frame of the script, so with
its builtins. Loaded with this module, so before the jail closes."""
for _module in LATE_IMPORTS:
    importlib.import_module(_module)


class Stop(BaseException):
    """The CPU budget of a call is spent. Not an ``Exception``, so that a script's ``except Exception`` lets it pass."""


def script_builtins(additions: dict[str, Any]) -> dict[str, Any]:
    """The ``__builtins__`` of a script: safe ones, and ``additions``."""
    ours = {"getattr": get_attribute, "hasattr": has_attribute, "setattr": set_attribute, "__import__": late_import}
    return {name: getattr(builtins, name) for name in _SAFE_BUILTINS} | ours | additions


def guards() -> dict[str, Any]:
    """The functions that ``engine.scripting.policy`` emits calls to, by name."""
    return {
        "_stop_": False,
        "_over_": over,
        "_getattr_": guarded_getattr,
        "_write_": writable,
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
    if isinstance(value, str | bytes | bytearray | type | BaseException) or type(value) is super:
        kind = value.__name__ if isinstance(value, type) else type(value).__name__
        hint = "; use an f-string" if name.startswith("format") else ""
        raise TypeError(f"'.{name}' of {kind} is not available{hint}")
    return getattr(value, name)


def get_attribute(value: Any, name: str, default: Any = _NOTHING, /) -> Any:
    """The builtin ``getattr``, for the names that a script could have written down.

    Raises:
        TypeError: another name.
        AttributeError: as the builtin.
    """
    _check_name(name)
    try:
        return guarded_getattr(value, name) if name in RISKY_ATTRIBUTES else getattr(value, name)
    except AttributeError:
        if default is _NOTHING:
            raise
        return default


def has_attribute(value: Any, name: str, /) -> bool:
    """The builtin ``hasattr``, likewise."""
    return get_attribute(value, name, _NOTHING_THERE) is not _NOTHING_THERE


def set_attribute(value: Any, name: str, new: Any, /) -> None:
    """The builtin ``setattr``, likewise, where the script may store.

    Raises:
        TypeError: another name, or ``value`` is read-only.
    """
    _check_name(name)
    setattr(writable(value), name, new)


_NOTHING_THERE = object()


def _check_name(name: str) -> None:
    """Exactly text: a subclass could be another name each time it is looked at."""
    if type(name) is not str:
        raise TypeError(f"expected the name of an attribute, got {type(name).__name__}")
    if name.startswith("_") or name.endswith("__roles__") or name in INSPECT_ATTRIBUTES:
        raise TypeError(f"'.{name[:100]}' is not available; it belongs to the interpreter")


def late_import(name: str, *_: object) -> None:
    """What the interpreter calls for an ``import`` inside a function of C; it takes the module from its own table.

    No script can name this, and it gives nothing.

    Raises:
        ImportError: nothing that was loaded beforehand.
    """
    if name not in LATE_IMPORTS:
        raise ImportError(f"import of {name!r} is not available")


def script_class(name: str, bases: tuple[Any, ...], members: dict[str, Any]) -> type:
    """The metaclass of scripts: an ordinary class, marked so that its instances can be written to."""
    made = type(name, bases, {**members, _MARK: True})
    if len(_STORABLE) < MAX_STORABLE:
        _STORABLE.add(made)
    return made


def writable(value: Any) -> Any:
    """``value`` where a script may store into it: containers, its own classes and their instances.

    Raises:
        TypeError: helpers, items, env and everything else.
    """
    kind = type(value)
    if kind in _STORABLE or getattr(kind, _MARK, False):
        return value
    if kind is type and getattr(value, _MARK, False):
        return value
    raise TypeError(f"{value.__name__ if kind is type else kind.__name__.lower()} is read-only")


def inplace_attribute(symbol: str, owner: Any, name: str, value: Any) -> None:
    """``owner.name += value``, where ``name`` is a risky one.

    Raises:
        TypeError: the owner is read-only.
    """
    target = writable(owner)
    setattr(target, name, _IN_PLACE[symbol](guarded_getattr(target, name), value))
