from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from engine.errors import StorageError, UploadRefused
from engine.shipping import request as module
from engine.shipping.outbox import BODY_FILE, UPLOAD_FILE, Request, Upload
from engine.shipping.request import check_origin, checked_request, enqueue_request, origin_of
from tests.support.disk import file_size_limit

ORIGINS = {
    "https://hooks.example.com/services/T0/B0/x?y=z#f": "https://hooks.example.com:443",
    "http://Example.COM": "http://example.com:80",
    "https://example.com:8443/": "https://example.com:8443",
    "http://[::1]:80/x": "http://[::1]:80",
}
NO_URLS = (
    "",
    "example.com",
    "ftp://example.com/x",
    "file:///etc/passwd",
    "https://",
    "https://user@example.com/",
    "https://allowed.example@evil.example/",
    "https://example.com:99999/",
    "https://example.com:x/",
    "https://exa mple.com/",
    "https://example.com/\r\nHost: evil",
    "https://exämple.com/",
    "https://[::1/",
    "https://example.com/" + "x" * 5000,
    "//example.com/x",
    "secret:no-name",
)
ALLOWED = ("hooks.example.com", "*.corp.example", "http://10.0.0.1:9000", "alerts.example:8443")
MAY = (
    "https://hooks.example.com/a",
    "https://x.corp.example/",
    "http://10.0.0.1:9000/",
    "https://alerts.example:8443/z",
)
MAY_NOT = (
    "http://hooks.example.com/",
    "https://hooks.example.com:444/",
    "https://hooks.example.com.evil.example/",
    "https://corp.example/",
    "https://evilcorp.example/",
    "http://x.corp.example/",
    "https://10.0.0.1:9000/",
    "http://10.0.0.1/",
    "http://169.254.169.254/computeMetadata/v1/",
)


@pytest.mark.parametrize(("url", "origin"), ORIGINS.items())
def test_the_origin_of_a_url_names_its_port(url: str, origin: str) -> None:
    assert origin_of(url) == origin


@pytest.mark.parametrize("url", NO_URLS)
def test_what_is_no_plain_url_is_refused(url: str) -> None:
    with pytest.raises(UploadRefused, match="expected a URL") as caught:
        origin_of(url)
    assert "services" not in str(caught.value)


@pytest.mark.parametrize("url", MAY)
def test_hosts_that_the_operator_named_may_be_reached(url: str) -> None:
    check_origin(origin_of(url), ALLOWED)


@pytest.mark.parametrize("url", MAY_NOT)
def test_no_other_host_may_be_reached(url: str) -> None:
    for hosts in (ALLOWED, (), ("", "*", "*.", "nonsense url", "https://user@x/")):
        with pytest.raises(UploadRefused, match=r"scripting\.egress"):
            check_origin(origin_of(url), hosts)


@pytest.mark.parametrize(
    ("method", "headers", "words"),
    [
        ("CONNECT", {}, "expected a method"),
        ("GET / HTTP/1.1", {}, "expected a method"),
        ("POST", {"a": "b\r\nc: d"}, "printable"),
        ("POST", {"a": "ü"}, "printable"),
        ("POST", {"a": "x" * 5000}, "at most 4096"),
        ("POST", {"a b": "c"}, "RFC 9110"),
        ("POST", {"Host": "internal"}, "RFC 9110"),
        ("POST", {"content-length": "0"}, "RFC 9110"),
        ("POST", {"Transfer-Encoding": "chunked"}, "RFC 9110"),
        ("POST", {str(number): "" for number in range(33)}, "at most 32"),
    ],
)
def test_what_could_be_another_request_is_refused(method: str, headers: dict[str, str], words: str) -> None:
    with pytest.raises(UploadRefused, match=words):
        checked_request(method, "https://hooks.example.com/", headers, ALLOWED)


def test_a_request_lies_in_the_outbox_whole(tmp_path: Path) -> None:
    request = checked_request("post", "https://hooks.example.com/a", {"X": "secret:API_TOKEN:"}, ALLOWED)
    entry = enqueue_request(tmp_path, request, b"hello", 5)
    folder = tmp_path / "ready" / entry
    assert (folder / BODY_FILE).read_bytes() == b"hello"
    written = msgspec.json.decode((folder / UPLOAD_FILE).read_bytes(), type=Upload)
    assert written == Upload("https://hooks.example.com:443", "", [], Request("POST", request.url, request.headers))
    assert not any((tmp_path / "tmp").iterdir())


def test_a_url_may_be_a_secret(tmp_path: Path) -> None:
    entry = enqueue_request(tmp_path, checked_request("POST", "secret:HOOK_SECRET:", {}, []), b"", 5)
    written = msgspec.json.decode((tmp_path / "ready" / entry / UPLOAD_FILE).read_bytes(), type=Upload)
    assert written.destination == "secret:HOOK_SECRET:"


def test_what_is_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    request = checked_request("POST", "https://hooks.example.com/", {}, ALLOWED)
    with pytest.raises(UploadRefused, match="at most 1048576 bytes"):
        enqueue_request(tmp_path, request, bytes(module.MAX_BODY_BYTES + 1), 0)
    monkeypatch.setattr(module, "MAX_WAITING", 3)
    for now_ns in range(3):
        enqueue_request(tmp_path, request, b"", now_ns)
    with pytest.raises(UploadRefused, match="3 requests wait"):
        enqueue_request(tmp_path, request, b"", 3)


def test_a_full_disk_promises_nothing(tmp_path: Path) -> None:
    request = checked_request("POST", "https://hooks.example.com/", {}, ALLOWED)
    with file_size_limit(10), pytest.raises(StorageError, match="not enqueued"):
        enqueue_request(tmp_path, request, bytes(100), 0)
    assert not list((tmp_path / "tmp").iterdir())
