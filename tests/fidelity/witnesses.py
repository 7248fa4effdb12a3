"""What Arkime and Zeek see, where the corpus has their view.

HTTP: how often who asked whom with which method. Sessions of Arkime: who is the client, how many packets, and how many
bytes of payload once each direction is put in order.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from tests.fidelity.corpus import CORPUS
from tests.fidelity.facts import Fact


def requests_seen(capture: str, expected: Mapping[str, Any]) -> dict[str, Counter[Fact]]:
    """By the witness's name; not what SCTP carried, as in ``theirs``, nor what was seen with the keys of TLS."""
    if (CORPUS / "expected" / f"{capture}.tshark-decrypted.json").exists():
        return {}
    sctp = {(one["src"], one["dst"]) for one in expected.get("http", ()) if one["transport"] == "sctp"}
    found: dict[str, Counter[Fact]] = {}
    for name in ("arkime", "zeek"):
        path = CORPUS / "expected" / f"{capture}.{name}.json"
        view = json.loads(path.read_text(encoding="utf-8"))["normalised"] if path.exists() else {}
        rows = [one for one in view.get("http", ()) if (one["src"], one["dst"]) not in sctp]
        counted = Counter[Fact]()
        for one in rows:
            methods, ends = (
                one.get("method_counts", {one.get("method"): 1}),
                (_bracketed(one["src"]), _bracketed(one["dst"])),
            )
            counted.update({(name, method, *ends): count for method, count in methods.items()})
        if counted:
            found[name] = counted
    return found


def sessions_seen(capture: str, ours: Iterable[Fact]) -> Counter[Fact]:
    """TCP and UDP by five-tuple; Arkime cuts long sessions, and stops at a gap: then ``ours`` has no bytes."""
    told = {fact[:-1] for fact in ours}
    path = CORPUS / "expected" / f"{capture}.arkime.json"
    sums: Counter[Fact] = Counter()
    for one in json.loads(path.read_text(encoding="utf-8"))["sessions"] if path.exists() else ():
        if protocol := {6: "tcp", 17: "udp"}.get(one.get("ipProtocol")):
            ends = tuple(_bracketed(f"{one[side]['ip']}:{one[side]['port']}") for side in ("source", "destination"))
            sums[protocol, *ends, "packets"] += one["network"]["packets"]
            sums[protocol, *ends, "bytes"] += one["client"]["bytes"] + one["server"]["bytes"]
    return Counter((*fact, total) for fact, total in sums.items() if fact[-1] != "bytes" or fact in told)


def _bracketed(end: str) -> str:
    """Arkime writes IPv6 without brackets."""
    address, _, port = end.rpartition(":")
    return f"[{address}]:{port}" if ":" in address.strip("[]") and not end.startswith("[") else end


def requests_of(name: str, exchanges: Iterable[Fact]) -> Counter[Fact]:
    """Our HTTP exchanges in the same words."""
    return Counter((name, fact[1], *fact[4:]) for fact in exchanges if fact[1])
