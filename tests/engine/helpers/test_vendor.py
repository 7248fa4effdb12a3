"""What may be put where, and with which key."""

from __future__ import annotations

import json
import os
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from engine.errors import StorageError, UploadRefused
from engine.helpers.calls import CallRefused
from engine.helpers.file import File
from engine.helpers.handles import HandleRefused
from engine.helpers.vendor import Gcs, Web
from engine.helpers.view import Reading
from tests.support.broker import handles

Put = tuple[bytes, str, str, str]


@pytest.fixture
def puts() -> list[Put]:
    return []


@pytest.fixture
def gcs(reading: Reading, puts: list[Put]) -> Gcs:
    def enqueue(descriptor: int, name: str, bucket: str, variable: str) -> None:
        puts.append((os.pread(descriptor, 100, 0), name, bucket, variable))

    return Gcs(reading, enqueue, "n1_10.0.0.7_run", handles())


@pytest.mark.parametrize(("key", "variable"), [(None, "GCS_SA_KEY_JSON"), (handles().make("OTHER_KEY"), "OTHER_KEY")])
def test_a_put_names_the_variable_and_never_the_key(
    gcs: Gcs, file: File, puts: list[Put], key: Any, variable: str
) -> None:
    file.mkdir("d")
    file.write("d/a b.txt", "hello")
    assert (
        gcs.put("my-bucket", "d/a b.txt", key) == "https://storage.googleapis.com/my-bucket/n1_10.0.0.7_run/a%20b.txt"
    )
    assert puts == [(b"hello", "n1_10.0.0.7_run/a b.txt", "my-bucket", variable)]


def test_a_stream_can_be_put_as_it_is(gcs: Gcs, puts: list[Put]) -> None:
    gcs.put("my-bucket", "pcaps/000000000144.pcap")
    assert puts[0][0][:4] == bytes.fromhex("4d3cb2a1")


@pytest.mark.parametrize("key", [{"private_key": "x"}, "{}", "secret", "../x", b"secret:A.b", 5, [], True])
def test_a_literal_key_is_refused_and_not_repeated(gcs: Gcs, file: File, puts: list[Put], key: Any) -> None:
    file.write("a", "x")
    with pytest.raises(CallRefused, match="put it in the environment") as caught:
        gcs.put("my-bucket", "a", key)
    assert "private_key" not in str(caught.value)
    assert puts == []


@pytest.mark.parametrize("bucket", ["", "/etc", "gs://bucket", "bucket/prefix", "a", "Bucket", "..", "b\0", "x" * 300])
def test_a_bucket_is_a_bucket_and_no_folder(gcs: Gcs, file: File, puts: list[Put], bucket: str) -> None:
    file.write("a", "x")
    with pytest.raises(CallRefused, match="expected a bucket's name"):
        gcs.put(bucket, "a")
    assert puts == []


@pytest.mark.parametrize("path", ["", "../a", "/etc/passwd", "pcaps", "pcaps/999", "none"])
def test_only_files_of_the_script_are_put(gcs: Gcs, puts: list[Put], path: str, home: Path) -> None:
    with pytest.raises((StorageError, FileNotFoundError)):
        gcs.put("my-bucket", path)
    assert puts == []


class Sent:
    """Takes requests instead of the outbox."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []

    def __call__(self, method: str, url: str, headers: dict[str, str], body: bytes) -> str:
        self.requests.append((method, url, headers, body))
        return "send-1"


@pytest.mark.parametrize(
    ("body", "headers", "payload", "kind"),
    [
        ("text", None, b"text", None),
        (b"\0\xff", {"Content-Type": "image/x"}, b"\0\xff", "image/x"),
        ({"a": [1, None]}, {}, b'{"a":[1,null]}', "application/json"),
        ([1], {"content-type": "text/x"}, b"[1]", None),
    ],
)
def test_a_body_that_is_no_text_becomes_json(
    body: Any, headers: dict[str, str] | None, payload: bytes, kind: str | None
) -> None:
    sent = Sent()
    assert Web(sent, handles()).webhook("POST", "https://x.example/", body, headers) == "send-1"
    ((_, _, given, content),) = sent.requests
    assert (content, given.get("Content-Type")) == (payload, kind)


def test_a_refused_request_says_which_helper_refused_it() -> None:
    def refuse(*_: Any) -> str:
        raise UploadRefused("x.example is no host that scripts may send to")

    web, url = Web(refuse, handles()), "https://x.example/"
    form = partial(web.webhook_form, "PUT", url, {})
    for ask in (partial(web.webhook, "GET", url), form, partial(web.slack, url, "a", "b")):
        with pytest.raises(CallRefused, match=r"^vendor\.\w+: x\.example is no host"):
            ask()


def test_slack_gets_what_it_takes() -> None:
    sent = Sent()
    Web(sent, handles()).slack("https://x.example/", "p" * 9000, "t" * 99_000)
    (line,) = json.loads(sent.requests[0][3])["attachments"]
    assert {name: len(text) for name, text in line.items()} == {"pretext": 3_000, "text": 40_000}


GOOD = handles().make("TEAM_TOKEN")
NOT_OURS = {
    "a name alone": "secret:TEAM_TOKEN",
    "as it stands on disk": "secret:TEAM_TOKEN:",
    "of another script": handles("other.py").make("TEAM_TOKEN"),
    "of another run": GOOD[:-32] + "0" * 32,
    "of another secret": handles().make("TEAM").replace("TEAM", "TEAM_TOKEN"),
    "cut": GOOD[:-1],
    "behind a good one": f"{GOOD} secret:OTHER_TOKEN:",
    "in a good one": f"secret:{GOOD}",
    "a name that is too long": "secret:" + "A" * 70 + ":",
}


@pytest.mark.parametrize("value", NOT_OURS.values(), ids=NOT_OURS)
def test_what_looks_like_a_handle_and_is_none_of_the_script_is_refused(gcs: Gcs, file: File, value: str) -> None:
    sent = Sent()
    web = Web(sent, handles())
    file.write("a", "x")
    for ask in (
        partial(web.webhook, "GET", "https://x.example/", "", {"X": f"Bearer {value}"}),
        partial(web.webhook, "GET", value),
        partial(web.slack, f"https://x.example/{value}", "a", "b"),
        partial(gcs.put, "bucket", "a", value),
    ):
        with pytest.raises(HandleRefused, match="expected a secret as env shows it to this script now"):
            ask()
    assert sent.requests == []


def test_a_handle_becomes_a_name_that_nothing_behind_it_can_make_longer() -> None:
    sent = Sent()
    team = handles().make("TEAM")
    Web(sent, handles()).webhook(
        "GET", team, "", {"X": f"{team}_TOKEN", "Y": f"a {GOOD}{team}", "Z": "no secret: at all"}
    )
    ((_, url, headers, _),) = sent.requests
    assert url == "secret:TEAM:"
    assert headers == {"X": "secret:TEAM:_TOKEN", "Y": "a secret:TEAM_TOKEN:secret:TEAM:", "Z": "no secret: at all"}


def test_a_script_uses_the_secrets_that_it_was_given(reading: Reading, file: File) -> None:
    own = handles("top.py", "TEAM_*")
    gcs, web, file_put = Gcs(reading, lambda *_: None, "p", own), Web(Sent(), own), "a"
    file.write(file_put, "x")
    web.webhook("GET", own.make("TEAM_URL"))
    for key in (None, own.make("GCS_SA_KEY_JSON")):  # even one that is made as ours are
        with pytest.raises((CallRefused, HandleRefused)):
            gcs.put("bucket", file_put, key)
