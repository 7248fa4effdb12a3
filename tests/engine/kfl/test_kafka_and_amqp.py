"""What filters say of the items that golden traces have."""

from __future__ import annotations

from typing import Any

import pytest

from engine import kfl
from tests.support.traces import expected

QUEUED: list[dict[str, Any]] = [
    item
    for name in ("kafka_producer", "kafka_consumer", "amqp_refused", "recorded_amqp_errors")
    for item in expected(name)
]
KAFKA = [item for item in QUEUED if item["protocol"]["name"] == "kafka"]
AMQP = [item for item in QUEUED if item["protocol"]["name"] == "amqp"]


@pytest.mark.parametrize(
    ("text", "language", "count"),
    [
        ("kafka", "kfl2", len(KAFKA)),
        ("amqp", "kfl2", len(AMQP)),
        ("kafka_api_key_name == 'Produce'", "kfl2", 3),
        ("kafka_api_version == 9 && kafka_request_summary == 'orders'", "kfl2", 4),
        ("kafka_request_summary == 'billing'", "kfl2", 2),
        ("kafka_response_summary == 'orders'", "kfl2", 6),
        ("kafka && kafka_correlation_id == 5", "kfl2", 2),
        ("kafka_request_size == kafka_size + 4", "kfl2", len(KAFKA)),
        ("kafka_response_size > 0", "kfl2", len(KAFKA) - 2),
        ('request.payload.topicData.*.topic == "orders"', "kfl", 3),
        ("request.payload.requiredAcks == 0", "kfl", 1),
        ("amqp_reply_code == 404", "kfl2", 7),
        ("amqp_reply_code == 312 && amqp_summary == '/nowhere'", "kfl2", 1),
        ("amqp_method == 'queue declare' && amqp_queue == 'once'", "kfl2", 2),
        ("amqp_routing_key == 'nowhere' && amqp_channel == 1 && amqp_exchange == ''", "kfl2", 2),
        ("amqp_summary.startsWith('NOT_FOUND')", "kfl2", 3),
        ("amqp_response_size == 0 && amqp_request_size > 0", "kfl2", 4),
        ('response.method == "channel close" and error', "kfl", 5),
        ('amqp and request.channel == 1 and response.replyCode == 406', "kfl", 1),
    ],
)  # fmt: skip
def test_filters(text: str, language: Any, count: int) -> None:
    matches = kfl.compile(text, language).matches
    assert sum(map(matches, QUEUED)) == count
