"""The stream row of ``docs/formats.md``."""

from __future__ import annotations

from engine.streams.stream import PROTOCOL_NAMES, Stream, format_address


def stream_row(stream: Stream) -> dict[str, object]:
    """What ``remora streams`` and a batch's index say about ``stream``; times in nanoseconds."""
    return {
        "stream": stream.name,
        "protocol": PROTOCOL_NAMES.get(stream.protocol, str(stream.protocol)),
        "client": format_endpoint(stream.client_ip, stream.client_port),
        "server": format_endpoint(stream.server_ip, stream.server_port),
        "packets": stream.packets,
        "bytes": stream.bytes,
        "payload_bytes": stream.payload_bytes,
        "start": stream.start_ns,
        "end": stream.end_ns,
        "state": stream.state,
    }


def format_endpoint(address: bytes, port: int) -> str:
    """``10.0.0.1:51234``, ``[2001:db8::1]:443``; the 16 bytes are IPv6, or IPv4 mapped into it."""
    text = format_address(address)
    return f"[{text}]:{port}" if ":" in text else f"{text}:{port}"
