"""Names from a file; they hold for all times. ``docs/configuration.md`` describes the file."""

from __future__ import annotations

import ipaddress
import os
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
REFRESH_S = 1.0
"""How often it is looked whether the file has changed."""
_EXAMPLE = "an address such as '10.0.0.7', '10.0.0.7:5432' or '[::1]:80'"


class NoNames:
    """Nobody has a name."""

    generation = 0
    by_port = False

    def refresh(self, now_s: float) -> str:  # noqa: ARG002 - a resolver
        """Nothing changes."""
        return ""

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
        self.generation = 0
        self._take(names)

    def _take(self, names: Mapping[str, Name]) -> None:
        self._names = dict(names)
        self.by_port = any(where.startswith("[") or where.count(":") == 1 for where in names)
        self.generation += 1

    def refresh(self, now_s: float) -> str:  # noqa: ARG002 - a resolver
        """Nothing changes."""
        return ""

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
    return NamesFile(Path(options.names)) if options.names else NoNames()


class NamesFile(StaticNames):
    """The names in a file, as they are now: when the file changes, they change for all times."""

    def __init__(self, path: Path) -> None:
        """Read it; its folder stays open, for a process that may not go the whole way any more.

        Raises:
            ConfigError: as ``read_names``.
        """
        self._path, self._due_s = path, 0.0
        super().__init__(read_names(path))
        self._folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._state = self._look()

    def _look(self) -> tuple[int, int, int] | None:
        """Changes when the file does; ``None``: it is not there."""
        try:
            found = os.stat(self._path.name, dir_fd=self._folder)
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino

    def refresh(self, now_s: float) -> str:
        """Read the file again if it has changed; what cannot be read changes nothing, and is told once."""
        if now_s < self._due_s:
            return ""
        self._due_s = now_s + REFRESH_S
        state = self._look()
        if state == self._state:
            return ""
        self._state = state
        try:
            self._take(read_names(self._path, self._folder))
        except ConfigError as error:
            return f"{error}; the names stay as they were"
        return f"{self._path}: {len(self._names)} names"

    def close(self) -> None:
        """Give the folder back."""
        os.close(self._folder)


def read_names(path: Path, folder: int | None = None) -> dict[str, Name]:
    """The names in a YAML file; ``folder`` is a descriptor of its folder, where ``path`` is out of reach.

    Raises:
        ConfigError: naming the file, the place in it, what was expected and what was found.
    """
    import yaml  # here and not above: it takes 10 ms to load, and most offline commands have no names

    try:
        content = yaml.safe_load(_text(path, folder))
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


def _text(path: Path, folder: int | None) -> str:
    place = path if folder is None else path.name
    with open(os.open(place, os.O_RDONLY | os.O_CLOEXEC, dir_fd=folder), encoding="utf-8") as file:
        return file.read()


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
