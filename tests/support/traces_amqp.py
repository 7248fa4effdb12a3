"""Golden traces of AMQP; frames are pamqp's."""

from __future__ import annotations

from pamqp.commands import Basic, Channel, Exchange, Queue

from tests.support.amqp_wire import HEARTBEAT, content, content_frames, method, publish
from tests.support.packets import Packet, TcpConversation

CLIENT, SERVER = ("10.0.0.1", 51234), ("10.0.0.2", 5672)


def amqp_interleaved() -> list[Packet]:
    """Two channels at once, bodies of several frames, cut at odd places; no answer is asked for, or comes for both."""
    one = content_frames(Basic.Publish(exchange="orders", routing_key="one"), b"one " * 30, 1, 50, priority=1)
    two = content_frames(Basic.Publish(routing_key="two"), b"two " * 30, 2, 50, headers={"n": [1, None]})
    conversation = TcpConversation(CLIENT, SERVER).handshake()
    conversation.client_says(method(Exchange.Declare(exchange="orders", exchange_type="fanout", nowait=True)))
    conversation.client_says(b"".join(first + second for first, second in zip(one, two, strict=True)), [3, 30, 101])
    conversation.client_says(method(Queue.Declare(queue="a")) + method(Queue.Declare(queue="b")))
    conversation.server_says(method(Queue.DeclareOk("a", 1, 0)) + HEARTBEAT + method(Queue.DeclareOk("b", 2, 0)), [9])
    conversation.server_says(content(Basic.Deliver("c", 1, False, "orders", "one"), b"\xff\xfe", 2), [20])
    return conversation.client_says(method(Basic.Nack(1, requeue=False), 2)).finish().packets


def amqp_refused() -> list[Packet]:
    """What waits on a channel is answered by its end."""
    conversation = TcpConversation(CLIENT, SERVER).handshake()
    conversation.client_says(method(Queue.Declare(queue="a", passive=True)) + method(Basic.Consume(queue="a")))
    conversation.server_says(method(Channel.Close(404, "NOT_FOUND - no queue 'a' in vhost '/'", 50, 10)))
    return conversation.client_says(method(Channel.CloseOk())).reset().packets


def amqp_begun_before() -> list[Packet]:
    """The capture begins within a body; a segment of another is lost, and one that begins a third."""
    conversation = TcpConversation(CLIENT, SERVER)
    conversation.server_says(content(Basic.Deliver("c", 1, False, "orders", "k"), b"the rest of it")[80:]).client_acks()
    conversation.client_says(method(Basic.Ack(1)))
    big = content(Basic.Deliver("c", 2, False, "orders", "big"), bytes(range(256)) * 14, cut=2000)
    conversation.server_says(big, [1000]).client_acks()
    conversation.packets.pop(-3)
    conversation.client_says(publish("lost", b"never seen" * 20)[:150]).lose()
    conversation.client_says(publish("lost", b"never seen" * 20)[150:] + publish("seen", b"whole")).server_acks()
    return conversation.finish().packets


TRACES = (amqp_interleaved, amqp_refused, amqp_begun_before)
