"""Tables on standard output, and coloured lines beside them; what stands in them comes from anywhere."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import rich.table
from rich.console import Console
from rich.text import Text

from engine.cli.terminal import lines, shown

MAX_WIDTH = 10_000
"""Of lines for other programs, which are not to be folded."""


class Table:
    """Rows below headings, which have the width of the terminal."""

    def __init__(self, *headings: str, numbers: Sequence[str] = ()) -> None:
        """``numbers``: headings of columns that follow, flush right and never folded."""
        self._table = rich.table.Table(box=None, pad_edge=False)
        for heading in headings:
            self._table.add_column(heading, overflow="fold", min_width=min(len(heading), 8))
        for heading in numbers:
            self._table.add_column(heading, justify="right", no_wrap=True)

    def add(self, *cells: object) -> None:
        """One more row; no cell says anything to the terminal, or to who draws the table."""
        self._table.add_row(*(Text(shown(cell)) for cell in cells))

    def show(self, width: int = MAX_WIDTH, *, fold: bool = True) -> None:
        """Print it.

        Args:
            width: where there is no terminal.
            fold: in columns; else a row that is too long goes on in the next line.
        """
        Console(soft_wrap=not fold, width=None if sys.stdout.isatty() else width).print(self._table)


def paint(text: str, style: str = "") -> None:
    """Lines beside the answer, in colour where there is a terminal."""
    Console(stderr=True, soft_wrap=True, highlight=False).print(Text(lines(text), style))
