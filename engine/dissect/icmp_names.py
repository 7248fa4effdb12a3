"""Names of ICMP types and codes, as IANA registers them."""

from __future__ import annotations

TYPES = {
    4: {
        0: "Echo Reply",
        3: "Destination Unreachable",
        4: "Source Quench",
        5: "Redirect",
        8: "Echo Request",
        9: "Router Advertisement",
        10: "Router Solicitation",
        11: "Time Exceeded",
        12: "Parameter Problem",
        13: "Timestamp Request",
        14: "Timestamp Reply",
        15: "Information Request",
        16: "Information Reply",
        17: "Address Mask Request",
        18: "Address Mask Reply",
        42: "Extended Echo Request",
        43: "Extended Echo Reply",
    },
    6: {
        1: "Destination Unreachable",
        2: "Packet Too Big",
        3: "Time Exceeded",
        4: "Parameter Problem",
        128: "Echo Request",
        129: "Echo Reply",
        130: "Multicast Listener Query",
        131: "Multicast Listener Report",
        132: "Multicast Listener Done",
        133: "Router Solicitation",
        134: "Router Advertisement",
        135: "Neighbor Solicitation",
        136: "Neighbor Advertisement",
        137: "Redirect",
        138: "Router Renumbering",
        139: "Node Information Query",
        140: "Node Information Response",
        143: "Multicast Listener Report v2",
        151: "Multicast Router Advertisement",
        152: "Multicast Router Solicitation",
        153: "Multicast Router Termination",
        155: "RPL Control",
        160: "Extended Echo Request",
        161: "Extended Echo Reply",
    },
}
"""By IP version."""

CODES = {
    (4, 3): (
        "Net Unreachable", "Host Unreachable", "Protocol Unreachable", "Port Unreachable", "Fragmentation Needed",
        "Source Route Failed", "Net Unknown", "Host Unknown", "Source Host Isolated", "Net Prohibited",
        "Host Prohibited", "Net Unreachable For Service", "Host Unreachable For Service", "Communication Prohibited",
        "Host Precedence Violation", "Precedence Cutoff",
    ),
    (4, 5): ("For Network", "For Host", "For Service And Network", "For Service And Host"),
    (4, 11): ("In Transit", "In Reassembly"),
    (4, 12): ("Pointer Indicates The Error", "Missing Option", "Bad Length"),
    (6, 1): (
        "No Route", "Communication Prohibited", "Beyond Scope", "Address Unreachable", "Port Unreachable",
        "Source Address Failed Policy", "Reject Route", "Error In Source Routing Header", "Headers Too Long",
    ),
    (6, 3): ("In Transit", "In Reassembly"),
    (6, 4): (
        "Erroneous Header", "Unrecognized Next Header", "Unrecognized Option", "Incomplete Header Chain",
    ),
}  # fmt: skip
"""By IP version and type, from 0 on; those that are not here have none."""


def type_name(version: int, kind: int) -> str:
    """Such as ``Echo Request``, ``Type 200``."""
    return TYPES[version].get(kind, f"Type {kind}")


def code_name(version: int, kind: int, code: int) -> str:
    """Such as ``Port Unreachable``; empty where the type has no codes."""
    known = CODES.get((version, kind), ())
    return known[code] if code < len(known) else f"Code {code}" if code else ""
