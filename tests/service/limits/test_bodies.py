"""Bodies are counted while they come in, each and all together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from starlette.requests import Request

from foundations.artifact_folder import ArtifactFolder
from service.limits.bodies import ROOM, Bodies
from service.limits.refused import RefusedError
from tests.service_clients import JSON, client_for, error_of

LARGEST = 1000


def request_of(pieces: Iterable[bytes], declared: int | None = None) -> Request:
    """A request whose body comes in pieces."""
    left = iter([*pieces, b""])

    async def receive() -> dict[str, Any]:
        piece = next(left)
        return {"type": "http.request", "body": piece, "more_body": bool(piece)}

    headers = [] if declared is None else [(b"content-length", str(declared).encode())]
    return Request({"type": "http", "headers": headers}, receive)


async def read(bodies: Bodies, caller: str, size: int, declared: int | None = None) -> Any:
    """A block within which a body of `size` is held; entered."""
    block = bodies.counted(request_of([b"x" * size], declared), caller)
    receive = block.__enter__()
    try:
        await receive()
    except RefusedError as refused:
        block.__exit__(None, None, None)
        return refused
    return block


async def test_a_caller_holds_as_much_as_he_leaves_and_others_find_room() -> None:
    # 8,000 bytes: a alone holds four bodies of 1,000, then b two, and c one: of 7,000 b would hold more than is free.
    bodies = Bodies(LARGEST)
    held = [await read(bodies, "a", LARGEST) for _ in range(ROOM // 2)]
    assert (await read(bodies, "a", LARGEST)).code == "too_many_bodies"
    assert (await read(bodies, "a", 1)).status_code == 503
    held += [await read(bodies, "b", LARGEST) for _ in range(2)]
    assert (await read(bodies, "b", LARGEST)).code == "too_many_bodies"
    held.append(await read(bodies, "c", LARGEST))
    for block in held:
        block.__exit__(None, None, None)
    assert not isinstance(await read(bodies, "a", LARGEST), RefusedError), "all of it was given back"


async def test_what_is_declared_is_refused_before_any_of_it_is_held() -> None:
    bodies = Bodies(LARGEST)
    held = [await read(bodies, "a", LARGEST) for _ in range(ROOM // 2)]
    assert (await read(bodies, "a", 0, declared=LARGEST)).code == "too_many_bodies"
    assert (await read(bodies, "b", 0, declared=LARGEST + 1)).code == "too_large"
    del held  # until here


async def test_what_is_only_declared_takes_no_room() -> None:
    bodies = Bodies(LARGEST)
    held = [await read(bodies, "a", 1, declared=LARGEST) for _ in range(10 * ROOM)]
    assert not any(isinstance(block, RefusedError) for block in [*held, await read(bodies, "b", LARGEST)])


async def test_a_body_that_grows_beyond_the_limit_is_refused() -> None:
    bodies = Bodies(LARGEST)
    with bodies.counted(request_of([b"x" * 600] * 3), "a") as receive:
        await receive()
        with pytest.raises(RefusedError, match="larger than the 1,000 bytes"):
            await receive()


def test_a_body_that_is_too_large_is_413_declared_or_streamed(trained_artifacts: ArtifactFolder) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(3):
            yield b" " * 600

    with client_for(trained_artifacts.root, max_body_bytes=1024) as client:
        declared = client.post("/predict", json={"transcript": "x" * 2000})
        assert "1,024 bytes" in error_of(declared, 413, "too_large")
        error_of(client.post("/predict", content=chunks(), headers=JSON), 413, "too_large")
        assert client.post("/predict", json={"transcript": "They will sign."}).status_code == 200
