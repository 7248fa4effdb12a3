"""``console``: lines for the person who runs the script."""

from __future__ import annotations

from typing import Any

from engine.scripting.facades.facade import Remote


class Console(Remote):
    """Lines are cut at 2048 characters, limited per second, and escaped before anybody reads them."""

    __slots__ = ()

    def log(self, *values: Any) -> None:
        """Write ``values``, joined by one space."""
        self._calls.log("log", _line(values))

    def error(self, *values: Any) -> None:
        """Write ``values`` as an error."""
        self._calls.log("error", _line(values))

    def clear(self) -> None:
        """Kept for scripts of Kubeshark; a console that is a log cannot be cleared, so nothing happens."""

    def print(self, *values: Any, sep: str = " ", end: str = "") -> None:
        """What the builtin ``print`` does here."""
        self._calls.log("log", str(sep).join(map(str, values)) + str(end).rstrip("\n"))


def _line(values: tuple[Any, ...]) -> str:
    return " ".join(map(str, values))
