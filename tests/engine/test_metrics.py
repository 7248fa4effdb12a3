from __future__ import annotations

import os
import socket
import urllib.request

import pytest
from prometheus_client.parser import text_string_to_metric_families

from engine.config import MetricsOptions
from engine.errors import ConfigError
from engine.metrics import Metrics, of_process, serve


def scrape(port: int) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_prometheus_reads_what_was_published_last() -> None:
    metrics = Metrics()
    port = serve(metrics, MetricsOptions(port=0))
    assert scrape(port) == {}
    metrics.publish({"old_total": 1})
    metrics.publish(
        {
            "segments_stored_total": 7,
            "segments_dropped_total{reason=storage_full}": 2,
            "segments_dropped_total{reason=rate_limit}": 3,
            'script_dropped_total{reason=x,script=a,b=\\"c}.py}': 4,
            "scripts_queue": 5,
            "script_queue{script=good.py}": 6,
            "script_queue{script=good.py,script=evil.py}": 7,
        }
    )
    assert scrape(port) == {
        ("remora_segments_stored_total", ()): 7,
        ("remora_segments_dropped_total", (("reason", "storage_full"),)): 2,
        ("remora_segments_dropped_total", (("reason", "rate_limit"),)): 3,
        ("remora_script_dropped_total", (("reason", "x"), ("script", 'a,b=\\"c}.py'))): 4,
        ("remora_scripts_queue", ()): 5,
        ("remora_script_queue", (("script", "good.py"),)): 6,
        ("remora_script_queue", (("script", "good.py,script=evil.py"),)): 7,
    }


def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"tap.metrics: expected an address and a free port, got .*{port}"):
            serve(Metrics(), MetricsOptions(port=port))


@pytest.mark.parametrize("options", [MetricsOptions(port=99_999), MetricsOptions(port=1, host="256.0.0.1")])
def test_an_address_that_is_none_is_named(options: MetricsOptions) -> None:
    with pytest.raises(ConfigError, match=r"tap\.metrics"):
        serve(Metrics(), options)


def test_a_process_has_cpu_and_memory_and_one_that_is_gone_has_nothing() -> None:
    found = of_process("me", os.getpid())
    assert found["process_cpu_seconds_total{process=me}"] > 0
    assert found["process_resident_bytes{process=me}"] > 1 << 20
    assert of_process("gone", 1 << 22) == {}
