"""WebSocket behind its handshake, with and without permessage-deflate."""

from __future__ import annotations

from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame, Opcode

from engine.streams.stream import CLIENT, SERVER
from tests.support.streams import Said
from tests.support.traces_websocket import frame as written

ROW, PORT = "http", 80
ASK = b"GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n"
YES = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n%b\r\n"
DEFLATE = b"Sec-WebSocket-Extensions: permessage-deflate%b\r\n"
TEXTS = [b"hello", b"hello again, hello again", b'{"price": 7, "fish": "cod"}' * 9, "żółw".encode(), b""]


def handshake(extensions: bytes = b"") -> list[Said]:
    """Both heads; ``extensions`` is a field of the response."""
    return [(CLIENT, ASK), (SERVER, YES % extensions)]


def said(way: int, opcode: Opcode, data: bytes, *deflate: PerMessageDeflate, fin: bool = True) -> bytes:
    """One frame, always with the same mask."""
    frame = Frame(opcode, data, fin)
    for extension in deflate:
        frame = extension.encode(frame)
    return written(frame.fin << 7 | frame.rsv1 << 6 | frame.opcode, bytes(frame.data), masked=way == CLIENT)


def talk(parameters: bytes, *, takeover: bool = True) -> list[Said]:
    """With permessage-deflate: texts in both directions, one of them in fragments with a ping inside."""
    deflates = [PerMessageDeflate(not takeover, not takeover, 15, 15) for _ in range(2)]
    turns = handshake(DEFLATE % parameters)
    for text in TEXTS:
        for way in (CLIENT, SERVER):
            first = said(way, Opcode.TEXT, text[:5], deflates[way], fin=False) + said(way, Opcode.PING, b"?")
            turns.append((way, first + said(way, Opcode.CONT, text[5:], deflates[way])))
    return turns


def conversations() -> list[list[Said]]:
    """Texts, binaries, fragments, pings, closes."""
    plain = handshake()
    for text in TEXTS:
        plain.append((CLIENT, said(CLIENT, Opcode.TEXT, text)))
        plain.append((SERVER, said(SERVER, Opcode.BINARY, text * 30)))
    goodbye = [(way, said(way, Opcode.CLOSE, b"\x03\xe8bye")) for way in (CLIENT, SERVER)]
    unknown = handshake(b"Sec-WebSocket-Extensions: x-other; a=1\r\n")
    return [
        [*plain, *goodbye],
        talk(b""),
        [*talk(b"; server_no_context_takeover; client_no_context_takeover", takeover=False), *goodbye],
        [*unknown, (SERVER, b"\xf1\x05hello"), (CLIENT, b"\xd3\x81\1\2\3\4x")],
    ]
