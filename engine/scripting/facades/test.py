"""``test``: a verdict on an item, for ``onItemQueried`` to return."""

from __future__ import annotations

from typing import Any

from engine.scripting.calls import HelperError
from engine.scripting.facades.facade import Facade
from engine.scripting.plain import NotPlain, plain


class Test(Facade):
    """Items are read-only: each function returns a copy, a dict, that says more."""

    __slots__ = ()

    def pass_(self, data: Any) -> dict[str, Any]:
        """A copy of the item with ``passed`` true and ``failed`` false; ``pass`` alone is a keyword of Python."""
        return {**_copy("test.pass_", data), "passed": True, "failed": False}

    def fail(self, data: Any) -> dict[str, Any]:
        """A copy of the item with ``failed`` true and ``passed`` false."""
        return {**_copy("test.fail", data), "passed": False, "failed": True}


def _copy(helper: str, data: Any) -> dict[str, Any]:
    try:
        copied = plain(data)
    except NotPlain as error:
        raise HelperError(f"{helper}: {error}") from None
    if type(copied) is not dict:
        raise HelperError(f"{helper}: expected an item or a dict, got {type(data).__name__}")
    return copied
