"""Capture filters by name: ``tap.regex``, ``tap.namespaces``, ``tap.excludedNamespaces``, with Kubeshark's meaning.

A filter chooses pods, not packets: a stream is captured when one of its ends is a target, whoever the other one is.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Sequence

from engine.errors import ConfigError
from engine.resolve.options import ResolveOptions, TargetOptions
from engine.resolve.resolver import NOBODY, Resolver

TARGET, UNKNOWN, OTHER, EXCLUDED = 1, 2, 4, 8
"""What an end of a stream is; two of them together are the sum of both."""


def check_targets(options: TargetOptions, resolve: ResolveOptions) -> None:
    """Raises ``ConfigError`` where filters are set and nobody has a name: nothing would be captured."""
    if options.chosen and not resolve.names:
        hint = "set resolve.names, or filter by address with tap.bpfOverride"
        raise ConfigError(options.chosen[0], "names of addresses to go by", "none", hint)


def compile_regex(where: str, text: str) -> Callable[[str], object]:
    """A function that finds ``text`` anywhere in a name.

    Raises:
        ConfigError: ``text`` is no regular expression; its message points at the place.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about constructs that may change their meaning one day
            return re.compile(text).search
    except re.error as error:
        place = error.pos if error.pos is not None else 0
        line = text[:place].count("\n")
        column = place - (text.rfind("\n", 0, place) + 1)
        shown = text.splitlines()[line] if text.splitlines()[line:] else ""
        hint = f"{error.msg} at position {place}\n  {shown}\n  {' ' * column}^"
        raise ConfigError(where, "a regular expression", text, hint) from None
    except (RecursionError, OverflowError):
        raise ConfigError(where, "a regular expression", text, "it is nested too deeply or repeats too often") from None


def overruled(options: TargetOptions, sources: Sequence[str], bpf: str) -> tuple[str, ...]:
    """Keys that have no effect, since ``tap.bpfOverride`` takes their place on interfaces, as Kubeshark has it."""
    return options.chosen if bpf and any(source.startswith("iface:") for source in sources) else ()


class Targets:
    """What each address is to the filters."""

    def __init__(self, options: TargetOptions, resolver: Resolver) -> None:
        """Raises ``ConfigError``: ``tap.regex`` is no regular expression."""
        self.resolver = resolver
        self._finds = compile_regex("tap.regex", options.regex)
        self._namespaces = frozenset(options.namespaces)
        self._excluded = frozenset(options.excluded_namespaces)
        self._only_excludes = options.chosen == ("tap.excludedNamespaces",)

    def end(self, ip: str, port: int, timestamp_ns: int) -> int:
        """``TARGET``, ``EXCLUDED``, ``UNKNOWN`` where nobody has that address, else ``OTHER``."""
        name = self.resolver.name_of(ip, port, timestamp_ns)
        if name == NOBODY:
            return UNKNOWN
        if name.namespace in self._excluded:
            return EXCLUDED
        if self._namespaces and name.namespace not in self._namespaces:
            return OTHER
        return TARGET if self._finds(name.pod or name.name) else OTHER

    def keeps(self, ends: int) -> bool:
        """Whether a stream is captured whose ends are ``ends``, both together.

        Where something is excluded and nothing asked for, strangers among themselves are captured as well.
        """
        return bool(ends & TARGET) or (self._only_excludes and not ends & EXCLUDED)
