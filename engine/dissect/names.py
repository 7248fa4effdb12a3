"""Names of dissectors, as Kubeshark's ``tap.enabledDissectors`` has them."""

from __future__ import annotations

DEFAULT = ["amqp", "dns", "http", "icmp", "kafka", "redis", "ws", "tlsx"]
"""What Kubeshark enables by default, of what is ours. Without the connection items: they are no exchanges, and two for
each connection beside its one exchange would double the work of a busy node."""
ON_REQUEST = ["tcp", "udp", "sctp", "tcp-conn", "udp-conn"]
"""Payload as it is, and connections."""
BUILT_IN = frozenset([*DEFAULT, *ON_REQUEST])
ELSEWHERE = frozenset(
    ["mongodb", "mysql", "postgresql", "ldap", "radius", "diameter", "tcp-flow", "udp-flow", "syscall"]
)
"""What Kubeshark has and we have not: accepted, and named once."""
