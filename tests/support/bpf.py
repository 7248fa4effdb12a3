"""The kernel's packet filter machine and the meaning of our rules, both slow and obvious."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

from engine.jail import program
from engine.jail.numbers import Processor
from engine.jail.program import Instruction
from engine.jail.rules import ABSENT, KILLED, Check, Rules


class SystemCall(NamedTuple):
    """What a filter sees of a call."""

    number: int
    architecture: int
    arguments: tuple[int, ...]

    def pack(self) -> bytes:
        """``struct seccomp_data`` of a little-endian machine."""
        return struct.pack("<IIQ6Q", self.number, self.architecture, 0, *self.arguments)


def run(steps: Sequence[Instruction], call: SystemCall, passed: list[int] | None = None) -> int:
    """The verdict of a program, one instruction after the other; their positions are noted in ``passed``."""
    data, accumulator, position = call.pack(), 0, 0
    for _ in range(len(steps)):
        step = steps[position]
        if passed is not None:
            passed.append(position)
        position += 1
        if step.code == program.LOAD:
            (accumulator,) = struct.unpack_from("<I", data, step.constant)
        elif step.code == program.RETURN:
            return step.constant
        else:
            holds = {
                program.JUMP_EQUAL: accumulator == step.constant,
                program.JUMP_AT_LEAST: accumulator >= step.constant,
                program.JUMP_SET: accumulator & step.constant != 0,
            }[step.code]
            position += step.if_true if holds else step.if_false
    raise AssertionError("the program has no end")


def verdict(processor: Processor, rules: Rules, call: SystemCall) -> int:
    """What the rules mean."""
    if call.architecture != processor.audit or (processor.x32_bit and call.number >= processor.x32_bit):
        return program.KILL_PROCESS
    names = [name for name, number in processor.numbers.items() if number == call.number]
    if not names:
        return program.DENY
    (name,) = names
    if name in rules:
        return program.ALLOW if all(holds(check, call) for check in rules[name]) else program.DENY
    if name in ABSENT:
        return program.NOT_THERE
    return program.KILL_PROCESS if name in KILLED else program.DENY


def holds(check: Check, call: SystemCall) -> bool:
    """Whether one condition does."""
    value = call.arguments[check.argument]
    if check.kind == "zero":
        return value == 0
    low = value & 0xFFFF_FFFF
    return low & check.values[0] == 0 if check.kind == "without" else low in check.values
