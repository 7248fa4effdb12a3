"""``kfl``: filters, compiled and evaluated in the script's own process, so that a match costs no message."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from engine import kfl
from engine.scripting.calls import HelperError
from engine.scripting.facades.facade import Facade, fill

MAX_FILTERS = 256
MAX_QUERY_CHARACTERS = 16 * 1024


class KflError(HelperError):
    """A filter that cannot be read; the text says where."""


class Kfl(Facade):
    """Remembers the filters it has compiled, and whether one has matched since it was last asked."""

    __slots__ = ("_dialect", "_filters", "_macros", "_matches")

    _filters: dict[str, kfl.Filter]
    _matches: list[bool]
    _dialect: Any
    _macros: dict[str, str]

    def __init__(self, dialect: str = "auto", macros: dict[str, str] | None = None) -> None:
        fill(self, _filters={}, _matches=[], _dialect=dialect, _macros=macros or {})

    def match(self, query: str, data: Any) -> bool:
        """Whether ``data`` (an item, or a dict like one) matches the filter ``query``.

        Raises:
            KflError: ``query`` is no filter.
        """
        found = self._filters.get(query) if type(query) is str else None
        if (found or self._compile(query)).matches(data):
            if not self._matches:
                self._matches.append(True)
            return True
        return False

    def validate(self, query: str) -> bool:
        """Whether ``query`` is a filter."""
        try:
            self._compile(query)
        except KflError:
            return False
        return True

    def _compile(self, query: str) -> kfl.Filter:
        if type(query) is not str:
            raise KflError(f"kfl: expected the text of a filter, got {type(query).__name__}")
        if len(query) > MAX_QUERY_CHARACTERS:
            raise KflError(f"kfl: expected a filter of at most {MAX_QUERY_CHARACTERS} characters, got {len(query)}")
        try:
            compiled = kfl.compile(query, self._dialect, self._macros)
        except kfl.KflError as error:
            where = f"line {error.line}, column {error.column}"
            raise KflError(f"kfl: {error.reason} at {where}" + (f"; {error.hint}" if error.hint else "")) from None
        if len(self._filters) >= MAX_FILTERS:
            self._filters.clear()
        self._filters[query] = compiled
        return compiled


def compiler(facade: Kfl) -> Callable[[str], kfl.Filter]:
    """What reads filters as the operator has said; for the host, not for scripts."""
    return partial(kfl.compile, dialect=facade._dialect, macros=facade._macros)


def matches_of(facade: Kfl) -> list[bool]:
    """Filled where a filter has matched, for the host to empty; not for scripts."""
    return facade._matches
