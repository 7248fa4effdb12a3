"""Golden traces of WebSocket."""

from __future__ import annotations

import zlib

from tests.support.packets import Packet, TcpConversation

CLIENT, SERVER = ("10.0.0.1", 51234), ("10.0.0.2", 80)
KEY = b"\x37\xfa\x21\x3d"
ASK = (
    b"GET /chat HTTP/1.1\r\nHost: shop.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"
)
YES = (
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
)
HELLO_DEFLATED = bytes.fromhex("f248cdc9c90700")
"""``Hello`` as RFC 7692, 7.2.3.1 has it."""
AGAIN_DEFLATED = bytes.fromhex("f200110000")
"""The same once more, by reference to the first one (7.2.3.2)."""


def frame(first: int, payload: bytes, *, masked: bool = False) -> bytes:
    """One frame; ``first`` is its first byte."""
    size = len(payload)
    length = bytes([size]) if size < 126 else b"\x7e" + size.to_bytes(2, "big")
    head = bytes([first, length[0] | 0x80 * masked]) + length[1:]
    return head + (KEY + bytes(byte ^ KEY[at & 3] for at, byte in enumerate(payload)) if masked else payload)


def websocket_chat() -> list[Packet]:
    """Text both ways, fragments with a ping between them, binary, and a close with its reason."""
    talk = TcpConversation(CLIENT, SERVER).handshake().client_says(ASK).server_says(YES + b"\r\n" + frame(0x81, b"hi"))
    talk.client_says(frame(0x01, b"two ", masked=True)).client_says(frame(0x89, b"alive?", masked=True))
    talk.server_says(frame(0x8A, b"alive?")).client_says(frame(0x80, b"fragments", masked=True), [1, 3])
    talk.server_says(frame(0x82, bytes(range(200))), [4])
    talk.client_says(frame(0x88, b"\x03\xe9going away", masked=True)).server_says(frame(0x88, b"\x03\xe9"))
    return talk.finish().packets


def websocket_deflated() -> list[Packet]:
    """Messages that refer to those before them; behind a gap they cannot be inflated, and say so."""
    agreed = YES + b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
    talk = TcpConversation(CLIENT, SERVER).handshake().client_says(ASK).server_says(agreed)
    talk.server_says(frame(0xC1, HELLO_DEFLATED)).server_says(frame(0xC1, AGAIN_DEFLATED))
    talk.client_says(frame(0xC1, HELLO_DEFLATED, masked=True))
    talk.server_says(frame(0xC1, AGAIN_DEFLATED)).lose().server_says(frame(0xC1, AGAIN_DEFLATED)).client_acks()
    talk.server_says(frame(0x81, b"not compressed")).client_says(frame(0xC1, AGAIN_DEFLATED, masked=True))
    return talk.finish().packets


assert zlib.decompress(HELLO_DEFLATED + b"\0\0\xff\xff\3\0", -15) == b"Hello"
TRACES = (websocket_chat, websocket_deflated)
