"""Packet filters: an expression as tcpdump takes it, compiled by libpcap, run by the kernel.

libpcap is loaded when a filter is set and not before; nothing else here needs it. Files are not filtered:
``pcap_offline_filter`` wants a call for each packet, 0.45 us, where reading one from a file costs 0.12.
"""

from __future__ import annotations

import ctypes
import socket
import struct

from engine.capture.links import RAW
from engine.capture.pcapheader import MAX_CAPTURED_BYTES
from engine.errors import CaptureError

KEY = "tap.bpfOverride"
_LIBRARIES = ("libpcap.so.1", "libpcap.so.0.8", "libpcap.so")
_ATTACH_FILTER, _DETACH_FILTER = 26, 27  # SO_… of asm-generic/socket.h
_INSTRUCTION_BYTES = 8
_INSTRUCTION = struct.Struct("HBBI")  # linux/filter.h: code, jump if true, jump if false, operand
_LOAD_HALF, _LOAD_BYTE, _JUMP_EQUAL, _RETURN = 0x28, 0x30, 0x15, 0x06
_PACKET_TYPE, _HARDWARE_TYPE = 0xFFFFF004, 0xFFFFF01C  # SKF_AD_OFF + SKF_AD_PKTTYPE, SKF_AD_HATYPE
LOOPBACK, _OUTGOING = 772, 4
"""ARPHRD_LOOPBACK of linux/if_arp.h, PACKET_OUTGOING of linux/if_packet.h."""
NOTHING = _INSTRUCTION.pack(_RETURN, 0, 0, 0)
"""The filter that wants no packet."""
_DLT_RAW = 12
_OPTIMIZE, _NO_NETMASK = 1, 0xFFFFFFFF


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint), ("instructions", ctypes.c_void_p))


def compile_filter(expression: str, link_type: int) -> bytes:
    """Instructions for frames of ``link_type``, 8 bytes each.

    Raises:
        CaptureError: libpcap is not there, or does not understand the expression.
    """
    pcap = _library()
    handle = pcap.pcap_open_dead(_DLT_RAW if link_type == RAW else link_type, MAX_CAPTURED_BYTES)
    program = _Program()
    try:
        if pcap.pcap_compile(handle, ctypes.byref(program), expression.encode(), _OPTIMIZE, _NO_NETMASK):
            reason = pcap.pcap_geterr(handle).decode(errors="replace")
            raise CaptureError(KEY, "a packet filter such as 'tcp port 80'", repr(expression), f"libpcap: {reason}")
        compiled = ctypes.string_at(program.instructions or 0, program.length * _INSTRUCTION_BYTES)
        pcap.pcap_freecode(ctypes.byref(program))
        return compiled
    finally:
        pcap.pcap_close(handle)


def attach(packets: socket.socket, compiled: bytes) -> None:
    """Let the kernel drop what the filter does not want; from now on, so before the socket receives.

    Raises:
        OSError: the kernel refuses it.
    """
    instructions = ctypes.create_string_buffer(compiled, len(compiled))
    program = struct.pack("HP", len(compiled) // _INSTRUCTION_BYTES, ctypes.addressof(instructions))
    packets.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, program)


def detach(packets: socket.socket) -> None:
    """Let everything in again.

    Raises:
        OSError: the socket has no filter.
    """
    packets.setsockopt(socket.SOL_SOCKET, _DETACH_FILTER, 0)


def without_loopback_copies(compiled: bytes) -> bytes:
    """``compiled`` (empty: everything) without what goes out on the loopback: it comes in again.

    The socket option that ignores what goes out counts for all interfaces, and not for sockets that share one.
    """
    rows = [
        (_LOAD_HALF, 0, 0, _HARDWARE_TYPE),
        (_JUMP_EQUAL, 0, 3, LOOPBACK),
        (_LOAD_BYTE, 0, 0, _PACKET_TYPE),
        (_JUMP_EQUAL, 0, 1, _OUTGOING),
        (_RETURN, 0, 0, 0),
    ]
    everything = _INSTRUCTION.pack(_RETURN, 0, 0, MAX_CAPTURED_BYTES)
    return b"".join([_INSTRUCTION.pack(*row) for row in rows]) + (compiled or everything)


def _library() -> ctypes.CDLL:
    for name in _LIBRARIES:
        try:
            pcap = ctypes.CDLL(name)
        except OSError:
            continue
        pcap.pcap_open_dead.restype = ctypes.c_void_p
        pcap.pcap_open_dead.argtypes = [ctypes.c_int, ctypes.c_int]
        pcap.pcap_compile.argtypes = [
            ctypes.c_void_p,
            ctypes.POINTER(_Program),
            ctypes.c_char_p,
            ctypes.c_int,
            ctypes.c_uint32,
        ]
        pcap.pcap_geterr.restype, pcap.pcap_geterr.argtypes = ctypes.c_char_p, [ctypes.c_void_p]
        pcap.pcap_freecode.argtypes = [ctypes.POINTER(_Program)]
        pcap.pcap_close.argtypes = [ctypes.c_void_p]
        return pcap
    raise CaptureError(KEY, "libpcap, which compiles packet filters", "none", "sudo apt-get install -y libpcap0.8")
