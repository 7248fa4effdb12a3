"""Names from a file; they hold for all times. ``docs/configuration.md`` describes the file."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.errors import ConfigError
from engine.resolve.options import ResolveOptions
from engine.resolve.resolver import NOBODY, Name, Resolver

_FIELDS = {
    "name": (str, "text"),
    "namespace": (str, "text"),
    "service": (str, "text"),
    "pod": (str, "text"),
    "labels": (dict, "a map of text"),
    "node": (str, "text"),
    "process": (str, "text"),
    "processId": (int, "a number"),
}
_EXAMPLE = "an address such as '10.0.0.7', '10.0.0.7:5432' or '[::1]:80'"


class NoNames:
    """Nobody has a name."""

    def name_of(self, ip: str, port: int, timestamp_ns: int) -> Name:  # noqa: ARG002 - a resolver
        """``NOBODY``."""
        return NOBODY

    def history(self) -> dict[str, dict[str, dict[str, str]]]:
        """Empty."""
        return {}


class StaticNames:
    """A map from addresses to names."""

    def __init__(self, names: Mapping[str, Name]) -> None:
        """Keys: ``ip``, or ``ip:port`` (IPv6 in brackets), which goes first."""
        self._names = dict(names)

    def name_of(self, ip: str, port: int, timestamp_ns: int) -> Name:  # noqa: ARG002 - names hold for all times
        """The name of ``ip:port``, else that of ``ip``."""
        return self._names.get(_with_port(ip, port)) or self._names.get(ip, NOBODY)

    def history(self) -> dict[str, dict[str, dict[str, str]]]:
        """All names, since the epoch."""
        names = {where: {"FullAddress": name.name, "Namespace": name.namespace} for where, name in self._names.items()}
        return {"0": names} if names else {}


def open_resolver(options: ResolveOptions) -> Resolver:
    """The resolver that the options ask for.

    Raises:
        ConfigError: the file of names is not there or not right.
    """
    return StaticNames(read_names(Path(options.names))) if options.names else NoNames()


def read_names(path: Path) -> dict[str, Name]:
    """The names in a YAML file.

    Raises:
        ConfigError: naming the file, the place in it, what was expected and what was found.
    """
    import yaml  # here and not above: it takes 10 ms to load, and most offline commands have no names

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"resolve.names: {path}", "a readable file", str(error)) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" line {mark.line + 1}" if mark else ""
        raise ConfigError(f"{path}{line}", "YAML", getattr(error, "problem", str(error))) from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigError(str(path), "a map from addresses to names", content)
    return {_address(path, key): _name(f"{path}: {key}", value) for key, value in content.items()}


def _name(where: str, value: object) -> Name:
    if isinstance(value, str):
        return Name(name=value)
    if not isinstance(value, dict):
        raise ConfigError(where, "a name or a map of name, namespace, service, pod …", value)
    fields: dict[str, Any] = {}
    for key, given in value.items():
        if key not in _FIELDS:
            raise ConfigError(where, f"one of {', '.join(_FIELDS)}", key)
        kind, words = _FIELDS[key]
        if not isinstance(given, kind) or isinstance(given, bool) or (kind is dict and not _all_text(given)):
            raise ConfigError(f"{where}: {key}", words, given)
        fields["process_id" if key == "processId" else key] = given
    return Name(**fields)


def _all_text(labels: object) -> bool:
    assert isinstance(labels, dict)
    return all(isinstance(key, str) and isinstance(value, str) for key, value in labels.items())


def _address(path: Path, key: object) -> str:
    """``key`` in the one form in which it is looked up."""
    text = str(key)
    host, port = text, ""
    if text.startswith("[") or text.count(":") == 1:
        host, _, port = text.rpartition(":")
        if not port.isdecimal() or int(port) > 65535:
            raise ConfigError(str(path), _EXAMPLE, key)
    try:
        ip = str(ipaddress.ip_address(host.strip("[]")))
    except ValueError:
        raise ConfigError(str(path), _EXAMPLE, key) from None
    return _with_port(ip, int(port)) if port else ip


def _with_port(ip: str, port: int) -> str:
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"
