"""What was measured as Markdown, and its place in ``docs/performance.md``: between two comments."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from benchmarks.captures import PEERED, SEED
from benchmarks.measuring import Measured
from benchmarks.tools import ENGINE, PEERS, QUERY, SURICATA, TSHARK, Tool

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"

NAMES = (*PEERED, "lo_real")
AIMS: dict[tuple[str, str], float] = {
    **{(TSHARK.name, name): 0.2 for name in NAMES},
    **{(SURICATA.name, name): aim for name, aim in zip(NAMES, (0.75, 1.0, 0.75, 0.9, 0.8, 1.0), strict=True)},
}
"""``(peer, capture)`` -> CPU of `engine` divided by the peer's, at most."""
PEAK_MIB = 200

COLUMNS = (
    "peer", "capture", "CPU s engine", "query", "peer", "**engine/peer**", "aim", "query/peer", "wall engine/peer",
    "MiB engine", "query", "peer", "exchanges engine", "query", "peer",
)  # fmt: skip


def report(
    results: Sequence[Measured], installed: Sequence[Tool], *, scale: float, rounds: int, calibrations: Sequence[float]
) -> str:
    """The machine, the table, and in one line what is met."""
    missing = [peer.name for peer in PEERS if peer not in installed]
    lines = [
        f"{datetime.now(UTC):%Y-%m-%d}. {machine()}. {'; '.join(tool.version() for tool in (ENGINE, *installed))}.",
        f"Scale {scale:g}, seed {SEED}, median of {rounds} rounds, all on one core, files on tmpfs.",
        f"Calibration (10 million additions in Python), before and after: {_seconds(calibrations)}.",
        "",
        f"| {' | '.join(COLUMNS)} |",
        f"|---|---|{'--:|' * (len(COLUMNS) - 2)}",
        *(row(result, peer) for peer in installed for result in results if peer.name in result.costs),
        "",
        *(f"{name} was not there: not shown, so not met." for name in missing),
        *verdicts(results, installed),
    ]
    return "\n".join(lines)


def row(result: Measured, peer: Tool) -> str:
    """One peer on one capture."""
    costs = [result.median(name) for name in (ENGINE.name, QUERY.name, peer.name)]
    ratio, aim = result.ratio(ENGINE.name, peer.name), AIMS.get((peer.name, result.name))
    cells = [
        peer.name,
        result.name,
        *(f"{cost.cpu_s:.2f}" for cost in costs),
        f"**{ratio:.2f}**",
        f"≤ {aim:g}" if aim else "",
        f"{result.ratio(QUERY.name, peer.name):.2f}",
        f"{result.ratio(ENGINE.name, peer.name, wall=True):.2f}",
        *(f"{cost.peak_mib:.0f}" for cost in costs),
        *(str(result.found.get(name, "")) for name in (ENGINE.name, QUERY.name, peer.name)),
    ]
    return f"| {' | '.join(cells)} |"


def verdicts(results: Sequence[Measured], installed: Sequence[Tool]) -> Iterator[str]:
    """What is met and what is not, and whether every exchange was found."""
    met: list[str] = []
    missed: list[str] = []
    for peer in installed:
        for result in results:
            aim = AIMS.get((peer.name, result.name))
            if aim is None or peer.name not in result.costs:
                continue
            if not result.comparable(ENGINE.name, peer.name):
                missed.append(
                    f"{peer.name} {result.name} (it found {result.found[peer.name]} exchanges: no comparison)"
                )
                continue
            ratio = result.ratio(ENGINE.name, peer.name)
            (met if ratio <= aim else missed).append(f"{peer.name} {result.name} {ratio:.2f} (aim {aim:g})")
    peaks = [(result.median(ENGINE.name).peak_mib, result.name) for result in results]
    for peak, name in peaks:
        (met if peak <= PEAK_MIB else missed).append(f"peak memory on {name} {peak:.0f} MiB (aim {PEAK_MIB})")
    yield f"Met: {', '.join(met) or 'nothing'}."
    yield ""
    yield f"Not met: {', '.join(missed) or 'nothing'}."
    wrong = [result.name for result in results if result.expected and result.found[ENGINE.name] != result.expected]
    yield ""
    yield f"Exchanges missed by engine: {', '.join(wrong)}." if wrong else "Engine found every generated exchange."


def _seconds(values: Sequence[float]) -> str:
    return " and ".join(f"{each:.2f} s" for each in values)


def machine() -> str:
    """Cores, kernel, Python and NumPy; nothing that names the machine."""
    kernel = platform.release().split("-")[0]
    return (
        f"{os.cpu_count()} cores {platform.machine()}, Linux {kernel}, "
        f"{platform.python_implementation()} {platform.python_version()}, NumPy {np.__version__}"
    )


def splice(page: str, part: str, text: str) -> str:
    """The page with ``text`` between the two comments of this part.

    Raises:
        ValueError: one of them is missing.
    """
    begin = f"<!-- {part}: begin -->"
    before, after = page.index(begin) + len(begin), page.index(f"<!-- {part}: end -->")
    return f"{page[:before]}\n\n{text}\n\n{page[after:]}"
