"""From captures to an uploaded recording, with every process real."""

from __future__ import annotations

import gzip
import os
import shutil
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.instance import SHOP, Instance, Recording, pcap_frames, remora

pytestmark = pytest.mark.slow

RECORDER = (Path(__file__).parents[2] / "examples/gcs-recorder/script/recorder.py").read_text()
KEEP_ALL = """
def onItemCaptured(data):
    pcap.record(data.stream, "all")
"""


@pytest.fixture
def started(tmp_path: Path) -> Iterator[list[Instance]]:
    instances: list[Instance] = []
    yield instances
    for instance in instances:
        instance.close()


def run_to_end(instance: Instance) -> str:
    assert instance.wait() == 0, instance.output()
    return instance.output()


def shop_frames() -> list[tuple[int, bytes]]:
    return pcap_frames(gzip.decompress((SHOP / "shop.pcap.gz").read_bytes()))


def test_the_recorder_keeps_exactly_the_streams_that_match(tmp_path: Path, started: list[Instance]) -> None:
    pattern = "http and response.status >= 500"
    started.append(Instance(tmp_path, str(SHOP), scripts={"r.py": RECORDER}, environment={"RECORDING_KFL": pattern}))
    output = run_to_end(started[0])
    recording = Recording(tmp_path / "data/recordings", "gcs-recorder")
    matching = remora("query", str(SHOP), "--kfl", pattern)
    assert matching.returncode == 0, matching.stderr
    failures = [item for item in recording.lines("items") if item["response"] and item["response"]["status"] >= 500]
    assert len(failures) == len(matching.stdout.splitlines()) > 10
    wanted = {(item["src"]["ip"], item["src"]["port"], item["timestamp"] // 10**6) for item in failures}
    assert len({row["client"] for row in recording.lines("streams")}) == len({(ip, port) for ip, port, _ in wanted})
    in_streams = sum(row["packets"] for row in recording.lines("streams"))
    frames = recording.frames()
    assert len(frames) == in_streams == sum(manifest["packets"] for manifest in recording.manifests)
    assert not Counter(frames) - Counter(shop_frames()), "every packet is one of the input's, once"
    assert [at for at, _ in frames] == sorted(at for at, _ in frames)
    assert "The recording is in" in output


def test_without_a_pattern_the_recorder_is_idle(tmp_path: Path, started: list[Instance]) -> None:
    started.append(Instance(tmp_path, str(SHOP), scripts={"r.py": RECORDER}))
    output = run_to_end(started[0])
    assert "RECORDING_KFL is not set" in output
    assert not list((tmp_path / "data/recordings").rglob("*.gz"))


@pytest.mark.skipif(shutil.which("tshark") is None, reason="needs tshark")
def test_wireshark_reads_what_was_recorded(tmp_path: Path, started: list[Instance]) -> None:
    started.append(Instance(tmp_path, str(SHOP), scripts={"all.py": KEEP_ALL}))
    run_to_end(started[0])
    recording = Recording(tmp_path / "data/recordings", "all")
    (path,) = recording._files("pcap")
    assert Counter(http_times(path)) == Counter(http_times(SHOP / "shop.pcap.gz"))


def http_times(capture: Path) -> list[str]:
    """When tshark sees an HTTP message."""
    command = ["tshark", "-r", str(capture), "-Y", "http", "-T", "fields", "-e", "frame.time_epoch"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def test_standard_input_is_a_source(tmp_path: Path, started: list[Instance]) -> None:
    with gzip.open(SHOP / "shop.pcap.gz") as packed:
        plain = tmp_path / "plain.pcap"
        plain.write_bytes(packed.read())
    with plain.open("rb") as stdin:
        started.append(Instance(tmp_path, "-", scripts={"all.py": KEEP_ALL}, stdin=stdin))
        run_to_end(started[0])
    assert len(Recording(tmp_path / "data/recordings", "all").frames()) > 1000


SLEEPER = """
count = 0
missing = []


def onItemCaptured(data):
    global count
    count += 1
    if count % 50 == 0:
        time.sleep(3)
    try:
        file.copy(pcap.path(data.stream), "copies/" + data.stream)
    except Exception as error:
        missing.append(data.stream)


def onShutdown():
    console.log("handled", count, "missing", len(missing), missing[:3])


file.mkdir("copies")
"""


def test_a_script_that_sleeps_longer_than_the_ttl_finds_every_pcap(tmp_path: Path, started: list[Instance]) -> None:
    short = tmp_path / "short.pcap"
    packets = shop_frames()[:600]
    header = gzip.decompress((SHOP / "shop.pcap.gz").read_bytes())[:24]
    records = b"".join(
        b"".join(n.to_bytes(4, "little") for n in (at // 10**9, at % 10**9 // 1000, len(f), len(f))) + f
        for at, f in packets
    )
    short.write_bytes(header + records)
    started.append(Instance(tmp_path, str(short), scripts={"s.py": SLEEPER}, sets=("tap.misc.pcapTTL=1s",)))
    output = run_to_end(started[0])
    (said,) = [line for line in output.splitlines() if "handled" in line]
    assert "missing 0" in said
    count = int(said.split("handled ")[1].split()[0])
    assert count > 100, "it slept more than twice"
    assert len(list((tmp_path / "data/scripts/s.py/work/copies").iterdir())) > 20


LOOPER = """
def onItemCaptured(data):
    while True:
        sum(range(10 ** 9))
"""
COUNTER = """
count = 0


def onItemCaptured(data):
    global count
    count += 1


def onShutdown():
    console.log("counted", count)
"""


def test_a_script_that_loops_forever_is_ended_and_the_others_notice_nothing(
    tmp_path: Path, started: list[Instance]
) -> None:
    scripts = {"loop.py": LOOPER, "count.py": COUNTER}
    started.append(Instance(tmp_path, str(SHOP), scripts=scripts, sets=("scripting.quarantineAfter=2",)))
    output = run_to_end(started[0])
    assert "script 'loop.py' is ended: a hook call used more than 1 s of CPU" in output
    assert "script 'loop.py' died 2 times (SIGKILL) and is out until its text changes" in output
    items = len(remora("query", str(SHOP)).stdout.splitlines())
    assert f"counted {items}" in output


@pytest.mark.parametrize("victim", ["worker", "broker", "recorder", "shipper", "zygote", "host"])
def test_any_process_may_be_killed_and_what_was_kept_arrives(
    tmp_path: Path, started: list[Instance], victim: str
) -> None:
    script = KEEP_ALL + "    time.sleep(0.002)\n"
    instance = Instance(tmp_path, str(SHOP), scripts={"all.py": script}, sets=("scripting.queue=64",))
    started.append(instance)
    status = instance.until(lambda s: s["counters"].get("scripts_delivered_total", 0) > 200)
    if victim == "host":
        os.kill(host_pid(status["processes"]["zygote"]["pid"]), signal.SIGKILL)
    else:
        instance.kill(victim)
    output = run_to_end(instance)
    frames = Recording(tmp_path / "data/recordings", "all").frames()
    expected = Counter(shop_frames())
    found = Counter(frames)
    assert not found - expected, "nothing doubled, nothing invented"
    assert "died" in output
    if victim in ("broker", "recorder", "shipper"):
        dissected = {item["stream"] for item in Recording(tmp_path / "data/recordings", "all").lines("items")}
        assert len(dissected) == len(
            {line.split('"stream":"')[1].split('"')[0] for line in remora("query", str(SHOP)).stdout.splitlines()}
        )
    assert len(frames) > 1000


def host_pid(zygote: int) -> int:
    children = Path(f"/proc/{zygote}/task/{zygote}/children").read_text().split()
    return int(children[0])


def test_scripts_come_and_go_while_it_runs(tmp_path: Path, started: list[Instance]) -> None:
    slow = "def onItemCaptured(data):\n    time.sleep(0.01)\n"
    instance = Instance(tmp_path, str(SHOP), scripts={"slow.py": slow}, sets=("scripting.queue=16",))
    started.append(instance)
    instance.until(lambda s: s["counters"].get("scripts_delivered_total", 0) > 10)
    (instance.scripts / "late.py").write_text(COUNTER)
    instance.until(lambda s: s["scripts"].get("late.py", {}).get("state") == "running")
    (instance.scripts / "late.py").write_text("import os\n")
    instance.until(lambda s: s["scripts"]["late.py"]["reasons"] != [])
    assert instance.status()["scripts"]["late.py"]["state"] == "running", "the old one keeps running"
    (instance.scripts / "late.py").write_text(COUNTER + "\nconsole.log('third')\n")
    instance.until(lambda s: s["scripts"]["late.py"]["reasons"] == [])
    (instance.scripts / "slow.py").unlink()
    instance.until(lambda s: "slow.py" not in s["scripts"])
    output = run_to_end(instance)
    assert "the version before it keeps running" in output
    assert "script 'slow.py' was unloaded" in output
    assert "counted" in output


def test_scripts_of_several_folders_run_where_they_are_active(tmp_path: Path, started: list[Instance]) -> None:
    more = tmp_path / "more"
    more.mkdir()
    (more / "titled.py").write_text("# The second\n" + COUNTER)
    (more / "idle.py").write_text("# Not asked for\n" + COUNTER)
    sets = (f"scripting.sources={more}", "scripting.active=the second,first")
    instance = Instance(tmp_path, str(SHOP), scripts={"first.py": COUNTER, "other.py": COUNTER}, sets=sets)
    started.append(instance)
    output = run_to_end(instance)
    assert output.count("counted 3250") == 2
    assert "first.py] counted" in output
    assert "titled.py] counted" in output


def test_what_scripts_write_can_be_kept_from_the_terminal(tmp_path: Path, started: list[Instance]) -> None:
    instance = Instance(tmp_path, str(SHOP), scripts={"c.py": COUNTER}, sets=("scripting.console=false",))
    started.append(instance)
    assert "counted" not in run_to_end(instance)
    assert "c.py] " in (instance.data / "console.log").read_text()
    assert "counted" in (instance.data / "console.log").read_text()


def test_jobs_run_once_more_at_the_end_of_a_replay(tmp_path: Path, started: list[Instance]) -> None:
    script = COUNTER + '\njobs.schedule("report", "0 0 0 1 1 *", lambda: console.log("job saw", count))\n'
    started.append(Instance(tmp_path, str(SHOP), scripts={"c.py": script}))
    output = run_to_end(started[0])
    items = len(remora("query", str(SHOP)).stdout.splitlines())
    assert output.index(f"job saw {items}") < output.index(f"counted {items}")


def test_every_packet_reaches_a_script_that_asks_for_packets(tmp_path: Path, started: list[Instance]) -> None:
    script = """
packets = 0
captured = 0


def onPacketCaptured(info):
    global packets, captured
    packets += 1
    captured += info.captureLength


def onShutdown():
    console.log("packets", packets, captured)
"""
    started.append(Instance(tmp_path, str(SHOP), scripts={"p.py": script}))
    output = run_to_end(started[0])
    frames = shop_frames()
    assert f"packets {len(frames)} {sum(len(frame) for _, frame in frames)}" in output


def test_a_stop_in_the_middle_seals_and_ships_what_was_kept(tmp_path: Path, started: list[Instance]) -> None:
    instance = Instance(
        tmp_path,
        str(SHOP),
        scripts={"all.py": KEEP_ALL + "    time.sleep(0.01)\n"},
        sets=("scripting.queue=16",),
        grace="20s",
    )
    started.append(instance)
    instance.until(lambda s: s["counters"].get("scripts_delivered_total", 0) > 50)
    assert instance.stop() == 0, instance.output()
    assert Recording(tmp_path / "data/recordings", "all").frames()


def test_a_second_instance_on_one_data_folder_is_refused(tmp_path: Path, started: list[Instance]) -> None:
    instance = Instance(tmp_path, str(SHOP), scripts={"s.py": "def onItemCaptured(data):\n    time.sleep(0.05)\n"})
    started.append(instance)
    instance.until(lambda s: s["phase"] == "running")
    second = remora("run", str(SHOP), "--data", str(tmp_path / "data"))
    assert second.returncode == 2
    assert "uses it: stop that one first" in second.stderr


@pytest.mark.skipif(os.getuid() != 0, reason="needs root: nobody else may change the user")
def test_root_may_name_the_user_its_children_become(tmp_path: Path) -> None:
    tmp_path.chmod(0o711)
    data = tmp_path / "data"
    first = remora("run", str(SHOP), "--data", str(data), "--user", "daemon")
    assert first.returncode == 0, first.stderr
    assert {path.owner() for path in [data, *data.rglob("*.pcap")]} == {"daemon"}
    unknown = remora("run", str(SHOP), "--data", str(data), "--user", "nosuchuser")
    assert unknown.returncode == 2
    assert "--user: expected the name of a user of this machine, got 'nosuchuser'" in unknown.stderr
