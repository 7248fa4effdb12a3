"""``docs/fidelity.md``: how many facts were compared, which differ, and why."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from tests.fidelity.compare import Compared, Difference, compare, explained
from tests.fidelity.corpus import captures
from tests.fidelity.facts import QUANTITIES
from tests.fidelity.protocols.listing import PROTOCOLS

PAGE = Path("docs/fidelity.md")
MOST_THAT_DIFFER = 0.05
"""Of the captures."""
_HEAD = """\
# Fidelity

What Remora says of real captures, beside what tshark, Zeek and Arkime say of them. `make fidelity` writes this page; it
needs the captures that `REMORA_CORPUS` names, and the tests compare the same whenever that is set. A difference that is
not explained in `tests/fidelity/explained.toml` fails, and so does an explanation whose difference is gone.

"""
_RULES = """
## What is compared

- **Packets read**: how many, time (ns) and lengths of each, and whether the file is reported as damaged. A packet of
  pcapng that has no time gets that of the packet before it.
- **Streams**: TCP, UDP, SCTP and ICMP, with endpoints; who is the client where a handshake or a query says so.
- **Packets and payload bytes** of each stream, retransmissions and what the snap length cut off included.
- **Reassembled payload** of each direction of TCP and UDP: length, digest, and how much is told as missing. tshark's is
  that of `follow` (`python -m tests.fidelity.second_view` writes it anew).
- **HTTP** exchanges: method, target, status, endpoints.
- **DNS** exchanges: name, type, which halves were seen, endpoints.
- **HTTP bodies**: bytes of request and response, without the coding of transfer and content.
- **DNS answers**: code; name, type, TTL and (of addresses, CNAME, NS, PTR) value of each answer; how many records the
  other sections have.
- **HTTP requests to Arkime and Zeek**: how often who asked whom with which method.
- **Sessions to Arkime**: who is the client, packets, and bytes of payload once each direction is put in order,
  unless there is a gap, where Arkime stops.

Not counted as facts, since they are none about streams and exchanges: the UDP streams that carry a tunnel (tshark has
them besides those inside; here the packet inside counts); HTTP that SCTP carries, which is recorded and not dissected;
DNS quoted in ICMP errors. A DNS query that is sent again is an exchange each time. Idle timeouts are switched off,
because tshark has none.

tshark waits for the whole of a message before it reports it. Where a gap or the end of the capture cuts one, Remora
reports what there is, with an error; that is compared with a second run of tshark, which does not wait
(`http.desegment_body` off).
"""


class Result(NamedTuple):
    """All captures."""

    compared: dict[str, Compared]
    unexplained: list[Difference]
    gone: list[Difference]
    """Explained and not found."""

    @property
    def differing(self) -> list[str]:
        """Captures with any difference."""
        return [capture for capture, one in self.compared.items() if one.differences]

    @property
    def share(self) -> float:
        """Of the captures, those with any difference."""
        return len(self.differing) / len(self.compared)


def result() -> Result:
    """Compare every capture."""
    compared = {capture: compare(capture) for capture in captures()}
    found = {difference for one in compared.values() for difference in one.differences}
    known = {difference_of(row) for row in explained()}
    return Result(compared, sorted(found - known), sorted(known - found))


def difference_of(row: dict[str, Any]) -> Difference:
    """What a row of ``explained.toml`` explains."""
    return Difference(row["capture"], row["quantity"], row["ours"], row["theirs"])


def summary(found: Result) -> str:
    """One line."""
    return (
        f"{len(found.differing)} of {len(found.compared)} captures differ ({found.share:.1%}, "
        f"at most {MOST_THAT_DIFFER:.0%}), all of them explained below."
    )


def page(found: Result) -> str:
    """The whole of ``docs/fidelity.md``."""
    facts, differing = Counter[str](), Counter[str]()
    for one in found.compared.values():
        facts.update(one.facts)
        differing.update({difference.quantity for difference in one.differences})
    lines = [summary(found), "", "| quantity | facts compared | captures that differ |", "|---|---|---|"]
    lines += [f"| {quantity} | {facts[quantity]:,} | {differing[quantity]} |" for quantity in QUANTITIES]
    lines += ["", "## The differences", ""]
    lines += [
        "| capture | frame | quantity | ours | theirs | who agrees with ours | why |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [_row(row) for row in explained()]
    seconds = [f"`{capture}`: {one.second}" for capture, one in found.compared.items() if one.second]
    tail = "\nSo agree (exchanges):\n\n" + "".join(f"- {second}\n" for second in seconds)
    before, _, behind = _RULES.partition("\n\nNot counted")
    rules = "".join(f"\n{protocol.RULE}" for protocol in PROTOCOLS)
    return _HEAD + "\n".join(lines) + "\n" + before + rules + "\n\nNot counted" + behind + tail


def _row(row: dict[str, Any]) -> str:
    cells = (
        f"`{row['capture']}`",
        str(row["frame"]),
        row["quantity"],
        f"`{row['ours']}`",
        f"`{row['theirs']}`",
        row["witness"],
        row["reason"],
    )
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
