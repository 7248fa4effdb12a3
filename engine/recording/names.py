"""What a batch and its files are called. Names decide where a repeat lands, so they depend on nothing but the batch."""

from __future__ import annotations

import hashlib
import re
import time
from urllib.parse import quote

from engine.clock import NS_PER_S

NS_PER_HOUR = 3600 * NS_PER_S
ENDINGS = {"pcap": "pcap.gz", "streams": "streams.jsonl.gz", "items": "items.jsonl.gz", "manifest": "manifest.json"}
"""Kind of a file and its ending, in the order in which they are uploaded: the manifest last."""
PCAPNG_ENDING = "pcapng.gz"
"""Of a pcap that is none: it holds several link types, names or keys."""
MAX_COMPONENT_BYTES = 200
"""A file system takes 255; ``recording=`` goes before it."""


def batch_id(run_id: str, sequence: int) -> str:
    """``20261120T103000Z-a1b2c3d4-00000001``."""
    return f"{run_id}-{sequence:08d}"


def sequence_of(batch: str, run_id: str) -> int:
    """The number of a batch of this run; 0 for one of another run."""
    match = re.fullmatch(re.escape(run_id) + r"-(\d{8,})", batch)
    return int(match[1]) if match else 0


def hour_of(timestamp_ns: int) -> int:
    """Hours since the epoch; two moments of the same UTC hour have the same."""
    return timestamp_ns // NS_PER_HOUR


def component(text: str) -> str:
    """``text`` as one part of a path: letters, digits and ``-_.~`` stay, the rest is percent-encoded (RFC 3986).

    What becomes too long is cut and told apart by a hash; ``.`` and ``..`` lose their meaning; nothing is never empty.
    """
    safe = quote(text, safe="", errors="replace")
    if not safe.strip("."):
        safe = safe.replace(".", "%2E") or "%00"
    if len(safe) > MAX_COMPONENT_BYTES:
        digest = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:16]
        safe = f"{safe[: MAX_COMPONENT_BYTES - 17].rpartition('%')[0] or safe[: MAX_COMPONENT_BYTES - 17]}-{digest}"
    return safe


def object_name(
    kind: str, recording: str, cluster: str, node: str, opened_ns: int, batch: str, ending: str = ""
) -> str:
    """``recording=R/pcap/cluster=C/dt=2026-11-20/hour=10/node=N/<batch_id>.pcap.gz``."""
    moment = time.gmtime(opened_ns // NS_PER_S)
    return "/".join(
        (
            f"recording={component(recording)}",
            kind,
            f"cluster={component(cluster)}",
            time.strftime("dt=%Y-%m-%d/hour=%H", moment),
            f"node={component(node)}",
            f"{batch}.{ending or ENDINGS[kind]}",
        )
    )
