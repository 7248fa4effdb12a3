"""What Prometheus gets from a whole instance."""

from __future__ import annotations

import socket
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from engine.jail.layers import LAYERS
from tests.support.instance import SHOP, Instance, remora

pytestmark = pytest.mark.slow


def scrape(port: int) -> dict[str, float]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
    except urllib.error.URLError:
        return {}
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}


def test_metrics_follow_the_counters_and_name_every_process(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    growing = tmp_path / "in"
    growing.mkdir()
    (growing / "shop.pcap.gz").write_bytes((SHOP / "shop.pcap.gz").read_bytes())
    script = {"count.py": "def onItemCaptured(data):\n    pass\n"}
    instance = Instance(tmp_path, str(growing), "--follow", scripts=script, sets=(f"tap.metrics.port={port}",))
    try:
        status = instance.until(lambda status: status["counters"].get("scripts_delivered_total", 0) > 100)
        instance.until(lambda _: scrape(port).get("remora_scripts_delivered_total", 0) > 100)
        found = scrape(port)
    finally:
        code, output = instance.stop(), instance.output()
        instance.close()
    assert code == 0, output
    assert found["remora_items_total"] >= status["counters"]["items_total"] > 0
    processes = [
        f'remora_process_resident_bytes{{process="{name}"}}' for name in (*status["processes"], "script count.py")
    ]
    assert all(found[name] > 1 << 20 for name in processes), (processes, found)
    layers = [layer.name for layer in LAYERS]
    held = {layer: found[f'remora_script_layer{{layer="{layer}",script="count.py"}}'] for layer in layers}
    assert held["seccomp"] == held["no_new_privs"] == held["limits"] == 1
    assert set(held.values()) <= {0, 1}
    sent, soft = (found[f'remora_script_{name}_total{{script="count.py"}}'] for name in ("sent", "soft_aborts"))
    assert (sent >= found["remora_scripts_delivered_total"], soft) == (True, 0)
    assert f"metrics: http://127.0.0.1:{port}/metrics" in output


OF_EACH = ("sent", "delivered", "errors", "soft_aborts", "kills", "matched", "calls")
FAILING = """
def onItemCaptured(data):
    if data.index % 2:
        raise ValueError
    pcap.path(data.stream)
"""


@pytest.mark.slow
def test_each_script_has_its_figures_from_the_first_moment(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    growing = tmp_path / "in"
    growing.mkdir()
    scripts = {"fine.py": "def onItemCaptured(data):\n    pass\n", "failing.py": FAILING}
    sets = (f"tap.metrics.port={port}", "scripting.calls=0")
    instance = Instance(tmp_path, str(growing), "--follow", scripts=scripts, sets=sets)
    try:
        instance.until(lambda _: instance.output().count(" loaded: ") == len(scripts))
        instance.until(lambda _: of_script(scrape(port), "fine.py", "lag_ms") == 0)
        before = scrape(port)
        (growing / "shop.pcap.gz").write_bytes((SHOP / "shop.pcap.gz").read_bytes())
        instance.until(lambda _: of_script(scrape(port), "failing.py", "errors_total") > 10)
        instance.until(lambda _: of_script(scrape(port), "failing.py", "calls_total") > 10)  # another process says so
        after = scrape(port)
    finally:
        code, output = instance.stop(), instance.output()
        instance.close()
    assert code == 0, output
    for script in scripts:
        for name in OF_EACH[:-1]:
            assert of_script(before, script, f"{name}_total") == 0, name
        label = f'reason="script_queue_full",script="{script}"'
        assert (
            before[f"remora_script_dropped_total{{{label}}}"] == after[f"remora_script_dropped_total{{{label}}}"] == 0
        )
        for name in ("queue", "lag_ms"):
            assert of_script(after, script, name) >= 0
        for name in ("cpu_seconds_total", "resident_bytes"):
            assert after[f'remora_process_{name}{{process="script {script}"}}'] >= 0
    assert of_script(after, "failing.py", "calls_total") > 10
    assert of_script(after, "fine.py", "errors_total") == of_script(after, "fine.py", "kills_total") == 0


def of_script(found: dict[str, float], script: str, name: str) -> float:
    return found.get(f'remora_script_{name}{{script="{script}"}}', -1)


def test_a_port_that_is_taken_ends_the_run_before_it_begins(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = remora("run", str(SHOP), "--data", str(tmp_path / "data"), "--set", f"tap.metrics.port={port}")
    assert result.returncode == 2
    assert f"tap.metrics: expected an address and a free port, got '127.0.0.1:{port}'" in result.stderr
