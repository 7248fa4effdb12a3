from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.cloud import storage

import engine.shipping.gcs as gcs
from engine.errors import UploadError, UploadRefused
from engine.shipping.destination import DestinationMisconfigured
from engine.shipping.gcs import GcsBucket
from tests.support.audit import crc32c
from tests.support.destination_contract import NAME, DestinationContract
from tests.support.gcs_server import Store, serve
from tests.support.tokens import Tokens, serve_tokens

CONTENT = b"packets" * 1000


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    with serve("forensics") as (address, store):
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", address)
        monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
        quick = gcs._RETRY.with_delay(initial=0.01, maximum=0.02, multiplier=1).with_timeout(1.0)
        monkeypatch.setattr(gcs, "_RETRY", quick)
        yield store


@pytest.fixture
def bucket(server: Store) -> Iterator[GcsBucket]:
    made = GcsBucket("gs://forensics", "")
    yield made
    made.close()


@pytest.fixture
def local(tmp_path: Path) -> Path:
    (tmp_path / "local").write_bytes(CONTENT)
    return tmp_path / "local"


def put(bucket: GcsBucket, local: Path, content: bytes = CONTENT, name: str = NAME) -> None:
    bucket.put(local, name, len(content), crc32c(content))


class TestGcsBucket(DestinationContract):
    @pytest.fixture
    def destination(self, bucket: GcsBucket, server: Store) -> GcsBucket:
        self.server = server
        return bucket

    def stored(self) -> dict[str, bytes]:
        return self.server.objects("forensics")


def test_an_object_costs_one_request(server: Store, bucket: GcsBucket, local: Path) -> None:
    put(bucket, local)
    assert server.requests == {"POST": 1}


def test_a_large_object_goes_in_chunks_of_four_mebibytes(server: Store, bucket: GcsBucket, tmp_path: Path) -> None:
    content = bytes(9 << 20)
    (tmp_path / "large").write_bytes(content)
    put(bucket, tmp_path / "large", content)
    assert server.largest_body_bytes == gcs.CHUNK_BYTES
    assert server.requests == {"POST": 1, "PUT": 3}


def test_a_prefix_goes_before_every_name(server: Store, local: Path) -> None:
    bucket = GcsBucket("gs://forensics/team/a/", "")
    put(bucket, local, name="x.pcap.gz")
    bucket.close()
    assert list(server.objects("forensics")) == ["team/a/x.pcap.gz"]


@pytest.mark.parametrize(
    ("name", "kind"),
    [("x.pcap.gz", "application/gzip"), ("x.manifest.json", "application/json"), ("x", "application/octet-stream")],
)
def test_gzip_is_stored_as_what_it_is_and_never_transcoded(
    server: Store, bucket: GcsBucket, local: Path, name: str, kind: str
) -> None:
    put(bucket, local, name=name)
    metadata = server.buckets["forensics"][name].metadata
    assert metadata.get("contentType", kind) == kind
    assert "contentEncoding" not in metadata


FAULTS = [
    ("status", 408), ("status", 429), ("status", 500), ("status", 502), ("status", 503), ("status", 504),
    ("lose_answer", 0), ("reset", 0),
]  # fmt: skip


@pytest.mark.parametrize("size", [5_000, 9 << 20], ids=["multipart", "resumable"])
@pytest.mark.parametrize(("kind", "status"), FAULTS, ids=[f"{kind} {status}" for kind, status in FAULTS])
def test_a_passing_fault_costs_nothing_and_doubles_nothing(
    server: Store, bucket: GcsBucket, tmp_path: Path, kind: str, status: int, size: int
) -> None:
    content = bytes(size)
    (tmp_path / "local").write_bytes(content)
    server.fault(kind, status=status, times=2)
    put(bucket, tmp_path / "local", content)
    assert server.objects("forensics") == {NAME: content}
    assert server.created == {NAME: 1}


@pytest.mark.parametrize(
    ("size", "method", "skip"),
    [(5_000, "POST", 0), (9 << 20, "POST", 0), (9 << 20, "PUT", 0), (9 << 20, "PUT", 2)],
    ids=["multipart", "session", "first chunk", "last chunk"],
)
def test_an_upload_whose_answer_was_lost_is_found_to_be_there(
    server: Store, bucket: GcsBucket, tmp_path: Path, size: int, method: str, skip: int
) -> None:
    (tmp_path / "local").write_bytes(bytes(size))
    server.fault("lose_answer", method=method, skip=skip)
    put(bucket, tmp_path / "local", bytes(size))
    assert server.created == {NAME: 1}


@pytest.mark.parametrize("status", [400, 410, 412, 501])
def test_an_odd_answer_without_an_object_is_worth_trying_again(
    server: Store, bucket: GcsBucket, local: Path, status: int
) -> None:
    server.fault("status", status=status, method="POST")
    with pytest.raises(UploadError, match=str(status)) as caught:
        put(bucket, local)
    assert not isinstance(caught.value, UploadRefused | DestinationMisconfigured)
    put(bucket, local)
    assert server.created == {NAME: 1}


@pytest.mark.slow
def test_an_outage_is_worth_trying_again(server: Store, bucket: GcsBucket, local: Path) -> None:
    server.fault("status", status=503, times=10_000)
    with pytest.raises(UploadError, match="503") as caught:
        put(bucket, local)
    assert not isinstance(caught.value, UploadRefused | DestinationMisconfigured)


@pytest.mark.parametrize(
    ("status", "advice"),
    [(401, "set a valid GCS_SA_KEY_JSON"), (403, "give it storage.objects.create"), (404, "create it or name another")],
)
def test_a_fault_of_the_configuration_says_what_to_do(
    server: Store, bucket: GcsBucket, local: Path, status: int, advice: str
) -> None:
    server.fault("status", status=status, times=10_000, method="POST")
    with pytest.raises(DestinationMisconfigured, match=advice):
        put(bucket, local)


def test_a_bucket_that_does_not_exist_is_named(server: Store, local: Path) -> None:
    bucket = GcsBucket("gs://forensic", "")
    with pytest.raises(DestinationMisconfigured, match="the bucket gs://forensic does not exist"):
        put(bucket, local)
    bucket.close()


def test_an_object_that_is_there_counts_although_writing_it_again_is_forbidden(
    server: Store, bucket: GcsBucket, local: Path
) -> None:
    put(bucket, local)
    server.fault("status", status=403, method="POST")
    put(bucket, local)
    assert server.created == {NAME: 1}


@pytest.mark.parametrize("address", ["gs://", "gs:///prefix"])
def test_an_address_without_a_bucket_is_refused(server: Store, address: str) -> None:
    with pytest.raises(DestinationMisconfigured, match="expected gs://bucket"):
        GcsBucket(address, "")


def test_without_credentials_it_says_what_to_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    with pytest.raises(DestinationMisconfigured, match="set GCS_SA_KEY_JSON"):
        GcsBucket("gs://forensics", "")


@pytest.fixture
def tokens() -> Iterator[tuple[Tokens, str]]:
    with serve_tokens() as (state, address):
        yield state, json.dumps(state.info(address))


def test_a_service_account_signs_for_the_right_scope_and_its_token_is_used(
    server: Store, local: Path, tokens: tuple[Tokens, str]
) -> None:
    endpoint, key = tokens
    bucket = GcsBucket("gs://forensics", key)
    put(bucket, local)
    bucket.close()
    assert server.authorizations == {"Bearer token-1"}
    assert endpoint.claims["iss"] == "recorder@shop.iam.gserviceaccount.com"
    assert endpoint.claims["scope"] == "https://www.googleapis.com/auth/devstorage.read_write"


def test_a_token_that_is_not_accepted_any_more_is_renewed(
    server: Store, local: Path, tokens: tuple[Tokens, str]
) -> None:
    bucket = GcsBucket("gs://forensics", tokens[1])
    put(bucket, local)
    server.accepted = {"Bearer token-2"}
    put(bucket, local, name="second")
    bucket.close()
    assert sorted(server.objects("forensics")) == [NAME, "second"]


@pytest.mark.slow
@pytest.mark.parametrize(("status", "wrong_key"), [(503, False), (400, True)])
def test_a_token_endpoint_in_trouble_is_waited_for_and_a_key_it_refuses_is_for_the_operator(
    server: Store, local: Path, tokens: tuple[Tokens, str], status: int, wrong_key: bool
) -> None:
    endpoint, key = tokens
    endpoint.status = status
    bucket = GcsBucket("gs://forensics", key)
    with pytest.raises(UploadError) as caught:
        put(bucket, local)
    assert isinstance(caught.value, DestinationMisconfigured) == wrong_key
    assert not isinstance(caught.value, UploadRefused)
    assert "PRIVATE" not in str(caught.value)
    endpoint.status, endpoint.failures = 200, 0
    put(bucket, local)
    bucket.close()
    assert list(server.objects("forensics")) == [NAME]


def test_a_key_that_is_cut_off_is_refused_without_quoting_it(server: Store, tokens: tuple[Tokens, str]) -> None:
    info = json.loads(tokens[1])
    info["private_key"] = info["private_key"][:300]
    with pytest.raises(DestinationMisconfigured, match="is it cut off") as caught:
        GcsBucket("gs://forensics", json.dumps(info))
    assert info["private_key"][40:60] not in str(caught.value)


@pytest.mark.slow
def test_the_server_holds_what_the_client_lists_and_reads_by_range(server: Store) -> None:
    client = storage.Client(project="x")
    bucket = client.bucket("forensics")
    for number in range(5):
        bucket.blob(f"a/{number}").upload_from_string(bytes([number]) * 100)
    bucket.blob("b").upload_from_string(b"other")
    pages = client.list_blobs("forensics", prefix="a/", page_size=2)
    assert [blob.name for blob in pages] == [f"a/{number}" for number in range(5)]
    assert bucket.blob("a/3").download_as_bytes(start=10, end=19) == b"\3" * 10
    assert bucket.blob("a/3").download_as_bytes() == b"\3" * 100
    client.close()
