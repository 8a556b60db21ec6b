"""The files that pages load: sent in pieces, compressed once, at the rate of all requests."""

from __future__ import annotations

import asyncio
import gzip
from typing import Any

import pytest
from fastapi import Request

from foundations.artifact_folder import ArtifactFolder
from service.routes import pages
from service.routes.pages import PIECE, PLOTLY, asset
from tests.service_clients import client_for, error_of

PLOTLY_PATH = f"/assets/{PLOTLY.name}"


def test_a_file_is_compressed_once_and_sent_in_pieces(
    trained_artifacts: ArtifactFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    asset.cache_clear()
    compressed: list[int] = []
    compress = gzip.compress

    def counted(content: bytes, *arguments: Any, **given: Any) -> bytes:
        compressed.append(len(content))
        return compress(content, *arguments, **given)

    monkeypatch.setattr(gzip, "compress", counted)
    monkeypatch.setattr(gzip, "decompress", None)
    with client_for(trained_artifacts.root) as client:
        for encoding in ("gzip", "identity", "gzip", "identity"):
            answer = client.get(PLOTLY_PATH, headers={"Accept-Encoding": encoding})
            assert answer.content == PLOTLY.read_bytes()
        assert int(answer.headers["content-length"]) == PLOTLY.stat().st_size
        assert client.head(PLOTLY_PATH).content == b""
    assert compressed == [PLOTLY.stat().st_size]


async def test_no_piece_is_larger_than_64_kilobytes() -> None:
    found = [bytes(piece) async for piece in pages._pieces(PLOTLY.read_bytes())]
    assert b"".join(found) == PLOTLY.read_bytes()
    assert max(map(len, found)) == PIECE


def test_pages_and_their_files_count_as_requests(trained_artifacts: ArtifactFolder) -> None:
    # An address of its own: what other tests have asked a moment ago counts in the same folder.
    with client_for(trained_artifacts.root, "127.0.0.77", anonymous=True, rate_limit=30) as client:  # five at once
        answers = [client.get(path) for path in ("/app", "/assets/app.js", "/dashboard", PLOTLY_PATH, "/app", "/app")]
        assert [answer.status_code for answer in answers] == [200] * 5 + [429]
        error_of(answers[-1], 429, "rate_limited")
        assert client.get("/health/live").status_code == 200


def test_pages_need_no_key(trained_artifacts: ArtifactFolder) -> None:
    with client_for(trained_artifacts.root, "203.0.113.9", api_keys="admin:admin-key-0123456789") as client:
        assert client.get("/app").status_code == 200
        assert client.get("/app", headers={"X-API-Key": "of-somebody-else"}).status_code == 200


async def test_who_does_not_read_is_sent_one_piece() -> None:
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)
        if "body" in message:
            await asyncio.Event().wait()  # as uvicorn does while the other side does not read

    async def receive() -> Any:
        await asyncio.Event().wait()

    scope = {"type": "http", "headers": []}
    answer = pages._answer(asset(PLOTLY.name), Request(scope))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(answer(scope, receive, send), 0.5)
    assert [len(message["body"]) for message in sent if "body" in message] == [PIECE]
