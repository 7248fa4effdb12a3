"""The last words of a run: what happened, where the result is, how to look at it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from engine.cli.tables import paint
from engine.config import Settings
from engine.shipping.address import DEFAULT_FOLDER, destination_text
from engine.supervisor.outcome import Outcome

MANIFESTS_SHOWN = 4


def print_summary(settings: Settings, outcome: Outcome, run_id: str, *, kept: bool = True) -> None:
    """To standard error; results are files."""
    totals = outcome.totals
    paint(_story(totals))
    for reason, count in _losses(totals).items():
        paint(f"  dropped: {count:,} ({reason})")
    for script, reason in outcome.scripts_out.items():
        paint(f"  script {script!r} did not run to the end: {reason}", "yellow")
    for error in outcome.errors:
        paint(f"error: {error}", "red")
    if outcome.note:
        paint(outcome.note, "yellow" if outcome.remaining else "")
    if totals.get("shipper_batches_total"):
        _print_result(settings, run_id, kept=kept)
    sys.stderr.flush()


def _story(totals: Mapping[str, int]) -> str:
    def count(name: str, one: str, many: str = "") -> str:
        number = totals.get(name, 0)
        return f"{number:,} {one if number == 1 else many or one + 's'}"

    story = f"{count('capture_packets_total', 'packet')} in {count('streams_started_total', 'stream')}"
    if totals.get("items_total") and not totals.get("scripts_entries_total"):
        return story + f" gave {count('items_total', 'item')}; no script asked for them."
    if not totals.get("scripts_entries_total"):
        return story + ". No script asked for items, so none were made."
    story += (
        f" gave {count('items_total', 'item')}; {count('scripts_matched_total', 'item')} matched a filter of a script,"
    )
    story += f" {count('recorder_streams_kept_total', 'stream was', 'streams were')} kept,"
    return story + f" {count('shipper_batches_total', 'batch was', 'batches were')} uploaded."


def _losses(totals: Mapping[str, int]) -> dict[str, int]:
    return {
        name.removesuffix("}").replace("_dropped_total{reason=", ": "): count
        for name, count in sorted(totals.items())
        if "_dropped_total{" in name and not name.startswith("script_dropped_total{") and count
    } | ({"capture: the kernel's ring was full": lost} if (lost := totals.get("capture_lost_total", 0)) else {})


def _print_result(settings: Settings, run_id: str, *, kept: bool) -> None:
    where = destination_text(settings.shipping)
    if not kept and where == DEFAULT_FOLDER:
        paint("what it recorded is not kept; --data DIR keeps it")
        return
    if not where.startswith("gs://"):
        folder = Path(settings.data, where)
        where = str(folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder)
    paint("")
    if where.startswith("gs://"):
        paint(f"The recording is in {where}")
        paint(f"  gsutil ls -r {where}/")
        return
    manifests = sorted(
        Path(where).glob(f"recording=*/manifest/*/*/*/*/{run_id}-*.manifest.json"), key=lambda p: p.stat().st_mtime
    )
    if not manifests:  # jobs have destinations of their own
        paint(f"The recordings are where their jobs send them: remora recordings list --json --data {settings.data}")
        return
    paint(f"The recording is in {where}")
    for manifest in manifests[-MANIFESTS_SHOWN:]:
        stem = str(manifest).removesuffix(".manifest.json")
        packets, items = (Path(stem.replace("/manifest/", f"/{kind}/")) for kind in ("pcap", "items"))
        for path in packets.parent.glob(f"{packets.name}.pcap*.gz"):
            paint(f"  tshark -r {path} | head")
        paint(f"  zcat {items}.items.jsonl.gz | head -1 | python3 -m json.tool")
