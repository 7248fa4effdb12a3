"""Names of the numbers in DNS messages, as IANA registers them."""

from __future__ import annotations


class Names(dict[int, str]):
    """Names by number; what has none is called by its number, such as ``TYPE999`` (RFC 3597, 5)."""

    def __init__(self, known: dict[int, str], otherwise: str) -> None:
        super().__init__(known)
        self._otherwise = otherwise

    def __missing__(self, number: int) -> str:
        return f"{self._otherwise}{number}"


OPCODES = Names({0: "Query", 1: "Inverse Query", 2: "Status", 4: "Notify", 5: "Update", 6: "Stateful"}, "OPCODE")
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
        11: "Type Not Implemented",
        16: "Bad OPT Version",
        17: "Key Not Recognized",
        18: "Signature Out Of Time Window",
        19: "Bad TKEY Mode",
        20: "Duplicate Key Name",
        21: "Algorithm Not Supported",
        22: "Bad Truncation",
        23: "Bad Cookie",
    },
    "RCODE",
)
CLASSES = Names({1: "IN", 3: "CH", 4: "HS", 254: "NONE", 255: "ANY"}, "CLASS")
TYPES = Names({
    1: "A", 2: "NS", 3: "MD", 4: "MF", 5: "CNAME", 6: "SOA", 7: "MB", 8: "MG", 9: "MR", 10: "NULL", 11: "WKS",
    12: "PTR", 13: "HINFO", 14: "MINFO", 15: "MX", 16: "TXT", 17: "RP", 18: "AFSDB", 19: "X25", 20: "ISDN", 21: "RT",
    22: "NSAP", 23: "NSAP-PTR", 24: "SIG", 25: "KEY", 26: "PX", 27: "GPOS", 28: "AAAA", 29: "LOC", 30: "NXT", 33: "SRV",
    35: "NAPTR", 36: "KX", 37: "CERT", 38: "A6", 39: "DNAME", 41: "OPT", 42: "APL", 43: "DS", 44: "SSHFP",
    45: "IPSECKEY", 46: "RRSIG", 47: "NSEC", 48: "DNSKEY", 49: "DHCID", 50: "NSEC3", 51: "NSEC3PARAM", 52: "TLSA",
    53: "SMIMEA", 55: "HIP", 56: "NINFO", 59: "CDS", 60: "CDNSKEY", 61: "OPENPGPKEY", 62: "CSYNC", 63: "ZONEMD",
    64: "SVCB", 65: "HTTPS", 66: "DSYNC", 67: "HHIT", 68: "BRID", 99: "SPF", 103: "UNSPEC", 104: "NID", 105: "L32",
    106: "L64", 107: "LP", 108: "EUI48", 109: "EUI64", 128: "NXNAME", 249: "TKEY", 250: "TSIG", 251: "IXFR",
    252: "AXFR", 253: "MAILB", 254: "MAILA", 255: "ANY", 256: "URI", 257: "CAA", 258: "AVC",
    260: "AMTRELAY", 261: "RESINFO", 262: "WALLET", 32768: "TA", 32769: "DLV",
}, "TYPE")  # fmt: skip
