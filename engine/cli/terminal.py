"""What commands say to people and hand to programs: text of whatever origin, which a terminal obeys in nothing.

Names, reasons, filters and headers may come from the wire, from a bucket, or from somebody else's folder.
"""

from __future__ import annotations

import json
import shutil
import sys
from typing import IO

from engine.errors import ConfigError
from engine.log import printable

LIMIT = 8192
"""Of one value that is shown: paths are no longer."""


def shown(value: object) -> str:
    """``value`` on one line, with all that is no printable character escaped."""
    return printable(str(value), LIMIT)


def lines(text: str) -> str:
    """Text of several lines, of which each is shown as ``shown`` does it; tabs stay."""
    return "\n".join("\t".join(map(shown, line.split("\t"))) for line in text.split("\n"))


def say(value: object) -> None:
    """A line of the answer."""
    print(shown(value), flush=True)


def tell(value: object) -> None:
    """A line beside the answer."""
    print(shown(value), file=sys.stderr, flush=True)


def say_lines(text: str) -> None:
    """Some lines of the answer."""
    say_part(text + "\n")


def say_part(text: str) -> None:
    """Lines of the answer, of which the last goes on with what is said next."""
    print(lines(text), end="", flush=True)


def tell_lines(text: str) -> None:
    """Some lines beside the answer."""
    print(lines(text), file=sys.stderr, flush=True)


def warn(text: str) -> None:
    """What is missing from the answer, or odd about it."""
    tell(f"remora: warning: {text}")


def write_json(data: bytes) -> None:
    """Lines of JSON: as they are for a program; escaped, which means the same in JSON, for a terminal."""
    sys.stdout.buffer.write(_escaped(data) if sys.stdout.isatty() else data)


def _escaped(data: bytes) -> bytes:
    text = data.decode(errors="replace")
    return "".join(char if char.isprintable() or char == "\n" else json.dumps(char)[1:-1] for char in text).encode()


def write_bytes(option: str, source: IO[bytes]) -> None:
    """All of ``source`` to standard output, which is for a program to read: nothing of it is escaped.

    Raises:
        ConfigError: it is a terminal.
    """
    if sys.stdout.isatty():
        raise ConfigError(option, "a file or a pipe", "a terminal", "such as: | tshark -r -")
    shutil.copyfileobj(source, sys.stdout.buffer)
    sys.stdout.buffer.flush()
