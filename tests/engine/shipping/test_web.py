"""Requests of scripts, sent to a real server on loopback."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.errors import UploadError, UploadRefused
from engine.shipping.destination import DestinationMisconfigured
from engine.shipping.outbox import Request
from engine.shipping.web import Web
from tests.support.receiver import Receiver, receiving


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


@pytest.fixture
def body(tmp_path: Path) -> Path:
    (tmp_path / "body").write_bytes(b'{"a": 1}')
    return tmp_path / "body"


def web(receiver: Receiver) -> Web:
    return Web([receiver.url], {"API_TOKEN": "s3cret", "HOOK_SECRET": f"{receiver.url}/hidden/path"})


def test_a_request_arrives_as_it_was_asked_for(receiver: Receiver, body: Path) -> None:
    headers = {"Content-Type": "application/json", "Authorization": "Bearer secret:API_TOKEN:"}
    web(receiver).send(Request("PUT", f"{receiver.url}/x?y=z", headers), body, "send-1")
    (got,) = receiver.got
    assert (got.method, got.path, got.body) == ("PUT", "/x?y=z", b'{"a": 1}')
    assert got.headers["Authorization"] == "Bearer s3cret"
    assert (got.headers["Content-Type"], got.headers["Idempotency-Key"]) == ("application/json", "send-1")


def test_a_secret_may_name_the_url(receiver: Receiver, body: Path) -> None:
    web(receiver).send(Request("POST", "secret:HOOK_SECRET:", {}), body, "send-1")
    assert receiver.got[0].path == "/hidden/path"


@pytest.mark.parametrize("status", [408, 425, 429, 500, 503])
def test_trouble_of_the_receiver_is_worth_another_attempt(receiver: Receiver, body: Path, status: int) -> None:
    receiver.answers.append(status)
    with pytest.raises(UploadError, match=f"answered {status}") as caught:
        web(receiver).send(Request("POST", f"{receiver.url}/hidden", {}), body, "send-1")
    assert not isinstance(caught.value, UploadRefused)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("status", [301, 307, 400, 401, 404, 410])
def test_a_refusal_is_final_and_a_redirect_is_not_followed(receiver: Receiver, body: Path, status: int) -> None:
    receiver.answers.append(status)
    with pytest.raises(UploadRefused, match=str(status)):
        web(receiver).send(Request("POST", f"{receiver.url}/", {}), body, "send-1")
    assert len(receiver.got) == 1


def test_an_unknown_secret_is_never_sent_as_text(receiver: Receiver, body: Path) -> None:
    for request in (
        Request("GET", receiver.url, {"X": "secret:GCS_SA_KEY_JSON:"}),
        Request("GET", "secret:OTHER:", {}),
    ):
        with pytest.raises(UploadRefused, match="expected a secret that scripts may send"):
            web(receiver).send(request, body, "send-1")
    assert not receiver.got


def test_a_host_that_is_not_allowed_any_more_is_not_reached(receiver: Receiver, body: Path) -> None:
    secrets = {"HOOK_SECRET": f"{receiver.url}/x"}
    for url in (receiver.url, "secret:HOOK_SECRET:"):
        with pytest.raises(UploadRefused, match=r"scripting\.egress"):
            Web(["other.example"], secrets).send(Request("GET", url, {}), body, "send-1")
    assert not receiver.got


def test_errors_do_not_tell_the_path(body: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(UploadError, match=r"ConnectionRefusedError: Connection refused") as caught:
            Web([url], {}).send(Request("POST", f"{url}/services/T0/hidden", {}), body, "send-1")
    assert "hidden" not in str(caught.value)


def test_a_server_without_tls_is_a_matter_for_a_person(receiver: Receiver, body: Path) -> None:
    url = receiver.url.replace("http:", "https:")
    with pytest.raises(DestinationMisconfigured, match="SSLError"):
        Web([url], {}).send(Request("POST", url, {}), body, "send-1")
