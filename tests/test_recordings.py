"""Recording jobs from end to end: the real command, real processes."""

from __future__ import annotations

import gzip
import itertools
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.instance import SHOP, Instance, Recording, pcap_frames, remora

pytestmark = pytest.mark.slow

HEADER_BYTES = 24


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    path = tmp_path / "shop.pcap"
    path.write_bytes(gzip.decompress((SHOP / "shop.pcap.gz").read_bytes()))
    return path


@pytest.fixture
def growing(tmp_path: Path, capture: Path) -> Iterator[tuple[Instance, Path, bytes]]:
    """An instance that reads a capture of which nothing is there yet, and what will be."""
    whole, path = capture.read_bytes(), tmp_path / "growing.pcap"
    path.write_bytes(whole[:HEADER_BYTES])
    instance = Instance(tmp_path, str(path), "--follow", scripts={}, grace="20s")
    try:
        instance.until(lambda status: status["phase"] == "running")
        yield instance, path, whole[HEADER_BYTES:]
    finally:
        instance.close()


def asked(instance: Instance, *arguments: str) -> list[dict[str, Any]]:
    done = remora("recordings", *arguments, "--data", str(instance.data))
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def queried(capture: Path, kfl: str) -> list[dict[str, Any]]:
    done = remora("query", str(capture), "--kfl", kfl)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def elsewhere() -> Iterator[Path]:
    """A folder that children can reach after they dropped root's rights."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        yield Path(folder)


def test_jobs_of_the_configuration_record_each_its_own(tmp_path: Path, capture: Path, elsewhere: Path) -> None:
    config = tmp_path / "remora.yaml"
    config.write_text(
        "recordings:\n"
        "  - {name: everything}\n"
        "  - {name: errors, kfl: http and response.status >= 400, fromStart: true}\n"
        "  - {name: later, kfl: http, start: 2100-01-01}\n"
        f"  - {{name: elsewhere, kfl: dns, packets: false, destination: {elsewhere}}}\n"
    )
    instance = Instance(tmp_path, str(capture), "--config", str(config), scripts={}, sets=("recording.kfl=redis",))
    try:
        assert instance.wait() == 0, instance.output()
        assert "Recording (errors) started, until it is stopped" in instance.output()
    finally:
        instance.close()
    local = instance.data / "recordings"
    assert sorted(Recording(local, "everything").frames()) == sorted(pcap_frames(capture.read_bytes()))
    streams = {item["stream"] for item in queried(capture, "http and response.status >= 400")}
    errors = Recording(local, "errors")
    assert {row["stream"] for row in errors.lines("streams")} == streams
    assert errors.manifests[0]["kfl"] == "http and response.status >= 400"
    assert {item["record"] for item in errors.lines("items")} == {"errors"}
    assert len(Recording(local, "recording").lines("items")) == len(queried(capture, "redis"))
    items_only = Recording(elsewhere, "elsewhere")
    assert len(items_only.lines("items")) == len(queried(capture, "dns"))
    assert items_only.frames() == []
    assert Recording(local, "later").manifests == []
    for source in ([str(capture)], ["--data", str(instance.data)]):
        assert_estimated(source, errors)
    expected = model(capture, errors, items_only)
    for kfl, wanted in expected.items():
        found = [identity(item) for item in asked_of(instance.data, kfl)]
        assert sorted(found) == sorted(wanted), kfl
    for segment in (instance.data / "segments").glob("*.*"):
        segment.unlink()
    for kfl in ('record("errors")', 'record("errors") and record("everything")'):
        assert sorted(map(identity, asked_of(instance.data, kfl))) == sorted(expected[kfl])


def assert_estimated(source: list[str], made: Recording) -> None:
    """The dry run says what the recording then got."""
    kfl = ("--kfl", "http and response.status >= 400", "--from-start", "--json")
    done = remora("recordings", "estimate", *source, *kfl)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    frames = made.frames()
    octets = sum(len(frame) for _, frame in frames)
    wanted = {"streams": len(made.lines("streams")), "packets": len(frames), "bytes": octets}
    assert result["kept"] == {**wanted, "items": len(made.lines("items"))}
    assert result["by_protocol"].keys() == {"http"}


def identity(item: dict[str, Any]) -> tuple[str, str]:
    return item["stream"], item["startTime"]


def asked_of(data: Path, kfl: str) -> list[dict[str, Any]]:
    done = remora("query", "--data", str(data), "--kfl", kfl)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def model(capture: Path, *recordings: Recording) -> dict[str, list[tuple[str, str]]]:
    """What ``record()`` must say: sets of items, put together by hand."""
    errors, names = (set(map(identity, recording.lines("items"))) for recording in recordings)
    everything = list(map(identity, queried(capture, "true")))
    redis = list(map(identity, queried(capture, "redis")))
    return {
        'record("errors")': [item for item in everything if item in errors],
        '!record("errors")': [item for item in everything if item not in errors],
        'record("errors") or redis': [item for item in everything if item in errors or item in redis],
        'record("errors") or record("elsewhere")': [item for item in everything if item in errors or item in names],
        'record("errors") and !record("everything")': [],
        'record("errors") and record("everything")': [item for item in everything if item in errors],
    }


def test_a_running_instance_is_told_of_recordings_and_a_stopped_one_too(
    growing: tuple[Instance, Path, bytes], capture: Path, tmp_path: Path
) -> None:
    instance, path, rest = growing
    (row,) = asked(instance, "create", "web", "--kfl", "http", "--json")
    assert (row["state"], row["by"]) == ("recording", "command")
    instance.until(lambda status: status["counters"].get("recordings_due") == 1)
    with path.open("ab") as file:
        file.write(rest)
    wanted = len(queried(capture, "http"))
    instance.until(lambda status: status["counters"].get("recordings_matched_total", 0) >= wanted)
    asked(instance, "stop", "web")
    done = remora("recordings", "export", "web", "--data", str(instance.data), "--dest", str(tmp_path))
    assert done.returncode == 0, done.stderr
    early = pcap_frames((tmp_path / "web.pcap").read_bytes())
    assert [at for at, _ in early] == sorted(at for at, _ in early)
    (row,) = asked(instance, "list", "web", "--json")
    assert row["state"] == "stopped"
    assert instance.stop() == 0, instance.output()
    recording = Recording(instance.data / "recordings", "web")
    assert len({item["id"] for item in recording.lines("items") if item["protocol"]["name"] == "http"}) == wanted
    assert len(recording.frames()) == len(set(recording.frames()))
    export(instance.data, tmp_path, recording)
    refused = remora("recordings", "create", "web", "--data", str(instance.data))
    assert refused.returncode == 1
    assert "recording 'web': expected a name that is free, it was made by command" in refused.stderr
    (row,) = asked(instance, "show", "web", "--json")
    assert row["recorded"]["packets"] == len(recording.frames())
    assert len(row["runs"]) == 1
    assert remora("recordings", "delete", "web", "--data", str(instance.data)).returncode == 0
    assert asked(instance, "list", "--json") == []
    assert not (instance.data / "recordings" / "recording=web").exists()


def test_a_worker_a_recorder_and_an_instance_that_die_in_the_middle_lose_no_recording(
    growing: tuple[Instance, Path, bytes], capture: Path
) -> None:
    """Everything is kept, whole, once, by a job that outlives them all."""
    instance, path, rest = growing
    asked(instance, "create", "all")
    frames = pcap_frames(capture.read_bytes())
    ends = list(itertools.accumulate(16 + len(frame) for _, frame in frames))
    before = 0
    for quarter, victim in enumerate(("worker", "recorder", "", ""), 1):
        count = len(frames) * quarter // 4
        with path.open("ab") as file:
            file.write(rest[before : ends[count - 1]])
        before = ends[count - 1]
        if victim:
            instance.kill(victim)
            instance.until(lambda status, victim=victim: status["processes"][victim]["deaths"] == 1)  # type: ignore[misc] # bound
        done = {"worker": 1, "recorder": 1}.get(victim, count)
        instance.until(lambda status, done=done: status["counters"].get("segments_stored_total", 0) >= done)  # type: ignore[misc] # bound
    assert instance.stop() == 0, instance.output()
    got = Recording(instance.data / "recordings", "all").frames()
    assert sorted(got) == sorted(frames)


def test_what_is_asked_wrongly_is_said(tmp_path: Path) -> None:
    done = remora("run", "x.pcap", "--data", str(tmp_path / "d"), "--set", "recordings=[{name: a, kfl: 'http ad'}]")
    assert done.returncode == 2
    assert "recordings[0].kfl: expected a filter, got 'http ad'; it is wrong:\nunexpected 'ad'" in done.stderr
    done = remora("recordings", "list", "--data", str(tmp_path))
    assert done.returncode == 2
    assert "expected a data folder of Remora" in done.stderr


def export(data: Path, folder: Path, recording: Recording) -> None:
    """Whole, in time order, beside what was exported before."""
    done = remora("recordings", "export", "web", "--data", str(data), "--dest", str(folder))
    assert done.returncode == 0, done.stderr
    frames = pcap_frames((folder / "web-2.pcap").read_bytes())
    assert [at for at, _ in frames] == sorted(at for at, _ in frames)
    assert sorted(frames) == sorted(recording.frames())
    exported = [json.loads(line) for line in (folder / "web-2.items.jsonl").read_text().splitlines()]
    assert sorted(map(identity, exported)) == sorted(map(identity, recording.lines("items")))
    rows = (folder / "web-2.streams.jsonl").read_text().splitlines()
    assert [json.loads(row) for row in rows] == recording.lines("streams")


SCRIPT = """
recordings.create("slow", "dns", redact=["request.questions"])
try:
    recordings.create("everything", "")
except HelperError as error:
    console.error(error)
"""


def test_a_script_makes_a_recording_beside_those_of_the_operator(tmp_path: Path, capture: Path) -> None:
    """The operator's name is taken; what the script asked for before the first packet was read may miss some."""
    sets = ("recordings=[{name: everything}]",)
    instance = Instance(tmp_path, str(capture), "--pace", "realtime", scripts={"a.py": SCRIPT}, sets=sets, grace="20s")
    try:
        instance.until(lambda status: status["counters"].get("recordings_due") == 2)
        instance.until(lambda status: status["counters"].get("recordings_matched_total", 0) >= 1)
        (row,) = asked(instance, "list", "slow", "--json")
        assert (row["by"], row["packets"]) == ("script a.py", False)
        assert instance.stop() == 0, instance.output()
        assert "'everything' was made by configuration" in instance.output()
    finally:
        instance.close()
    items = Recording(instance.data / "recordings", "slow").lines("items")
    assert items
    assert {str(item["request"]["questions"]) for item in items} == {"[REDACTED]"}


def test_filters_that_ask_in_a_circle_are_refused_before_anything_starts(tmp_path: Path) -> None:
    jobs = "recordings=[{name: a, kfl: 'record(\"b\")'}, {name: b, kfl: 'record(\"a\")'}]"
    done = remora("run", "x.pcap", "--data", str(tmp_path / "d"), "--set", jobs)
    assert done.returncode == 2
    assert "recordings: expected filters that do not ask in a circle" in done.stderr
