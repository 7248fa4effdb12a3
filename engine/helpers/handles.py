"""Handles of secrets: what a script sees of ``env.TEAM_TOKEN``, and what it says to name the secret again.

A handle is ``secret:TEAM_TOKEN.`` and 32 hexadecimal digits, an HMAC over the script and the name with a key that only
the supervisor and the broker know, new with each run. So nobody can make one up, one script's is worthless to another,
and nothing has to be remembered. The value is in another process: what is enqueued says ``secret:TEAM_TOKEN:``
(``engine.shipping.request``), which the shipper fills in when it sends.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence
from fnmatch import fnmatchcase

from engine.errors import ScriptError
from engine.log import printable

KEY_BYTES = 32
_DIGITS = 32
_HANDLE = re.compile(rf"secret:([A-Za-z_][A-Za-z0-9_]{{0,63}})(?:\.([0-9a-f]{{{_DIGITS}}}))?", re.ASCII)


class HandleRefused(ScriptError):
    """Something that looks like a secret's handle and is none of this script's."""

    def __init__(self, shown: str) -> None:
        super().__init__(
            f"expected a secret as env shows it to this script now, got {printable(shown, 80)!r}; "
            "handles of other scripts and of earlier runs are worth nothing"
        )


class Handles:
    """Those of one script."""

    def __init__(self, key: bytes, script: str, allowed: Sequence[str]) -> None:
        """``allowed``: names or patterns of the secrets that it may use (``scripting.secrets``)."""
        assert len(key) == KEY_BYTES, "without a key anybody could make handles"
        self._key, self._script, self._allowed = key, script, allowed

    def allows(self, name: str) -> bool:
        """Whether the script may use this secret."""
        return any(fnmatchcase(name, pattern) for pattern in self._allowed)

    def make(self, name: str) -> str:
        """What the script sees."""
        return f"secret:{name}.{self._mark(name)}"

    def _mark(self, name: str) -> str:
        said = f"{self._script}\0{name}".encode(errors="surrogatepass")
        return hmac.new(self._key, said, hashlib.sha256).hexdigest()[:_DIGITS]

    def name_of(self, handle: str) -> str:
        """The secret that a handle names.

        Raises:
            HandleRefused: it is none of this script's.
        """
        match = _HANDLE.fullmatch(handle)
        if match is None or not self._is_good(match):
            raise HandleRefused(handle)
        return match[1]

    def sealed(self, text: str) -> str:
        """``text`` with each handle in the form that may be kept on disk, ``secret:NAME:``.

        The colon ends the name: else a script could grow ``secret:TEAM`` into ``secret:TEAM_TOKEN``.

        Raises:
            HandleRefused: something in it looks like a handle and is none of this script's.
        """
        return _HANDLE.sub(self._sealed, text)

    def _sealed(self, match: re.Match[str]) -> str:
        if not self._is_good(match):
            raise HandleRefused(match[0])
        return f"secret:{match[1]}:"

    def _is_good(self, match: re.Match[str]) -> bool:
        given = match[2] or ""
        return self.allows(match[1]) and hmac.compare_digest(given, self._mark(match[1]))
