"""Bad input: one clear message (where, what was expected, what was found, what to do) and the right exit code."""

from __future__ import annotations

import gzip
import json
import subprocess
import time
from pathlib import Path

import pytest

from tests.fuzz.line import hostile_packets
from tests.support.instance import PATIENCE_S, SHOP, Recording, clean, command, remora
from tests.support.packets import write_pcap

pytestmark = pytest.mark.slow

KEEP_ANSWERED = """\
def onItemCaptured(data):
    if data.response and data.response.status == 200:
        pcap.record(data.stream, "answered")
"""
GOOD = gzip.decompress((SHOP / "shop.pcap.gz").read_bytes())


def write(tmp_path: Path, name: str, data: bytes) -> str:
    path = tmp_path / name
    path.write_bytes(data)
    return str(path)


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("text.pcap", b"this is no capture at all, only text", ["text.pcap: expected", "pcap"]),
        ("empty.pcap", b"", ["empty.pcap: expected", "empty"]),
        ("head.pcap", GOOD[:10], ["head.pcap: expected"]),
        ("link.pcap", GOOD[:20] + (147).to_bytes(4, "little") + GOOD[24:], ["link.pcap", "147"]),
        (
            "next.pcapng",
            b"\n\r\r\n\x1c\0\0\0M<+\x1a\2\0\0\0" + b"\xff" * 8 + b"\x1c\0\0\0",
            ["pcapng version 1", "2.0"],
        ),
        ("broken.pcap.gz", b"\x1f\x8b\x08\0garbage and more", ["broken.pcap.gz"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.parametrize("verb", ["query", "run"])
def test_what_is_no_capture_is_refused_with_one_message(
    tmp_path: Path, verb: str, name: str, data: bytes, words: list[str]
) -> None:
    path = write(tmp_path, name, data)
    more = ["--data", str(tmp_path / "data")] if verb == "run" else []
    result = remora(verb, path, *more)
    assert result.returncode == 1, result.stderr
    assert "Traceback" not in result.stderr
    for word in words:
        assert word in result.stderr


@pytest.mark.parametrize("verb", ["query", "streams", "run"])
def test_a_damaged_tail_is_a_warning_and_what_came_before_counts(tmp_path: Path, verb: str) -> None:
    path = write(tmp_path, "cut.pcap", GOOD[:100_000])
    more = ["--data", str(tmp_path / "data")] if verb == "run" else []
    result = remora(verb, path, *more)
    assert result.returncode == 0, result.stderr
    assert "cut.pcap" in result.stderr
    assert verb == "run" or len(result.stdout.splitlines()) > 50


@pytest.mark.parametrize("verb", ["query", "run"])
def test_a_pipe_that_pauses_is_read_to_its_end(tmp_path: Path, verb: str) -> None:
    more = ["--data", str(tmp_path / "data")] if verb == "run" else []
    with (tmp_path / "out").open("wb+") as output:
        process = subprocess.Popen(
            command(verb, "-", *more), env=clean(), stdin=subprocess.PIPE, stdout=output, stderr=output
        )
        assert process.stdin is not None
        for start in range(0, len(GOOD), len(GOOD) // 3 + 1):
            process.stdin.write(GOOD[start : start + len(GOOD) // 3 + 1])
            process.stdin.flush()
            time.sleep(0.5)
        process.stdin.close()
        code = process.wait(PATIENCE_S)
        output.seek(0)
        told = output.read()
    assert code == 0, told
    whole = len(remora("query", str(SHOP)).stdout.splitlines())
    assert len(told.splitlines()) == whole if verb == "query" else b"in 1,955 streams" in told


def test_a_hostile_capture_is_recorded_packet_by_packet(tmp_path: Path) -> None:
    path = write_pcap(tmp_path / "hostile.pcap", hostile_packets(6000, seed=1))
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts/keep.py").write_text(KEEP_ANSWERED)
    run = remora("run", str(path), "--scripts", str(tmp_path / "scripts"), "--data", str(tmp_path / "d"))
    assert run.returncode == 0, run.stderr
    items = [json.loads(line) for line in remora("query", str(path)).stdout.splitlines()]
    rows = [json.loads(line) for line in remora("streams", str(path)).stdout.splitlines()]
    kept = {item["stream"] for item in items if (item["response"] or {}).get("status") == 200}
    recorded = Recording(tmp_path / "d/recordings", "answered").frames()
    assert len(kept) > 20
    assert len(recorded) == sum(row["packets"] for row in rows if row["stream"] in kept)
    assert recorded == sorted(recorded, key=lambda packet: packet[0])


def test_a_path_that_is_not_there_is_named(tmp_path: Path) -> None:
    result = remora("query", str(tmp_path / "missing.pcap"))
    assert result.returncode == 1
    assert "missing.pcap" in result.stderr
    assert "No such file" in result.stderr


def test_a_folder_without_captures_is_named(tmp_path: Path) -> None:
    result = remora("query", str(tmp_path))
    assert result.returncode == 1
    assert str(tmp_path) in result.stderr


def test_a_wrong_filter_is_shown_with_a_caret() -> None:
    result = remora("query", str(SHOP), "--kfl", "htp and response.status == 500")
    assert result.returncode == 2
    assert "did you mean 'http'?" in result.stderr
    assert "\n  htp and" in result.stderr
    assert "\n  ^" in result.stderr


def test_an_unknown_key_is_wrong_use(tmp_path: Path) -> None:
    result = remora("run", str(SHOP), "--data", str(tmp_path / "d"), "--set", "tap.misc.pcapTTLs=1s")
    assert result.returncode == 2
    assert "did you mean 'tap.misc.pcapTTL'?" in result.stderr


def test_an_interface_that_is_not_there_is_named_with_those_that_are(tmp_path: Path) -> None:
    result = remora("run", "--interface", "nosuch0", "--data", str(tmp_path / "d"))
    assert result.returncode == 1
    assert "nosuch0" in result.stderr


def test_a_mix_of_captures_and_interfaces_is_wrong_use(tmp_path: Path) -> None:
    assert remora("run", str(SHOP), "--interface", "lo", "--data", str(tmp_path / "d")).returncode == 2


def test_no_source_is_wrong_use() -> None:
    result = remora("run")
    assert result.returncode == 2
    assert "SOURCE: expected" in result.stderr


def test_a_replay_whose_only_script_is_broken_reads_nothing(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts/bad.py").write_text("import os\n\ndef onItemCapture(data):\n    pass\n")
    result = remora("run", str(SHOP), "--scripts", str(tmp_path / "scripts"), "--data", str(tmp_path / "d"))
    assert result.returncode == 1
    assert "did you mean 'onItemCaptured'?" in result.stderr
    assert "nothing was read" in result.stderr


def test_a_missing_script_folder_is_wrong_use(tmp_path: Path) -> None:
    result = remora("run", str(SHOP), "--scripts", str(tmp_path / "none"), "--data", str(tmp_path / "d"))
    assert result.returncode == 2
    assert "scripting.source: expected a folder of scripts" in result.stderr


def test_a_folder_that_is_no_data_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "precious.txt").write_text("x")
    for arguments in (["run", str(SHOP), "--data"], ["data", "clean", "--data"], ["status", "--data"]):
        result = remora(*arguments, str(tmp_path))
        assert result.returncode == 2, result.stderr
    assert (tmp_path / "precious.txt").read_text() == "x"


def test_show_status_and_clean_work_on_what_a_run_left(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts/a.py").write_text("def onItemCaptured(data):\n    pass\n")
    data = str(tmp_path / "d")
    assert remora("run", str(SHOP), "--scripts", str(tmp_path / "scripts"), "--data", data).returncode == 0
    first = json.loads(remora("query", str(SHOP)).stdout.splitlines()[0])
    shown = remora("show", first["id"], "--json", "--data", data)
    assert shown.returncode == 0, shown.stderr
    assert json.loads(shown.stdout)["request"] == first["request"]
    row = remora("show", first["stream"], "--data", data)
    assert json.loads(row.stdout)["stream"] == first["stream"]
    pcap = tmp_path / "one.pcap"
    assert remora("show", first["stream"], "--pcap", str(pcap), "--data", data).returncode == 0
    assert json.loads(remora("streams", str(pcap)).stdout)["packets"] == json.loads(row.stdout)["packets"]
    piped = subprocess.run(
        command("show", first["stream"], "--pcap", "-", "--data", data), env=clean(), capture_output=True, check=True
    )
    assert piped.stdout == pcap.read_bytes()
    unknown = remora("show", "000000999999.pcap", "--data", data)
    assert unknown.returncode == 1
    assert "000000999999" in unknown.stderr
    status = remora("status", "--data", data)
    assert "nothing runs on" in status.stdout
    assert "segments" in status.stdout
    assert remora("data", "clean", "--data", data).returncode == 0
    assert not list((tmp_path / "d").glob("segments/*"))


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["run"],
        ["query"],
        ["streams"],
        ["show"],
        ["status"],
        ["config"],
        ["kfl", "check"],
        ["kfl", "explain"],
        ["kfl", "match"],
        ["kfl", "bench"],
        ["kfl", "translate"],
        ["scripts", "check"],
        ["data", "clean"],
    ],
    ids=" ".join,
)
def test_every_command_has_help_with_an_example(arguments: list[str]) -> None:
    result = remora(*arguments, "--help")
    assert result.returncode == 0
    assert not arguments or "Example: " in result.stdout


@pytest.mark.parametrize(
    ("text", "code"), [("http and response.status >= 500", 0), ("http and (", 1)], ids=["valid", "invalid"]
)
def test_kfl_check_says_whether_a_filter_is_right(text: str, code: int) -> None:
    result = remora("kfl", "check", text)
    assert result.returncode == code
    assert ("can match http" in result.stdout) == (code == 0)


def test_config_prints_what_is_in_force_and_why() -> None:
    result = remora(
        "config", "--set", "tap.misc.pcapTTL=30s", environment={"GCS_BUCKET": "bucket", "GCS_SA_KEY_JSON": "{secret}"}
    )
    assert result.returncode == 0
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert "tap.misc.pcapTTL 30s --set" in lines
    assert "scripting.env.GCS_BUCKET bucket environment GCS_BUCKET" in lines
    assert "{secret}" not in result.stdout


def test_a_folder_of_captures_that_are_all_cut_is_read_and_each_is_named(tmp_path: Path) -> None:
    captures = tmp_path / "captures"
    captures.mkdir()
    for number in range(700):
        (captures / f"{number:04d}.pcap").write_bytes(GOOD[:1000])
    result = remora("run", str(captures), "--data", str(tmp_path / "data"))
    assert result.returncode == 0, result.stderr
    assert result.stderr.count("before the end; what came before it stands") == 700


def test_scripts_of_any_number_and_name_do_not_silence_the_processes_that_count_for_them(tmp_path: Path) -> None:
    scripts = tmp_path / "scripts"
    scripts.mkdir()
    for number in range(40):
        (scripts / f"{'long' * 60}{number}.py").write_text("def onItemCaptured(data):\n    pass\n")
    result = remora("run", str(SHOP), "--scripts", str(scripts), "--data", str(tmp_path / "data"))
    assert (result.returncode, "16,424 packets in 1,955 streams gave 3,250 items" in result.stderr) == (0, True)
