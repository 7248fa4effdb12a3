from __future__ import annotations

from pathlib import Path

from engine.recording.gap_log import GapLog
from engine.recording.journal import Entry, Gap, journals, read_journal
from tests.support.disk import file_size_limit


def told(keep: Path) -> list[Entry]:
    return [entry for path in journals(keep) for entry in read_journal(path, 0)[0]]


def test_who_was_killed_leaves_a_gap_up_to_the_first_packet_of_the_next(tmp_path: Path) -> None:
    first = GapLog(tmp_path, 1, 0)
    first.saw(100, 200)
    second = GapLog(tmp_path, 1, 200)  # the first never closed
    assert told(tmp_path) == []
    second.saw(500, 600)
    second.saw(700, 800)
    assert told(tmp_path) == [Gap(1, "worker_died", 200, 500)]
    second.close(900)
    third = GapLog(tmp_path, 1, 800)
    third.saw(1000, 1100)
    third.close(1200)
    assert len(told(tmp_path)) == 1, "who closed in order missed nothing that it was to see"


def test_a_gap_that_no_packet_ends_is_ended_by_the_end(tmp_path: Path) -> None:
    GapLog(tmp_path, 0, 0)
    GapLog(tmp_path, 0, 200).close(900)
    assert told(tmp_path) == [Gap(0, "worker_died", 200, 900)]


def test_what_the_kernel_dropped_is_told_with_its_time(tmp_path: Path) -> None:
    log = GapLog(tmp_path, 0, 0)
    for total, first_ns, last_ns in ((0, 100, 200), (7, 210, 300), (7, 310, 400), (9, 410, 500)):
        log.saw(first_ns, last_ns)
        log.lost(total, last_ns + 5)
    log.close(600)
    assert told(tmp_path) == [Gap(0, "ring_full", 205, 305, 7), Gap(0, "ring_full", 405, 505, 2)]


def test_what_was_dropped_before_the_first_packet_is_told_with_it(tmp_path: Path) -> None:
    first = GapLog(tmp_path, 0, 0)
    first.lost(3, 90)
    assert told(tmp_path) == []
    first.saw(100, 200)
    first.lost(3, 210)
    second = GapLog(tmp_path, 0, 200)
    second.lost(5, 490)
    second.saw(500, 600)
    second.lost(5, 610)
    assert told(tmp_path) == [
        Gap(0, "ring_full", 100, 210, 3),
        Gap(0, "worker_died", 200, 500),
        Gap(0, "ring_full", 200, 610, 5),
    ]


def test_a_full_disk_delays_what_is_told(tmp_path: Path) -> None:
    log = GapLog(tmp_path, 0, 0)
    log.saw(100, 200)
    with file_size_limit(20):
        log.lost(3, 205)
    log.saw(210, 300)
    log.lost(4, 305)
    log.close(400)
    assert told(tmp_path) == [Gap(0, "ring_full", 100, 205, 3), Gap(0, "ring_full", 205, 305, 1)]


def test_what_finds_no_room_is_one_gap_as_long_as_it_goes_on(tmp_path: Path) -> None:
    log = GapLog(tmp_path, 3, 0, live=False)
    log.refused("packets_not_stored", 100, 200, packets=5)
    log.refused("items_not_stored", 120, 150, items=2)
    log.refused("packets_not_stored", 210, 300, packets=1)
    log.tell_refused()
    log.refused("packets_not_stored", 310, 400, packets=4)
    log.refused("streams_not_kept", 320, 330, of="a", streams=7)
    log.tell_refused()
    log.tell_refused()
    log.refused("packets_not_stored", 900, 950, packets=1)
    log.close(1000)
    log.refused("packets_not_stored", 2000, 2000, packets=1)
    log.tell_refused()
    assert told(tmp_path) == [
        Gap(3, "packets_not_stored", 100, 300, packets=6),
        Gap(3, "items_not_stored", 120, 150, items=2),
        Gap(3, "packets_not_stored", 300, 400, packets=4),
        Gap(3, "streams_not_kept", 320, 330, streams=7, recording="a"),
        Gap(3, "packets_not_stored", 900, 950, packets=1),
    ]
    assert not list(tmp_path.glob("*.alive")), "a replay misses nothing while nobody reads"


def test_what_was_dropped_while_nobody_read_is_told_with_that_time(tmp_path: Path) -> None:
    """A worker that was stopped from 300 to 900: the ring holds what came first, and lost what came then."""
    log = GapLog(tmp_path, 0, 0)
    log.saw(100, 290)
    log.lost(0, 300)
    log.saw(301, 350)
    log.lost(50, 900)
    log.close(1000)
    assert told(tmp_path) == [Gap(0, "ring_full", 300, 900, 50)]
