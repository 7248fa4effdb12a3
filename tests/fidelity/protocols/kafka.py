"""Kafka: requests and what answered them, as tshark and deepflow see them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from tests.fidelity.corpus import CORPUS

QUANTITY = "Kafka exchanges"
RULE = """\
- **Kafka exchanges**: API, version, correlation id, client id, whether it was answered, topics, client and server of
  each request. Where deepflow read an answer or a topic that tshark calls malformed, it is believed.
"""

Fact = tuple[object, ...]


def ours(items: list[dict[str, Any]]) -> Iterable[Fact]:
    """Items with a request; an answer alone has no API."""
    for item in items:
        request, response = item["request"], item["response"]
        if item["protocol"]["name"] == "kafka" and request is not None:
            ends = tuple(f"{item[end]['ip']}:{item[end]['port']}" for end in ("src", "dst"))
            topics = {*_topics(request["payload"]), *_topics((response or {}).get("payload", {}))}
            head = (request["apiKeyName"], request["apiVersion"], request["correlationID"], request["clientID"])
            yield ("kafka", *head, response is not None, ",".join(sorted(topics)), *ends)


def _topics(payload: Mapping[str, Any]) -> Iterable[str]:
    for key in ("topicData", "topics", "responses"):
        for topic in payload.get(key) or ():
            yield topic.get("topic") or topic.get("name") or ""


def theirs(expected: Mapping[str, Any], capture: str) -> Iterable[Fact]:
    """tshark's requests; with what deepflow says of the same correlation id."""
    witness = CORPUS / "expected" / f"{capture}.deepflow.json"
    heard = json.loads(witness.read_text())["messages"] if witness.exists() else []
    for one in expected.get("kafka", ()):
        if one["api"] is not None:
            said = [each for each in heard if each["correlation_id"] == str(one["correlation_id"])]
            answered = one["resp_frame"] is not None or any(each["msg_type"] == "Response" for each in said)
            topics = {*one["topics"], *(each["topic_name"] for each in said if each["topic_name"])}
            head = (one["api"], one["api_version"], one["correlation_id"], one["client_id"])
            yield ("kafka", *head, answered, ",".join(sorted(topics)), one["src"], one["dst"])
