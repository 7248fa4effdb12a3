"""What a recording writes of its streams: packets or not, and what is hidden in its items."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import msgspec

from engine.errors import KflError
from engine.kfl.paths import Steps
from engine.kfl.redaction import redacted, redaction
from engine.recording.job import Job


class Policy(NamedTuple):
    """Of one recording; the default is that of a recording without a job, which a script keeps."""

    packets: bool = True
    redactions: tuple[Steps, ...] = ()

    def items(self, items: list[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
        """Items, each with its stream, as they are to be written. One that cannot be read is left out."""
        if not self.redactions:
            return items
        return [(stream, hidden) for stream, item in items if (hidden := self._hidden(item)) is not None]

    def _hidden(self, item: bytes) -> bytes | None:
        try:
            content = msgspec.msgpack.decode(item)
            return msgspec.msgpack.encode(redacted(content, self.redactions))
        except (msgspec.MsgspecError, TypeError, ValueError):
            return None  # damaged by a disk: nothing of it may leave unseen


DEFAULT = Policy()
Policies = Callable[[str], Policy]


def policy_of(job: Job) -> Policy:
    """What a job asks for: every path that it or its filter names, whether or not the filter gets that far."""
    paths = tuple(redaction(path) for path in job.redact)
    try:
        return Policy(job.packets, (*paths, *job.compiled.redactions))
    except KflError:  # of a later version: then it keeps nothing either, and what it kept before is items alone
        return Policy(False, paths)
