"""The scripts that come with Remora, run on items that a test makes up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support.scripthost import ITEM, HostEnds, Zygote

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "scripts"
SCRIPTS = sorted([*FOLDER.glob("*.py"), *ROOT.glob("examples/*/script/*.py")])


def start(zygote: Zygote, name: str, state: bytes = b"", **environment: str) -> HostEnds:
    """A host that has loaded ``scripts/<name>.py``."""
    text = (FOLDER / f"{name}.py").read_text()
    host = zygote.spawn(text, name=f"{name}.py", environment=environment, answers={"state.load": state})
    host.ready()
    return host


def lines_of_job(host: HostEnds, tag: str) -> list[str]:
    """What a job writes to the console."""
    before = len(host.lines)
    done = host.run_job(tag)
    assert done.error == "", done.error
    return host.lines[before:]


def http(status: int | None = 200, *, at_ms: int = 0, elapsed_ms: int = 1, **rest: Any) -> dict[str, Any]:
    """An exchange; ``status`` None: no answer."""
    response = None if status is None else {"status": status}
    item = {**ITEM, "timestamp": at_ms, "elapsedTime": elapsed_ms, "response": response, "startTime": "2026-11-20"}
    return {**item, "requestSize": 100, "responseSize": 900, **rest}


def dns(name: str, code: str | None, client: str = "10.0.0.1") -> dict[str, Any]:
    """A question; ``code`` None: no answer."""
    questions = [{"name": name, "type": "A", "class": "IN"}]
    return {
        "stream": "000000000145_udp.pcap",
        "protocol": {"name": "dns", "abbr": "DNS"},
        "src": {"ip": client, "port": "5353", "name": ""},
        "dst": {"ip": "10.0.0.53", "port": "53", "name": ""},
        "request": {"opCode": "Query", "questions": questions},
        "response": None if code is None else {"code": code, "questions": questions, "answers": []},
    }
