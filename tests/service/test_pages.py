"""The pages in real headless Chromium, against a real server: each journey of a person, and what must never happen.

Never: an error in the console, a request to another host, a customer's words run as HTML, a phone that scrolls sideways.
Where no browser is installed the tests are skipped with a reason, but fail on CI (the variable CI is set).
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2 as httpx
import pytest

from foundations.artifact_folder import ArtifactFolder
from foundations.atomic_files import write_json
from foundations.settings import ENVIRONMENT_PREFIX, load_settings
from learning import roles
from modelling.names import MODEL_NAMES
from modelling.saved.versions import ModelVersion
from prediction_log.actors import OPERATOR
from prediction_log.store import PredictionStore
from probability.confidence import wilson_interval
from service.access.admin_key import read_admin_key
from tests.service_clients import served_here

pytestmark = pytest.mark.seconds(40)

playwright = pytest.importorskip("playwright.sync_api", reason="pip install -r requirements/dev.txt")

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
ADMIN_KEY, PREDICT_KEY = "an-admin-key-of-tests", "a-predict-key-of-tests"
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 360, "height": 740}
CALL = "Agent: How was the pilot?\nCustomer: Good, the budget is approved.\nAgent: Shall I send the contract?"
VTT = (
    "WEBVTT\n\n00:00.000 --> 00:02.000\nJane Doe: Hello there\n\n00:02.000 --> 00:04.000\nCustomer: We need approval.\n"
)
ATTACK = '<img src=x onerror="window.attacked=true"><script>window.attacked=true</script>'
NOT_ACCEPTED = "This needs an API key"

Page = Any  # playwright's; it may not be installed


@contextlib.contextmanager
def running_server(artifacts: Path, state: Path, **settings: str) -> Iterator[str]:
    """The service in a process of its own, as a user starts it; its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ENVIRONMENT_PREFIX)}
    environment |= {"SALES_STATE": str(state), "SALES_THREADS": "1", "NO_PROXY": "127.0.0.1", **settings}
    command = [sys.executable, "main.py", "--mode", "deploy", "--artifacts", str(artifacts), "--port", str(port)]
    with (state / "server.log").open("wb") as log:
        server = subprocess.Popen(command, cwd=Path(__file__).parents[2], env=environment, stdout=log, stderr=log)
        try:
            _wait_until_ready(f"http://127.0.0.1:{port}", server, state / "server.log")
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(timeout=30)


def _wait_until_ready(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(600):
        assert server.poll() is None, log.read_text(encoding="utf-8")
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(f"{address}/health/ready", trust_env=False).status_code == 200:
                return
        time.sleep(0.1)
    pytest.fail(log.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("state")


@pytest.fixture(scope="module")
def address(trained_artifacts: ArtifactFolder, state: Path) -> Iterator[str]:
    with running_server(trained_artifacts.root, state) as found:
        yield found


@pytest.fixture
def dashboard(address: str, state: Path) -> str:
    """The link that the start of a service without configured keys shows."""
    return f"{address}{dashboard_link(state)}"


def dashboard_link(state: Path) -> str:
    return f"/dashboard#key={read_admin_key(state / 'admin_key')}"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        reason = "no browser for the pages' tests; install Debian's package chromium"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    with playwright.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=path, args=QUIET)
        yield running
        running.close()


@pytest.fixture
def open_page(browser: Any, address: str) -> Iterator[Callable[..., Page]]:
    """Opens a page of the service; at the end nothing may have gone wrong in it."""
    wrong: list[str] = []
    contexts = []

    def noted(problem: str, is_one: bool = True, expected: str = "") -> None:
        if is_one and not (expected and expected in problem):
            wrong.append(problem)

    def opened(path: str, expect: str = "", at: str = address, **options: Any) -> Page:
        """expect: a console error that belongs to the test."""
        contexts.append(browser.new_context(**{"viewport": DESKTOP, "accept_downloads": True, **options}))
        page = contexts[-1].new_page()
        page.set_default_timeout(20_000)
        page.on("console", lambda message: noted(message.text, message.type in ("error", "warning"), expect))
        page.on("pageerror", lambda error: noted(str(error)))
        page.on("request", lambda request: noted(f"request to {request.url}", _is_elsewhere(request.url, at)))
        page.goto(at + path)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert wrong == []


def _is_elsewhere(url: str, address: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme not in ("blob", "data") and f"{parts.scheme}://{parts.netloc}" != address


def rate_of(
    name: str, polarity: str, title: str, conversations: int, successful: int, others: int, other_successful: int
) -> dict[str, Any]:
    """A signal's row as an evaluation writes it."""
    return {
        "name": name,
        "polarity": polarity,
        "title": title,
        "conversations": conversations,
        "successful": successful,
        "rate": successful / conversations if conversations else None,
        "interval": wilson_interval(successful, conversations) if conversations else None,
        "other_conversations": others,
        "other_successful": other_successful,
        "other_rate": other_successful / others if others else None,
        "other_interval": wilson_interval(other_successful, others) if others else None,
    }


def file_of(name: str, content: str) -> dict[str, Any]:
    return {"name": name, "mimeType": "application/octet-stream", "buffer": content.encode()}


def expect(locator: Any) -> Any:
    return playwright.expect(locator)


def words_of(name: str) -> str:
    return name.replace("_", " ")


def shown_percent(page: Page) -> int:
    page.wait_for_selector("#probability")
    return int(re.sub(r"\D", "", page.inner_text("#probability")))


def scrolls_sideways(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"))


# /app


def test_a_pasted_conversation_gets_the_answer_of_the_api(open_page: Callable[..., Page], address: str) -> None:
    page = open_page("/app")
    page.fill("#transcript", CALL)
    page.fill("#context-urgency", "high")
    page.select_option("#model", "classification_head")
    page.click("#predict")
    body = {"transcript": CALL, "context": {"urgency": "high"}, "model_type": "classification_head"}
    probability = httpx.post(f"{address}/predict", json=body, trust_env=False).json()["prediction"]["probability"]
    assert shown_percent(page) == round(100 * probability)
    answer = page.inner_text("#answer")
    for part in (
        "Probability that it converts",
        "What to do next",
        "Signals and risks",
        "How they talked",
        "Similar past",
    ):
        assert part in answer
    assert "classification head" in answer
    assert page.locator("#conversation .turn").count() == 3
    assert page.locator("#conversation .speaker").first.inner_text().strip() == "Seller:"
    assert page.inner_text("#status").endswith("probability that it converts.")


def test_a_webvtt_file_is_read_on_the_server_and_predicted(open_page: Callable[..., Page]) -> None:
    page = open_page("/app")
    page.set_input_files("#conversation-file", file_of("call.vtt", VTT))
    page.wait_for_selector("#loaded:not([hidden])")
    assert page.inner_text("#loaded-name") == "call.vtt"
    assert page.inner_text("#loaded-facts") == "2 turns, Jane Doe, Customer"
    page.click("#predict")
    assert 0 <= shown_percent(page) <= 100
    assert "Jane Doe: Hello there" in page.inner_text("#conversation").replace("\xa0", " ")
    page.wait_for_selector("#trajectory .xtick")
    assert page.locator("#trajectory .xtick").all_text_contents() == ["0", "1", "2"], "no turn is named twice"


def recording_of(state: str, **known: Any) -> dict[str, Any]:
    """What POST and GET /recordings answer."""
    told: dict[str, Any] = {
        "before": 0,
        "progress": 0.0,
        "seconds_left": None,
        "problem": None,
        "conversations": None,
        "notices": [],
    }
    return {"id": "0" * 32, "name": "call.mp3", "state": state, **told, **known}


def test_a_recording_shows_how_far_it_is_heard_and_becomes_turns(open_page: Callable[..., Page]) -> None:
    """The page's part alone; the service's own is tests/service/test_recordings.py."""
    turns = [{"speaker": "seller", "text": "Shall I?", "name": "Channel 1"}, {"speaker": "customer", "text": "Do."}]
    heard: dict[str, Any] = {
        "conversation_id": "call",
        "transcript": None,
        "turns": turns,
        "sides_inferred": True,
        "context": {},
    }
    answers = [
        recording_of("waiting", before=2),
        recording_of("hearing", progress=0.4, seconds_left=90.0),
        recording_of("done", progress=1.0, conversations=[{**heard, "trajectory_turns": 2}], notices=["Two voices."]),
    ]
    asked: list[str] = []

    def answered(route: Any) -> None:
        asked.append(route.request.method)
        found = {"id": "0" * 32} if asked[-1] == "DELETE" else answers[len(asked) - 1]
        route.fulfill(status=202 if asked[-1] == "POST" else 200, json=found)

    page = open_page("/app")
    page.route("**/recordings**", answered)
    page.set_input_files("#conversation-file", file_of("call.mp3", "ID3"))
    expect(page.locator("#hearing-state")).to_have_text("Waiting for 2 others …")
    assert page.get_attribute("#hearing-progress", "value") is None and page.is_disabled("#conversation-file")
    expect(page.locator("#hearing-state")).to_have_text("About 2 minutes left")
    assert page.get_attribute("#hearing-progress", "value") == "0.4"
    page.wait_for_selector("#loaded:not([hidden])")
    assert page.inner_text("#loaded-facts").startswith("2 turns, Channel 1 (seller), Customer; found from the words")
    assert page.inner_text("#read-notices") == "Two voices."
    assert page.is_hidden("#hearing") and page.is_enabled("#conversation-file")
    assert asked == ["POST", "GET", "GET", "DELETE"], "its words are not left with the service"


def test_hearing_a_recording_can_be_stopped(open_page: Callable[..., Page]) -> None:
    asked: list[str] = []

    def answered(route: Any) -> None:
        asked.append(route.request.method)
        route.fulfill(status=202 if asked[-1] == "POST" else 200, json=recording_of("waiting"))

    page = open_page("/app")
    page.route("**/recordings**", answered)
    page.set_input_files("#conversation-file", file_of("call.mp3", "ID3"))
    expect(page.locator("#hearing-state")).to_have_text("Beginning …")
    page.click("#stop-hearing")
    expect(page.locator("#status")).to_have_text("call.mp3 is not heard to its end.")
    page.wait_for_function("document.getElementById('hearing').hidden")
    assert asked[-1] == "DELETE" and page.is_visible("#transcript")


def test_a_json_file_of_several_conversations_lets_choose_and_brings_its_context(
    open_page: Callable[..., Page],
) -> None:
    records = [
        {
            "conversation_id": "first",
            "transcript": "They asked for the price.",
            "conversation_context": {"industry": "retail"},
        },
        {
            "conversation_id": "second",
            "turns": [{"speaker": "Rep", "text": "Sign here?"}, {"speaker": "buyer", "text": "Yes."}],
        },
    ]
    page = open_page("/app")
    page.set_input_files("#conversation-file", file_of("calls.json", json.dumps(records)))
    page.wait_for_selector("#which:not([hidden])")
    assert page.input_value("#context-industry") == "retail"
    page.select_option("#which-conversation", label="second")
    assert page.input_value("#context-industry") == "", "the first conversation's industry is not the second's"
    page.click("#predict")
    shown_percent(page)
    assert page.locator("#conversation .speaker").all_inner_texts() == ["Seller: ", "Customer: "]
    assert "Sign here?" in page.inner_text("#conversation")


def test_words_are_shown_and_never_run(open_page: Callable[..., Page], dashboard: str) -> None:
    page = open_page("/app")
    page.fill("#transcript", f"Agent: {ATTACK}\nCustomer: {ATTACK} our budget is approved {ATTACK}")
    page.fill("#context-industry", ATTACK)
    page.click("#predict")
    shown_percent(page)
    assert page.inner_text("#conversation").count(ATTACK) == 3
    page.set_input_files(
        "#rank-file",
        file_of(f"{ATTACK}.csv", f'conversation_id,transcript\n"{ATTACK.replace(chr(34), "")}",{ATTACK!r}\n'),
    )
    page.click("#rank")
    page.wait_for_selector("#ranking table")
    page.goto(dashboard)
    page.wait_for_selector("#log table")
    assert "<img" in page.inner_text("#log")
    assert page.evaluate("window.attacked") is None
    assert page.locator("main img, main script").count() == 0


FULL_ANSWER = {
    "prediction": {"outcome": "successful", "probability": 0.71, "confidence": 0.71},
    "probability_interval": [0.58, 0.84],
    "reliability": "low",
    "reliability_reasons": [f"It is short {ATTACK}."],
    "band": {"name": "A", "observed_rate": 0.8, "interval": [0.38, 0.96], "conversations": 5, "shared_by": ["A", "B"]},
    "analysis": {
        "sentiment": "positive",
        "key_indicators": ["Budget mentioned"],
        "risk_factors": [],
        "signals": [
            {
                "name": "budget",
                "polarity": "positive",
                "strength": 0.9,
                "quote": ATTACK,
                "speaker": "customer",
                "turn": 1,
            }
        ],
        # Places count characters: the first one is an emoji, two units long in JavaScript.
        "evidence": [
            {
                "sentence": "Budget is approved.",
                "speaker": "customer",
                "turn": 1,
                "start": 10,
                "end": 29,
                "effect": 12.4,
            },
            {"sentence": "😀 Pricey.", "speaker": "customer", "turn": 1, "start": 0, "end": 9, "effect": -3.1},
        ],
    },
    "trajectory": [
        {"turn": 1, "speaker": "seller", "probability": 0.5},
        {"turn": 2, "speaker": "customer", "probability": 0.71},
    ],
    "similar_conversations": [{"conversation_id": ATTACK, "outcome": "failed", "similarity": 0.831, "excerpt": ATTACK}],
    "recommendations": [ATTACK],
    "model_used": "few_shot",
}


def test_every_part_of_an_answer_is_shown_where_it_stands(open_page: Callable[..., Page]) -> None:
    """The page's own code on an answer with all parts, whatever the service's models give."""
    page = open_page("/app")
    conversation = {
        "turns": [
            {"speaker": "seller", "text": "Well?"},
            {"speaker": "customer", "text": "😀 Pricey. Budget is approved."},
        ]
    }
    script = (
        "async ([answer, conversation]) => { const { answerCards } = await import('/assets/answer.js');"
        "const place = document.getElementById('answer'); place.hidden = false;"
        "place.replaceChildren(...answerCards(answer, conversation)); }"
    )
    page.evaluate(script, [FULL_ANSWER, conversation])
    page.wait_for_selector("#trajectory .main-svg")
    text = page.inner_text("#answer").replace("\u00a0", " ")
    assert "interval 58 % to 84 %" in text
    assert "A: 80 % of 5 known conversations converted (95 % interval 38 % to 96 %), shared by A, B" in text
    assert "Low reliability" in text
    assert text.count(ATTACK) == 4  # reason, recommendation, similar conversation's id and excerpt; the quote is folded
    up, down = page.locator(".moved.up"), page.locator(".moved.down")
    assert "".join(up.all_text_contents()) == "Budget is approved.+12.4 (raises by 12.4 percentage points)"
    assert "".join(down.all_text_contents()) == "😀 Pricey.−3.1 (lowers by 3.1 percentage points)"
    assert float(up.evaluate("e => e.style.getPropertyValue('--strength')")) > float(
        down.evaluate("e => e.style.getPropertyValue('--strength')")
    )
    assert "from 50 % to 71 %" in str(page.get_attribute("#trajectory", "aria-label")).replace("\u00a0", " ")
    assert page.evaluate("window.attacked") is None


SIGNALS: dict[str, Any] = {
    "conversations": 10,
    "successful": 6,
    "problem": None,
    "signals": [
        rate_of("need", "positive", "need", 2, 1, 8, 5),
        rate_of("budget", "positive", ATTACK, 4, 3, 6, 3),
        rate_of("budget", "negative", "no budget", 10, 6, 0, 0),
        rate_of("urgency", "positive", "urgency", 0, 0, 10, 6),
    ],
}


def test_signals_and_success_stand_in_a_table_that_marks_those_of_the_answer(
    open_page: Callable[..., Page], trained_artifacts: ArtifactFolder, tmp_path: Path
) -> None:
    shutil.copytree(trained_artifacts.root, tmp_path / "artifacts")
    folder = ArtifactFolder(tmp_path / "artifacts")
    with served_here(load_settings(artifacts=folder.root, state=tmp_path, threads=1)) as own:
        page = open_page("/app", at=own)
        assert not page.locator("#signals-table").is_visible()
        page.focus("#signals-by-outcome summary")
        page.keyboard.press("Enter")
        expect(page.locator("#signals-note")).to_contain_text("there is no")
        assert page.locator("#signals-table table").count() == 0, "one sentence in its place"
        write_json(folder.signals_by_outcome, SIGNALS)
        page.keyboard.press("Enter")
        page.keyboard.press("Enter")  # opened again, it is read again
        table = page.get_by_role("table", name="Share of successful conversations")
        expect(table.get_by_role("row")).to_have_count(4)  # the head, and each signal that was found
        assert [name.split(" in this")[0] for name in table.get_by_role("rowheader").all_inner_texts()] == [
            ATTACK,
            "need",
            "no budget",
        ]
        texts = table.locator("tbody tr").first.inner_text().replace("\u00a0", " ")
        for part in ("for", "75 %, 3 of 4", "30 % to 95 %", "50 %, 3 of 6", "19 % to 81 %"):
            assert part in texts
        assert page.inner_text("#signals-note").startswith("6 of the 10 conversations of the last evaluation")
        bar = table.get_by_role("img").first
        assert str(bar.get_attribute("aria-label")).replace("\u00a0", " ") == "75 % with it, 50 % without it"
        assert bar.locator(".with.dot").evaluate("e => e.style.left") == "75%"
        assert page.locator(".share").count() == 3
        mark = "([one]) => import('/assets/signals.js').then((module) => module.markSignals([one]))"
        page.evaluate(mark, [{"name": "need", "polarity": "positive"}])
        expect(table.get_by_role("rowheader").nth(1)).to_have_text("need in this conversation")
        assert table.get_by_text("in this conversation").count() == 1
        page.fill("#transcript", CALL)
        page.click("#predict")
        shown_percent(page)
        body = {"transcript": CALL, "include_analysis": True}
        signals = httpx.post(f"{own}/predict", json=body, trust_env=False).json()["analysis"]["signals"]
        there = {(one["name"], one["polarity"]) for one in signals}
        expected = [(one["name"], one["polarity"]) in there for one in (SIGNALS["signals"][i] for i in (1, 0, 2))]
        shown = ["in this conversation" in text for text in table.get_by_role("rowheader").all_inner_texts()]
        assert shown == expected
        page.set_viewport_size(PHONE)
        assert not scrolls_sideways(page)
        assert page.evaluate("window.attacked") is None


def test_a_problem_is_said_in_the_apis_words(open_page: Callable[..., Page]) -> None:
    page = open_page("/app", expect="422")
    page.click("#predict")
    page.wait_for_selector("#problem:not([hidden])")
    assert "no conversation yet" in page.inner_text("#problem")
    assert page.evaluate("document.activeElement.id") == "transcript"
    page.set_input_files("#conversation-file", file_of("broken.json", '{"transcript": '))
    expect(page.locator("#problem")).to_contain_text("broken.json")
    assert "/dev" not in page.inner_text("#problem")


def test_a_csv_comes_back_ranked(open_page: Callable[..., Page]) -> None:
    rows = ["a,No budget until next year.,=1+1", "b,Legal signs the contract on Friday.,Ann", "c,They compare.,Bob"]
    table = "\n".join(["conversation_id,transcript,owner", *rows])
    page = open_page("/app")
    page.set_input_files("#rank-file", file_of("deals.csv", table))
    page.click("#rank")
    page.wait_for_selector("#ranking table")
    cells = page.locator("#ranking tbody tr").evaluate_all(
        "rows => rows.map(row => [...row.cells].map(cell => cell.textContent))"
    )
    shares = [float(row[2].rstrip("\u00a0%")) for row in cells]
    assert shares == sorted(shares, reverse=True)
    assert [row[0] for row in cells] == ["1", "2", "3"]
    with page.expect_download() as download:
        page.click("#download")
    assert download.value.suggested_filename == "deals-ranked.csv"
    lines = download.value.path().read_text(encoding="utf-8-sig").splitlines()
    assert lines[0] == (
        "rank,conversation_id,probability,outcome,confidence,model,reliability,reliability_reasons,recorded_outcome,"
        "transcript,owner"
    )
    assert [line.split(",")[1] for line in lines[1:]] == [row[1] for row in cells]
    assert sum("'=1+1" in line for line in lines) == 1


TABLE = "Client;Gespraech;Result\nAcme;They sign on Friday.;Connected\nGlobex;No budget.;No answer\nInitech;They compare.;\n"


def test_a_table_that_is_not_understood_is_mapped_by_hand(open_page: Callable[..., Page]) -> None:
    """Which column holds the words, and which words mean won and lost, as on the command line."""
    page = open_page("/app", expect="422")
    page.set_input_files("#rank-file", file_of("deals.csv", TABLE))
    page.click("#rank")
    expect(page.locator("#rank-problem")).to_contain_text("'Gespraech'")
    assert "--" not in page.inner_text("#rank-problem"), "the page has no command line"
    expect(page.locator("#rank-columns")).to_have_attribute("open", "")
    offered = page.locator("#rank-column-names option").evaluate_all("options => options.map(one => one.value)")
    assert offered == ["Client", "Gespraech", "Result"]
    page.fill("#rank-column-transcript", "Gespraech")
    page.fill("#rank-column-conversation_id", "Client")
    page.fill("#rank-column-outcome", "Result")
    page.fill("#rank-won", "Connected, Signed")
    page.fill("#rank-lost", "No answer")
    page.click("#rank")
    page.wait_for_selector("#ranking table")
    assert page.locator("#rank-problem").is_hidden()
    cells = page.locator("#ranking tbody tr").evaluate_all(
        "rows => rows.map(row => [...row.cells].map(c => c.textContent))"
    )
    assert [cells[0][1], cells[0][4]] == ["Initech", "open"], "the open deal first"
    assert {row[1]: row[4] for row in cells[1:]} == {"Acme": "successful", "Globex": "failed"}
    expect(page.locator("#rank-notices")).to_contain_text("2 of 3 deals are closed already")


def test_a_table_read_for_one_prediction_is_mapped_too_and_its_notices_are_shown(
    open_page: Callable[..., Page],
) -> None:
    page = open_page("/app", expect="422")
    page.set_input_files(
        "#conversation-file", file_of("deals.csv", "Id;Gespraech\n1;They sign.\n2;\n3;They compare.\n")
    )
    expect(page.locator("#problem")).to_contain_text("'Gespraech'")
    page.fill("#read-column-transcript", "Gespraech")
    page.click("#read-again")
    page.wait_for_selector("#which:not([hidden])")
    assert page.locator("#which-conversation option").count() == 2
    expect(page.locator("#read-notices")).to_contain_text("1 of 3 rows have no text in 'Gespraech'")
    page.set_input_files("#conversation-file", file_of("call.vtt", VTT))
    expect(page.locator("#loaded-name")).to_have_text("call.vtt")
    assert page.input_value("#read-column-transcript") == "", "said of the file before"
    assert page.locator("#read-notices").is_hidden()


def test_a_file_dropped_on_the_page_is_read_and_one_dropped_below_is_ranked(open_page: Callable[..., Page]) -> None:
    page = open_page("/app")
    drop = (
        "([place, name, content]) => { const data = new DataTransfer(); data.items.add(new File([content], name));"
        "for (const type of ['dragover', 'drop']) document.querySelector(place)"
        ".dispatchEvent(new DragEvent(type, { dataTransfer: data, bubbles: true, cancelable: true })); }"
    )
    page.evaluate(
        drop, ["h1", "call.vtt", VTT.replace("Customer:", "Customer | Raj McCoy:").replace("Doe:", "Doe (Sales):")]
    )
    expect(page.locator("#loaded-facts")).to_have_text("2 turns, Jane Doe (Sales), Customer | Raj McCoy (customer)")
    page.evaluate(drop, ["#rank-heading", "deals.csv", "transcript\nThey sign.\n"])
    assert page.evaluate("document.getElementById('rank-file').files[0].name") == "deals.csv"
    assert page.inner_text("#loaded-name") == "call.vtt"
    assert page.locator(".dropping").count() == 0


def test_no_ending_is_hidden_when_a_file_is_chosen(open_page: Callable[..., Page]) -> None:
    page = open_page("/app")
    assert page.locator("input[type=file][accept]").count() == 0


SELLER = {"share": 0.61, "words": 74, "seconds": 66, "longest_monologue": 64, "questions": 3}
CUSTOMER = {"share": 0.39, "words": 54, "seconds": 42, "longest_monologue": 18, "questions": 1}
TALK: dict[str, Any] = {
    "measured_by": "time",
    "talk_ratio": 0.61,
    "patience": 1.5,
    "interactivity": 3.05,
    "speaker_changes": 6,
    "minutes": 1.97,
    "seller": SELLER,
    "customer": CUSTOMER,
    "speakers": [
        {**SELLER, "speaker": "seller", "name": ATTACK},
        {**CUSTOMER, "speaker": "customer", "name": "Raj"},
    ],
}


def test_talk_figures_are_bars_and_figures(open_page: Callable[..., Page]) -> None:
    page = open_page("/app", viewport=PHONE)
    script = (
        "async (talk) => { const { talkCard } = await import('/assets/talk.js');"
        "const place = document.getElementById('answer'); place.hidden = false;"
        "place.replaceChildren(...[talkCard(talk), talkCard(null)].filter(Boolean)); }"
    )
    page.evaluate(script, TALK)
    text = page.inner_text("#answer").replace("\u00a0", " ")
    assert page.get_by_role("img", name="Seller 61\u00a0%, Customer 39\u00a0%").count() == 1
    widths = page.locator(".talk-bar span").evaluate_all("parts => parts.map(part => part.offsetWidth)")
    assert widths[0] / sum(widths) == pytest.approx(0.61, abs=0.02)
    for part in ("1:04", "seller; customer 18 s", "1.5 s", "changes of speaker a minute", "no figure here is a part"):
        assert part in text
    page.click("#answer summary")
    assert ATTACK in page.inner_text("#answer") and page.evaluate("window.attacked") is None
    assert not scrolls_sideways(page)
    unknown = {
        "measured_by": "words",
        "talk_ratio": None,
        "patience": None,
        "seller": None,
        "customer": None,
        "minutes": None,
    }
    page.evaluate(script, {**TALK, **unknown})
    text = page.inner_text("#answer").replace("\u00a0", " ")
    assert "It is not known who of them sells." in text and "64 words" in text and "Patience" not in text
    assert page.locator(".talk-bar").count() == 0 and page.locator(".share-bar").count() == 2


def test_a_conversation_can_be_predicted_with_the_keyboard_alone(open_page: Callable[..., Page]) -> None:
    page = open_page("/app")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "transcript"
    page.keyboard.type("Customer signs on Friday.")
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "predict":
            break
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid", "the focus is seen"
    page.keyboard.press("Enter")
    shown_percent(page)
    assert page.evaluate("document.activeElement.id") == "result"


def test_every_field_has_a_label_and_the_page_its_landmarks(
    open_page: Callable[..., Page], address: str, dashboard: str
) -> None:
    for path in ("/app", dashboard.removeprefix(address)):
        page = open_page(path)
        unnamed = (
            "[...document.querySelectorAll('input, select, textarea')]"
            ".filter(field => !field.labels.length).map(field => field.id)"
        )
        assert page.evaluate(unnamed) == []
        assert page.locator("h1").count() == page.locator("main").count() == 1
        assert page.get_attribute("html", "lang") == "en"
        assert page.locator("[role=status]").count() > 0 and page.locator("[role=alert]").count() > 0


# /dashboard


def test_the_dashboard_shows_figures_and_refreshes(
    open_page: Callable[..., Page], dashboard: str, address: str, state: Path
) -> None:
    answer = httpx.post(f"{address}/predict", json={"transcript": CALL}, trust_env=False).json()
    feedback = {"prediction_id": answer["prediction_id"], "actual_outcome": "successful"}
    key = {"X-API-Key": read_admin_key(state / "admin_key")}
    assert httpx.post(f"{address}/feedback", json=feedback, headers=key, trust_env=False).status_code == 200
    time.sleep(2.1)  # a report of performance is given again for two seconds
    page = open_page("/app")
    page.clock.install()  # so that ten seconds can pass at once
    page.goto(dashboard)
    for chart in ("outcomes", "latency", "statuses", "calibration"):
        page.wait_for_selector(f"#{chart} .main-svg")
    before = _tile(page, "Predictions")
    assert before >= 1
    assert page.locator("#log tbody tr").count() >= 1
    assert page.locator("#models tbody tr").count() == len(MODEL_NAMES)
    assert page.locator("#retrainings-problem").inner_text().startswith("None yet: python main.py --mode retrain")
    assert words_of(answer["model_used"]) in str(page.locator("#outcomes .plot").get_attribute("aria-label"))
    page.evaluate("document.querySelector('#latency summary').click()")
    assert page.locator("#latency td").count() >= 5, "the figures are there without the picture as well"
    httpx.post(f"{address}/predict", json={"transcript": CALL}, trust_env=False)
    time.sleep(2.1)
    page.clock.fast_forward(10_000)  # it refreshes by itself, as it says
    predictions = page.locator("#tiles div", has_text="Predictions").first.locator("dd").first
    expect(predictions).to_have_text(str(before + 1), timeout=20_000)


def test_the_dashboard_shows_trials(
    open_page: Callable[..., Page], trained_artifacts: ArtifactFolder, state: Path
) -> None:
    store = PredictionStore(load_settings(artifacts=trained_artifacts.root, state=state).database)
    manifest: dict[str, Any] = {"created_at": datetime.now(UTC).isoformat(), "cross_validation_metrics": {}}
    tried = ModelVersion("0123456789ab", Path("nowhere"), manifest, False)
    try:
        roles.start_trial(store, "few_shot", tried, "split", 20, OPERATOR)
        roles.end_trial(store, "few_shot", OPERATOR)
    finally:
        store.close()
    page = open_page(dashboard_link(state))
    page.wait_for_selector("#trials tbody tr")
    row = page.locator("#trials tbody tr").first.inner_text()
    assert "0123456789ab against" in row
    assert "split, 20 % of the deals" in row
    assert "Nothing is said before 30 deals of each version have ended: 0 have." in row
    assert page.locator("#trials-problem").is_hidden()


def test_every_word_of_the_drift_chart_is_on_a_phones_screen(
    open_page: Callable[..., Page], dashboard: str, address: str
) -> None:
    """However many models: each one's name above its bars, and each bar's level beside it."""
    httpx.post(f"{address}/predict", json={"transcript": CALL}, trust_env=False)
    time.sleep(2.1)  # a report of performance is given again for two seconds
    answer = httpx.get(f"{address}/performance", trust_env=False).json()
    page = open_page("/app", viewport=PHONE)
    fields = ("company_size", "previous_interactions", "budget_authority")
    drift = {"psi": 0.05, "by_chance": 0.2, "fewest": 9, "beyond_chance": False, "level": "stable"}
    large = {"psi": 6.5, "by_chance": 0.2, "fewest": 9, "beyond_chance": True, "level": "large"}
    of = {"predictions": 9, "first_prediction_at": "2026-05-04T10:00:00Z", "last_prediction_at": "2026-05-05T10:00:00Z"}
    found = {"drift_of": of, "score_drift": large, "context_drift": dict.fromkeys(fields, drift)}
    answer["models"] = [{**answer["models"][0], **found, "model": name} for name in MODEL_NAMES[:2]]
    page.route("**/performance?*", lambda route: route.fulfill(json=answer))
    page.goto(dashboard)
    page.wait_for_selector("#drift .bartext")
    within = (
        "[...document.querySelectorAll('#drift .bartext, #drift .ytick')].map(e => e.getBoundingClientRect().right)"
    )
    edges = page.evaluate(within)
    assert len(edges) == 2 * 4 + 2 * 5 and max(edges) <= PHONE["width"] - 16
    assert page.locator("#drift .ytick", has_text="few shot").count() == 1
    assert "company size (few shot) 0.05, within chance" in page.get_attribute("#drift .plot", "aria-label")


def test_one_prediction_is_too_few_to_tell_a_drift_and_is_counted_in_whole_numbers(
    open_page: Callable[..., Page], trained_artifacts: ArtifactFolder, tmp_path: Path
) -> None:
    with served_here(load_settings(artifacts=trained_artifacts.root, state=tmp_path, threads=1)) as own:
        httpx.post(f"{own}/predict", json={"transcript": CALL}, trust_env=False)
        page = open_page(dashboard_link(tmp_path), at=own)
        page.wait_for_selector("#drift .bartext")
        assert set(page.locator("#drift .bartext").all_text_contents()) <= {"too few to tell", "within chance"}
        assert "score too few to tell" in page.get_attribute("#drift .plot", "aria-label")
        assert page.locator("#drift td", has_text="predictions").count() > 1
        assert page.locator("#outcomes .ytick").all_text_contents() == ["0", "1"]


def _tile(page: Page, name: str) -> int:
    return int(page.locator("#tiles div", has_text=name).first.locator("dd").first.inner_text())


def test_after_an_error_the_keyboard_goes_on_where_it_was(open_page: Callable[..., Page]) -> None:
    page = open_page("/app", expect="503")
    refused: list[int] = []

    def refuse_once(route: Any) -> None:
        if refused:
            route.continue_()
            return
        refused.append(503)
        body = json.dumps({"error": {"code": "too_many_in_flight", "message": "Try again in a moment."}})
        route.fulfill(status=503, content_type="application/json", body=body)

    page.route("**/predict", refuse_once)
    page.fill("#transcript", "Customer signs on Friday.")
    page.focus("#predict")
    page.keyboard.press("Enter")
    expect(page.locator("#problem")).to_have_text("Try again in a moment.")
    assert page.evaluate("document.activeElement.id") == "predict"
    page.keyboard.press("Enter")
    shown_percent(page)
    assert page.evaluate("document.activeElement.id") == "result"


def test_a_button_that_works_is_not_pressed_twice_and_keeps_the_focus(open_page: Callable[..., Page]) -> None:
    page = open_page("/app")
    asked: list[Any] = []

    def hold(route: Any) -> None:
        asked.append(route)

    page.route("**/predict", hold)
    page.fill("#transcript", "Customer signs on Friday.")
    page.focus("#predict")
    page.keyboard.press("Enter")
    expect(page.locator("#predict")).to_have_attribute("aria-disabled", "true")
    expect(page.locator("#status")).to_have_text("Predicting …")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "predict"
    page.wait_for_timeout(200)
    assert len(asked) == 1
    asked[0].continue_()
    shown_percent(page)
    assert page.get_attribute("#predict", "aria-disabled") is None


def test_removing_the_file_leaves_the_focus_in_the_form(open_page: Callable[..., Page]) -> None:
    page = open_page("/app")
    page.set_input_files("#conversation-file", file_of("call.vtt", VTT))
    page.wait_for_selector("#loaded:not([hidden])")
    page.focus("#remove-file")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "transcript"


@pytest.mark.parametrize(("sentences", "points"), [(90, 60), (1001, 0)])
def test_a_long_note_is_predicted_with_few_points_of_its_curve_or_none(
    open_page: Callable[..., Page], sentences: int, points: int
) -> None:
    page = open_page("/app")
    page.fill("#transcript", " ".join(f"They said that {n} is fine." for n in range(sentences)))
    page.select_option("#model", "few_shot")
    page.click("#predict")
    shown_percent(page)
    if points:
        expect(page.locator("#answer")).to_contain_text(f"{points} of {sentences} turns, evenly spread.")
        assert page.locator("#answer details tbody tr").filter(has_text="%").count() >= points
    else:
        expect(page.locator("#no-curve")).to_contain_text("With 1,001 turns or sentences")
    assert page.locator("#problem").is_hidden()


def test_with_keys_the_pages_ask_for_one_and_keep_it_in_the_tab(
    open_page: Callable[..., Page], trained_artifacts: ArtifactFolder, tmp_path: Path
) -> None:
    keys = f"admin:{ADMIN_KEY},predict:{PREDICT_KEY}"
    settings = load_settings(artifacts=trained_artifacts.root, state=tmp_path, threads=1, api_keys=keys)
    with served_here(settings) as guarded:
        page = open_page("/dashboard", expect="40", at=guarded)  # the browser notes each 401 and 403
        page.wait_for_selector("#key-form:not([hidden])")
        assert NOT_ACCEPTED in page.inner_text("#key-reason")
        assert page.locator("#log table").count() == 0
        page.fill("#key", PREDICT_KEY)
        page.keyboard.press("Enter")
        page.wait_for_selector("#models table")
        expect(page.locator("#log-problem")).to_contain_text("role 'admin'")
        page.fill("#key", ADMIN_KEY)
        page.keyboard.press("Enter")
        expect(page.locator("#log-problem")).to_have_text("Nothing is stored yet.")
        assert page.evaluate("[sessionStorage.length, localStorage.length, document.cookie]") == [1, 0, ""]
        page.goto(f"{guarded}/app")
        page.fill("#transcript", CALL)
        page.click("#predict")
        shown_percent(page)


def test_without_configured_keys_the_log_needs_the_admin_key_which_a_link_may_bring(
    open_page: Callable[..., Page], address: str, dashboard: str
) -> None:
    page = open_page("/dashboard", expect="401")
    page.wait_for_selector("#models table")  # which needs none
    expect(page.locator("#log-problem")).to_contain_text("needs the admin key")
    assert page.locator("#key-form").is_visible()
    page = open_page(dashboard.removeprefix(address))
    page.wait_for_selector("#log-problem:not([hidden]), #log table")
    assert page.url == f"{address}/dashboard", "the key does not stay in the address, nor in the history"
    assert page.locator("#key-form").is_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_nothing_scrolls_sideways_in_light_and_dark(
    open_page: Callable[..., Page], dashboard: str, scheme: str
) -> None:
    page = open_page("/app", viewport=PHONE, is_mobile=True, has_touch=True, color_scheme=scheme)
    page.click("#sample")
    page.click("#predict")
    shown_percent(page)
    assert not scrolls_sideways(page)
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", background)[:3])) < 3 * 128) == (scheme == "dark")
    page.goto(dashboard)
    page.wait_for_selector("#latency .main-svg")
    page.wait_for_selector("#log table")
    assert not scrolls_sideways(page)


# Labels and outcomes


def test_a_wrong_signal_and_a_missing_one_are_said_where_they_are_shown(
    open_page: Callable[..., Page], address: str, state: Path
) -> None:
    key = {"X-API-Key": read_admin_key(state / "admin_key")}
    page = open_page("/app")
    page.evaluate("key => sessionStorage.setItem('sales-api-key', key)", key["X-API-Key"])
    found = {
        "name": "budget",
        "polarity": "positive",
        "strength": 0.9,
        "quote": f"{ATTACK} approved",
        "speaker": "customer",
    }

    def with_a_signal(route: Any) -> None:
        answer = route.fetch()
        body = answer.json()
        body["analysis"] |= {"signals": [found], "key_indicators": [], "risk_factors": []}
        route.fulfill(response=answer, json=body)

    page.route("**/predict", with_a_signal)
    page.fill("#transcript", CALL)
    page.click("#predict")
    page.click("#mentions summary")
    page.click(".label-cell button")
    assert page.evaluate("document.activeElement.tagName") == "SELECT", "the keyboard goes on in the form"
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # Cancel
    assert page.evaluate("document.activeElement.innerText") == "Wrong"
    page.keyboard.press("Enter")
    page.select_option(".label-cell select", label="price objection, against the deal")
    page.click(".label-cell button[type=submit]")
    expect(page.locator(".label-cell")).to_have_text("Noted: price objection, against the deal.")
    page.click("#missing-signal summary")
    page.fill("#missing-sentence", "Shall I send the contract?")
    page.select_option("#missing-signal select", label="commitment, for the deal")
    page.click("#missing-signal button[type=submit]")
    expect(page.locator("#missing-signal [role=status]")).to_have_text("Noted: commitment, for the deal.")
    missing, wrong = httpx.get(f"{address}/signals/labels", headers=key, trust_env=False).json()["labels"][:2]
    assert (wrong["said"]["name"], wrong["should_be"]["name"], wrong["sentence"]) == (
        "budget",
        "price_objection",
        found["quote"],
    )
    assert (missing["said"], missing["sentence"]) == (None, "Shall I send the contract?")
    assert page.evaluate("window.attacked") is None


def test_a_label_that_is_refused_is_said_at_its_signal(open_page: Callable[..., Page]) -> None:
    page = open_page("/app", expect="401")  # nobody's key is there
    page.fill("#transcript", CALL)
    page.click("#predict")
    page.click("#missing-signal summary")
    page.fill("#missing-sentence", "Shall I send the contract?")
    page.click("#missing-signal button[type=submit]")
    expect(page.locator("#missing-signal .problem")).to_contain_text("needs the admin key")
    assert page.locator("#key-form").is_visible()
    assert page.input_value("#missing-sentence") == "Shall I send the contract?"


def test_an_outcome_that_was_looked_up_is_entered_on_the_dashboard(
    open_page: Callable[..., Page], address: str, dashboard: str
) -> None:
    body = {"transcript": CALL, "conversation_id": "looked-up"}
    httpx.post(f"{address}/predict", json=body, trust_env=False).raise_for_status()
    page = open_page("/dashboard", expect="401", viewport=PHONE)
    page.route(
        "**/suggest", lambda route: route.continue_(url=f"{address}/suggest?count=100")
    )  # else it may not be drawn
    page.goto(dashboard)
    page.reload()
    row = page.locator("#suggestions tr").filter(has_text="looked-up")
    expect(row).to_contain_text(re.compile("The model gives|Drawn at random"))
    assert not scrolls_sideways(page)
    page.get_by_role("button", name="looked-up was lost").click()
    expect(row.locator(".tag")).to_have_text("failed")
    assert page.evaluate("document.activeElement.id") == "suggestions"
