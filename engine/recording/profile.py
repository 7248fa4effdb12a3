"""What the recorder is told of a recording beside its name; fixed in a batch when it is sealed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from engine.recording.journal import Gap

Names = Mapping[str, Mapping[str, Mapping[str, str]]]
"""As ``Resolver.history``: second since the epoch -> ``ip`` or ``ip:port`` -> FullAddress and Namespace."""


class Profile(msgspec.Struct, frozen=True):
    """One recording, as far as its batches show it."""

    kfl: str = ""
    """The filter that chose its streams; empty: everything, or a script chose them."""
    dialect: str = ""
    """Of the filter: ``kfl`` or ``kfl2``."""
    format: Literal["pcap", "pcapng"] = "pcap"
    with_secrets: bool = False
    """The packets come with the keys that decrypt them."""
    destination: str = ""
    """``gs://bucket/prefix`` or a folder; empty: where the instance sends everything."""


def _no_names() -> Names:
    return {}


def _nothing(recording: str) -> list[Gap]:  # noqa: ARG001 - no recording missed anything
    return []


def _no_keys(randoms: Iterable[bytes]) -> bytes:  # noqa: ARG001 - there are none to choose from
    return b""


@dataclass(frozen=True, slots=True)
class Facts:
    """What sealing asks, beside the batch itself."""

    version: str
    """Of Remora."""
    profile: Callable[[str], Profile] = field(default=lambda _: Profile())
    """Of a recording, by its name."""
    names: Callable[[], Names] = _no_names
    """Every name that an address had."""
    key_log: Callable[[Iterable[bytes]], bytes] = _no_keys
    """Lines of an NSS key log that belong to TLS sessions, by the random bytes of their clients."""
    missed: Callable[[str], list[Gap]] = _nothing
    """What a recording's job missed as a whole, all that is known, oldest first."""


def names_of(names: Names, endpoints: Iterable[tuple[str, int]]) -> dict[str, dict[str, dict[str, str]]]:
    """Those of ``names`` that concern these addresses and ports."""
    wanted: set[str] = set()
    for ip, port in endpoints:
        wanted |= {ip, f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"}
    found = {}
    for second in sorted(names, key=int):
        here = {where: dict(names[second][where]) for where in sorted(wanted & names[second].keys())}
        if here:
            found[second] = here
    return found
