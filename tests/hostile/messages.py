"""What a hijacked host may say to those who listen: name -> what it sends, each enough to be killed and replaced."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import msgspec

from engine.frames.host import ACKNOWLEDGEMENT, Call, JobDone, Log, Ready, Refused, RunJob, ShutdownDone

pack = msgspec.msgpack.encode
READY = Ready([], [], [])
DEEP = b"\x84\xa4type\xa4call\xa3seq\x01\xa6helper\xa1x\xa4args\x91" + b"\x91" * 60_000 + b"\xc0"
CALL = pack(Call(1, "file.write", [msgspec.Raw(pack("AAAA"))]))

TO_THE_BROKER: dict[str, bytes | Sequence[msgspec.Struct]] = {
    "garbage": b"\xc1\xff\x00garbage",
    "nothing but a number": pack(7),
    "not a number": pack(float("nan")),
    "an unknown type": pack({"type": "reboot"}),
    "a message of the other direction": [RunJob(1, "x")],
    "an unknown field": pack({"type": "log", "level": "log", "text": "", "more": 1}),
    "a field of another type": pack({"type": "log", "level": 5, "text": ""}),
    "oversize": b"\x00" * 100_000,
    "an honest form, oversize": pack({"type": "log", "level": "log", "text": "x" * 100_000}),
    "a list 60,000 deep": DEEP,
    "a list 100,000 deep": DEEP + b"\x91" * 40_000,
    "a length without content": b"\xdd\xff\xff\xff\xff",
    "a lone surrogate in a log": pack(Log("log", "AAA")).replace(b"AAA", b"\xed\xa0\x80"),
    "a lone surrogate in a name": CALL.replace(b"file", b"\xed\xa0\x80e"),
    "a lone surrogate in an argument": CALL.replace(b"file.write", b"file.mkdir").replace(b"AAAA", b"\xed\xa0\x80A"),
    "an unknown log level": [Log("fatal", "x")],
    "ready twice": [READY, READY],
    "ready after refused": [Refused(["x"]), READY],
    "the end of a job that never ran": [JobDone(1, "", 0)],
    "a farewell nobody asked for": [ShutdownDone("")],
    "a call out of order": [Call(1, "utils.nodeName", []), Call(3, "utils.nodeName", [])],
    "a negative call": [Call(-1, "file.append", [msgspec.Raw(pack("a")), msgspec.Raw(pack("a"))])],
    "a call beyond all numbers": [Call((1 << 64) - 1, "file.append", [msgspec.Raw(pack("a")), msgspec.Raw(pack("a"))])],
    "a call from the past": [Call(n, "utils.nodeName", []) for n in (1, 2, 1)],
    "a second call before the reply": [Call(1, "file.delete", [msgspec.Raw(pack("x"))]), Call(2, "utils.nodeName", [])],
}


def acknowledge(sequence: int, done: int, errors: int = 0, matched: int = 0, cpu_ns: int = 0) -> bytes:
    """As a host does."""
    return ACKNOWLEDGEMENT.pack(sequence, done, errors, 0, matched, cpu_ns)


FRAME = 1
ENTRIES = 4
"""What the worker has sent when it hears one of these: frame 1 with four entries."""
LARGEST = 2**64 - 1

TO_THE_WORKER: dict[str, bytes] = {
    "zeros": bytes(ACKNOWLEDGEMENT.size),
    "ones": b"\xff" * ACKNOWLEDGEMENT.size,
    "text": b"GET / HTTP/1.1\r\nHost: worker\r\n\r\n",
    "a frame to come": acknowledge(FRAME + 1, 1),
    "a frame of the past": acknowledge(FRAME - 1, 1),
    "the largest number of a frame": acknowledge(LARGEST, 1),
    "more entries than there are": acknowledge(FRAME, ENTRIES + 1),
    "the largest number of entries": acknowledge(FRAME, 2**32 - 1),
    "nothing new": acknowledge(FRAME, 0),
    "the same twice": acknowledge(FRAME, 2) * 2,
    "backwards": acknowledge(FRAME, 3) + acknowledge(FRAME, 2),
    "all of it twice": acknowledge(FRAME, ENTRIES) * 2,
    "a flood of the same": acknowledge(FRAME, 1) * 2000,
    "one good and garbage": acknowledge(FRAME, 1) + b"\xff" * ACKNOWLEDGEMENT.size,
    "a giant length in front": struct.pack("<I", 2**32 - 1) + acknowledge(FRAME, 1),
    "one byte too many": b"\0" + acknowledge(FRAME, 1) * 2,
}
