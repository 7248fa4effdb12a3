"""HTTP as Arkime and Zeek see it, where the corpus has their view: how often who asked whom with which method."""

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


def _bracketed(end: str) -> str:
    """Arkime writes IPv6 without brackets."""
    address, _, port = end.rpartition(":")
    return f"[{address}]:{port}" if ":" in address.strip("[]") and not end.startswith("[") else end


def requests_of(name: str, exchanges: Iterable[Fact]) -> Counter[Fact]:
    """Our HTTP exchanges in the same words."""
    return Counter((name, fact[1], *fact[4:]) for fact in exchanges if fact[1])
