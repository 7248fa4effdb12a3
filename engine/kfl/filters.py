"""The front of the language: a text becomes a ``Filter`` once, and is then only called."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from engine.kfl.codegen import Predicate, build
from engine.kfl.macros import expand
from engine.kfl.parsing import mistake
from engine.kfl.protocols import protocols_of

Dialect = Literal["kfl", "auto"]

CACHED_FILTERS = 512


@dataclass(frozen=True, slots=True, eq=False)
class Filter:
    """A compiled filter."""

    text: str
    """As it was written."""
    protocols: frozenset[str] | None = field(repr=False)
    """The ``protocol.name`` of every item that can match; None is any."""
    matches: Predicate = field(repr=False)
    """``matches(item, recordings=())``: a plain function, since a method around it would cost half as much again."""


def compile(text: str, dialect: Dialect = "auto", macros: Mapping[str, str] | None = None) -> Filter:
    """The filter that ``text`` describes; an empty text matches everything. Compiled once and remembered.

    Args:
        text: the filter.
        dialect: the language; ``auto`` finds out.
        macros: names and the filters they stand for; they go before the built-in ones.

    Raises:
        KflError: ``text``, or a macro it uses, is wrong; says where.
    """
    return _compile(text, dialect, tuple(sorted(macros.items())) if macros else ())


@functools.lru_cache(CACHED_FILTERS)
def _compile(text: str, dialect: Dialect, macros: tuple[tuple[str, str], ...]) -> Filter:
    if dialect not in get_args(Dialect):
        raise mistake(f"unknown dialect {dialect!r}", "", 0, f"expected one of {', '.join(get_args(Dialect))}")
    try:
        tree = expand(text, dict(macros))
        return Filter(text, protocols_of(tree), build(tree))
    except RecursionError:  # only where the caller has used up most of the stack
        raise mistake("nested too deeply for the place that compiles it", text, 0) from None
