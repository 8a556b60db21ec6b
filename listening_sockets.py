"""What is set on the sockets on which the service listens, and so holds for every connection that they take."""

from __future__ import annotations

import contextlib
import ctypes
import socket
import struct
from typing import Any

# Drops packets that only ask for a new connection (of the flags SYN and ACK in byte 13 of the TCP header, SYN alone),
# lets all others through. Classic BPF instructions: code, steps to jump where true and where false, operand.
_NO_NEW_CONNECTION = (
    (0x30, 0, 0, 13),  # load the flags
    (0x54, 0, 0, 0x12),  # of them SYN and ACK
    (0x15, 0, 1, 0x02),  # SYN alone?
    (0x06, 0, 0, 0),  # drop it
    (0x06, 0, 0, 0xFFFFFFFF),  # pass it
)
_SO_ATTACH_FILTER = 26  # Linux


def send_at_once(listener: Any) -> None:
    """Answers are sent as they are written: an answer's head and body are two writes, and a system that waits with the
    second until the first is acknowledged (Nagle's algorithm) adds 40 ms to each request on a kept connection.

    asyncio does this for sockets that it makes itself, not for those that it is given, as every one of several workers
    is.
    """
    with contextlib.suppress(OSError):  # not TCP
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def refuse_new_connections(listener: Any) -> None:
    """Whoever wants to connect from now on is not heard, and refused once the port is closed; who has, can be taken.

    listener: a socket that listens; the workers share it. Nothing happens where the system isn't Linux.
    """
    program = b"".join(struct.pack("HBBI", *instruction) for instruction in _NO_NEW_CONNECTION)
    instructions = ctypes.create_string_buffer(program, len(program))
    described = struct.pack("HP", len(_NO_NEW_CONNECTION), ctypes.addressof(instructions))
    with contextlib.suppress(OSError):
        listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, described)


def listeners_of(handler: Any) -> list[Any]:
    """The sockets on which the uvicorn listens whose signal handler this is."""
    servers = getattr(getattr(handler, "__self__", None), "servers", ())
    return [listener for server in servers for listener in server.sockets]
