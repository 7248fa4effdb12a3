from __future__ import annotations

import io
import tarfile
import tracemalloc
from pathlib import Path

import pytest

from engine.archive.unpacking import unpack
from engine.errors import CaptureError


def tar_of(path: Path, members: dict[str, bytes | None]) -> Path:
    """``None`` is a link to /etc/passwd."""
    with tarfile.open(path, "w") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            if content is None:
                info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
                tar.addfile(info)
                continue
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


@pytest.mark.parametrize(
    "name",
    [
        "../../evil.pcap",
        "/tmp/evil.pcap",
        "recording=x/../../../evil.pcap",
        "recording=../pcap/evil.pcap",
        "a/recording=x/pcap/./../evil.pcap",
    ],
)
def test_nothing_is_written_outside_of_the_folder(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "deep" / "in"
    folder.mkdir(parents=True)
    unpack(tar_of(tmp_path / "t.tar", {name: b"x"}), folder)
    written = [path for path in tmp_path.rglob("*evil*") if path.is_file()]
    assert len(written) == 1
    assert folder in written[0].parents


def test_links_and_what_is_no_capture_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    members = {"a.pcap": b"x", "link.pcap": None, "notes.txt": b"y", "sub/a.pcap": b"z", "sub/.hidden.pcap": b"h"}
    assert unpack(tar_of(tmp_path / "t.tar", members), tmp_path / "in") == 2
    assert sorted(path.read_bytes() for path in (tmp_path / "in").iterdir()) == [b"x", b"z"]


@pytest.mark.parametrize("content", [b"", b"no tar at all" * 100, b"\x1f\x8b\x08\0broken"])
def test_what_is_no_tar_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "t.tar").write_bytes(content)
    (tmp_path / "in").mkdir()
    with pytest.raises(CaptureError, match=r"t\.tar: expected a tar"):
        unpack(tmp_path / "t.tar", tmp_path / "in")


def test_a_cut_tar_is_named(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    path = tar_of(tmp_path / "t.tar", {"a.pcap": bytes(5000)})
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(CaptureError, match="a tar, whole"):
        unpack(path, tmp_path / "in")


def test_what_does_not_fit_is_refused_before_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in").mkdir()
    monkeypatch.setattr("engine.archive.unpacking._RESERVE_BYTES", 1 << 60)
    with pytest.raises(CaptureError, match="expected 3 bytes of room"):
        unpack(tar_of(tmp_path / "t.tar", {"a.pcap": b"xyz"}), tmp_path / "in")
    assert list((tmp_path / "in").iterdir()) == []


@pytest.mark.parametrize("packing", ["gz", "bz2", "xz"])
def test_a_tar_that_unpacks_to_a_thousandfold_costs_memory_of_bounded_size(tmp_path: Path, packing: str) -> None:
    (tmp_path / "in").mkdir()
    info = tarfile.TarInfo("a.pcap")
    info.size = 64 << 20
    with tarfile.open(tmp_path / "t.tar", f"w:{packing}") as tar:  # type: ignore[call-overload] # the mode is computed
        tar.addfile(info, io.BytesIO(bytes(info.size)))
    tracemalloc.start()
    try:
        assert unpack(tmp_path / "t.tar", tmp_path / "in") == 1
        assert tracemalloc.get_traced_memory()[1] < 16 << 20  # 8 of them are the dictionary of xz
    finally:
        tracemalloc.stop()
    assert [path.stat().st_size for path in (tmp_path / "in").iterdir()] == [info.size]


def test_headers_of_a_tar_are_of_bounded_size(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, 64 << 20
    (tmp_path / "t.tar").write_bytes(info.tobuf(tarfile.PAX_FORMAT) + bytes(4096))
    with pytest.raises(CaptureError, match="a header of 67108864 bytes"):
        unpack(tmp_path / "t.tar", tmp_path / "in")


def test_a_full_disk_is_not_taken_for_a_damaged_tar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in").mkdir()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copyfileobj", full)
    with pytest.raises(CaptureError, match=r"t\.tar: expected room in .*, got No space left on device; set TMPDIR"):
        unpack(tar_of(tmp_path / "t.tar", {"a.pcap": b"xyz"}), tmp_path / "in")
