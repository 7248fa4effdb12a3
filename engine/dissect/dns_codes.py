"""Names of the numbers in DNS messages, as IANA registers them."""

from __future__ import annotations


class Names(dict[int, str]):
    """Names by number; what has none is called by its number, such as ``TYPE999`` (RFC 3597, 5)."""

    def __init__(self, known: dict[int, str], otherwise: str) -> None:
        super().__init__(known)
        self._otherwise = otherwise

    def __missing__(self, number: int) -> str:
        return f"{self._otherwise}{number}"


OPCODES = Names({0: "Query", 1: "Inverse Query", 2: "Status", 4: "Notify", 5: "Update"}, "OPCODE")
CODES = Names(
    {
        0: "No Error",
        1: "Format Error",
        2: "Server Failure",
        3: "Non-Existent Domain",
        4: "Not Implemented",
        5: "Query Refused",
        6: "Name Exists When It Should Not",
        7: "RR Set Exists When It Should Not",
        8: "RR Set That Should Exist Does Not",
        9: "Server Not Authoritative For Zone",
        10: "Name Not Contained In Zone",
        16: "Bad OPT Version",
        23: "Bad Cookie",
    },
    "RCODE",
)
CLASSES = Names({1: "IN", 3: "CH", 4: "HS", 254: "NONE", 255: "ANY"}, "CLASS")
TYPES = Names({
    1: "A", 2: "NS", 5: "CNAME", 6: "SOA", 10: "NULL", 11: "WKS", 12: "PTR", 13: "HINFO", 14: "MINFO", 15: "MX",
    16: "TXT", 17: "RP", 24: "SIG", 25: "KEY", 28: "AAAA", 29: "LOC", 33: "SRV", 35: "NAPTR", 39: "DNAME", 41: "OPT",
    43: "DS", 44: "SSHFP", 46: "RRSIG", 47: "NSEC", 48: "DNSKEY", 50: "NSEC3", 51: "NSEC3PARAM", 52: "TLSA",
    64: "SVCB", 65: "HTTPS", 99: "SPF", 249: "TKEY", 250: "TSIG", 251: "IXFR", 252: "AXFR", 255: "ANY", 256: "URI",
    257: "CAA",
}, "TYPE")  # fmt: skip
