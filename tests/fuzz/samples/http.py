"""HTTP/1 in all its framings, with codings, forms, folded lines and switches."""

from __future__ import annotations

import gzip

from engine.streams.stream import CLIENT, SERVER
from tests.support.streams import Said
from tests.support.traces_http import answer, get

PORT = 80
PARTS = b'--b\r\nContent-Disposition: form-data; name="fish"\r\n\r\ncod\r\n--b--\r\n'
FORM = (
    b"POST /form HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: %d\r\n\r\n%b"
)
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=1\r\nhello\r\n3\r\nyou\r\n0\r\nSum: 7\r\n\r\n"
UNTIL_CLOSE = b"HTTP/1.0 200 OK\r\nContent-Type: text/html\r\nSet-Cookie: a=1; Path=/\r\n\r\n<p>until the end"
ODD = b"GET /?a=1&a=2&b=%41+ HTTP/1.1\nHost : a\nX:\ty\n folded\r\nCookie: a=1; b\r\nCookie: c=2\r\n\r\n"
UPGRADE = get("/ws", "Connection: Upgrade", "Upgrade: other")
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: other\r\n\r\nsomething else"
EXPECTS = b"POST /1 HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n"


def conversations() -> list[list[Said]]:
    """One framing each."""
    zipped = answer("200 OK", gzip.compress(b"zipped" * 50, mtime=0), "Content-Encoding: gzip")
    return [
        [(CLIENT, get("/1")), (SERVER, answer("200 OK", b"hello", "Content-Type: text/plain"))],
        [(CLIENT, get("/1") + get("/2")), (SERVER, CHUNKED + zipped)],
        [(CLIENT, FORM % (len(PARTS), PARTS)), (SERVER, b"HTTP/1.1 100 Continue\r\n\r\n" + answer("201 Created", b""))],
        [(CLIENT, get("/1").replace(b"GET", b"HEAD")), (SERVER, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")],
        [(CLIENT, ODD), (SERVER, b"HTTP/1.1 304 Not Modified\r\n\r\n")],
        [(CLIENT, get("/close")), (SERVER, UNTIL_CLOSE)],
        [(CLIENT, EXPECTS), (SERVER, answer("417 Expectation Failed", b"")), (CLIENT, get("/2")), (SERVER, CHUNKED)],
        [(CLIENT, UPGRADE), (SERVER, SWITCHED), (CLIENT, b"\x81\x82")],
        [(CLIENT, b"CONNECT a:80 HTTP/1.1\r\n\r\n"), (SERVER, b"HTTP/1.1 200 OK\r\n\r\n"), (CLIENT, get("/in"))],
    ]
