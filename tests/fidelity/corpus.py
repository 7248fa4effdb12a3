"""The captures of ``$REMORA_CORPUS`` and what its README says other tools find in them."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

CORPUS = Path(os.environ.get("REMORA_CORPUS") or ".")
IS_SET = bool(os.environ.get("REMORA_CORPUS"))
UNSET = "set REMORA_CORPUS to a capture corpus"


def captures() -> list[str]:
    """Names as in the manifest: ``<protocol>/<file>``."""
    if not IS_SET:
        return []
    return sorted(f"{path.parent.name}/{path.name}" for path in CORPUS.glob("*/*.pcap*"))


TUNNEL_PORTS = {"vxlan": ("4789", "4790", "8472"), "geneve": ("6081",), "gtp": ("2152",)}


def expected_of(capture: str) -> dict[str, Any]:
    """tshark's view of a capture, normalised."""
    path = CORPUS / "expected" / f"{capture}.tshark.json"
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def carriers_of(expected: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Quirk 15: the UDP that carries a tunnel is a stream to tshark, besides those in the tunnel."""
    ports = {f":{port}" for name, some in TUNNEL_PORTS.items() if name in expected["layers"] for port in some}
    return [
        one
        for one in expected.get("udp_streams", ())
        if any(one[end].endswith(port) for end in ("client", "server") for port in ports)
    ]
