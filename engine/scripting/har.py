"""HTTP exchanges as an HTTP Archive, version 1.2 (http://www.softwareishard.com/blog/har-12-spec). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

Plain = Mapping[str, Any]

_NEVER = -1
"""What the format says for a size or a time that is not known."""


def archive(items: Iterable[Plain]) -> dict[str, Any]:
    """The archive of what is HTTP among ``items``; what is not is left out."""
    entries = [_entry(item) for item in items if _of(item, "protocol").get("name") == "http" and item.get("request")]
    return {"log": {"version": "1.2", "creator": {"name": "Remora", "version": "0.1.0"}, "entries": entries}}


def _entry(item: Plain) -> dict[str, Any]:
    elapsed = _size(item.get("elapsedTime"), 0)
    return {
        "startedDateTime": str(item.get("startTime") or "1970-01-01T00:00:00Z"),
        "time": elapsed,
        "request": _request(_of(item, "request")),
        "response": _response(_of(item, "response")),
        "cache": {},
        "timings": {"send": 0, "wait": elapsed, "receive": 0},
        "serverIPAddress": str(_of(item, "dst").get("ip") or ""),
        "connection": str(item.get("stream") or ""),
    }


def _request(request: Plain) -> dict[str, Any]:
    found = {
        "method": str(request.get("method") or ""),
        "url": str(request.get("url") or request.get("path") or ""),
        "httpVersion": str(request.get("httpVersion") or ""),
        "cookies": _pairs(request.get("cookies")),
        "headers": _pairs(request.get("headers")),
        "queryString": _pairs(request.get("queryString")),
        "headersSize": _size(request.get("headersSize")),
        "bodySize": _size(request.get("bodySize")),
    }
    posted = _of(request, "postData")
    if posted:
        text, kind = str(posted.get("text") or ""), str(posted.get("mimeType") or "")
        found["postData"] = {"mimeType": kind, "params": _pairs(posted.get("params")), "text": text}
    return found


def _response(response: Plain) -> dict[str, Any]:
    content = _of(response, "content")
    shown = {"size": _size(content.get("size"), 0), "mimeType": str(content.get("mimeType") or "")}
    shown |= {key: str(content[key]) for key in ("text", "encoding") if content.get(key)}
    return {
        "status": _size(response.get("status"), 0),
        "statusText": str(response.get("statusText") or ""),
        "httpVersion": str(response.get("httpVersion") or ""),
        "cookies": _pairs(response.get("cookies")),
        "headers": _pairs(response.get("headers")),
        "content": shown,
        "redirectURL": str(response.get("redirectURL") or ""),
        "headersSize": _size(response.get("headersSize")),
        "bodySize": _size(response.get("bodySize")),
    }


def _of(item: Plain, key: str) -> Plain:
    value = item.get(key)
    return value if isinstance(value, Mapping) else {}


def _size(value: Any, unknown: int = _NEVER) -> int:
    return value if type(value) is int else unknown


def _pairs(values: Any) -> list[dict[str, str]]:
    """``{"name": …, "value": …}`` of each value; a name may have several."""
    if not isinstance(values, Mapping):
        return []
    each = ((name, value if isinstance(value, list) else [value]) for name, value in values.items())
    return [{"name": str(name), "value": str(one)} for name, found in each for one in found]
