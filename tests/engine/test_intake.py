"""What a worker reads, from captures as they come and from interfaces of a namespace in ``test_live``."""

from __future__ import annotations

import selectors
from pathlib import Path

import pytest

from engine.config import Settings
from engine.errors import CaptureError
from engine.intake import Intake
from engine.segments.resume import Place, Resume
from tests.support.packets import TcpConversation, write_pcap

COUNT = 7
"""Packets of each capture."""
PLACE = Place(1, 0)
RUN = "20261120T131210Z-00000001"


class Reading:
    """An intake with its loop's selector, and what it told."""

    def __init__(self, folder: Path, *sources: str) -> None:
        self.selector, self.told = selectors.DefaultSelector(), list[str]()
        self.resume = Resume(folder / "resume", RUN)
        settings = Settings(sources=sources)
        self.intake = Intake(
            settings, {}, self.resume, self.selector, lambda _, note: self.told.append(note), talks=True
        )

    def packets(self) -> list[int]:
        """How many each turn brings, until nothing is left."""
        found = []
        while not self.intake.over:
            assert self.intake.due(0.0)
            found += [len(batch.offsets) for _, batch in self.intake.read(0.0)]
        return found


@pytest.fixture
def captures(tmp_path: Path) -> list[str]:
    paths = []
    for number in (1, 2):
        talk = TcpConversation(("10.0.0.1", number), ("10.0.0.2", 80)).handshake().client_says(b"x" * number).finish()
        paths.append(tmp_path / f"{number}.pcap")
        write_pcap(paths[-1], talk.packets)
    return [str(path) for path in paths]


def test_captures_are_read_one_after_the_other_to_their_ends(tmp_path: Path, captures: list[str]) -> None:
    reading = Reading(tmp_path, *captures)
    assert reading.intake.can_wait
    assert reading.packets() == [COUNT, COUNT]
    assert reading.intake.lost() == 0
    assert reading.told == []


def test_a_successor_begins_where_the_note_says(tmp_path: Path, captures: list[str]) -> None:
    reading = Reading(tmp_path, *captures)
    reading.resume.begin(tmp_path, PLACE)
    for _, batch in reading.intake.read(0.0):
        reading.resume.write(batch, PLACE)
    assert Reading(tmp_path, *captures).packets() == [COUNT]


def test_a_capture_that_is_cut_is_told_of_and_the_next_is_read(tmp_path: Path, captures: list[str]) -> None:
    first = Path(captures[0])
    first.write_bytes(first.read_bytes()[:-1])
    reading = Reading(tmp_path, *captures)
    assert reading.packets() == [COUNT - 1, COUNT]
    assert len(reading.told) == 1
    assert captures[0] in reading.told[0]


def test_what_is_no_capture_ends_the_reading(tmp_path: Path) -> None:
    nothing = tmp_path / "nothing.pcap"
    nothing.write_bytes(b"not a capture at all, whatever its name says")
    with pytest.raises(CaptureError, match=r"nothing\.pcap"):
        Reading(tmp_path, str(nothing)).packets()
