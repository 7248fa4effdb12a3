"""`remora pcapdump` beside real instances: headless, while they run and after."""

from __future__ import annotations

import gzip
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from tests.support.instance import SHOP, Instance, pcap_frames, remora

pytestmark = pytest.mark.slow


def test_a_snapshot_of_a_headless_instance_while_it_runs_and_after(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    shutil.copy(SHOP / "shop.pcap.gz", tmp_path / "in")
    (tmp_path / "out").mkdir()
    frames = pcap_frames(gzip.decompress((SHOP / "shop.pcap.gz").read_bytes()))
    instance = Instance(tmp_path, str(tmp_path / "in"), "--follow", scripts={})
    try:
        instance.until(lambda status: status["counters"].get("segments_stored_total", 0) >= len(frames))
        live = remora("pcapdump", "--data", str(instance.data), "--dest", str(tmp_path / "out"))
        assert live.returncode == 0, live.stderr
        instance.stop()
    finally:
        instance.close()
    after = remora("pcapdump", "--data", str(instance.data), "--time", "2s", "--dest", str(tmp_path / "out"))
    assert after.returncode == 0, after.stderr
    whole, part = (Path(said.stdout.split(": ")[0]) for said in (live, after))
    assert Counter(pcap_frames(whole.read_bytes())) == Counter(frames)
    since_ns = max(time_ns for time_ns, _ in frames) - 2_000_000_000
    assert Counter(pcap_frames(part.read_bytes())) == Counter(frame for frame in frames if frame[0] >= since_ns)
    assert f": {len(frames)} packets, " in live.stdout
    order = subprocess.run(["capinfos", "-o", whole], capture_output=True, text=True, check=True).stdout
    assert "Strict time order:   True" in order


def test_nothing_in_the_window_is_said_and_has_an_exit_code_of_its_own(tmp_path: Path) -> None:
    instance = Instance(tmp_path, str(SHOP), scripts={}, sets=("pcapdump.enabled=false", "tap.misc.pcapTTL=0s"))
    assert instance.wait() == 0, instance.output()
    instance.close()
    shutil.rmtree(instance.data / "segments")
    (instance.data / "segments").mkdir()
    found = remora("pcapdump", "--data", str(instance.data), "--dest", str(tmp_path))
    assert (found.returncode, found.stdout) == (3, "")
    assert found.stderr == "remora: no packets to write; is pcapdump.enabled, did anything capture?\n"
    assert not list(tmp_path.glob("*.pcap*"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--data", "nowhere"), "--data: expected a data folder of Remora, got 'nowhere'"),
        (("--dest", "missing"), "--dest: expected a folder that is there, got 'missing'"),
        (("--time", "5 parsecs"), "--time: expected a duration such as '10s', got '5 parsecs'"),
        (("--node", "moon"), "--node: expected n1, got 'moon'"),
        (("--key-log", "/dev/null"), "--key-log: expected lines of an NSS key log (SSLKEYLOGFILE), got"),
    ],
)
def test_wrong_use_is_said(tmp_path: Path, arguments: tuple[str, str], message: str) -> None:
    (tmp_path / "remora-data").mkdir()
    (tmp_path / "remora-data/instance.json").write_text('{"format": 1, "node": "n1"}')
    found = remora("pcapdump", *arguments, cwd=tmp_path)
    assert found.returncode == 2
    assert message in found.stderr


def test_a_node_is_no_path_and_a_damaged_folder_is_said(tmp_path: Path) -> None:
    (tmp_path / "remora-data").mkdir()
    (tmp_path / "remora-data/instance.json").write_text('{"format": 1, "node": "../../n1"}')
    found = remora("pcapdump", cwd=tmp_path)
    assert (found.returncode, "Traceback" in found.stderr) == (3, False)
    (tmp_path / "remora-data/instance.json").write_text("[")
    found = remora("pcapdump", cwd=tmp_path)
    assert found.returncode == 2
    assert "--data: expected a data folder of Remora, got 'a damaged remora-data/instance.json'" in found.stderr
