"""The classes and methods of AMQP 0-9-1, with RabbitMQ's: one line each, and the one reader of them.

``10 declare >11`` is a method that is answered by method 11 of its class, ``71,72`` by either; ``+`` carries content.
Its arguments follow, in the order of the wire, ``name:kind``; ``-`` is reserved and not shown. Bits share octets.
"""

from __future__ import annotations

import struct
from typing import Any, NamedTuple

from engine.dissect.amqp_values import READERS, Damaged

_TABLE = """
connection 10
10 start >11          versionMajor:octet versionMinor:octet serverProperties:table mechanisms:longstr locales:longstr
11 start-ok           clientProperties:table mechanism:shortstr response:secret locale:shortstr
20 secure >21         challenge:longstr
21 secure-ok          response:secret
30 tune >31           channelMax:short frameMax:long heartbeat:short
31 tune-ok            channelMax:short frameMax:long heartbeat:short
40 open >41           virtualHost:shortstr -:shortstr -:bit
41 open-ok            -:shortstr
50 close >51          replyCode:short replyText:shortstr classId:short methodId:short
51 close-ok
60 blocked            reason:shortstr
61 unblocked
70 update-secret >71  newSecret:secret reason:shortstr
71 update-secret-ok
channel 20
10 open >11           -:shortstr
11 open-ok            -:longstr
20 flow >21           active:bit
21 flow-ok            active:bit
40 close >41          replyCode:short replyText:shortstr classId:short methodId:short
41 close-ok
access 30
10 request >11        realm:shortstr exclusive:bit passive:bit active:bit write:bit read:bit
11 request-ok         -:short
exchange 40
10 declare >11        -:short exchange:shortstr type:shortstr passive:bit durable:bit autoDelete:bit internal:bit noWait:bit arguments:table
11 declare-ok
20 delete >21         -:short exchange:shortstr ifUnused:bit noWait:bit
21 delete-ok
30 bind >31           -:short destination:shortstr source:shortstr routingKey:shortstr noWait:bit arguments:table
31 bind-ok
40 unbind >51         -:short destination:shortstr source:shortstr routingKey:shortstr noWait:bit arguments:table
51 unbind-ok
queue 50
10 declare >11        -:short queue:shortstr passive:bit durable:bit exclusive:bit autoDelete:bit noWait:bit arguments:table
11 declare-ok         queue:shortstr messageCount:long consumerCount:long
20 bind >21           -:short queue:shortstr exchange:shortstr routingKey:shortstr noWait:bit arguments:table
21 bind-ok
30 purge >31          -:short queue:shortstr noWait:bit
31 purge-ok           messageCount:long
40 delete >41         -:short queue:shortstr ifUnused:bit ifEmpty:bit noWait:bit
41 delete-ok          messageCount:long
50 unbind >51         -:short queue:shortstr exchange:shortstr routingKey:shortstr arguments:table
51 unbind-ok
basic 60
10 qos >11            prefetchSize:long prefetchCount:short global:bit
11 qos-ok
20 consume >21        -:short queue:shortstr consumerTag:shortstr noLocal:bit noAck:bit exclusive:bit noWait:bit arguments:table
21 consume-ok         consumerTag:shortstr
30 cancel >31         consumerTag:shortstr noWait:bit
31 cancel-ok          consumerTag:shortstr
40 publish +          -:short exchange:shortstr routingKey:shortstr mandatory:bit immediate:bit
50 return +           replyCode:short replyText:shortstr exchange:shortstr routingKey:shortstr
60 deliver +          consumerTag:shortstr deliveryTag:longlong redelivered:bit exchange:shortstr routingKey:shortstr
70 get >71,72         -:short queue:shortstr noAck:bit
71 get-ok +           deliveryTag:longlong redelivered:bit exchange:shortstr routingKey:shortstr messageCount:long
72 get-empty          -:shortstr
80 ack                deliveryTag:longlong multiple:bit
90 reject             deliveryTag:longlong requeue:bit
100 recover-async     requeue:bit
110 recover >111      requeue:bit
111 recover-ok
120 nack              deliveryTag:longlong multiple:bit requeue:bit
confirm 85
10 select >11         noWait:bit
11 select-ok
tx 90
10 select >11
11 select-ok
20 commit >21
21 commit-ok
30 rollback >31
31 rollback-ok
"""  # noqa: E501 - one line per method


class Method(NamedTuple):
    """One line of the table."""

    key: int
    """Class and method, 16 bits each, as they stand on the wire."""
    name: str
    """``queue declare``."""
    fields: tuple[tuple[str, str], ...]
    """Name and kind of each argument."""
    is_asking: bool
    """It is answered, unless it says that it need not be."""
    answers: int
    """The key of the method that it answers; 0: of none."""
    has_content: bool
    no_wait_bit: int
    """Where ``noWait`` is in the first octet of bits; -1: it has none."""


def _methods() -> dict[int, Method]:
    found: dict[int, Method] = {}
    group, number = "", 0
    asked: dict[int, int] = {}
    for line in _TABLE.strip().splitlines():
        words = line.split()
        if not words[0].isdigit():
            group, number = words[0], int(words[1]) << 16
            continue
        key = number | int(words[0])
        marks = [word for word in words[2:] if word[0] in ">+"]
        fields = tuple((name, kind) for name, _, kind in (word.partition(":") for word in words[2:]) if kind)
        for mark in marks:
            asked.update({number | int(each): key for each in mark[1:].split(",") if each})
        bits = [name for name, kind in fields if kind == "bit"]
        bit = bits.index("noWait") if "noWait" in bits else -1
        is_asking = any(mark[0] == ">" for mark in marks)
        found[key] = Method(key, f"{group} {words[1]}", fields, is_asking, asked.get(key, 0), "+" in marks, bit)
    return found


METHODS = _methods()
_AT = 11
"""Where arguments begin: behind the head of the frame, the class and the method."""


def waits(method: Method, frame: bytes) -> bool:
    """Whether who sent ``frame`` waits for an answer. Total."""
    if method.no_wait_bit < 0:
        return method.is_asking
    at = _AT
    try:
        for _, kind in method.fields:
            if kind == "bit":
                return not frame[at] >> method.no_wait_bit & 1
            at += 2 if kind == "short" else 1 + frame[at]
    except IndexError:
        pass
    return True


def read_arguments(method: Method, frame: bytes, end: int, into: dict[str, Any]) -> str:
    """Fill ``into`` with the arguments, which end at ``end``; what is wrong with them, else empty."""
    at, bit, octet = _AT, 8, 0
    try:
        for name, kind in method.fields:
            if kind == "bit":
                if bit == 8:
                    octet, bit, at = frame[at], 0, at + 1
                value: Any = bool(octet >> bit & 1)
                bit += 1
            else:
                bit = 8
                value, at = READERS[kind](frame, at)
            if name != "-":
                into[name] = value
    except Damaged as error:
        return str(error)
    except (IndexError, struct.error):
        return "it ends early"
    if at > end:
        return "it ends early"
    return f"{end - at} bytes more than {method.name} has" if at < end else ""
