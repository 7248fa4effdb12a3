from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.config import Settings
from engine.frames.control import Failed, Finished, Flush, Report
from engine.shipper import client_environment
from engine.shipping.options import ShippingOptions
from engine.shipping.outbox import enqueue_file
from tests.support.audit import objects_in
from tests.support.child import RunningChild, folder_of_nobody, running
from tests.support.gcs_server import serve


@pytest.fixture
def data() -> Iterator[Path]:
    with folder_of_nobody() as folder:
        (folder / "data").mkdir(mode=0o700)
        yield folder / "data"


def enqueue(data: Path, name: str, bucket: str, credentials: str = "") -> None:
    source = os.memfd_create("source")
    os.write(source, name.encode())
    enqueue_file(data / "outbox", source, name, bucket, credentials)
    os.close(source)


def settings(data: Path) -> Settings:
    return Settings(shipping=ShippingOptions(), data=str(data))


@pytest.mark.slow
def test_the_process_uploads_to_a_server_that_only_its_secrets_name(data: Path) -> None:
    with serve("forensics") as (address, store):
        with running("shipper", settings(data), {"STORAGE_EMULATOR_HOST": address}) as shipper:
            enqueue(data, "n1_10.0.0.1_run/1.pcap", "forensics")
            shipper.until("shipper_batches_total", 1)
            shipper.send(Flush(10))
            assert shipper.hear(Finished) == Finished(0, "")
            assert shipper.stop() == 0
        assert store.objects("forensics") == {"n1_10.0.0.1_run/1.pcap": b"n1_10.0.0.1_run/1.pcap"}
    assert list((data / "outbox" / "ready").iterdir()) == []


@pytest.mark.slow
def test_the_end_says_what_remains_and_where_and_the_next_start_uploads_it(data: Path) -> None:
    with serve("forensics") as (address, store):
        enqueue(data, "a", "forensic")
        enqueue(data, "b", "forensics")
        secrets = {"STORAGE_EMULATOR_HOST": address}
        with running("shipper", settings(data), secrets) as shipper:
            shipper.send(Flush(1.0))
            finished = shipper.hear(Finished)
        assert finished.remaining == 1
        assert f"1 upload waits in {data}/outbox/ready and goes on with the next start" in finished.note
        assert "the bucket gs://forensic does not exist" in finished.note
        assert any("uploads wait (" in note for note in shipper.notes)
        store.buckets["forensic"] = {}
        with running("shipper", settings(data), secrets) as shipper:
            shipper.until("shipper_batches_total", 1)
        assert (store.objects("forensic"), store.objects("forensics")) == ({"a": b"a"}, {"b": b"b"})


@pytest.mark.slow
def test_a_second_shipper_of_an_outbox_gives_up_in_words(data: Path) -> None:
    with running("shipper", settings(data)):
        second = RunningChild("shipper", settings(data))
        assert "expected no other shipper" in second.hear(Failed).message
        second.kill()


@pytest.mark.slow
def test_the_default_destination_is_the_folder_in_the_data_folder(data: Path) -> None:
    enqueue(data, "a/b", str(data / "elsewhere"))
    with running("shipper", settings(data)) as shipper:
        shipper.hear(Report)
        shipper.until("shipper_batches_total", 1)
        assert shipper.hang_up() == 0
    assert objects_in(data / "elsewhere") == {"a/b": b"a/b"}


def test_the_variable_of_the_certificates_reaches_requests_too() -> None:
    assert client_environment({"SSL_CERT_FILE": "/ca"}) == {"SSL_CERT_FILE": "/ca", "REQUESTS_CA_BUNDLE": "/ca"}
    both = {"SSL_CERT_FILE": "/ca", "REQUESTS_CA_BUNDLE": "/other"}
    assert client_environment(both) == both


def test_without_a_bundle_of_the_operator_the_systems_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text("")
    monkeypatch.setattr("engine.shipper.SYSTEM_CA_BUNDLE", str(tmp_path / "ca.crt"))
    assert client_environment({})["REQUESTS_CA_BUNDLE"] == str(tmp_path / "ca.crt")
    monkeypatch.setattr("engine.shipper.SYSTEM_CA_BUNDLE", str(tmp_path / "none"))
    assert client_environment({}) == {}
