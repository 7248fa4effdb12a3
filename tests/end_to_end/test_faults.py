"""What hostile users, careless operators and bad luck do to a running instance."""

from __future__ import annotations

import gzip
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.instance import PATIENCE_S, ROOT, SHOP, Instance, Recording, clean, command, remora

pytestmark = pytest.mark.slow

KEEP_ALL = 'def onItemCaptured(data):\n    pcap.record(data.stream, "all")\n'
SLOWLY = KEEP_ALL + "    time.sleep(0.002)\n"
NOTHING = "def onItemCaptured(data):\n    pass\n"
SMALL = ("scripting.queue=64",)


@pytest.fixture
def started(tmp_path: Path) -> Iterator[list[Instance]]:
    instances: list[Instance] = []
    yield instances
    for instance in instances:
        instance.close()


def hosts_of(instance: Instance) -> list[int]:
    zygote = instance.until(lambda status: "zygote" in status["processes"])["processes"]["zygote"]["pid"]
    return [int(pid) for pid in Path(f"/proc/{zygote}/task/{zygote}/children").read_text().split()]


def test_hosts_are_not_blamed_for_the_death_of_the_worker(tmp_path: Path, started: list[Instance]) -> None:
    instance = Instance(tmp_path, str(SHOP), scripts={"a.py": SLOWLY}, sets=SMALL)
    started.append(instance)
    instance.until(lambda s: s["counters"].get("scripts_delivered_total", 0) > 20)
    instance.kill("worker")
    assert instance.wait() == 0
    assert "worker died (SIGKILL)" in instance.output()
    assert "script 'a.py' died" not in instance.output()
    assert "entries that waited in the worker reach no script" in instance.output()
    assert "(scripts: not_delivered)" in instance.output(), "what is lost is counted"


def test_the_end_of_the_supervisor_ends_everything_and_the_next_run_ships_what_was_kept(
    tmp_path: Path, started: list[Instance]
) -> None:
    first = Instance(tmp_path, str(SHOP), scripts={"a.py": SLOWLY}, sets=SMALL)
    started.append(first)
    status = first.until(lambda s: s["counters"].get("recorder_streams_kept_total", 0) > 20)
    pids = [row["pid"] for row in status["processes"].values()] + hosts_of(first)
    first.process.kill()
    first.process.wait()
    deadline = time.monotonic() + PATIENCE_S
    while any(Path(f"/proc/{pid}").exists() for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]
    second = Instance(tmp_path, str(SHOP), scripts={"a.py": NOTHING})
    started.append(second)
    assert second.wait() == 0, second.output()
    assert len(Recording(tmp_path / "data/recordings", "all").lines("streams")) >= 20


def test_a_terminal_that_goes_away_is_a_stop_in_order(tmp_path: Path, started: list[Instance]) -> None:
    instance = Instance(tmp_path, str(SHOP), scripts={"a.py": SLOWLY}, sets=SMALL)
    started.append(instance)
    instance.until(lambda s: s["counters"].get("scripts_delivered_total", 0) > 20)
    instance.process.send_signal(signal.SIGHUP)
    assert instance.wait() == 0, instance.output()
    assert Recording(tmp_path / "data/recordings", "all").frames()


def test_a_stopped_instance_gives_slow_scripts_the_grace_and_counts_what_they_did_not_get(
    tmp_path: Path, started: list[Instance]
) -> None:
    instance = Instance(tmp_path, str(SHOP), scripts={"a.py": KEEP_ALL + "    time.sleep(2)\n"}, grace="5s")
    started.append(instance)
    instance.until(lambda s: s["counters"].get("recorder_streams_kept_total", 0) > 0)
    assert instance.stop() == 0
    assert "(scripts: not_delivered)" in instance.output()
    assert Recording(tmp_path / "data/recordings", "all").frames(), "what it kept is shipped all the same"


def test_a_reader_of_the_output_that_goes_away_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts/a.py").write_text(KEEP_ALL)
    arguments = command("run", str(SHOP), "--scripts", str(tmp_path / "scripts"), "--data", str(tmp_path / "data"))
    process = subprocess.Popen(arguments, env=clean(), stderr=subprocess.PIPE)
    assert process.stderr is not None
    process.stderr.readline()
    process.stderr.close()
    assert process.wait(PATIENCE_S) == 0
    assert len(Recording(tmp_path / "data/recordings", "all").frames()) > 1000


def test_odd_files_in_the_script_folder_stop_no_other_script(tmp_path: Path, started: list[Instance]) -> None:
    folder = tmp_path / "scripts"
    folder.mkdir()
    os.mkfifo(folder / "pipe.py")
    (folder / "folder.py").mkdir()
    (folder / "loop.py").symlink_to("loop.py")
    (folder / "latin.py").write_bytes(b"x = '\xff'\n")
    (folder / "long.py").write_bytes(b"#" * 300_000)
    Path(os.fsdecode(bytes(folder) + b"/\xff.py")).write_text(NOTHING)
    instance = Instance(tmp_path, str(SHOP), scripts={"a.py": KEEP_ALL, "b ü.py": NOTHING})
    started.append(instance)
    assert instance.wait() == 0, instance.output()
    for name in ("pipe.py", "folder.py", "loop.py", "latin.py", "long.py", "\\\\udcff.py"):
        assert f"script '{name}' did not run to the end: expected" in instance.output()
    assert len(Recording(tmp_path / "data/recordings", "all").frames()) > 1000


def test_replaced_scripts_leave_no_process_and_no_descriptor_behind(tmp_path: Path, started: list[Instance]) -> None:
    scripts = {"a.py": NOTHING, "slow.py": "def onItemCaptured(data):\n    time.sleep(0.05)\n"}
    instance = Instance(tmp_path, str(SHOP), scripts=scripts, sets=SMALL)
    started.append(instance)
    instance.until(lambda s: s["counters"].get("scripts_delivered_total", 0) > 5)
    before = descriptors(instance)
    for version in range(12):
        digest = instance.until(lambda s: "a.py" in s["scripts"])["scripts"]["a.py"]["digest"]
        (instance.scripts / "a.py").write_text(f"{NOTHING}# {version}\n")
        instance.until(lambda s, old=digest: s["scripts"]["a.py"]["digest"] != old)  # type: ignore[misc]  # default binds
        instance.until(lambda s: instance.output().count("'a.py' replaced") > version)  # noqa: B023  # called at once
    instance.until(lambda _: len(hosts_of(instance)) == 2)
    instance.until(lambda _: descriptors(instance) == before)


def descriptors(instance: Instance) -> dict[str, int]:
    rows = instance.until(lambda status: status["processes"])["processes"]
    pids = {"supervisor": instance.process.pid} | {name: row["pid"] for name, row in rows.items()}
    return {
        name: len(os.listdir(f"/proc/{pid}/fd"))
        for name, pid in pids.items()
        if name in ("supervisor", "worker", "zygote")
    }


def test_a_data_folder_deep_in_the_tree_and_many_sources_work(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 100) / ("y" * 100)
    deep.mkdir(parents=True)
    sources = [deep / f"{number}.pcap" for number in range(200)]
    for source in sources:
        shutil.copy(ROOT / "tests/traces/http_keep_alive.pcap", source)
    (deep / "scripts").mkdir()
    result = remora(
        "run", *map(str, sources), "--scripts", str(deep / "scripts"), "--data", str(deep / "data"), cwd="/"
    )
    assert result.returncode == 0, result.stderr
    assert "packets in" in result.stderr


def test_an_environment_that_fits_no_message_is_wrong_use(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    config = tmp_path / "remora.yaml"
    config.write_text("scripting:\n  env:\n" + "".join(f"    A{n}: {'v' * 1000}\n" for n in range(100)))
    arguments = ("run", str(SHOP), "--config", str(config), "--scripts", str(tmp_path / "scripts"))
    result = remora(*arguments, "--data", str(tmp_path / "data"))
    assert result.returncode == 2
    assert "scripting.env: expected at most 49152 bytes" in result.stderr


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, whose files children may not read later")
def test_no_child_imports_anything_once_its_privileges_are_gone(tmp_path: Path) -> None:
    spied = tmp_path / "spied"
    spied.mkdir(mode=0o755)
    for name in ("engine", "hooks"):
        shutil.copytree(ROOT / name, spied / name, ignore=shutil.ignore_patterns("__pycache__"))
    process = spied / "engine/process.py"
    told = "self.endpoint.send(Up())"
    text = process.read_text()
    assert text.count(told) == 1
    text = text.replace(told, f"engine.spy.begin(); {told}")
    process.write_text(text.replace("import contextlib\n", "import contextlib\nimport engine.spy\n", 1))
    log = tmp_path / "late"
    (spied / "engine/spy.py").write_text(SPY.format(log=str(log)))
    script = KEEP_ALL + 'file.mkdir("c")\njobs.schedule("j", "* * * * * *", lambda: console.log("job"))\n'
    os.chmod(tmp_path, 0o755)
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts/a.py").write_text(script)
    arguments = command("run", str(SHOP), "--scripts", str(tmp_path / "scripts"), "--data", str(tmp_path / "data"))
    environment = clean() | {"PYTHONPATH": str(spied)}
    done = subprocess.run(arguments, env=environment, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 0, done.stderr
    assert log.read_text() == ""


SPY = """
import os
import sys

_log = os.open({log!r}, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


class Spy:
    def find_spec(self, name, path=None, target=None):
        os.write(_log, f"{{sys.argv[0]}}: {{name}}\\n".encode())


def begin():
    sys.meta_path.insert(0, Spy())
"""


PRIVATE = "TOP-SECRET-KEY-OF-NOBODY"


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, which children give up")
def test_no_child_stays_root_or_shows_a_secret(tmp_path: Path, started: list[Instance]) -> None:
    environment = {"GCS_SA_KEY_JSON": f'{{"private_key": "{PRIVATE}"}}'}
    instance = Instance(tmp_path, str(SHOP), scripts={"a.py": SLOWLY}, sets=SMALL, environment=environment)
    started.append(instance)
    status = instance.until(lambda s: s["counters"].get("scripts_delivered_total", 0) > 20)
    pids = {name: row["pid"] for name, row in status["processes"].items()}
    pids |= {f"host {pid}": pid for pid in hosts_of(instance)}
    for name, pid in pids.items():
        folder = Path(f"/proc/{pid}")
        fields = dict(line.split(":\t", 1) for line in (folder / "status").read_text().splitlines() if ":\t" in line)
        if name != "zygote":  # it gives each host another user
            assert "0" not in fields["Uid"].split() + fields["Gid"].split(), name
            assert int(fields["CapEff"], 16) == int(fields["CapPrm"], 16) == 0, name
            assert fields["Groups"].strip() == "", name
        assert PRIVATE.encode() not in (folder / "environ").read_bytes() + (folder / "cmdline").read_bytes(), name
    instance.stop()
    assert PRIVATE not in instance.output()
    assert not [
        path for path in (tmp_path / "data").rglob("*") if path.is_file() and PRIVATE.encode() in path.read_bytes()
    ]


def test_a_worker_that_dies_whenever_it_starts_ends_the_run_in_words(tmp_path: Path) -> None:
    capture = tmp_path / "shop.pcap"
    capture.write_bytes(gzip.decompress((SHOP / "shop.pcap.gz").read_bytes()))
    broken = tmp_path / "broken"
    for name in ("engine", "hooks"):
        shutil.copytree(ROOT / name, broken / name, ignore=shutil.ignore_patterns("__pycache__"))
    (broken / "engine/worker.py").write_text("raise RuntimeError\n")
    children = broken / "engine/children.py"
    text = children.read_text()
    assert text.count("= 0.1, 30.0, 60.0") == 1
    children.write_text(text.replace("= 0.1, 30.0, 60.0", "= 0.001, 30.0, 60.0"))  # not to wait 13 s
    os.chmod(tmp_path, 0o755)
    arguments = command("run", str(capture), "--data", str(tmp_path / "data"))
    environment = clean() | {"PYTHONPATH": str(broken)}
    done = subprocess.run(arguments, env=environment, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 1
    assert "worker died 8 times in a row (exit status 1); what was recorded stays" in done.stderr


@pytest.mark.skipif(os.getuid() != 0 or shutil.which("unshare") is None, reason="needs root for a network namespace")
def test_a_stop_that_comes_before_a_live_capture_has_begun_loses_no_packet_of_before(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts/a.py").write_text(KEEP_ALL + "time.sleep(2)\n")  # loads so long
    arguments = command("run", "iface:lo", "--scripts", str(tmp_path / "scripts"), "--data", str(tmp_path / "data"))
    inside = ["unshare", "--net", sys.executable, "-c", EARLY, *arguments]
    done = subprocess.run(inside, env=clean(), capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 0, done.stderr
    assert "stopping as soon as it has started" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("50 packets"), done.stderr


EARLY = """
import socket, subprocess, sys, time
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
process = subprocess.Popen(sys.argv[1:])
while True:
    with open("/proc/net/packet") as sockets:
        rows = [line.split() for line in sockets.readlines()[1:]]
    if any(row[4] != "0" and row[5] == "1" for row in rows):  # bound to an interface, and running
        break
    time.sleep(0.01)
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
    sender.bind(("127.0.0.1", 4000))
    for _ in range(50):
        sender.sendto(b"early", ("127.0.0.1", 4000))
process.terminate()
sys.exit(process.wait())
"""
