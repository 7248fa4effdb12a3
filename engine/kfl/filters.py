"""The front of the language: a text becomes a ``Filter`` once, and is then only called."""

from __future__ import annotations

import functools
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from engine.clock import wall_ns
from engine.errors import KflError
from engine.kfl.advice import advise
from engine.kfl.cel.advice import advise as advise_cel
from engine.kfl.cel.checking import check as cel_check
from engine.kfl.cel.codegen import build as cel_build
from engine.kfl.cel.parsing import parse as cel_parse
from engine.kfl.cel.protocols import protocols_of as cel_protocols
from engine.kfl.codegen import Predicate, Traced, build, build_traced
from engine.kfl.diagnostics import Diagnostic
from engine.kfl.dialects import looks_like_kfl2, may_be_kfl2, two_meanings
from engine.kfl.helpers import calls_of, constant_arguments
from engine.kfl.macros import expand
from engine.kfl.parsing import mistake
from engine.kfl.paths import Steps
from engine.kfl.protocols import protocols_of
from engine.kfl.redaction import redacted, redaction

Dialect = Literal["kfl", "kfl2", "auto"]

CACHED_FILTERS = 512


def wall_ms() -> int:
    """Milliseconds since the epoch, UTC: what ``now()`` says of live traffic."""
    return wall_ns() // 1_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Filter:
    """A compiled filter."""

    text: str
    """As it was written."""
    dialect: Literal["kfl", "kfl2"]
    """The language it is in."""
    guessed: bool = field(repr=False)
    """Whether nobody said which one."""
    macros: tuple[tuple[str, str], ...] = field(repr=False)
    """Those it was compiled with, besides the built-in ones."""
    protocols: frozenset[str] | None = field(repr=False)
    """The ``protocol.name`` of every item that can match; None is any."""
    recordings: frozenset[str] = field(repr=False)
    """The recordings that ``record()`` asks about."""
    limit: int | None = field(repr=False)
    """How many items ``limit()`` wants; the leftmost counts, 0 does not."""
    redactions: tuple[Steps, ...] = field(repr=False)
    """What every ``redact()`` in it asks for, reached or not."""
    matches: Predicate = field(repr=False)
    """``matches(item, recordings=())``: a plain function, since a method around it would cost half as much again."""
    _traced: Traced | None = field(repr=False)
    """The same for a filter with ``redact()``."""

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """What its author should know though it is no error, in the order of the text."""
        if self.dialect == "kfl2":
            return tuple(advise_cel(self.text))
        remarks = advise(self.text, dict(self.macros))
        return (*remarks, *two_meanings(self.text)) if self.guessed else tuple(remarks)

    def apply(self, item: Mapping[str, Any], recordings: Container[str] = ()) -> tuple[bool, Mapping[str, Any]]:
        """``(whether it matches, the item)``: a copy of it where ``redact()`` was reached on the way, else itself."""
        if self._traced is None:
            return self.matches(item, recordings), item
        reached: list[Any] = []
        matched = self._traced(item, recordings, reached)
        return matched, redacted(item, reached) if reached else item


def compile(
    text: str,
    dialect: Dialect = "auto",
    macros: Mapping[str, str] | None = None,
    *,
    clock: Callable[[], int] = wall_ms,
) -> Filter:
    """The filter that ``text`` describes; an empty text matches everything. Compiled once and remembered.

    Args:
        text: the filter.
        dialect: the language; ``auto`` finds out.
        macros: names and the filters they stand for; they go before the built-in ones.
        clock: what ``now()`` asks, milliseconds since the epoch; asked for each item.

    Raises:
        KflError: ``text``, or a macro it uses, is wrong; says where.
    """
    return _compile(text, dialect, tuple(sorted(macros.items())) if macros else (), clock)


@functools.lru_cache(CACHED_FILTERS)
def _compile(text: str, dialect: Dialect, macros: tuple[tuple[str, str], ...], clock: Callable[[], int]) -> Filter:
    if dialect not in get_args(Dialect):
        raise mistake(f"unknown dialect {dialect!r}", "", 0, f"expected one of {', '.join(get_args(Dialect))}")
    try:
        if dialect == "kfl2":
            return _kfl2(text, False, clock)
        return _kfl(text, False, macros, clock) if dialect == "kfl" else _either(text, macros, clock)
    except RecursionError:  # only where the caller has used up most of the stack
        raise mistake("nested too deeply for the place that compiles it", text, 0) from None


def _either(text: str, macros: tuple[tuple[str, str], ...], clock: Callable[[], int]) -> Filter:
    """KFL where it parses as that, else KFL2; where it is neither, what is wrong with the one it looks like."""
    try:
        return _kfl(text, True, macros, clock)
    except KflError as error:
        first = error
    if not may_be_kfl2(text, macros):
        raise first
    try:
        return _kfl2(text, True, clock)
    except KflError as second:
        raise second if looks_like_kfl2(text) else first from None


def _kfl(text: str, guessed: bool, macros: tuple[tuple[str, str], ...], clock: Callable[[], int]) -> Filter:
    tree = expand(text, dict(macros))
    calls = calls_of(tree)
    limits = [constant_arguments(call)[0] for call in calls if call.name == "limit"]
    return Filter(
        text,
        "kfl",
        guessed,
        macros,
        protocols_of(tree),
        frozenset(constant_arguments(call)[0] for call in calls if call.name == "record"),
        next(filter(None, limits), None),
        tuple(redaction(path) for call in calls if call.name == "redact" for path in constant_arguments(call)),
        build(tree, clock),
        build_traced(tree, clock) if any(call.name == "redact" for call in calls) else None,
    )


def _kfl2(text: str, guessed: bool, clock: Callable[[], int]) -> Filter:
    typed = cel_check(cel_parse(text), text)
    return Filter(text, "kfl2", guessed, (), cel_protocols(typed), frozenset(), None, (), cel_build(typed, clock), None)
