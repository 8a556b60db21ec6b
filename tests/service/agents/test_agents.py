"""Tools for agents, asked by the protocol's own client: over HTTP behind the service's guards, and over stdio."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from deployment_system import create_app
from foundations.artifact_folder import ArtifactFolder
from foundations.errors import InputError, UnavailableError
from foundations.settings import load_settings
from main import main
from service.agents.asking import by_http
from service.agents.tools import TOOLS, Asked
from tests.service_clients import client_for, error_of, served_here

if TYPE_CHECKING:
    from mcp import Client  # imported where it is used, as it takes a second

pytestmark = pytest.mark.seconds(15)

ROOT = Path(__file__).parents[3]
BOTH, PREDICT, READ, METRICS = (f"{role}-0123456789abcdef" for role in ("both", "predict", "read", "metrics"))
KEYS = f"predict+read:{BOTH},predict:{PREDICT},read:{READ},metrics:{METRICS}"
WORDS = {"transcript": "They will sign on Friday, the budget is approved."}
OVER_HTTP = {"Accept": "application/json, text/event-stream"}


@pytest.fixture(scope="module")
def url(trained_artifacts: ArtifactFolder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service with tools for agents, on a real port."""
    settings = load_settings(
        artifacts=trained_artifacts.root,
        state=tmp_path_factory.mktemp("state"),
        threads=1,
        agents="yes",
        api_keys=KEYS,
        log_mode="durable",
    )
    with served_here(settings) as address:
        yield address


@asynccontextmanager
async def over_http(url: str, key: str = BOTH, mode: str = "auto") -> AsyncIterator[Client]:
    from mcp import Client
    from mcp.client.streamable_http import streamable_http_client

    http = httpx2.AsyncClient(headers={"Authorization": f"Bearer {key}"})
    async with http, Client(streamable_http_client(f"{url}/mcp", http_client=http), mode=mode) as client:
        yield client


@asynccontextmanager
async def over_stdio(url: str, key: str = BOTH) -> AsyncIterator[Client]:
    from mcp import Client
    from mcp.client.stdio import StdioServerParameters, stdio_client

    started = StdioServerParameters(
        command=sys.executable,
        args=["main.py", "--mode", "agents"],
        env={"SALES_AGENTS_URL": url, "SALES_AGENTS_KEY": key},
        cwd=ROOT,
    )
    async with Client(stdio_client(started)) as client:
        yield client


def said(result: Any) -> str:
    """The one sentence of a call that could not be answered."""
    assert result.is_error
    (content,) = result.content
    sentence = str(content.text)
    assert sentence == result.structured_content["error"]["message"]
    assert sentence.endswith(".") and "\n" not in sentence and "Traceback" not in sentence
    return sentence


async def all_tools_answer(client: Client, url: str) -> None:
    """Each as its route does; the client itself checks every answer against the tool's schema."""
    from mcp_types import TextContent

    listed = {tool.name: tool for tool in (await client.list_tools()).tools}
    assert list(listed) == ["score_conversation", "explain_deal", "similar_won_deals", "pipeline"]
    assert all(tool.description and tool.input_schema["type"] == "object" for tool in listed.values())
    assert listed["pipeline"].annotations is not None and listed["pipeline"].annotations.read_only_hint
    route = httpx2.AsyncClient(base_url=url, headers={"X-API-Key": BOTH})

    scored = await client.call_tool("score_conversation", {**WORDS, "deal_id": "d/7 ä", "group": "Acme"})
    assert not scored.is_error
    alone = (await route.post("/predict", json={**WORDS, "include_analysis": True})).json()
    for name in ("prediction", "band", "analysis", "recommendations", "model_version"):
        assert scored.structured_content[name] == alone[name], name
    (text,) = scored.content
    assert isinstance(text, TextContent)
    assert json.loads(text.text) == scored.structured_content
    stored = (await route.get(f"/logs/{scored.structured_content['prediction_id']}")).json()
    assert (stored["deal_id"], stored["request_id"]) == ("d/7 ä", scored.structured_content["request_id"])

    page = await client.call_tool("pipeline", {"id_contains": "d/7", "limit": 1, "group": None})
    assert page.structured_content == (await route.get("/deals?id_contains=d/7&limit=1")).json()
    assert page.structured_content["deals"][0]["deal_id"] == "d/7 ä"

    history = await client.call_tool("explain_deal", {"deal_id": "d/7 ä"})
    assert history.structured_content == (await route.get("/deals/d%2F7%20%C3%A4")).json()
    calls = [{"transcript": "No budget this year.", "date": "2024-03-01"}, WORDS]
    explained = await client.call_tool("explain_deal", {"deal_id": "d-8", "conversations": calls})
    assert len(explained.structured_content["after"]) == 2
    assert {"qualification", "warnings", "moved_most"} <= explained.structured_content.keys()

    wanted = {"similar_filter": {"outcome": "successful"}, "similar_count": 2}
    found = await client.call_tool("similar_won_deals", {"conversation": WORDS["transcript"], "count": 2})
    alike = (await route.post("/similar", json={**WORDS, **wanted})).json()["similar_conversations"]
    assert found.structured_content["similar_conversations"] == alike
    assert [one["outcome"] for one in alike] == ["successful"] * 2
    await route.aclose()


async def mistakes_are_sentences(client: Client) -> None:
    from mcp import MCPError

    for name, arguments, sentence in (
        ("score_conversation", {}, "The request: the transcript is empty; give 'transcript' (text) or 'turns'"),
        ("score_conversation", {**WORDS, "model_type": "oracle"}, "'oracle'"),
        ("score_conversation", {"transcript": 7}, "transcript"),
        ("explain_deal", {}, "deal_id is None; give the deal's id as `pipeline` lists it."),
        ("explain_deal", {"deal_id": " "}, "deal_id is ' '; give the deal's id"),
        ("explain_deal", {"deal_id": "nobody's"}, 'No prediction of a deal "nobody\'s" is stored.'),
        ("explain_deal", {"deal_id": "d-1", "conversations": []}, "conversations"),
        ("similar_won_deals", {}, "conversation is missing"),
        ("similar_won_deals", {"conversation": " "}, "the transcript is empty"),
        ("similar_won_deals", {"conversation": "x", "count": 99}, "count 99 is wrong: input should be less than"),
        ("similar_won_deals", {"conversation": "x", "indstry": "y"}, "indstry"),
        ("pipeline", {"limit": 0}, "limit"),
        ("pipeline", {"limt": 2}, "There is no parameter 'limt'; this takes"),
    ):
        assert sentence in said(await client.call_tool(name, arguments)), (name, arguments)
    with pytest.raises(MCPError, match="There is no tool 'score'; there are score_conversation, explain_deal"):
        await client.call_tool("score", {})


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_every_tool_over_http(url: str, mode: str) -> None:
    async with over_http(url, mode=mode) as client:
        await all_tools_answer(client, url)
        await mistakes_are_sentences(client)


async def test_every_tool_over_stdio(url: str) -> None:
    async with over_stdio(url) as client:
        await all_tools_answer(client, url)
        await mistakes_are_sentences(client)


async def test_a_key_may_do_by_tools_what_it_may_do_without(url: str) -> None:
    async with over_http(url, PREDICT) as client:
        assert not (await client.call_tool("score_conversation", WORDS)).is_error
        assert said(await client.call_tool("pipeline", {})) == "This needs a key with the role 'admin' or 'read'."
    async with over_http(url, READ) as client:
        assert not (await client.call_tool("pipeline", {})).is_error
        for name, given in (("score_conversation", WORDS), ("similar_won_deals", {"conversation": "x"})):
            assert "role 'admin' or 'predict'" in said(await client.call_tool(name, given))


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"Authorization": ""}, 401, "unauthorized"),
        ({"Authorization": "Bearer nobody-knows-this-key"}, 401, "unauthorized"),
        ({"Authorization": f"Bearer {METRICS}"}, 403, "forbidden"),
        ({"Host": "rebound.example.com"}, 421, "wrong_host"),
        ({"Origin": "https://elsewhere.example.com"}, 403, "foreign_page"),
        ({"Sec-Fetch-Site": "cross-site"}, 403, "foreign_page"),
    ],
)
def test_who_may_not_ask_is_turned_away_before_the_protocol(
    url: str, headers: dict[str, str], status: int, code: str
) -> None:
    given = {"Authorization": f"Bearer {BOTH}", **OVER_HTTP, **headers}
    error_of(httpx2.post(f"{url}/mcp", json=message("pipeline"), headers=given), status, code)


def message(tool: str, **arguments: Any) -> dict[str, Any]:
    """A call as it is on the wire."""
    called = {"name": tool, "arguments": arguments}
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": called}


def test_limits_hold_for_the_tools_and_for_what_they_ask(trained_artifacts: ArtifactFolder, tmp_path: Path) -> None:
    limits: dict[str, Any] = {"agents": "yes", "state": tmp_path, "max_body_bytes": 2000, "rate_limit": 1}
    with client_for(trained_artifacts.root, **limits) as client:  # the call is the one request of a minute
        answer = client.post("/mcp", json=message("score_conversation", **WORDS), headers=OVER_HTTP).json()["result"]
        assert "Too many requests; the next one is accepted in" in answer["content"][0]["text"]
        error_of(client.post("/mcp", json=message("pipeline"), headers=OVER_HTTP), 429, "rate_limited")
    with client_for(trained_artifacts.root, **(limits | {"rate_limit": 0})) as client:
        long = message("score_conversation", transcript="x" * 3000)
        error_of(client.post("/mcp", json=long, headers=OVER_HTTP), 413, "too_large")
        counted = 'sales_requests_total{method="POST",route="/predict",status="200"}'
        before = counts(client.get("/metrics").text, counted)
        assert client.post("/mcp", json=message("score_conversation", **WORDS), headers=OVER_HTTP).status_code == 200
        assert counts(client.get("/metrics").text, counted) == before + 1
        assert client.get("/mcp").status_code == 405, "nothing is kept that a stream could tell of"
        assert "/mcp" not in client.get("/openapi.json").json()["paths"]


def counts(text: str, name: str) -> float:
    return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(name))


def test_tools_are_off_unless_the_operator_switches_them_on(
    trained_artifacts: ArtifactFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with client_for(trained_artifacts.root, state=tmp_path) as client:
        error_of(client.post("/mcp", json=message("pipeline"), headers=OVER_HTTP), 404, "not_found")
    with pytest.raises(InputError, match="SALES_AGENTS is 'maybe'"):
        load_settings(agents="maybe")


def test_missing_packages_are_named(
    trained_artifacts: ArtifactFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setitem(sys.modules, "mcp", None)
    wanted = "needs the package 'mcp': pip install -r requirements/agents.txt"
    with pytest.raises(InputError, match=f"SALES_AGENTS=yes {wanted}"):
        create_app(load_settings(artifacts=trained_artifacts.root, state=tmp_path, agents="yes"))
    assert main(["--mode", "agents"]) == 2
    assert f"--mode agents {wanted}" in capsys.readouterr().err


def test_only_the_protocol_is_on_standard_output_and_a_service_that_is_away_is_a_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "0"}}
    lines = [
        {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        message("pipeline"),
    ]
    with subprocess.Popen(
        [sys.executable, "main.py", "--mode", "agents", "--port", port],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "HTTP_PROXY": "http://127.0.0.1:9"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        for line in lines:
            process.stdin.write(json.dumps(line) + "\n")
        process.stdin.flush()
        answers = [json.loads(process.stdout.readline()) for _ in range(2)]
        process.stdin.close()
        rest = process.stdout.read()
        assert process.wait(30) == 0
    assert rest == ""
    assert answers[0]["result"]["serverInfo"]["name"] == "sales-conversion"
    said = answers[1]["result"]["content"][0]["text"]
    assert said.startswith(f"No service answers at 'http://127.0.0.1:{port}")
    assert said.endswith("start it with: python main.py --mode deploy")


async def test_what_answers_but_is_no_service_of_ours_is_told() -> None:
    page = httpx2.MockTransport(lambda _: httpx2.Response(200, text="<html>"))
    async with httpx2.AsyncClient(base_url="http://127.0.0.1:9", transport=page) as client:
        with pytest.raises(UnavailableError, match="What answers at 'http://127.0.0.1:9' is not the sales service"):
            await by_http(client)(Asked("GET", "/deals"))


def test_where_the_tools_ask(capsys: Any) -> None:
    assert load_settings(host="0.0.0.0", port=9).agents_address == "http://127.0.0.1:9"
    assert main(["--mode", "agents", "--host", "10.0.0.5"]) == 2
    assert "The service at 'http://10.0.0.5:8000' is on another machine" in capsys.readouterr().err
    assert load_settings(host="::1", port=9).agents_address == "http://[::1]:9"
    assert load_settings(agents_url="https://sales.example.com/", port=9).agents_address == "https://sales.example.com"
    with pytest.raises(InputError, match="SALES_AGENTS_URL is 'http://sales.example.com': give https://HOST/PATH"):
        load_settings(agents_url="http://sales.example.com")


def test_the_page_shows_each_tool() -> None:
    text = (ROOT / "docs" / "agents.md").read_text(encoding="utf-8")
    assert all(f"`{tool.name}`" in text for tool in TOOLS)
    (configured, *_) = [json.loads(block.split("```")[0]) for block in text.split("```json\n")[1:]]
    (started,) = configured["mcpServers"].values()
    assert started["args"][1:] == ["--mode", "agents"]
    assert {name.removeprefix("SALES_").lower() for name in started["env"]} <= set(type(load_settings()).model_fields)
