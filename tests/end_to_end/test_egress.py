"""Scripts that tell somebody: real requests from a whole instance to a server on loopback."""

from __future__ import annotations

import json
import urllib.parse
from pathlib import Path

import pytest

from tests.support.instance import SHOP, remora
from tests.support.receiver import receiving

pytestmark = pytest.mark.slow

SCRIPT = """
told = False

def onItemCaptured(data):
    global told
    if told or data.protocol.name != "http":
        return
    told = True
    headers = {"Authorization": "Bearer " + env.A_TOKEN}
    ids = {
        vendor.webhook("POST", env.TEAM + "/json", {"path": data.request.path}, headers),
        vendor.webhookForm("PUT", env.TEAM + "/form", {"a b": "c&d", "n": 1}),
        vendor.slack(env.TEAM + "/slack", "5xx", "look", "danger"),
    }
    console.log(f"{len(ids)} promised")
    for elsewhere in ("http://169.254.169.254/latest", "https://example.org/", "file:///etc/passwd"):
        try:
            vendor.webhook("GET", elsewhere)
        except Exception as error:
            console.log(f"refused: {error}")
"""


def test_requests_reach_the_hosts_that_the_operator_named_and_no_other(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts/tell.py").write_text(SCRIPT)
    with receiving() as receiver:
        receiver.answers.append(503)
        (tmp_path / "remora.yaml").write_text(
            json.dumps(
                {
                    "scripting": {
                        "source": "scripts",
                        "egress": [receiver.url],
                        "env": {"TEAM": receiver.url, "A_TOKEN": "s3cret"},
                    }
                }
            )
        )
        result = remora("run", str(SHOP), "--config", str(tmp_path / "remora.yaml"), "--data", str(tmp_path / "data"))
    assert result.returncode == 0, result.stderr
    assert "3 promised" in result.stderr
    assert result.stderr.count("refused:") == 3
    assert "169.254.169.254:80 is no host that scripts may send to" in result.stderr
    taken = {got.path: got for got in receiver.got}
    assert len(receiver.got) == 4  # one of them twice
    assert json.loads(taken["/json"].body)["path"].startswith("/")
    assert taken["/json"].headers["Authorization"] == "Bearer s3cret"
    assert urllib.parse.parse_qs(taken["/form"].body.decode()) == {"a b": ["c&d"], "n": ["1"]}
    (line,) = json.loads(taken["/slack"].body)["attachments"]
    assert line == {"pretext": "5xx", "text": "look", "color": "danger"}
    for path in (tmp_path / "data").rglob("*"):
        assert not path.is_file() or b"s3cret" not in path.read_bytes(), path


STEALS = """
told = False

def onItemCaptured(data):
    global told
    if told:
        return
    told = True
    console.log("sees", sorted(env), env.A_TOKEN)
    for handle in ("secret:A_TOKEN", "secret:A_TOKEN:", file_of_the_other):
        try:
            vendor.webhook("POST", env.TEAM + "/stolen", "", {"X": handle})
        except HelperError as error:
            console.log("refused:", error)
"""
SHOWS = "def onItemCaptured(data):\n    if data.index == 0:\n        console.log('handle=' + env.A_TOKEN)\n"


def test_a_script_that_was_not_given_a_secret_cannot_use_it_whatever_it_says(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts/honest.py").write_text(SHOWS)
    (tmp_path / "scripts/thief.py").write_text(STEALS.replace("file_of_the_other", "'secret:A_TOKEN.' + '0' * 32"))
    with receiving() as receiver:
        configuration = {
            "scripting": {
                "source": "scripts",
                "egress": [receiver.url],
                "env": {"TEAM": receiver.url, "A_TOKEN": "s3cret"},
                "scripts": {"thief.py": {"secrets": []}},
            }
        }
        (tmp_path / "remora.yaml").write_text(json.dumps(configuration))
        result = remora("run", str(SHOP), "--config", str(tmp_path / "remora.yaml"), "--data", str(tmp_path / "data"))
    assert result.returncode == 0, result.stderr
    assert "sees ['TEAM'] None" in result.stderr
    assert result.stderr.count("refused: expected a secret as env shows it to this script now") == 3
    assert "handle=secret:A_TOKEN." in result.stderr
    assert receiver.got == []
