"""``request`` and ``response`` of AMQP items: a method, and the content that came with it."""

from __future__ import annotations

import base64
from typing import Any

from engine.dissect.amqp_methods import METHODS, Method, read_arguments
from engine.dissect.amqp_values import read_properties
from engine.dissect.framed import Frame
from engine.dissect.message import Problem

HEAD_BYTES = 7
_PROPERTIES_AT = HEAD_BYTES + 12
"""Behind class, weight and the size of the body."""
CLOSES = frozenset((10 << 16 | 50, 20 << 16 | 40))
"""connection.close, channel.close."""
_SUCCESS = (0, 200)


class AmqpPayload:
    """One method with its content; taken apart once, when somebody looks."""

    __slots__ = (
        "_section", "body", "body_bytes", "channel", "fault", "frame", "header", "is_request", "method"
    )  # fmt: skip

    def __init__(self, method: Method, channel: int, frame: Frame, is_request: bool) -> None:
        self.method = method
        self.channel = channel
        self.frame = frame
        self.is_request = is_request
        self.header: bytes | None = None
        """The frame with the properties of the content."""
        self.body: bytearray | None = None
        """Its body, up to the limit and to the first byte that is missing; in one piece, since it may come in many."""
        self.body_bytes = -1
        """The length of the body that was announced; -1: none was."""
        self.fault = ""
        """What the capture lacks, and then what is wrong."""
        self._section: dict[str, Any] | None = None
        if frame.fault:
            self.fault = frame.fault

    @property
    def kept_bytes(self) -> int:
        """Bytes in ``body``."""
        return len(self.body or b"")

    def problem(self) -> Problem | None:
        """Bytes the capture lacks, what is wrong with the method, or the error that a close tells of."""
        section = self.section()
        if self.fault:
            return Problem("dissection", f"{'request' if self.is_request else 'response'}: {self.fault}")
        if self.method.key in CLOSES and section.get("replyCode", 0) not in _SUCCESS:
            kind = self.method.name.partition(" ")[0]
            return Problem(
                "connection", f"{kind} closed: {section['replyCode']} {section.get('replyText', '')}".rstrip()
            )
        return None

    def section(self) -> dict[str, Any]:
        """``request`` or ``response`` of the item."""
        if self._section is None:
            self._section = self._taken_apart()
        return self._section

    def _taken_apart(self) -> dict[str, Any]:
        frame, method = self.frame, self.method
        section: dict[str, Any] = {"method": method.name, "channel": self.channel}
        wrong = read_arguments(method, frame.data, frame.size_bytes - 1, section)
        if method.key not in METHODS:
            section["comment"] = "the method is not known"
        elif len(frame.data) < frame.size_bytes and not frame.fault:
            section["comment"] = f"{len(frame.data)} of {frame.size_bytes} bytes of the method kept (dissect.maxHeader)"
        elif wrong:
            self.fault = self.fault or wrong
        if method.has_content:
            self._show_content(section)
        return section

    def _show_content(self, section: dict[str, Any]) -> None:
        properties: dict[str, Any] = {}
        if self.header is not None:
            wrong = read_properties(self.header, _PROPERTIES_AT, len(self.header) - 1, properties)
            self.fault = self.fault or wrong
        section["properties"] = properties
        section["body"] = base64.b64encode(self.body or b"").decode("ascii")
        if self.kept_bytes < self.body_bytes:
            section["comment"] = f"{self.kept_bytes} of {self.body_bytes} bytes of the body kept"
