"""The pages of deals in real headless Chromium: the pipeline, a deal, why deals were lost, and putting a call to a deal.

As `tests.service.test_pages`: no error in the console, no other host, no words run as HTML, no phone that scrolls sideways.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import httpx2 as httpx
import pytest

from foundations.artifact_folder import ArtifactFolder
from foundations.settings import load_settings
from service.access.admin_key import read_admin_key
from tests.service.test_pages import (
    ATTACK,
    PHONE,
    Page,
    browser,
    expect,
    file_of,
    open_page,
    scrolls_sideways,
)
from tests.service_clients import served_here

__all__ = ["browser", "open_page"]  # fixtures
pytestmark = pytest.mark.seconds(20)

TODAY = datetime.now(UTC).date()
MANY = 55  # more than a page


def day(ago: int) -> str:
    return (TODAY - timedelta(days=ago)).isoformat()


CALLS = [
    {
        "conversation_id": "first",
        "date": day(50),
        "turns": [{"speaker": "customer", "text": "Our budget is approved."}],
    },
    {
        "conversation_id": "second",
        "date": day(40),
        "turns": [{"speaker": "customer", "text": f"My boss decides {ATTACK}."}],
    },
]


@pytest.fixture(scope="module")
def served(trained_artifacts: ArtifactFolder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The address of a service with deals, and its admin key."""
    state = tmp_path_factory.mktemp("state")
    settings = load_settings(
        artifacts=trained_artifacts.root, state=state, threads=1, log_mode="durable", rate_limit=100_000
    )
    with served_here(settings) as address:
        key = read_admin_key(state / "admin_key")
        with httpx.Client(base_url=address, headers={"X-API-Key": key}, trust_env=False, timeout=60) as client:
            fill(client)
        yield address, key


def fill(client: httpx.Client) -> None:
    deals = [{"deal_id": "Acme / rollout", "group": "Acme", "conversations": CALLS}]
    deals += [{"deal_id": ATTACK, "conversations": CALLS[:1]}]
    for deal in deals:
        assert client.post("/predict/deal", json=deal).status_code == 200
    lost = client.post("/predict/deal", json={"deal_id": "lost", "conversations": CALLS}).json()
    client.post("/feedback", json={"prediction_id": lost["prediction_id"], "actual_outcome": "failed"})
    table = "conversation_id,deal_id,transcript\n" + "".join(
        f"m-{n},many-{n:02},They spoke of it.\n" for n in range(MANY)
    )
    assert client.post("/predict/file?name=many.csv", content=table.encode()).status_code == 200


@pytest.fixture(scope="module")
def address(served: tuple[str, str]) -> str:
    return served[0]


@pytest.fixture
def show(open_page: Callable[..., Page], served: tuple[str, str]) -> Callable[..., Page]:
    """Opens a page with the key in its address."""

    def opened(path: str, **options: object) -> Page:
        return open_page(f"{path}#key={served[1]}", **options)

    return opened


def test_the_pipeline_leads_to_a_deal_and_back(show: Callable[..., Page]) -> None:
    page = show("/deals")
    page.wait_for_selector("#pipeline table")
    assert page.inner_text("#count") == f"{MANY + 2} open deals"
    assert page.locator("#pipeline tbody tr").count() == 50
    shares = [int(one.split("\u00a0")[0]) for one in page.locator("#pipeline .probability strong").all_inner_texts()]
    assert shares == sorted(shares, reverse=True)
    page.fill("#text", "acme")
    page.press("#text", "Enter")
    expect(page.locator("#count")).to_have_text("1 open deal chosen")
    row = page.get_by_role("row", name="Acme / rollout")
    assert row.get_by_role("img").get_attribute("aria-label").startswith("2 conversations: from ")
    assert "Nothing has happened for 40 days" in row.inner_text()
    assert row.get_by_role("rowheader").inner_text().split("\n") == ["Acme / rollout", "Acme"]
    row.get_by_role("cell").nth(2).click()
    page.wait_for_selector("#deal .card")
    assert page.url.endswith("/deals/Acme%20%2F%20rollout")
    assert page.inner_text("h1") == "Acme / rollout"
    text = page.inner_text("#deal")
    for part in ("Since last time", "After each conversation", "Warnings", "Budget, authority, need, timing"):
        assert part in text
    assert "Our budget is approved." in text
    page.wait_for_selector("#curve .main-svg")
    assert page.get_attribute("#curve", "aria-label").startswith("2 conversations: from ")
    assert page.evaluate("window.attacked") is None
    page.go_back()
    page.wait_for_selector("#pipeline table")
    assert page.input_value("#text") == "acme", "what was chosen stands in the address"


def test_below_the_pipeline_stand_outcomes_to_look_up(show: Callable[..., Page]) -> None:
    page = show("/deals")
    expect(page.locator("#suggestions tbody tr")).to_have_count(10)
    assert re.match(r"10 of \d+ without an outcome", page.inner_text("#suggestions-note"))


def test_pages_orders_and_warnings_by_keyboard(show: Callable[..., Page]) -> None:
    page = show("/deals?sort=newest")
    page.wait_for_selector("#pipeline table")
    assert page.input_value("#sort") == "newest"
    page.focus("#next")
    page.keyboard.press("Enter")
    expect(page.locator("#place")).to_have_text(f"51 to {MANY + 2} of {MANY + 2}")
    assert page.locator("#pipeline tbody tr").count() == MANY + 2 - 50
    page.focus("#warned")
    page.keyboard.press("Space")
    expect(page.locator("#pipeline .deal-link").first).to_be_visible()
    page.reload()
    page.wait_for_selector("#pipeline table")
    assert page.is_checked("#warned")
    page.focus("#pipeline .deal-link >> nth=0")
    page.keyboard.press("Enter")
    page.wait_for_selector("#deal .card")


def test_an_empty_pipeline_says_how_deals_get_there(show: Callable[..., Page], served: tuple[str, str]) -> None:
    page = show("/deals?text=nobody")
    expect(page.locator("#none-heading")).to_have_text("No open deal is like that")
    page.route("**/deals?limit=50", lambda route: route.fulfill(json={"deals": [], "total": 0}))
    page.fill("#text", "")
    page.press("#text", "Enter")
    expect(page.locator("#none-heading")).to_have_text("No open deal yet")
    assert "POST /predict/deal" in page.inner_text("#none")


def test_without_a_key_the_page_asks_for_one(open_page: Callable[..., Page], served: tuple[str, str]) -> None:
    page = open_page("/deals", expect="401")
    page.wait_for_selector("#key-form:not([hidden])")
    page.fill("#key", served[1])
    page.press("#key", "Enter")
    page.wait_for_selector("#pipeline table")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_nothing_scrolls_sideways_and_no_words_are_run(show: Callable[..., Page], scheme: str) -> None:
    page = show("/deals", viewport=PHONE, color_scheme=scheme)
    for path, ready in (
        ("/deals", "#pipeline table"),
        (f"/deals/{quote('Acme / rollout', safe='')}", "#curve .main-svg"),
        (f"/deals/{quote(ATTACK, safe='')}", "#deal .card"),
        ("/deals/lost", "#lost .card"),
    ):
        page.goto(page.url.split("/deals")[0] + path)
        page.wait_for_selector(ready)
        assert not scrolls_sideways(page), path
        assert page.locator("main img, main script").count() == 0
        assert page.evaluate("window.attacked") is None


def test_why_deals_were_lost_is_shown_with_counts(show: Callable[..., Page]) -> None:
    page = show("/deals/lost")
    page.wait_for_selector("#lost .card")
    assert "1 deal lost" in page.inner_text("#lost")
    assert "By competitor" in page.inner_text("#lost")


def test_a_conversation_and_a_file_are_put_to_a_deal(show: Callable[..., Page]) -> None:
    page = show("/app")
    page.fill("#transcript", "Customer: The budget is approved.\nAgent: Shall I send the contract?")
    page.fill("#deal", "by hand")
    page.fill("#deal-date", day(3))
    page.click("#predict")
    page.click("#put-to-deal a")
    page.wait_for_selector("#deal .card")
    assert page.inner_text("h1") == "by hand"
    assert day(3) in page.inner_text("#deal")
    page.goto(page.url.split("/deals")[0] + "/app")
    own = {"transcript": "They will sign.", "deal_id": "of the file", "date": day(2)}
    page.set_input_files("#rank-file", file_of("calls.jsonl", f"{json.dumps(own)}\n"))
    page.fill("#rank-deal", "of the page")
    page.click("#rank")
    page.wait_for_selector("#ranking table")
    page.goto(page.url.split("/app")[0] + "/deals?text=of+the")
    page.wait_for_selector("#pipeline table")
    assert page.locator("#pipeline .deal-link").all_inner_texts() == ["of the file"]
