"""Golden traces of TLS: handshakes made by hand, nothing of which is encrypted; real ones are recorded."""

from __future__ import annotations

from tests.support.packets import Endpoint, Packet, TcpConversation

CLIENT, SERVER = ("10.0.0.1", 51234), ("10.0.0.2", 443)
CERTIFICATE = bytes.fromhex(
    "3081fc3081afa00302010202020b0b300506032b657030143112301006035504030c0973686f702e74657374301e170d3233313130313030"
    "303030305a170d3333313130313030303030305a30143112301006035504030c0973686f702e74657374302a300506032b65700321007e86"
    "f3e7980c70d4898be0987c01d64bc60d981a619b910c0d49b3722c3613a3a325302330210603551d11041a3018820973686f702e74657374"
    "820b2a2e73686f702e74657374300506032b6570034100f0f0fdcc32dd3e37010bddca1ad7b66949867cc891b464a580ceb4e64d5c00e10a"
    "5590dcb712566895ad4210e4385aa03f1d1c6cefd3712030061eec7fe2fd06"
)
"""Of shop.test, Ed25519, from 2023-11-01 to 2033-11-01; its key is nowhere."""
RETRY = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
DATA = b"\x17\3\3\0\x20" + bytes(range(32))


def vector(content: bytes, width: int) -> bytes:
    """Behind its length."""
    return len(content).to_bytes(width, "big") + content


def record(content: bytes, kind: int = 22, version: int = 0x0303) -> bytes:
    return bytes([kind]) + version.to_bytes(2, "big") + vector(content, 2)


def message(kind: int, body: bytes) -> bytes:
    return bytes([kind]) + vector(body, 3)


def extension(code: int, content: bytes) -> bytes:
    return code.to_bytes(2, "big") + vector(content, 2)


def client_hello(*extensions: bytes, suites: str = "0a0a 1301 c02b c02f 00ff", session_id: bytes = b"") -> bytes:
    """For shop.test, with HTTP/2 and HTTP/1.1 inside."""
    name = extension(0, vector(b"\0" + vector(b"shop.test", 2), 2))
    inside = extension(16, vector(vector(b"h2", 1) + vector(b"http/1.1", 1), 2))
    groups = extension(10, vector(bytes.fromhex("2a2a001d0017"), 2)) + extension(11, b"\1\0")
    offered = vector(b"".join((extension(0x1A1A, b""), name, groups, inside, *extensions)), 2)
    random = bytes(range(0x40, 0x60))
    body = b"\3\3" + random + vector(session_id, 1) + vector(bytes.fromhex(suites), 2) + b"\1\0" + offered
    return message(1, body)


def server_hello(suite: int, *extensions: bytes, random: bytes = bytes(range(0x80, 0xA0))) -> bytes:
    chosen = vector(b"".join(extensions), 2)
    return message(2, b"\3\3" + random + b"\0" + suite.to_bytes(2, "big") + b"\0" + chosen)


def flight(*extensions: bytes) -> bytes:
    """What a server answers with TLS 1.2, in one record."""
    hello = server_hello(0xC02B, *extensions)
    return record(hello + message(11, vector(vector(CERTIFICATE, 3), 3)) + message(14, b""))


def talk(port: int = 0) -> TcpConversation:
    client: Endpoint = (CLIENT[0], CLIENT[1] + port)
    start_ns = TcpConversation(CLIENT, SERVER).now_ns + 1_000_000_000 * port
    return TcpConversation(client, SERVER, start_ns=start_ns).handshake()


def tls_handshakes() -> list[Packet]:
    """TLS 1.2 with a certificate, cut over records and TCP segments; resumed; TLS 1.3 after another hello."""
    inside = extension(16, vector(vector(b"http/1.1", 1), 2))
    whole = flight(extension(0xFF01, b"\0"), inside)[5:]
    full = talk().client_says(record(client_hello(), version=0x0301), [3, 40])
    full.server_says(record(whole[:100]) + record(whole[100:]), [60, 150])
    finished = record(b"\1", 20) + record(bytes(40))
    full.client_says(record(message(16, b"\0" * 33)) + finished).server_says(finished).client_says(DATA).finish()

    resumed = talk(1).client_says(record(client_hello(extension(35, b"ticket"), session_id=b"a session")))
    resumed.server_says(record(server_hello(0xC02B, inside)) + finished).client_says(finished + DATA).finish()

    versions, share = extension(43, b"\2\3\4"), extension(51, vector(b"\0\x1d" + vector(bytes(32), 2), 2))
    again = talk(2).client_says(record(client_hello(versions, share)))
    chosen = extension(43, b"\3\4")
    again.server_says(record(server_hello(0x1301, chosen, extension(51, b"\0\x17"), random=RETRY)))
    second = extension(51, vector(b"\0\x17" + vector(bytes(65), 2), 2))
    again.client_says(record(b"\1", 20) + record(client_hello(versions, second)))
    answered = extension(51, b"\0\x17" + vector(bytes(65), 2))
    again.server_says(record(server_hello(0x1301, chosen, answered)) + record(b"\1", 20) + DATA * 3)
    again.client_says(DATA).server_says(DATA).finish()
    return full.packets + resumed.packets + again.packets


def tls_refused() -> list[Packet]:
    """An alert in place of an answer; a certificate that the client does not take; an SSLv2 hello nobody answers."""
    refused = talk().client_says(record(client_hello(), version=0x0301)).server_says(record(b"\2\x28", 21)).finish()
    distrusted = talk(1).client_says(record(client_hello())).server_says(flight())
    distrusted.client_says(record(b"\2\x30", 21)).reset(by_client=True)
    body = b"\1\3\1\0\6\0\0\0\x10" + bytes.fromhex("00002f010080") + bytes(range(16))
    ancient = talk(2).client_says((0x8000 | len(body)).to_bytes(2, "big") + body).reset()
    return refused.packets + distrusted.packets + ancient.packets


def tls_gap_in_certificate() -> list[Packet]:
    """A TCP segment with a part of the certificates was never captured."""
    whole = flight()
    conversation = talk().client_says(record(client_hello())).server_says(whole[:150]).client_acks()
    conversation.server_says(whole[150:250]).lose().server_says(whole[250:]).client_acks()
    return conversation.client_says(record(b"\1", 20) + DATA).server_says(record(b"\1", 20) + DATA).finish().packets


TRACES = (tls_handshakes, tls_refused, tls_gap_in_certificate)
