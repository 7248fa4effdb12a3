"""What Arkime and Zeek say of handshakes, and what tshark and Zeek find inside with the same key log."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from engine.dissect.tls_codes import suite_name
from tests.fidelity.corpus import CORPUS, IS_SET, UNSET, captures
from tests.support.traces import items_of

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not IS_SET, reason=UNSET)]

CAPTURES = [name for name in captures() if name.startswith("tls/")]


def said_of(capture: str, tool: str) -> dict[str, Any]:
    path = CORPUS / "expected" / f"{capture}.{tool}.json"
    if not path.exists():
        pytest.skip(f"{tool} says nothing of it")
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def handshakes(capture: str) -> list[dict[str, Any]]:
    return [item.as_dict() for item in items_of(CORPUS / capture) if item["protocol"]["name"] == "tls"]


def milliseconds(moment: str) -> int:
    return int(datetime.fromisoformat(moment).timestamp() * 1000)


@pytest.mark.parametrize("capture", CAPTURES)
def test_arkime_sees_the_same_handshake_and_certificates(capture: str) -> None:
    (session,) = said_of(capture, "arkime")["sessions"]
    (item,) = handshakes(capture)
    tls, request, response = session["tls"], item["request"], item["response"]
    assert session["http"]["host"] == [request["serverName"]]
    assert [response["cipherSuite"]] == tls["cipher"]
    assert [response["version"]] == [name.replace("TLSv", "TLS ").replace("-", " ") for name in tls["version"]]
    assert ([request["ja3"]], [request["ja3Text"]]) == (tls["ja3"], tls["ja3string"])
    assert ([response["ja3s"]], [response["ja3sText"]]) == (tls["ja3s"], tls["ja3sstring"])
    theirs = sorted(
        (one["serial"], one["notBefore"], one["notAfter"], one.get("alt", [])) for one in session.get("cert", ())
    )
    assert theirs == sorted(
        (one["serialNumber"], *map(milliseconds, (one["notBefore"], one["notAfter"])), sorted(one["subjectAltNames"]))
        for one in response["certificates"]
    )


def test_zeek_sees_the_same_suite_where_another_hello_is_asked_for() -> None:
    said = [one for one in said_of("tls/zeek-hrr.pcap", "zeek")["normalised"]["tls"] if one["src"][:6] == "10.192"]
    *_, last = handshakes("tls/zeek-hrr.pcap")
    assert [(one["version"], one["cipher"]) for one in said] == [("TLSv13", last["response"]["cipherSuite"])]
    assert said[0]["cipher"] == suite_name(0x1302)


def test_what_is_inside_is_what_tshark_and_zeek_find_with_the_same_keys(tmp_path: Path) -> None:
    capture = "tls/zeek-tls12-decryption.pcap"
    theirs = [
        (one["method"], one["path"], one["host"], one["status"], one["src"], one["dst"], int(one["resp_body"]))
        for tool, part in (("zeek", "normalised"), ("tshark-decrypted", ""))
        for one in (said_of(capture, tool)[part] if part else said_of(capture, tool))["http"]
    ]
    path = tmp_path / "capture.pcap"
    path.write_bytes((CORPUS / capture).read_bytes())
    path.with_suffix(".keys").write_bytes((CORPUS / "expected" / f"{capture}.keylog").read_bytes())
    mine = [
        (
            item["request"]["method"], item["request"]["path"], item["request"]["headers"]["Host"],
            item["response"]["status"], *(f"{item[end]['ip']}:{item[end]['port']}" for end in ("src", "dst")),
            item["response"]["content"]["size"],
        )
        for item in items_of(path) if item["tls"]
    ]  # fmt: skip
    assert theirs == mine * 2 != []
