"""Every error of Remora, sorted by who can fix it.

``RemoraError`` is what the command line prints as one message: where, what was expected, what was found, what to do.
The network never raises: a frame that cannot be used becomes a ``Drop`` reason (``engine.counters``).
"""

from __future__ import annotations

from collections.abc import Sequence


class RemoraError(Exception):
    """Something a person can act on; its text is the message they read."""


class ConfigError(RemoraError):
    """The operator can fix it: a key, a value, a flag, an environment variable."""

    def __init__(self, where: str, expected: str, found: object, hint: str = "") -> None:
        super().__init__(f"{where}: expected {expected}, got {found!r}" + (f"; {hint}" if hint else ""))


class KflError(RemoraError):
    """The author of a filter can fix it. Points at the place with a caret."""

    def __init__(self, reason: str, text: str, line: int, column: int, hint: str = "") -> None:
        """``line`` and ``column`` count from 1 and point into ``text``."""
        self.reason, self.text, self.line, self.column, self.hint = reason, text, line, column, hint
        source = text.splitlines()[line - 1] if 0 < line <= len(text.splitlines()) else ""
        self.caret = f"  {source}\n  {' ' * (column - 1)}^"
        super().__init__(f"{reason}\n{self.caret}" + (f"\n{hint}" if hint else ""))


class ScriptError(RemoraError):
    """The author of a script can fix it."""


class ScriptRejected(ScriptError):
    """A script was not loaded; carries every reason at once."""

    def __init__(self, script: str, reasons: Sequence[str]) -> None:
        self.script, self.reasons = script, tuple(reasons)
        super().__init__(f"script {script!r} was not loaded:\n" + "\n".join(f"  {reason}" for reason in reasons))


class HookFailed(ScriptError):
    """A hook of a script raised."""

    def __init__(self, script: str, hook: str, reason: str) -> None:
        super().__init__(f"script {script!r}: {hook} failed: {reason}")


class ProtocolViolation(RemoraError):
    """A script host sent something no honest host sends. Nobody fixes it: the host is replaced."""


class CaptureError(RemoraError):
    """A source cannot be opened or read."""

    def __init__(self, where: str, expected: str, found: object, hint: str = "") -> None:
        super().__init__(f"{where}: expected {expected}, got {found}" + (f"; {hint}" if hint else ""))


class StorageError(RemoraError):
    """Local disk: a file that is not there, not allowed, or does not fit."""


class PathEscape(StorageError):
    """A path left the folder it is confined to."""

    def __init__(self, path: str) -> None:
        super().__init__(f"{path!r}: expected a path inside the script's work folder")


class QuotaExceeded(StorageError):
    """A limit in bytes or files would be passed."""

    def __init__(self, what: str, limit: int, wanted: int, unit: str = "bytes") -> None:
        super().__init__(f"{what}: {wanted} {unit} would exceed the limit of {limit}")


class PcapExpired(StorageError):
    """The packets of a stream are gone."""

    def __init__(self, stream: str, when: str, ttl: str, raise_key: str) -> None:
        super().__init__(f"{stream}: its packets expired at {when} ({ttl}); raise {raise_key} to keep them longer")


class NoSuchStream(StorageError):
    """No stream of this name was seen, or every trace of it has expired."""

    def __init__(self, stream: str) -> None:
        super().__init__(
            f"{stream!r}: expected the name of a stream such as '000000000144.pcap' that this data folder knows"
        )


class UploadError(RemoraError):
    """Not stored at the destination; worth trying again."""


class UploadRefused(UploadError):
    """Not stored at the destination; trying again with the same content will not help."""
