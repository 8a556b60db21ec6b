"""What browsers may be made to do: names that were made to point here, and pages of other sites, on every route."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from foundations.artifact_folder import ArtifactFolder
from foundations.errors import InputError
from foundations.settings import load_settings
from tests.service_clients import client_for, error_of

ROUTES = ["/", "/health", "/health/live", "/app", "/dashboard", "/assets/app.js", "/docs", "/openapi.json", "/models"]
CRM = "https://crm.example.com"


@pytest.fixture(scope="module")
def client(trained_artifacts: ArtifactFolder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    settings: dict[str, Any] = {"cors_origins": CRM, "allowed_hosts": "sales.example.com, *.svc.cluster.local"}
    state = tmp_path_factory.mktemp("state")
    with client_for(trained_artifacts.root, anonymous=True, state=state, rate_limit=0, **settings) as found:
        yield found


@pytest.mark.parametrize("path", [*ROUTES, "/nowhere"])
def test_every_route_looks_at_the_name_and_at_the_page(client: TestClient, path: str) -> None:
    said = error_of(client.get(path, headers={"Host": "evil.example:8000"}), 421, "wrong_host")
    assert "'evil.example:8000'" in said and "SALES_ALLOWED_HOSTS" in said
    said = error_of(client.get(path, headers={"Origin": "https://evil.example"}), 403, "foreign_page")
    assert "'https://evil.example'" in said and "SALES_CORS_ORIGINS" in said
    error_of(client.get(path, headers={"Sec-Fetch-Site": "cross-site"}), 403, "foreign_page")


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.0.0.1:8000",
        "LocalHost:8000",
        "app.localhost",
        "[::1]:8000",
        "192.0.2.7",
        "sales.example.com",
        "sales.example.com.",
        "Sales.Example.com:443",
        "pod.default.svc.cluster.local",
    ],
)
def test_names_of_the_service(client: TestClient, host: str) -> None:
    assert client.get("/health/live", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "evilsvc.cluster.local",
        "sales.example.com.evil.example",
        "sales.example.com:80:80",
        "localhost@evil.example",
        "",
        "[::1",
    ],
)
def test_other_names(client: TestClient, host: str) -> None:
    error_of(client.get("/health/live", headers={"Host": host}), 421, "wrong_host")


def test_two_names_are_none(client: TestClient) -> None:
    error_of(client.get("/health/live", headers=[("Host", "localhost"), ("Host", "evil.example")]), 421, "wrong_host")


def test_rebinding_reads_no_passages(client: TestClient) -> None:
    """The page's own origin is the name that now points here, so only the name tells."""
    headers = {"Host": "evil.example:8000", "Origin": "http://evil.example:8000", "Sec-Fetch-Site": "same-origin"}
    body = {"transcript": "They will sign.", "include_similar": True}
    error_of(client.post("/predict", json=body, headers=headers), 421, "wrong_host")


def test_no_page_of_another_site_posts_a_file(client: TestClient) -> None:
    for headers in (
        {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
        {"Origin": "https://evil.example"},  # a browser without Sec-Fetch-Site
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:3000", "Sec-Fetch-Site": "same-site"},  # another program of this machine
        {"Origin": "http://127.0.0.1:3000"},
        {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"},  # a form
    ):
        answer = client.post(
            "/conversations/read", content=b"WEBVTT", headers={**headers, "Content-Type": "text/plain"}
        )
        error_of(answer, 403, "foreign_page")


@pytest.mark.parametrize(
    "headers",
    [
        {},  # a program
        {"Origin": "http://127.0.0.1"},
        {"Host": "127.0.0.1:8000", "Origin": "http://127.0.0.1:8000"},
        {"Host": "[::1]:8000", "Origin": "http://[::1]:8000"},
        {"Host": "sales.example.com", "Origin": "https://sales.example.com"},  # TLS ends before the service
        {"Host": "127.0.0.1:8000", "Origin": "https://sales.example.com", "Sec-Fetch-Site": "same-origin"},  # and nginx
        {"Origin": CRM, "Sec-Fetch-Site": "cross-site"},
    ],
)
def test_programs_own_pages_and_named_sites_are_answered(client: TestClient, headers: dict[str, str]) -> None:
    answer = client.post("/predict", json={"transcript": "They will sign."}, headers=headers)
    assert answer.status_code == 200, answer.text


def test_a_link_on_another_site_may_lead_here_but_not_into_a_frame_or_a_form(client: TestClient) -> None:
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert client.get("/app", headers=link).status_code == 200
    assert client.get("/app", headers={"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate"}).status_code == 200
    error_of(client.get("/app", headers={**link, "Sec-Fetch-Dest": "iframe"}), 403, "foreign_page")
    error_of(client.post("/predict", headers=link), 403, "foreign_page")


@pytest.mark.parametrize("value", ["https://sales.example.com", "*", "a b", "*.", "sales.example.com:8000"])
def test_a_bad_name_is_a_sentence(value: str) -> None:
    with pytest.raises(InputError, match="SALES_ALLOWED_HOSTS is .*give names such as sales.example.com"):
        load_settings(allowed_hosts=value)


def test_the_host_that_it_listens_on_is_one_of_its_names(trained_artifacts: ArtifactFolder, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"host": "Box.lan", "api_keys": f"admin:{'k' * 16}", "state": tmp_path}
    with client_for(trained_artifacts.root, **settings) as client:
        assert client.get("/health/live", headers={"Host": "box.lan:8000"}).status_code == 200
