"""``request`` and ``response`` of HTTP items, from the head and the body of a message."""

from __future__ import annotations

from typing import Any

from engine.dissect.graphql_queries import Operation, operations_in_body, operations_in_query
from engine.dissect.http_content import decoded, text_of
from engine.dissect.http_forms import pairs_of, params_of
from engine.dissect.http_head import Head, Names, careful_head, head_of
from engine.dissect.message import Problem

MANY_PARTS = 64
"""Of one body; more are joined."""


class Body:
    """The body of one HTTP message, without its framing."""

    __slots__ = ("body_bytes", "fault", "gap", "is_request", "kept_bytes", "limit_bytes", "parts")

    def __init__(self, is_request: bool, limit_bytes: int) -> None:
        self.is_request = is_request
        self.limit_bytes = limit_bytes
        """How much of the body is kept, and how much of it is decoded."""
        self.parts: list[bytes | bytearray] = []
        """The body up to its first gap and up to the limit."""
        self.kept_bytes = 0
        self.body_bytes = 0
        """Length of the body, with what is missing and what is not kept."""
        self.gap = False
        """Bytes of the body are missing; nothing behind them is kept."""
        self.fault: Problem | None = None

    def keep(self, data: bytes) -> None:
        """The next bytes of the body."""
        self.body_bytes += len(data)
        if not self.gap:
            if self.kept_bytes + len(data) > self.limit_bytes:
                data = data[: self.limit_bytes - self.kept_bytes]
            self.kept_bytes += len(data)
            if len(self.parts) < MANY_PARTS:
                self.parts.append(data)
            else:
                self._append(data)

    def _append(self, data: bytes) -> None:
        """To the last part: a body in chunks of one byte takes no more memory than another."""
        last = self.parts[-1]
        if isinstance(last, bytearray):
            last += data
        else:
            self.parts.append(bytearray(data))

    def miss(self, count: int) -> None:
        """The next ``count`` bytes of the body were not captured."""
        if not self.gap:
            half = "request" if self.is_request else "response"
            self.fault = Problem("dissection", f"{half} body: bytes are missing after {self.body_bytes}")
        self.gap = True
        self.body_bytes += count

    def problem(self) -> Problem | None:
        """A gap, an early end."""
        return self.fault

    def content(self, codings: str) -> tuple[bytes, str]:
        """The body as it was meant, and what is missing in it."""
        whole = self.kept_bytes == self.body_bytes and self.fault is None
        if whole and not codings:
            return b"".join(self.parts), ""  # where one part is all, it is not copied
        data, comment = decoded(b"".join(self.parts), codings, whole, self.limit_bytes)
        if not whole:
            kept = f"{self.kept_bytes} of {self.body_bytes} bytes kept"
            short = kept if self.kept_bytes < self.body_bytes else "the body ends early"
            comment = f"{short}; {comment}" if comment else short
        return data, comment


class HttpPayload(Body):
    """One HTTP/1 message as it was on the wire; the dissector fills it, an item asks it."""

    __slots__ = ("fields", "head", "trailer")

    def __init__(self, head: bytes, is_request: bool, limit_bytes: int, fields: Head | None = None) -> None:
        self.is_request, self.limit_bytes = is_request, limit_bytes  # as Body does, whose call would take 0.13 us
        self.parts, self.kept_bytes, self.body_bytes, self.gap, self.fault = [], 0, 0, False, None
        self.head = head
        """Start line and fields, with the empty line."""
        self.fields = fields
        """``head`` taken apart, where the dissector had to."""
        self.trailer = b""
        """Fields behind a chunked body, as many as fit into a head."""

    def asks_graphql(self) -> bool:
        """Whether this request is one of GraphQL; those that have neither a body nor a ``query`` need not be asked."""
        line, headers, names, _ = self.fields = self.fields or head_of(self.head)  # a section asks for them next
        query = line.rpartition(" ")[0].partition("?")[2]
        return bool(operations_of(self, headers.get(names.content_type, ""), _codings(headers, names), query))

    def section(self) -> dict[str, Any]:
        """``request`` or ``response`` of the item."""
        fields = self.fields or head_of(self.head)
        self.fields = None  # a section belongs to who asked for it, down to its headers
        return _request(self, fields) if self.is_request else _response(self, fields)


def _request(payload: HttpPayload, fields: Head) -> dict[str, Any]:
    line, headers, names, cookies = fields
    method, _, rest = line.partition(" ")
    target, _, version = rest.rpartition(" ")
    path, _, query = target.partition("?")
    if path[:1] not in ("/", "*") and "://" in path:  # to a proxy (RFC 9112, 3.2.2)
        path = _path_behind_host(path)
    mime_type = headers.get(names.content_type, "")
    section = {
        "method": method,
        "url": target,
        "targetUri": target,
        "path": path,
        "pathSegments": path.split("/")[1:],
        "httpVersion": version,
        "headers": headers,
        "cookies": cookies_of(cookies) if cookies else {},
        "queryString": query_of(query) if query else {},
        "headersSize": len(payload.head),
        "bodySize": payload.body_bytes,
        "postData": post_data(payload, mime_type, _codings(headers, names))
        if payload.body_bytes
        else {"mimeType": mime_type, "params": [], "text": ""},
        **_trailers(payload),
    }
    if payload.body_bytes or query:
        operations = operations_of(payload, mime_type, _codings(headers, names), query)
        if operations:
            section["graphql"] = [operation.section() for operation in operations]
    return section


def _path_behind_host(target: str) -> str:
    """Of a target in absolute form; an empty path is the root."""
    _, _, path = target.partition("://")[2].partition("/")
    return f"/{path}"


def _response(payload: HttpPayload, fields: Head) -> dict[str, Any]:
    line, headers, names, cookies = fields
    return {
        "status": int(line[9:12]),  # a status line was recognised by these places: HTTP/1.1 200 OK
        "statusText": line[13:],
        "httpVersion": line[:8],
        "headers": headers,
        "cookies": cookies_of([cookie.partition(";")[0] for cookie in cookies]) if cookies else {},
        "content": content_of(payload, headers.get(names.content_type, ""), _codings(headers, names))
        if payload.body_bytes
        else {"size": 0, "mimeType": headers.get(names.content_type, ""), "encoding": "", "text": ""},
        "redirectURL": headers.get(names.location, ""),
        "headersSize": len(payload.head),
        "bodySize": payload.body_bytes,
        **_trailers(payload),
    }


def _codings(headers: dict[str, str], names: Names) -> str:
    """Those of the content, then those of the transfer but for chunked (RFC 9112, 6.1)."""
    content, transfer = headers.get(names.content_encoding, ""), headers.get(names.transfer_encoding, "")
    if len(transfer) < 8:
        return content
    codings = [coding.strip().lower() for coding in transfer.split(",")]
    return ",".join(filter(None, [content, *(coding for coding in codings if coding != "chunked")]))


def _trailers(payload: HttpPayload) -> dict[str, Any]:
    return {"trailers": careful_head(f"\n{payload.trailer.decode('latin-1')}")[1]} if payload.trailer else {}


def cookies_of(values: list[str]) -> dict[str, str]:
    """Cookies: name to value, the first of each name."""
    found: dict[str, str] = {}
    for pair in ";".join(values).split(";") if values else ():
        name, equals, value = pair.partition("=")
        if equals:
            found.setdefault(name.strip(), value.strip())
    return found


def query_of(query: str) -> dict[str, Any]:
    """Name to value, or to the list of values where a name comes again."""
    found: dict[str, Any] = {}
    for name, value in pairs_of(query):
        if name not in found:
            found[name] = value
        elif isinstance(found[name], list):
            found[name].append(value)
        else:
            found[name] = [found[name], value]
    return found


def post_data(payload: Body, mime_type: str, codings: str) -> dict[str, Any]:
    """The body of a request as HAR has it."""
    data, comment = payload.content(codings)
    text, encoding = text_of(data, whole=not comment)
    params = params_of(mime_type, data, None if encoding else text) if mime_type else []
    section: dict[str, Any] = {"mimeType": mime_type, "params": params, "text": text}
    if encoding:
        section["encoding"] = encoding
    if comment:
        section["comment"] = comment
    return section


def operations_of(payload: Body, mime_type: str, codings: str, query: str) -> list[Operation]:
    """The operations of GraphQL that a request asks for; looked for where something hints at them."""
    if not payload.body_bytes:
        return operations_in_query(query) if "query=" in query else []
    if mime_type[:16].lower() not in ("application/json", "application/grap"):
        return []
    data, comment = payload.content(codings)
    return [] if comment else operations_in_body(data, mime_type)


def content_of(payload: Body, mime_type: str, codings: str) -> dict[str, Any]:
    """The body of a response as HAR has it."""
    data, comment = payload.content(codings)
    text, encoding = text_of(data, whole=not comment)
    section = {"size": len(data), "mimeType": mime_type, "encoding": encoding, "text": text}
    if comment:
        section["comment"] = comment
    return section
