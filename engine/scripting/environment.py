"""What each script sees as ``env``: variables as they are, its own handles of the secrets that it may use."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from engine.helpers.handles import Handles
from engine.scripting.options import ScriptOptions


class ScriptEnvironment:
    """Of all scripts; holds no secret."""

    def __init__(
        self, variables: Mapping[str, str], secrets: Collection[str], options: ScriptOptions, key: bytes
    ) -> None:
        """``secrets``: which of the variables are some, by name; their values are not looked at."""
        self._variables, self._secrets = dict(variables), frozenset(secrets)
        self._options, self._key = options, key

    def of(self, script: str) -> dict[str, str]:
        """A secret that the script may not use is not there."""
        handles = Handles(self._key, script, self._options.of(script).secrets)
        plain = {name: value for name, value in self._variables.items() if name not in self._secrets}
        secret = {name: handles.make(name) for name in self._variables if name in self._secrets}
        return plain | {name: handle for name, handle in secret.items() if handles.allows(name)}
