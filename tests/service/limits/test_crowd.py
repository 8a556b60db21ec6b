"""Who may stay connected, and for how long."""

from __future__ import annotations

import ipaddress
import resource

import pytest

from service.access.addresses import Addresses
from service.limits.crowd import Crowd, free_descriptors, origin


class Somebody:
    """A connection."""

    def __init__(self) -> None:
        self.address = "127.0.0.1"
        self.ended: list[str] = []

    def close_now(self) -> None:
        self.ended.append("closed")

    def turn_away(self, status: int, code: str, message: str) -> None:
        self.ended.append(code)


PROXIES = Addresses([ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("2001:db8:1:2::7")])


def crowd_of(most: int, of_address: int) -> Crowd:
    return Crowd(most, of_address, lambda *_: pytest.fail("nobody is answered"), PROXIES.is_trusted)


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, to be changed."""
    moment = [100.0]
    monkeypatch.setattr("service.limits.crowd.time.monotonic", lambda: moment[0])
    return moment


def test_who_does_not_read_is_left_after_a_while(now: list[float]) -> None:
    crowd = crowd_of(100, 0)
    reads, reads_not = Somebody(), Somebody()
    for guest in (reads, reads_not):
        crowd.came(guest)
        crowd.asks(guest, b"/assets/x")
        crowd.stalls(guest)
    now[0] += 29
    crowd.flows(reads)
    crowd.stalls(reads)
    crowd.waits(reads_not)  # all is written, and none of it taken
    now[0] += 2
    crowd.look()
    assert (reads.ended, reads_not.ended) == ([], ["closed"])
    crowd.left(reads_not)
    assert len(crowd) == 1


def test_whoever_waits_longest_makes_room_worked_by_hand(now: list[float]) -> None:
    # Three places, two of an address. b has been answered and waits anew, so a, the first, has waited longest.
    crowd = crowd_of(3, 2)
    a, b, c, d, e = (Somebody() for _ in range(5))
    for number, guest in enumerate((a, b, c, d, e)):
        guest.address = f"192.0.2.{number}"
    for guest in (a, b, c):
        crowd.came(guest)
    crowd.asks(b, b"/")
    crowd.waits(b)
    crowd.came(d)
    assert a.ended == ["closed"]
    crowd.left(a)
    crowd.came(e)
    assert c.ended == ["closed"], "b waits since later"
    crowd.left(c)
    assert len(crowd) == 3


def of_host(crowd: Crowd, host: str) -> Somebody:
    """Somebody who has connected from there."""
    guest = Somebody()
    guest.address = crowd.address_of(host)
    crowd.came(guest)
    return guest


@pytest.mark.parametrize("proxy", ["10.0.0.1", "::ffff:10.0.0.1", "2001:db8:1:2::7"])
def test_a_trusted_proxy_is_many_callers_up_to_all_places(now: list[float], proxy: str) -> None:
    crowd = crowd_of(16, 2)
    behind = [of_host(crowd, proxy) for _ in range(16)]
    assert not any(guest.ended for guest in behind)
    of_host(crowd, proxy)
    assert [guest.ended for guest in behind] == [["closed"], *([[]] * 15)], "who waits longest makes room, as ever"


def test_a_proxy_takes_no_place_of_its_network(now: list[float]) -> None:
    crowd = crowd_of(16, 2)
    behind = [of_host(crowd, "2001:db8:1:2::7") for _ in range(8)]
    neighbours = [of_host(crowd, f"2001:db8:1:2::{last}") for last in (8, 9, 10)]
    assert not any(guest.ended for guest in behind)
    assert [guest.ended for guest in neighbours] == [["closed"], [], []]


def test_who_was_turned_away_gives_no_place_to_who_comes_next(now: list[float]) -> None:
    # Two of an address are answered. Whoever comes third is told so and lingers; the next ones are as much too many as he.
    crowd = crowd_of(100, 2)

    class Lingering(Somebody):
        def turn_away(self, status: int, code: str, message: str) -> None:
            super().turn_away(status, code, message)
            crowd.waits(self)

    guests = [Lingering() for _ in range(6)]
    for guest in guests:
        crowd.came(guest)
        if not guest.ended:
            crowd.asks(guest, b"/predict")
    refused = ["too_many_connections"]
    assert [guest.ended for guest in guests] == [[], [], *[[*refused, "closed"]] * 3, refused]
    for guest in guests:
        crowd.left(guest)
    assert len(crowd) == 0


def test_a_16th_of_the_places_is_kept_for_health(now: list[float]) -> None:
    crowd = crowd_of(16, 0)
    guests = [Somebody() for _ in range(16)]
    for guest in guests:
        crowd.came(guest)
    assert [crowd.asks(guest, b"/predict") for guest in guests] == [True] * 15 + [False]
    assert crowd.asks(guests[15], b"/health/live")


@pytest.mark.parametrize(
    ("host", "counted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("", ""),
    ],
)
def test_a_network_of_one_customer_is_one_address(host: str, counted: str) -> None:
    assert origin(host) == counted


def test_no_more_connections_than_there_are_descriptors(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "setrlimit", lambda kind, limits: asked.append(limits))
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (1024, 524_288))
    assert free_descriptors(1000) == 1000
    assert asked == [(1000 + 2048 + 256, 524_288)]
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (1024, 1024))
    assert free_descriptors(1000) == 1024 - 256
