"""The recorder's pass: what is kept and was not copied yet goes from the segments into the open batches.

A pass reads (journals, indexes, stream logs), appends (open batches), commits (one record in the commit log) and tells
the worker (``keep/copied``), in this order. Killed anywhere, the next collector cuts the open batches to the last
commit and copies from the cursors of that commit on: nothing is lost and nothing doubled.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from engine.counters import Counters, Drop
from engine.recording.batch_state import NEVER_NS, Sealing, Totals
from engine.recording.client_randoms import client_randoms
from engine.recording.index_tail import ExtentTail, IndexTail, StreamIds
from engine.recording.journal import Change, Entry, Gap, Keep, SealNow, delete_read, journals, read_journal
from engine.recording.ledger import Ledger
from engine.recording.open_batches import OpenBatches
from engine.recording.options import RecordingOptions
from engine.recording.packets import RECORD_HEADER_BYTES
from engine.recording.policy import Policies, Policy
from engine.recording.profile import Facts, names_of
from engine.recording.segment_bytes import read_items, read_packets
from engine.recording.space import Space
from engine.recording.windows import Windows
from engine.segments.copied import Copied, write_copied
from engine.segments.records import END, EXTENT, ITEM, SEEN, STREAM_RECORD, Records

_log = logging.getLogger(__name__)

COUNTED = {"packets_not_stored": "packets", "items_not_stored": "items", "streams_not_kept": "streams"}
"""Gaps that manifests sum up, and what of."""


class Collector:
    """Everything between the segments and the open batches; one per data folder.

    After an ``OSError`` its memory and the disk disagree: close it and open another.
    """

    def __init__(
        self,
        data: Path,
        run_id: str,
        options: RecordingOptions,
        counters: Counters,
        idle_ns: int = 3_600_000_000_000,
        policies: Policies = lambda _: Policy(),
        change: Callable[[Change], None] = lambda _: None,
    ) -> None:
        """Go on where the last one committed.

        Args:
            data: the data folder.
            run_id: names the batches that are begun from now on.
            options: limits.
            counters: ``recorder_*``.
            idle_ns: a stream without packets for so long has no end any more: its worker died.
            policies: what each recording writes.
            change: told what scripts want of jobs, before it counts as read; perhaps twice.

        Raises:
            OSError: the disk is full or failing.
        """
        self._data, self._counters, self._options, self._policy = data, counters, options, policies
        self._change = change
        self.space = Space(data / "outbox", options.limit_bytes)
        opened = data / "outbox" / "open"
        opened.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._ledger = ledger = Ledger(opened / "passes.log", run_id)
        self.batches = OpenBatches(opened, ledger, options)
        cursors = ledger.cursors
        self._extents = ExtentTail(data / "segments", "idx", EXTENT, cursors.segments)
        self._logs = IndexTail(data / "segments", "streams", STREAM_RECORD, cursors.logs)
        self._items = IndexTail(data / "items", "idx", ITEM, cursors.items)
        self._idle_ns, self._active_ns = idle_ns, dict[int, int]()
        self._full = False

    def collect(self, now_ns: int) -> bool:
        """One pass; whether anything moved.

        Args:
            now_ns: wall clock.

        Raises:
            OSError: the disk is full or failing; nothing of this pass counts.
        """
        touched: set[int] = set()
        entries = self._read_journals()
        asked = {entry.recording for entry in entries if isinstance(entry, SealNow)}
        moved = bool(entries)
        for entry in entries:
            if isinstance(entry, Gap):
                self._ledger.gaps.add(entry)
            elif isinstance(entry, Change):
                self._change(entry)
        self._take_wishes([entry for entry in entries if isinstance(entry, Keep)], now_ns, touched)
        moved |= self._copy_new(now_ns, touched)
        moved |= self._learn(touched)
        self.batches.describe({stream: self._ledger.kept[stream].record for stream in touched})
        self.batches.ask(asked)
        moved |= self._forget(now_ns)
        if moved:
            self._ledger.commit()
            cursors = self._ledger.cursors
            write_copied(self._data, Copied(cursors.journals, cursors.segments, cursors.items, now_ns))
            delete_read(self._data / "keep", cursors.journals)
        return moved

    def freeze(self, batches: list[str], facts: Facts) -> None:
        """Fix these batches: they get nothing more, and building one gives the same bytes each time.

        Raises:
            OSError: not fixed.
        """
        names = facts.names()
        for batch in batches:
            state = self._ledger.batch(batch)
            profile = facts.profile(state.recording)
            if profile.with_secrets:
                self._store_keys(batch, facts)
            gaps = [
                *self._ledger.gaps.take(state),
                *self._ledger.gaps.take_missed(state, facts.missed(state.recording)),
            ]
            lost: dict[str, int | None] = {
                "ring_full": sum(gap.packets for gap in gaps if gap.reason == "ring_full"),
                "storage_full": self._ledger.refused.pop(state.recording, 0),
            }
            for reason, unit in COUNTED.items():
                if count := sum(getattr(gap, unit) for gap in gaps if gap.reason == reason):
                    lost[reason] = count
            if dropped := self._ledger.dropped.pop(state.recording, 0):
                lost["batches_deleted"] = dropped
            here = names_of(names, self.batches.get(batch).endpoints())
            state.sealing = Sealing(facts.version, lost, profile, here, gaps)
        self._ledger.commit()
        self.batches.freeze(batches)

    def _store_keys(self, batch: str, facts: Facts) -> None:
        opened = self.batches.get(batch)
        opened.store_keys(facts.key_log(client_randoms(opened.folder, opened.state.packets)))

    def remove(self, batch: str) -> None:
        """A fixed batch is in ``ready``: it leaves ``open``.

        Raises:
            OSError: it is left; harmless.
        """
        self._ledger.total(self._ledger.batches[batch].recording).batches += 1
        self._ledger.remove_batch(batch)
        self._ledger.commit()
        self.batches.remove(batch)

    def lose_batch(self, recording: str) -> None:
        """A sealed batch of it was deleted to make room; its next manifest says so."""
        self._ledger.dropped[recording] = self._ledger.dropped.get(recording, 0) + 1
        self._counters.drop("outbox", Drop.STORAGE_FULL)
        self._ledger.commit()

    @property
    def totals(self) -> Mapping[str, Totals]:
        """What each recording has got so far."""
        return self._ledger.totals

    def release(self, recording: str) -> None:
        """A recording was deleted: its streams are not followed any more, and what is open of it goes.

        Raises:
            OSError: perhaps done in part.
        """
        for stream, kept in list(self._ledger.kept.items()):
            if recording in kept.recordings:
                del self._ledger.stream(stream).recordings[recording]
                if not kept.recordings:
                    self._ledger.forget([stream])
                    self._active_ns.pop(stream, None)
        self._ledger.drop_total(recording)
        self.batches.discard(recording)

    def close(self) -> None:
        """Give the descriptors back."""
        self._ledger.close()

    # ---- wishes ---------------------------------------------------------------------------------------------------

    def _take_wishes(self, wishes: list[Keep], now_ns: int, touched: set[int]) -> None:
        """Follow the streams, and copy what of them lies behind the cursors already."""
        late = Windows()
        for wish in wishes:
            self._follow(wish, late, now_ns)
        streams = late.streams()
        touched.update(streams.tolist())
        for _, rows in self._logs.old(streams):
            self._note(rows)
        self._copy_old(late, now_ns, touched)
        for number, rows in self._items.old(streams):
            self._copy_items(number, rows, late, now_ns, touched)

    def _read_journals(self) -> list[Entry]:
        entries: list[Entry] = []
        cursors = self._ledger.cursors.journals
        for path in journals(self._data / "keep"):
            while True:
                more, end = read_journal(path, cursors.get(path.name, 0))
                if not more:
                    break
                cursors[path.name] = end
                entries += more
        return entries

    def _follow(self, wish: Keep, late: Windows, now_ns: int) -> None:
        """Follow the stream from now on, and note in ``late`` what of it may have been passed already."""
        if not self._within_limit(wish):
            return
        kept = self._ledger.kept.get(wish.stream)
        before_ns = kept.recordings.get(wish.recording, NEVER_NS) if kept else NEVER_NS
        if wish.from_ns >= before_ns:
            return
        if before_ns == NEVER_NS:
            known = kept is not None and wish.recording in kept.recordings
            if self.space.full(now_ns):
                self._say_full(True)
                if not known:
                    self._refuse(wish)
                return
            self._say_full(False)
            self._counters.add("recorder_streams_wanted_total")
            self._counters.add("recorder_streams_kept_total")
            self._ledger.total(wish.recording).streams += 1
        self._ledger.stream(wish.stream).recordings[wish.recording] = wish.from_ns
        self._active_ns[wish.stream] = now_ns
        late.add(wish.stream, wish.recording, wish.from_ns, before_ns)

    def _within_limit(self, wish: Keep) -> bool:
        """Whether a wish counts that stands under ``limit()``: each worker keeps to it, and all of them together."""
        if not wish.limit:
            return True
        totals = self._ledger.total(wish.recording)
        count = totals.wishes.get(wish.run, 0)
        if count >= wish.limit:
            return False
        totals.wishes = {wish.run: count + 1}
        return True

    def _refuse(self, wish: Keep) -> None:
        self._ledger.stream(wish.stream).recordings[wish.recording] = NEVER_NS
        self._ledger.refuse(wish.recording)
        self._counters.add("recorder_streams_wanted_total")
        self._counters.drop("recorder", Drop.STORAGE_FULL)

    def _say_full(self, full: bool) -> None:
        if full and not self._full:
            _log.error(
                "recording_limit_reached used_bytes=%d limit_bytes=%d; new streams are refused until batches have "
                "left: see that the destination takes them, or raise recording.limit",
                self.space.used_bytes,
                self._options.limit_bytes,
            )
        elif self._full and not full:
            _log.warning("recording_limit_left used_bytes=%d; new streams are kept again", self.space.used_bytes)
        self._full = full

    # ---- copying --------------------------------------------------------------------------------------------------

    def _copy_new(self, now_ns: int, touched: set[int]) -> bool:
        moved = False
        items = list(self._items.new())  # before the extents: so the packets of each of them are stored and found
        for number, rows in self._extents.new():
            moved = True
            self._copy(number, rows, self._windows(np.unique(rows["stream"])), now_ns, touched)
        for number, rows in items:
            moved = True
            self._copy_items(number, rows, self._windows(np.unique(rows["stream"])), now_ns, touched)
        return moved

    def _copy_old(self, late: Windows, now_ns: int, touched: set[int]) -> None:
        """What lies behind the cursors; what was rescued from a segment while we looked, from where it lies now."""
        streams, gone = late.streams(), []
        for number, rows in self._extents.old(streams):
            if not self._copy(number, rows, late, now_ns, touched):
                gone.append(number)
        if gone:
            for number, rows in self._extents.old(streams):
                moved = np.isin(rows["segment"], gone) & (rows["segment"] != number)
                self._copy(number, rows[moved], late, now_ns, touched)

    def _windows(self, streams: StreamIds) -> Windows:
        windows, kept = Windows(), self._ledger.kept
        for stream in streams.tolist():
            if stream in kept:
                windows.add_all(stream, kept[stream].recordings)
        return windows

    def _copy(self, number: int, extents: Records, windows: Windows, now_ns: int, touched: set[int]) -> bool:
        """Packets of ``extents``, all of one segment, into the batches that want them; false where it has gone."""
        streams = windows.streams()
        wanted = extents[np.isin(extents["stream"], streams)]
        if not len(wanted):
            return True
        if not (piece := read_packets(self._data / "segments", number, wanted)):
            return False
        for stream in streams.tolist():
            self._active_ns[stream] = now_ns
        for recording, mask in windows.masks(piece.packets):
            if not self._policy(recording).packets:
                continue
            packets = piece.packets[mask]
            self.batches.current(recording, now_ns).add_packets(piece.data, packets)
            self._counters.add("recorder_packets_total", len(packets))
            totals = self._ledger.total(recording)
            totals.packets, totals.last_ns = totals.packets + len(packets), now_ns
            totals.packet_bytes += int(packets["length"].sum()) - RECORD_HEADER_BYTES * len(packets)
        touched.update(streams.tolist())
        return True

    def _copy_items(self, number: int, rows: Records, windows: Windows, now_ns: int, touched: set[int]) -> None:
        """Items of ``rows``, all of one item segment, into the batches of their packets."""
        wanted = rows[np.isin(rows["stream"], windows.streams())]
        items = read_items(self._data / "items", number, wanted) if len(wanted) else []
        if not items:
            return
        for recording, mask in windows.masks(wanted):
            totals, policy = self._ledger.total(recording), self._policy(recording)
            chosen = [items[at] for at in np.flatnonzero(mask).tolist()]
            written = policy.items(chosen)
            batch = self.batches.current(recording, now_ns)
            batch.add_items(written)
            batch.state.items_damaged += len(chosen) - len(written)
            self._counters.add("recorder_items_total", len(written))
            totals.items, totals.last_ns = totals.items + len(written), now_ns
        touched.update(stream for stream, _ in items)

    # ---- streams --------------------------------------------------------------------------------------------------

    def _learn(self, touched: set[int]) -> bool:
        moved = False
        for _, rows in self._logs.new():
            moved = True
            touched.update(self._note(rows))
        return moved

    def _note(self, rows: Records) -> set[int]:
        """Remember the newest record of each kept stream; which ones those were."""
        noted = set()
        for at, stream in enumerate(rows["stream"].tolist()):
            if stream in self._ledger.kept:
                self._note_one(stream, rows[at : at + 1])
                noted.add(stream)
        return noted

    def _note_one(self, stream: int, row: Records) -> None:
        kept, event = self._ledger.stream(stream), int(row["event"][0])
        known = np.frombuffer(kept.record, STREAM_RECORD)
        if event != SEEN or not len(known) or row["packets"] > known["packets"]:  # a rescued extent says it again
            kept.record = row.tobytes()
        kept.ended |= event == END

    def _forget(self, now_ns: int) -> bool:
        """Streams that are over, once nothing is left of them that a late wish could want."""
        gone = [tail.vanished() for tail in (self._extents, self._logs, self._items)]
        if not any(gone):
            return False
        over = [
            stream
            for stream, kept in self._ledger.kept.items()
            if kept.ended or now_ns - self._active_ns.setdefault(stream, now_ns) > self._idle_ns
        ]
        there = np.union1d(self._extents.named(), self._items.named())
        left = np.isin(np.array(over, np.uint64), there)
        forgotten = [stream for stream, is_left in zip(over, left.tolist(), strict=True) if not is_left]
        self._ledger.forget(forgotten)
        for stream in forgotten:
            self._active_ns.pop(stream, None)
        return True
