"""Redis commands and replies beside tshark, packetbeat and DeepFlow."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from tests.fidelity.corpus import CORPUS

QUANTITY = "Redis commands"
RULE = """\
- **Redis** commands: all words, and the reply with its type and value, as tshark pairs them. Commands and their keys as
  packetbeat lists them, errors as packetbeat and DeepFlow do, where the corpus has their view."""


def ours(items: list[dict[str, Any]]) -> Iterable[tuple[object, ...]]:
    """Each exchange, in the words of tshark; and what the other two would say of it, if they were asked."""
    for item in items:
        if item["protocol"]["name"] == "redis":
            request, response = item["request"], item["response"]
            words = (request["command"], *request["args"]) if request else ()
            yield (*words, "->", _reply(response), _end(item["src"]), _end(item["dst"]))


def theirs(expected: Mapping[str, Any], capture: str) -> Iterable[tuple[object, ...]]:
    """tshark's pairs, each checked against the other witnesses, which must not contradict it."""
    pairs = list(expected.get("redis", ()))
    for fact, index in _witnessed(capture) if pairs else ():
        assert fact in _said(pairs[index]), (capture, fact, pairs[index])
    for one in pairs:
        words = (one["args"][0].upper(), *one["args"][1:]) if one["args"] else ()
        yield (*words, "->", _shown(one["reply"]), one["src"], one["dst"])


def _witnessed(capture: str) -> Iterable[tuple[tuple[str, str], int]]:
    """What packetbeat and DeepFlow say, and of which pair."""
    for test in _view(capture, "packetbeat").get("tests", ()):
        for index, fact in test["facts"].get("item", {}).items():
            for key in ("method", "resource", "redis.return_value"):
                if key in fact:
                    yield (key, fact[key]), int(index)
            if fact.get("status") == "Error":
                yield ("status", "Error"), int(index)
    for index, message in enumerate(_view(capture, "deepflow").get("messages", ())):
        if message["request"]:
            yield ("query", message["request"]), index // 2
        if message["error"]:
            yield ("error", message["error"]), index // 2


def _said(pair: Mapping[str, Any]) -> set[tuple[str, str]]:
    """A pair in the words of the other two."""
    args, reply = pair["args"], pair["reply"]
    said = {("method", args[0].upper()), ("resource", args[1] if len(args) > 1 else ""), ("query", " ".join(args))}
    if isinstance(reply, dict):
        return said | {("status", "Error"), ("error", f"-{reply['error']}")}
    return said | {("redis.return_value", str(reply))}


def _view(capture: str, name: str) -> dict[str, Any]:
    path = CORPUS / "expected" / f"{capture}.{name}.json"
    view: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return view


def _reply(response: Mapping[str, Any] | None) -> str:
    if response is None or (response["value"] == "" and response["type"] in ("Bulk String", "Null")):
        return _shown(None)
    if response["type"] == "Error":
        return _shown({"error": response["value"]})
    if response["type"] == "Integer":
        return _shown(int(response["value"]))
    return _shown(response.get("elements", response["value"]))


def _shown(reply: object) -> str:
    return json.dumps(reply)


def _end(end: Mapping[str, str]) -> str:
    return f"[{end['ip']}]:{end['port']}" if ":" in end["ip"] else f"{end['ip']}:{end['port']}"
