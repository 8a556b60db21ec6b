"""Whose address counts: the connection's, and what trusted proxies say; nobody chooses their own."""

from __future__ import annotations

import pytest
from starlette.requests import Request

from foundations.errors import InputError
from foundations.settings import load_settings
from service.access.addresses import FORWARDED, UNKNOWN, Addresses, is_loopback


def request_from(peer: str | None, *forwarded: str) -> Request:
    headers = [(b"x-forwarded-for", value.encode("latin-1")) for value in forwarded]
    client = (peer, 50000) if peer else None
    return Request({"type": "http", "headers": headers, "client": client, "server": ("127.0.0.1", 8000)})


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("203.0.113.9", (), "203.0.113.9"),
        (None, (), UNKNOWN),
        ("203.0.113.9", ("198.51.100.1",), "203.0.113.9"),  # no trusted proxy: what it says is air
        ("10.0.0.2", ("198.51.100.1",), "198.51.100.1"),
        ("10.0.0.2", ("6.6.6.6, 198.51.100.1",), "198.51.100.1"),  # the client wrote the first itself
        ("10.0.0.2", ("6.6.6.6", "198.51.100.1, 10.0.0.3"), "198.51.100.1"),  # two proxies, two headers
        ("10.0.0.2", ("10.0.0.4, 10.0.0.3",), "10.0.0.4"),  # all are trusted: the first of them
        ("10.0.0.2", (), "10.0.0.2"),
        ("10.0.0.2", ("nonsense, 10.0.0.3",), "10.0.0.3"),
        ("10.0.0.2", ("<script>",), "10.0.0.2"),
        ("10.0.0.2", ("198.51.100.1:4711",), "198.51.100.1"),
        ("10.0.0.2", ("[2001:db8::9]:4711",), "2001:db8::9"),
        ("::ffff:10.0.0.2", ("198.51.100.1",), "198.51.100.1"),  # a socket for both kinds of addresses
        ("2001:db8:1::2", ("198.51.100.1",), "198.51.100.1"),
    ],
)
def test_the_last_sender_who_is_no_trusted_proxy(peer: str | None, forwarded: tuple[str, ...], address: str) -> None:
    trusted = load_settings(trusted_proxies="10.0.0.0/8, 2001:db8:1::2").proxies
    assert Addresses(trusted).of(request_from(peer, *forwarded)) == address


def test_a_name_that_uvicorn_took_from_a_proxy_that_is_not_trusted_is_nobody_s_own() -> None:
    assert Addresses([]).of(request_from("6.6.6.6", "6.6.6.6")) == FORWARDED
    assert Addresses([]).of(request_from("6.6.6.6", "6.6.6.6:80")) == FORWARDED


@pytest.mark.parametrize("value", ["proxy.example.com", "10.0.0.1/8", "*"])
def test_a_bad_network_is_a_sentence(value: str) -> None:
    with pytest.raises(InputError, match="SALES_TRUSTED_PROXIES is .*give addresses or networks such as 10.0.0.0/8"):
        load_settings(trusted_proxies=value)


def test_loopback_addresses() -> None:
    assert [is_loopback(one) for one in ("127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1")] == [True] * 4
    assert [is_loopback(one) for one in ("10.0.0.1", "::", "0.0.0.0", "localhost", "")] == [False] * 5
