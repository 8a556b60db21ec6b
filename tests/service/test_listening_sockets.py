"""What is set on a listening socket holds for the connections that it takes."""

from __future__ import annotations

import socket
from types import SimpleNamespace

import pytest

from service.graceful_stop import listeners_of, refuse_new_connections, send_at_once, take_new_connections
from service.running.process import _listen


def taken_by(listener: socket.socket) -> bool:
    """Whether a connection that the listener takes sends without delay."""
    with socket.create_connection(listener.getsockname()), listener.accept()[0] as taken:
        return bool(taken.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))


def test_answers_leave_at_once_on_the_port_that_is_opened_here() -> None:
    with _listen("127.0.0.1", 0) as listener:
        assert taken_by(listener)


def test_and_on_one_that_was_opened_by_another() -> None:
    class Server:
        """As uvicorn's, whose bound method is the signal handler."""

        def __init__(self, listener: socket.socket) -> None:
            self.servers = [SimpleNamespace(sockets=[listener])]

        def handle_exit(self) -> None: ...

    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert not taken_by(listener)
        for found in listeners_of(Server(listener).handle_exit):
            send_at_once(found)
        assert taken_by(listener)
    assert listeners_of(None) == []


def test_a_socket_that_is_not_tcp_is_left_as_it_is() -> None:
    first, second = socket.socketpair(socket.AF_UNIX)
    with first, second:
        send_at_once(first)


def test_who_connects_is_not_heard_until_new_connections_are_taken_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
        take_new_connections(listener)  # nobody is refused: nothing happens
        refuse_new_connections(listener)
        with pytest.raises(TimeoutError):
            socket.create_connection(address, timeout=0.2)
        take_new_connections(listener)
        socket.create_connection(address, timeout=5).close()
