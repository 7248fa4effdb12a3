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
