"""AMQP: methods as tshark lists them; contents and answers as packetbeat and deepflow count them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

QUANTITY = "AMQP methods"
RULE = """\
- **AMQP methods**: class and method, channel, exchange, routing key, queue, consumer and delivery tag, virtual host,
  reply code, sender and receiver of each method frame, questions and answers alike. What closes a channel answers a
  question too, and is counted once. That deepflow and packetbeat pair alike, `tests/fidelity/test_amqp.py` shows.
"""

Fact = tuple[object, ...]
_FIELDS = {
    "exchange": "exchange",
    "routing_key": "routingKey",
    "queue": "queue",
    "consumer_tag": "consumerTag",
    "delivery_tag": "deliveryTag",
    "virtual_host": "virtualHost",
    "reply_code": "replyCode",
}


def ours(items: list[dict[str, Any]]) -> Iterable[Fact]:
    """Both halves of every item."""
    for item in items:
        if item["protocol"]["name"] == "amqp":
            ends = [f"{item[end]['ip']}:{item[end]['port']}" for end in ("src", "dst")]
            for half, (sender, receiver) in (("request", ends), ("response", ends[::-1])):
                section = item[half]
                if section is not None and not (half == "response" and section["method"].endswith(" close")):
                    said = {their: section.get(our) for their, our in _FIELDS.items()}
                    yield _fact(section["method"], section["channel"], said, sender, receiver)


def theirs(expected: Mapping[str, Any], capture: str) -> Iterable[Fact]:
    """tshark's list."""
    for one in expected.get("amqp", ()):
        name = f"{one['class']} {one['method']}".lower()
        yield _fact(name, one["channel"], one, one["src"], one["dst"])


def _fact(name: str, channel: int, said: Mapping[str, Any], sender: str, receiver: str) -> Fact:
    values = [str(said[key]) for key in _FIELDS if said.get(key) not in (None, "")]
    return (name, channel, *values, sender, receiver)
