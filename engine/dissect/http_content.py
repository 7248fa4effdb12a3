"""Bodies of HTTP messages: codings undone, text where it is text."""

from __future__ import annotations

import base64
from typing import NamedTuple

from engine.dissect.http_codings import CODINGS, Unfit

MAX_CODINGS = 8
"""Of one body; each may take as much time as the limit allows."""


class Content(NamedTuple):
    """A body without its content coding."""

    data: bytes
    comment: str
    """What was not undone or not kept, else empty."""


def decoded(body: bytes, codings: str, whole: bool, limit_bytes: int) -> Content:
    """Undo ``Content-Encoding`` (RFC 9110, 8.4), last coding first, as far as ``limit_bytes``."""
    if not codings or not body:
        return Content(body, "")
    names = [name for name in (coding.strip().lower() for coding in codings.split(",")) if name not in ("", "identity")]
    if len(names) > MAX_CODINGS:
        return Content(body, f"{len(names)} content codings are not undone")
    for name in reversed(names):
        undo = CODINGS.get(name)
        if undo is None:
            return Content(body, f"content coding {name[:32]!r} is not undone")
        try:
            plain, complete = undo(body, limit_bytes)
        except Unfit:
            return Content(body, f"content coding {name!r} does not fit the body")
        if not complete and whole:
            comment = f"decoded to more than {limit_bytes} bytes" if len(plain) >= limit_bytes else "cut short"
            return Content(plain, comment)
        body = plain
    return Content(body, "")


def text_of(data: bytes, whole: bool = True) -> tuple[str, str]:
    """``(text, encoding)`` as HAR has it: UTF-8 as it is, everything else in base64."""
    try:
        return data.decode(), ""
    except UnicodeDecodeError as error:
        if not whole and error.start and len(data) - error.start < 4:  # cut inside a character
            return data[: error.start].decode(), ""
        return base64.b64encode(data).decode("ascii"), "base64"
