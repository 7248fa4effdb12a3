"""The tables against the headers of the C library and the kernel, where this machine has them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from engine.jail.numbers import PROCESSORS

X86_64 = Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h")
GENERIC = Path("/usr/include/asm-generic/unistd.h")
"""What aarch64 uses."""


def numbers_in(header: Path) -> dict[str, int]:
    if not header.exists():
        pytest.skip(f"needs {header} (linux-libc-dev)")
    text = header.read_text()
    found = {name: int(number) for name, number in re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)\s*$", text, re.M)}
    return {"mmap" if name == "mmap2" else name: number for name, number in found.items()}


@pytest.mark.parametrize(("machine", "header"), [("x86_64", X86_64), ("aarch64", GENERIC)])
def test_numbers_are_those_of_the_header(machine: str, header: Path) -> None:
    told = numbers_in(header)
    ours = PROCESSORS[machine].numbers
    assert {name: told.get(name) for name in ours} == ours
