"""From the bytes of a call to a typed method and back: what a script may call, and nothing else.

A script's mistakes (an unknown helper, a wrong type) come back to it as an exception; only what no honest host sends is
a ``ProtocolViolation``.
"""

from __future__ import annotations

import functools
import inspect
import logging
import typing
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from typing import Any, NamedTuple, TypeVar

import msgspec

from engine.errors import ProtocolViolation, RemoraError, ScriptError
from engine.frames.endpoint import MAX_MESSAGE_BYTES
from engine.frames.host import Call, Reply
from engine.log import printable

_log = logging.getLogger(__name__)
_nil = msgspec.Raw(msgspec.msgpack.encode(None))
_MAX_VALUE_BYTES = MAX_MESSAGE_BYTES - 256
_MAX_ERROR_CHARACTERS = 4096

Methods = Mapping[str, Callable[..., Any]]
Method = TypeVar("Method", bound=Callable[..., Any])


class CallRefused(ScriptError):
    """A helper was called in a way it cannot be called."""

    def __init__(self, helper: str, reason: str) -> None:
        super().__init__(f"{printable(helper, 100)}: {reason}")


def helper(name: str, *, slow: bool = False, once: bool = False) -> Callable[[Method], Method]:
    """Marks a method as what a script calls ``name``; its annotations are the types that a call is held to.

    Args:
        name: what scripts call it.
        slow: it may take more than some milliseconds; it runs beside the loop.
        once: a second run would do something else than the first, so its reply is remembered beyond our own death.
    """

    def mark(method: Method) -> Method:
        method.__dict__.update(helper_name=name, helper_slow=slow, helper_once=once)
        return method

    return mark


class _Parameter(NamedTuple):
    name: str
    decoder: msgspec.msgpack.Decoder[Any]


class _Signature(NamedTuple):
    parameters: tuple[_Parameter, ...]
    required: int

    def __str__(self) -> str:
        return "(" + ", ".join(parameter.name for parameter in self.parameters) + ")"


@functools.cache
def _signature(function: Callable[..., Any]) -> _Signature:
    hints = typing.get_type_hints(function)
    taken = list(inspect.signature(function).parameters.values())[1:]
    parameters = tuple(_Parameter(item.name, msgspec.msgpack.Decoder(hints[item.name])) for item in taken)
    return _Signature(parameters, sum(item.default is inspect.Parameter.empty for item in taken))


def methods_of(owners: Iterable[object]) -> dict[str, Callable[..., Any]]:
    """Every marked method of ``owners``, by the name that scripts use."""
    found: dict[str, Callable[..., Any]] = {}
    for owner in owners:
        for _, method in inspect.getmembers(owner, inspect.ismethod):
            name = getattr(method, "helper_name", None)
            if name is not None:
                assert name not in found, f"two helpers are called {name}"
                _signature(method.__func__)
                found[name] = method
    return found


def is_slow(methods: Methods, call: Call) -> bool:
    """Whether the call must not run in the loop."""
    return getattr(methods.get(call.helper), "helper_slow", False)


def is_once(methods: Methods, call: Call) -> bool:
    """Whether the call must not run twice."""
    return getattr(methods.get(call.helper), "helper_once", False)


def answer(methods: Methods, call: Call) -> Reply:
    """Run one call. Total, except for what no honest host sends.

    Raises:
        ProtocolViolation: an argument that is not msgpack.
    """
    try:
        return Reply(call.seq, "", _packed(call.helper, _run(methods, call)))
    except ProtocolViolation:
        raise
    except RemoraError as error:
        reason = str(error)
    except OSError as error:
        where = f"{error.filename!r}: " if error.filename is not None else ""
        reason = f"{call.helper}: {where}{(error.strerror or str(error)).lower()}"
    except Exception:  # a fault of ours must not take the broker away from every other script, again and again
        _log.exception("helper_failed helper=%s", printable(call.helper, 100))
        reason = f"{printable(call.helper, 100)}: failed inside Remora; its log says why"
    return Reply(call.seq, reason[:_MAX_ERROR_CHARACTERS], _nil)


def _run(methods: Methods, call: Call) -> Any:
    method = methods.get(call.helper)
    if method is None:
        near = get_close_matches(call.helper[:100], methods, n=1)
        raise CallRefused(call.helper, "there is no such helper" + (f"; did you mean {near[0]!r}?" if near else ""))
    return method(*_arguments(call, _signature(method.__func__)))  # type: ignore[attr-defined]  # a bound method


def _arguments(call: Call, signature: _Signature) -> list[Any]:
    if not signature.required <= len(call.args) <= len(signature.parameters):
        raise CallRefused(call.helper, f"expected arguments {signature}, got {len(call.args)}")
    return [
        _decode(call.helper, parameter, raw) for parameter, raw in zip(signature.parameters, call.args, strict=False)
    ]


def _decode(name: str, parameter: _Parameter, raw: msgspec.Raw) -> Any:
    try:
        return parameter.decoder.decode(raw)
    except msgspec.ValidationError as error:
        raise CallRefused(
            name, f"{parameter.name}: {str(error)[:300].replace('`', '').replace('Expected', 'expected')}"
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProtocolViolation(f"{name[:100]}: an argument that is not msgpack: {str(error)[:100]}") from None


def _packed(name: str, value: Any) -> msgspec.Raw:
    packed = msgspec.msgpack.encode(value)
    if len(packed) > _MAX_VALUE_BYTES:
        raise CallRefused(name, f"the answer has {len(packed)} bytes, more than the {_MAX_VALUE_BYTES} that fit")
    return msgspec.Raw(packed)
