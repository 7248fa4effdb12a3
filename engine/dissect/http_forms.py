"""Forms in the bodies of requests as HAR lists them: ``name``, ``value``; of files ``fileName``, ``contentType``."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qsl, unquote

from engine.dissect.http_content import text_of
from engine.dissect.http_head import careful_head

MAX_PARTS = 1000
MAX_PART_HEAD_BYTES = 16 << 10
_PARAMETER = re.compile(r';[ \t]*([!-:<-~]+?)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^;]*))', re.DOTALL)
_ESCAPED = re.compile(r"\\([\"\\])")
_PERCENT = {"%22": '"', "%0D": "\r", "%0A": "\n", "%0d": "\r", "%0a": "\n"}
_WRITTEN = re.compile("|".join(_PERCENT))


def pairs_of(query: str) -> list[tuple[str, str]]:
    """Pairs of a form or query; ``+`` is a blank and ``%41`` an ``A``."""
    if "%" in query or "+" in query:
        return parse_qsl(query, keep_blank_values=True, errors="replace")
    parts = [part.partition("=") for part in query.split("&") if part]
    return [(name, value) for name, _, value in parts]


def params_of(mime_type: str, data: bytes, text: str | None) -> list[dict[str, Any]]:
    """``params`` of a body of this type; ``text`` is ``data`` where that is text."""
    kind = mime_type.partition(";")[0].strip().lower()
    if kind == "application/x-www-form-urlencoded" and text is not None:
        return [{"name": name, "value": value} for name, value in pairs_of(text)]
    if kind == "multipart/form-data":
        return _parts(data, parameters_of(mime_type).get("boundary", ""))
    return []


def parameters_of(value: str) -> dict[str, str]:
    """Those behind the semicolons of a field value (RFC 9110, 5.6.6), names in lower case, the first of each."""
    found: dict[str, str] = {}
    for name, quoted, plain in _PARAMETER.findall(value[value.find(";") :] if ";" in value else ""):
        found.setdefault(name.lower(), _ESCAPED.sub(r"\1", quoted) if quoted else plain.strip())
    return found


def _parts(data: bytes, boundary: str) -> list[dict[str, Any]]:
    """The parts of a multipart body (RFC 2046, 5.1.1; RFC 7578); the last one may be cut."""
    if not 0 < len(boundary) <= 256:
        return []
    mark = b"\r\n--" + boundary.encode("latin-1", "replace")
    found: list[dict[str, Any]] = []
    at = (b"\r\n" + data).find(mark)
    while at >= 0 and len(found) < MAX_PARTS:
        start = at - 2 + len(mark)
        if data.startswith(b"--", start):
            break
        at = data.find(mark, start)
        part = _part(data[start : at if at >= 0 else len(data)], whole=at >= 0)
        if part is not None:
            found.append(part)
        at = at + 2 if at >= 0 else at
    return found


def _part(data: bytes, *, whole: bool) -> dict[str, Any] | None:
    """From behind the boundary; None: its head says no name."""
    line = data.find(b"\n") + 1
    end = data.find(b"\r\n\r\n", max(line - 2, 0), MAX_PART_HEAD_BYTES)
    if not line or end < 0:
        return None
    head = data[line : end + 2].decode("utf-8", "replace")
    fields = {name.lower(): value for name, value in careful_head("\n" + head)[1].items()}
    said = parameters_of(fields.get("content-disposition", ""))
    if "name" not in said:
        return None
    text, encoding = text_of(data[end + 4 :], whole)
    found = {"name": _written(said["name"]), "value": text}
    if "filename*" in said:
        found["fileName"] = unquote(said["filename*"].rpartition("'")[2], errors="replace")
    elif "filename" in said:
        found["fileName"] = _written(said["filename"])
    if "content-type" in fields:
        found["contentType"] = fields["content-type"]
    return {**found, "encoding": encoding} if encoding else found


def _written(value: str) -> str:
    """Browsers escape three characters by percent (WHATWG HTML, multipart/form-data encoding)."""
    return _WRITTEN.sub(lambda found: _PERCENT[found[0]], value)
