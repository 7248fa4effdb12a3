"""Which dissectors run, and where they are expected: ``tap.enabledDissectors`` and ``tap.portMapping``.

Names are Kubeshark's. A name may stand for several rows (``http``: HTTP/1, HTTP/2 …) and differ from ``protocol.name``
(``tlsx``: ``tls``). A row that is not enabled is nowhere: no bytes are shown to it, and where no other row has its
transport, no payload of that is put in order.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from engine.dissect.names import BUILT_IN, DEFAULT, ELSEWHERE
from engine.dissect.options import DissectOptions
from engine.dissect.table import ProtocolRow
from engine.errors import ConfigError

ENABLED_KEY, PORTS_KEY = "tap.enabledDissectors", "tap.portMapping"
MAX_PORT = 65535
Rows = Sequence[ProtocolRow]


def enabled_rows(rows: Iterable[ProtocolRow], options: DissectOptions) -> tuple[ProtocolRow, ...]:
    """Those that are enabled, with the ports they are mapped to.

    Dissectors of installed packages are enabled as long as the option has its default: who installs one wants it.
    """
    names, packages = {name.lower() for name in options.dissectors}, options.dissectors == DEFAULT
    mapped = {name.lower(): frozenset(ports_of(name, text)) for name, text in options.ports.items()}
    return tuple(
        replace(row, ports=mapped[row.dissector]) if row.dissector in mapped else row
        for row in rows
        if row.dissector in names or (packages and row.dissector not in BUILT_IN)
    )


def check_dissectors(options: DissectOptions, load_rows: Callable[[], Rows]) -> list[str]:
    """What Kubeshark has and we have not: ``mongodb, ldap in tap.enabledDissectors``, a text for each key.

    ``load_rows`` is asked only where a name is not one of ours: packages bring their own.

    Raises:
        ConfigError: a name that nobody has; a port that is none.
    """
    named = [(ENABLED_KEY, name) for name in options.dissectors] + [(PORTS_KEY, name) for name in options.ports]
    strange = [(key, name) for key, name in named if name.lower() not in BUILT_IN | ELSEWHERE]
    if strange:
        known = BUILT_IN | ELSEWHERE | {row.dissector for row in load_rows()}
        for key, name in strange:
            _refuse_unknown(key, name, known)
    for name, text in options.ports.items():
        ports_of(name, text)
    foreign = {key: [name for where, name in named if where == key and name.lower() in ELSEWHERE] for key, _ in named}
    return [f"{', '.join(names)} in {key}" for key, names in foreign.items() if names]


def _refuse_unknown(key: str, name: str, known: Iterable[str]) -> None:
    if name.lower() in known:
        return
    nearest = difflib.get_close_matches(name.lower(), known, 1, 0.5)
    hint = f"did you mean {nearest[0]!r}?" if nearest else f"there are {', '.join(sorted(BUILT_IN))}"
    raise ConfigError(key, "names of dissectors", name, hint)


def ports_of(name: str, text: str) -> list[int]:
    """The ports in ``text``: ``80, 8080``, with brackets or without.

    Raises:
        ConfigError: one of them is none.
    """
    parts = [part.strip() for part in text.strip().removeprefix("[").removesuffix("]").split(",")]
    found = [part for part in parts if part]
    for part in found:
        if not part.isascii() or not part.isdecimal() or not 0 < int(part) <= MAX_PORT:
            raise ConfigError(f"{PORTS_KEY}.{name}", f"ports from 1 to {MAX_PORT}", part)
    return [int(part) for part in found]
