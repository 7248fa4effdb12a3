"""Configuration of name resolution."""

from __future__ import annotations

from dataclasses import dataclass

from engine.options import option


@dataclass(frozen=True, slots=True)
class ResolveOptions:
    """The embedded resolver is a file; the Kubernetes API can take its place behind the same interface."""

    names: str = option(
        "", "resolve.names", "YAML file that gives addresses their names (see docs/configuration.md).", kind="path"
    )


@dataclass(frozen=True, slots=True)
class TargetOptions:
    """Whose traffic is captured, by name; what is not is neither stored nor dissected."""

    regex: str = option(
        ".*",
        "tap.regex",
        "Capture pods whose name this regular expression finds something in; others only when they talk to these.",
        kind="regex",
        environment=("POD_REGEX",),
    )
    namespaces: list[str] = option(
        [],
        "tap.namespaces",
        "Capture pods of these namespaces; empty: of all.",
        environment=("NAMESPACES",),
    )
    excluded_namespaces: list[str] = option(
        [],
        "tap.excludedNamespaces",
        "Do not capture pods of these namespaces.",
        environment=("EXCLUDED_NAMESPACES",),
    )

    @property
    def chosen(self) -> tuple[str, ...]:
        """Keys that leave something out."""
        found = {
            "tap.regex": self.regex not in ("", ".*"),
            "tap.namespaces": bool(self.namespaces),
            "tap.excludedNamespaces": bool(self.excluded_namespaces),
        }
        return tuple(key for key, is_set in found.items() if is_set)
