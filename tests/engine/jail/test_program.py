"""The filter's program against the meaning of its rules, on an emulator; ``tests/hostile`` asks the kernel."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import replace

import pytest

from engine.jail.numbers import PROCESSORS, Processor
from engine.jail.program import ALLOW, DENY, KILL_PROCESS, NOT_THERE, Instruction, build, pack
from engine.jail.rules import ABSENT, KILLED, Check, Rules, allowed
from tests.support.bpf import SystemCall, run, verdict

PID = 4711
LONGEST = 4096
"""The kernel refuses longer programs."""

each_processor = pytest.mark.parametrize("processor", PROCESSORS.values(), ids=PROCESSORS)


def arguments_that_matter(checks: tuple[Check, ...]) -> Iterator[tuple[int, ...]]:
    """None given; all bits set; and for each condition what holds, what just does not, what differs above 32 bits."""
    yield (0,) * 6
    yield (2**64 - 1,) * 6
    for check in checks:
        for value in (0, 1, 2**32, 2**63, *(v ^ flip for v in check.values for flip in (0, 1, 2**32))):
            yield tuple(value if place == check.argument else 0 for place in range(6))


def calls(processor: Processor, rules: Rules, numbers: Iterable[int]) -> Iterator[SystemCall]:
    names = {number: name for name, number in processor.numbers.items()}
    for number in numbers:
        for arguments in arguments_that_matter(rules.get(names.get(number, ""), ())):
            yield SystemCall(number, processor.audit, arguments)


@each_processor
def test_every_call_gets_the_verdict_of_its_rule(processor: Processor) -> None:
    rules = allowed(PID)
    steps = build(processor, rules)
    for call in calls(processor, rules, range(600)):
        assert run(steps, call) == verdict(processor, rules, call), call


@each_processor
@pytest.mark.parametrize("seed", range(20))
def test_random_calls_get_the_verdict_of_their_rule(processor: Processor, seed: int) -> None:
    rules, random_ = allowed(PID), random.Random(seed)
    steps = build(processor, rules)
    for _ in range(500):
        number = random_.choice([random_.randrange(600), random_.getrandbits(32), 0x4000_0000 | random_.randrange(600)])
        architecture = random_.choice([processor.audit, processor.audit, random_.getrandbits(32)])
        wide = random_.choice([3, 8, 32, 64])
        call = SystemCall(number, architecture, tuple(random_.getrandbits(wide) for _ in range(6)))
        assert run(steps, call) == verdict(processor, rules, call), call


def wrong(step: Instruction) -> list[Instruction]:
    """The instruction with one thing changed."""
    if step.code == 0x06:
        return [step._replace(constant=other) for other in (ALLOW, DENY, KILL_PROCESS) if other != step.constant]
    if step.code == 0x20:
        return [step._replace(constant=(step.constant + 8) % 64)]
    return [step._replace(constant=step.constant ^ 1), step._replace(if_true=step.if_false, if_false=step.if_true)]


@each_processor
def test_no_instruction_could_be_another_one(processor: Processor) -> None:
    """Each mutation changes the verdict on some call: no instruction is dead, none is only nearly right."""
    rules = allowed(PID)
    steps = build(processor, rules)
    everything = list(calls(processor, rules, [*processor.numbers.values(), 599]))
    everything += [SystemCall(0, processor.audit ^ 1, (0,) * 6), SystemCall(0, processor.audit ^ 8, (0,) * 6)]
    everything += [SystemCall(processor.x32_bit | number, processor.audit, (0,) * 6) for number in (0, 1)]
    reached: dict[int, list[SystemCall]] = {}
    for call in everything:
        passed: list[int] = []
        run(steps, call, passed)
        for position in passed:
            reached.setdefault(position, []).append(call)
    for position, step in enumerate(steps):
        for other in wrong(step):
            changed = [*steps[:position], other, *steps[position + 1 :]]
            assert any(verdict_of(changed, call) != run(steps, call) for call in reached[position]), (position, other)


def verdict_of(steps: list[Instruction], call: SystemCall) -> int | None:
    try:
        return run(steps, call)
    except (IndexError, AssertionError):
        return None


@each_processor
def test_the_program_is_one_the_kernel_takes(processor: Processor) -> None:
    steps = build(processor, allowed(PID))
    assert len(pack(steps)) == 8 * len(steps)
    assert len(steps) < LONGEST
    for position, step in enumerate(steps):
        assert max(step.if_true, step.if_false) < 256
        if step.code not in (0x06, 0x20):
            assert position + 1 + max(step.if_true, step.if_false) < len(steps)


def test_what_is_allowed_is_not_killed() -> None:
    assert not set(allowed(PID)) & KILLED
    assert not set(allowed(PID)) & ABSENT


@each_processor
def test_no_path_socket_process_or_thread_is_among_what_is_allowed(processor: Processor) -> None:
    forbidden = """
        open openat openat2 creat stat lstat newfstatat statx access faccessat readlink getcwd chdir rename unlink link
        symlink mkdir rmdir mknod chmod chown truncate ftruncate memfd_create socket socketpair connect bind sendmsg
        sendmmsg clone clone3 fork vfork execve kill tkill pidfd_open ioctl fcntl dup pipe prctl seccomp setrlimit
    """
    assert not set(forbidden.split()) & set(allowed(PID))


@each_processor
def test_every_rule_names_calls_that_exist(processor: Processor) -> None:
    missing = (set(allowed(PID)) | KILLED | ABSENT) - set(processor.numbers)
    assert missing == (set() if processor.name == "x86_64" else {"poll", "time"})
    assert len(set(processor.numbers.values())) == len(processor.numbers)


def test_a_rule_with_two_values_takes_either() -> None:
    processor = replace(PROCESSORS["x86_64"], numbers={"fcntl": 72})
    rules: Rules = {"fcntl": (Check(1, "in", (1, 3, 5)),)}
    steps = build(processor, rules)
    told = [run(steps, SystemCall(72, processor.audit, (0, value, 0, 0, 0, 0))) for value in range(7)]
    assert told == [DENY, ALLOW, DENY, ALLOW, DENY, ALLOW, DENY]


def test_the_thread_call_is_said_not_to_exist() -> None:
    processor = PROCESSORS["x86_64"]
    call = SystemCall(processor.numbers["clone3"], processor.audit, (0,) * 6)
    assert run(build(processor, allowed(PID)), call) == NOT_THERE
