"""Rules as a program of the kernel's packet filter machine, which runs before every system call of a host.

The program sees this (``struct seccomp_data``, byte offsets)::

    +--------+---------+------------------------+------------------------+
    | nr u32 | arch u32| instruction_pointer u64| six arguments, u64 each|
    +--------+---------+------------------------+------------------------+
    0        4         8                        16

Calls without conditions come first, one comparison each; since Linux 5.11 the kernel remembers that they are allowed
and does not run the program for them at all.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Iterable
from typing import NamedTuple

from engine.jail.numbers import Processor
from engine.jail.rules import ABSENT, KILLED, Check, Rules

LOAD, JUMP_EQUAL, JUMP_AT_LEAST, JUMP_SET, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
ALLOW, KILL_PROCESS, ERRNO = 0x7FFF_0000, 0x8000_0000, 0x0005_0000
DENY = ERRNO | errno.EPERM
NOT_THERE = ERRNO | errno.ENOSYS
NUMBER_AT, ARCHITECTURE_AT, ARGUMENTS_AT = 0, 4, 16
INSTRUCTION = struct.Struct("=HBBI")


class Instruction(NamedTuple):
    """One step: what to do, how many instructions to skip where it holds and where it does not, and a constant."""

    code: int
    if_true: int
    if_false: int
    constant: int


def build(processor: Processor, rules: Rules) -> list[Instruction]:
    """The whole program; rules for calls that the processor does not have are left out."""
    known = {processor.numbers[name]: checks for name, checks in rules.items() if name in processor.numbers}
    plain = [number for number, checks in known.items() if not checks]
    return [
        *_right_machine(processor),
        *_each(plain, ALLOW),
        *(step for number, checks in known.items() if checks for step in _checked(number, checks)),
        *_each(_numbers(processor, ABSENT), NOT_THERE),
        *_each(_numbers(processor, KILLED), KILL_PROCESS),
        _give(DENY),
    ]


def pack(program: Iterable[Instruction]) -> bytes:
    """As the kernel reads it."""
    return b"".join(INSTRUCTION.pack(*step) for step in program)


def _right_machine(processor: Processor) -> list[Instruction]:
    """Numbers mean something else on another architecture: a call that comes from one ends the process."""
    steps = [
        _load(ARCHITECTURE_AT),
        Instruction(JUMP_EQUAL, 1, 0, processor.audit),
        _give(KILL_PROCESS),
        _load(NUMBER_AT),
    ]
    if processor.x32_bit:
        steps += [Instruction(JUMP_AT_LEAST, 0, 1, processor.x32_bit), _give(KILL_PROCESS)]
    return steps


def _numbers(processor: Processor, names: Iterable[str]) -> list[int]:
    return sorted(processor.numbers[name] for name in names if name in processor.numbers)


def _each(numbers: Iterable[int], verdict: int) -> list[Instruction]:
    return [step for number in numbers for step in (Instruction(JUMP_EQUAL, 0, 1, number), _give(verdict))]


def _checked(number: int, checks: tuple[Check, ...]) -> list[Instruction]:
    """Every way through these steps ends in a verdict, so that what follows still has the number at hand."""
    body = [step for check in checks for step in _check(check)] + [_give(ALLOW)]
    return [Instruction(JUMP_EQUAL, 0, len(body), number), *body]


def _check(check: Check) -> list[Instruction]:
    low = ARGUMENTS_AT + 8 * check.argument  # both processors are little-endian
    if check.kind == "zero":
        return [step for half in (low, low + 4) for step in (_load(half), *_one_of((0,)))]
    if check.kind == "without":
        return [_load(low), Instruction(JUMP_SET, 0, 1, check.values[0]), _give(DENY)]
    return [_load(low), *_one_of(check.values)]


def _one_of(values: tuple[int, ...]) -> list[Instruction]:
    jumps = [Instruction(JUMP_EQUAL, len(values) - place, 0, value) for place, value in enumerate(values)]
    return [*jumps, _give(DENY)]


def _load(offset: int) -> Instruction:
    return Instruction(LOAD, 0, 0, offset)


def _give(verdict: int) -> Instruction:
    return Instruction(RETURN, 0, 0, verdict)
