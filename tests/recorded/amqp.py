"""AMQP as RabbitMQ and pika speak it: declared, bound, published, consumed, got, confirmed, returned, refused."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import ChannelClosedByBroker, ProbableAuthenticationError, UnroutableError

from tests.recorded.recording import Scene

SERVER = "/usr/lib/rabbitmq/bin/rabbitmq-server"
"""Debian's own script would change to a user that has no files here."""


def record(scene: Scene) -> None:
    """One broker; a capture for what goes well, and one for what does not."""
    plugins = scene.scratch / "plugins"
    plugins.write_text("[].\n")
    environment = {
        "HOME": str(scene.scratch),
        "RABBITMQ_NODENAME": "rabbit@localhost",
        "RABBITMQ_MNESIA_BASE": str(scene.scratch / "mnesia"),
        "RABBITMQ_LOG_BASE": str(scene.scratch / "logs"),
        "RABBITMQ_LOGS": "-",
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(plugins),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none",
    }
    scene.start(SERVER, port=5672, environment=environment)
    with scene.capture("recorded_amqp_work", "tcp port 5672"):
        work()
    with scene.capture("recorded_amqp_errors", "tcp port 5672"):
        errors()


def connect(password: str = "guest") -> pika.BlockingConnection:
    """As most clients do."""
    credentials = pika.PlainCredentials("guest", password)
    return pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", credentials=credentials, heartbeat=30))


def work() -> None:
    """Two channels, one that publishes and one that consumes."""
    connection = connect()
    publisher, consumer = connection.channel(), connection.channel()
    publisher.exchange_declare("orders", "topic", durable=True)
    publisher.queue_declare("billing", arguments={"x-max-length": 1000, "x-overflow": "reject-publish"})
    publisher.queue_bind("billing", "orders", "order.#")
    publisher.confirm_delivery()
    properties = pika.BasicProperties(
        content_type="application/json",
        delivery_mode=2,
        priority=3,
        correlation_id="c-7",
        reply_to="answers",
        expiration="60000",
        message_id="m-1",
        timestamp=1_700_000_000,
        type="order",
        app_id="shop",
        headers={
            "trace": "abc",
            "retries": 2,
            "price": Decimal("9.50"),
            "ok": True,
            "nested": {"list": [1, "two", None]},
        },
    )
    for number in range(4):
        publisher.basic_publish("orders", "order.new", b'{"id": %d}' % number, properties)
    publisher.basic_publish("orders", "order.big", bytes(range(256)) * 20)
    publisher.basic_publish("orders", "order.empty", b"")
    consumer.basic_qos(prefetch_count=2)
    take(consumer)
    method, _, _ = publisher.basic_get("billing")
    publisher.basic_ack(method.delivery_tag)
    publisher.basic_get("billing", auto_ack=True)
    publisher.queue_purge("billing")
    assert publisher.basic_get("billing") == (None, None, None)
    publisher.queue_unbind("billing", "orders", "order.#")
    publisher.queue_delete("billing")
    publisher.exchange_delete("orders")
    consumer.tx_select()
    consumer.basic_publish("", "nobody", b"in a transaction")
    consumer.tx_commit()
    consumer.tx_rollback()
    consumer.close()
    connection.close()


def take(consumer: BlockingChannel) -> None:
    """One is acknowledged, one refused, one taken back, and one left."""
    deliveries = consumer.consume("billing", inactivity_timeout=5)
    for settle in (
        consumer.basic_ack,
        lambda tag: consumer.basic_reject(tag, requeue=False),
        lambda tag: consumer.basic_nack(tag, requeue=False),
    ):
        method, _, _ = next(deliveries)
        settle(method.delivery_tag)
    consumer.cancel()


def errors() -> None:
    """What cannot be routed, found or had; then a connection that is refused."""
    connection = connect()
    channel = connection.channel()
    channel.confirm_delivery()
    with pytest.raises(UnroutableError):
        channel.basic_publish("", "nowhere", b"lost", mandatory=True)
    refused(channel, lambda: channel.queue_declare("missing", passive=True), 404)
    channel = connection.channel()
    channel.queue_declare("once", exclusive=True)
    refused(channel, lambda: channel.queue_declare("once", auto_delete=True, exclusive=True), 406)
    channel = connection.channel()
    refused(channel, lambda: channel.queue_bind("once", "no-exchange", "key"), 404)
    connection.close()
    with pytest.raises(ProbableAuthenticationError):
        connect("wrong")


def refused(channel: BlockingChannel, ask: Callable[[], object], code: int) -> None:
    """The channel is closed with this code."""
    with pytest.raises(ChannelClosedByBroker) as closed:
        ask()
    assert (closed.value.reply_code, channel.is_open) == (code, False)
