"""What every destination promises: one suite that each of them passes."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from pathlib import Path

import pytest

from engine.errors import UploadRefused
from engine.shipping.destination import Destination
from tests.support.audit import crc32c

NAME = "recording=r/pcap/cluster=local/dt=2026-11-20/hour=10/node=n1/x-00000001.pcap.gz"
SIZES = {"empty": 0, "small": 4_700, "one chunk": 256 * 1024, "multipart at most": 8 << 20, "resumable": (9 << 20) + 7}


class DestinationContract(ABC):
    """Subclasses bring the fixture ``destination`` and look into it with ``stored``."""

    @abstractmethod
    def stored(self) -> dict[str, bytes]:
        """Everything the destination holds, by name."""

    def put(self, destination: Destination, local: Path, content: bytes, name: str = NAME) -> None:
        local.write_bytes(content)
        destination.put(local, name, len(content), crc32c(content))

    @pytest.mark.parametrize("size", SIZES.values(), ids=SIZES.keys())
    def test_what_was_put_is_there(self, destination: Destination, tmp_path: Path, size: int) -> None:
        content = bytes(range(256)) * (size // 256) + bytes(size % 256)
        self.put(destination, tmp_path / "local", content)
        assert self.stored() == {NAME: content}

    def test_putting_it_again_changes_nothing(self, destination: Destination, tmp_path: Path) -> None:
        for _ in range(3):
            self.put(destination, tmp_path / "local", b"packets")
        assert self.stored() == {NAME: b"packets"}

    def test_other_content_under_the_name_is_refused_and_overwrites_nothing(
        self, destination: Destination, tmp_path: Path
    ) -> None:
        self.put(destination, tmp_path / "local", b"packets")
        for other in (b"PACKETS", b"packets and more", b""):
            with pytest.raises(UploadRefused, match="nothing was overwritten"):
                self.put(destination, tmp_path / "local", other)
        assert self.stored() == {NAME: b"packets"}

    @pytest.mark.parametrize("damaged", [b"pAckets", b"packet", b"packetss", b""])
    def test_a_file_that_changed_after_sealing_is_refused_and_not_stored(
        self, destination: Destination, tmp_path: Path, damaged: bytes
    ) -> None:
        (tmp_path / "local").write_bytes(damaged)
        with pytest.raises(UploadRefused, match="the disk changed it"):
            destination.put(tmp_path / "local", NAME, 7, crc32c(b"packets"))
        assert self.stored() == {}

    def test_a_large_file_that_changed_after_sealing_is_refused_too(
        self, destination: Destination, tmp_path: Path
    ) -> None:
        (tmp_path / "local").write_bytes(bytes(9 << 20))
        with pytest.raises(UploadRefused, match="the disk changed it"):
            destination.put(tmp_path / "local", NAME, 9 << 20, crc32c(bytes(5 << 20) + b"1" + bytes((4 << 20) - 1)))
        assert self.stored() == {}

    @pytest.mark.parametrize("name", ["", "../x", "a/../x", "/x", "a\nb", "x" * 2000], ids=ascii)
    def test_a_name_that_no_object_can_have_is_refused(
        self, destination: Destination, tmp_path: Path, name: str
    ) -> None:
        with pytest.raises(UploadRefused, match="expected an object name"):
            self.put(destination, tmp_path / "local", b"packets", name)
        assert self.stored() == {}

    @pytest.mark.parametrize("name", ["a", "n1_10.0.0.1_run/1703018670.pcap", "ü b/%41+&?#.json", "." + "x" * 200])
    def test_a_name_is_kept_as_it_is(self, destination: Destination, tmp_path: Path, name: str) -> None:
        self.put(destination, tmp_path / "local", b"packets", name)
        assert list(self.stored()) == [name]

    def test_of_racing_writers_one_wins_and_the_others_are_refused(
        self, destination: Destination, tmp_path: Path
    ) -> None:
        outcomes: list[str] = []

        def race(number: int) -> None:
            try:
                self.put(destination, tmp_path / f"local-{number}", b"content %d" % number)
                outcomes.append("stored")
            except UploadRefused:
                outcomes.append("refused")

        threads = [threading.Thread(target=race, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(outcomes) == ["refused"] * 5 + ["stored"]
        assert len(self.stored()) == 1
