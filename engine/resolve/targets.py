"""Capture filters by name: ``tap.regex``, ``tap.namespaces``, ``tap.excludedNamespaces``, with Kubeshark's meaning.

A filter chooses pods, not packets: a stream is captured when one of its ends is a target, whoever the other one is.
"""

from __future__ import annotations

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


def overruled(options: TargetOptions, sources: Sequence[str], bpf: str) -> tuple[str, ...]:
    """Keys that have no effect, since ``tap.bpfOverride`` takes their place on interfaces, as Kubeshark has it."""
    return options.chosen if bpf and any(source.startswith("iface:") for source in sources) else ()


class Targets:
    """What each address is to the filters."""

    def __init__(self, options: TargetOptions, resolver: Resolver, finds: Callable[[str], bool]) -> None:
        """``finds``: whether ``tap.regex`` is found in a name."""
        self.resolver, self._finds = resolver, finds
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
