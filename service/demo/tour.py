"""The stops of the demo's tour: every endpoint once, in the order in which somebody would use them.

Each stop asks, checks what comes back, and gives a line for people. What the tour predicts it also deletes at its end.
"""

from __future__ import annotations

import csv
import io
import re
import time
import urllib.parse
import uuid
import wave
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from service.demo.client import DemoClient, check_allowed, require

TRANSCRIPT = b"""WEBVTT

00:00:01.000 --> 00:00:04.000
<v Rep>Where does the budget stand?

00:00:04.500 --> 00:00:08.000
<v Customer>It is approved. Please send the contract, we sign on Friday.
"""
TABLE = (
    b"deal,transcript\n"
    b"A-1,The budget is approved and they want to sign this week.\n"
    b"A-2,No budget this year; they are not interested in another call.\n"
)
HEARD_SECONDS = 120  # that a recording of a moment is waited for, on a machine with much else to do
STORED_SECONDS = 10  # that a prediction is waited for in the log
BATCH = ("They will sign tomorrow.", "They did not want another call.", "They asked for a proposal next month.")


@dataclass
class Tour:
    """The server, and what earlier stops found."""

    client: DemoClient
    auto: str = ""
    predictions: list[str] = field(default_factory=list)  # ids that the tour made
    batch: list[str] = field(default_factory=list)  # of them, those of `conversations.conversation`
    deal: str = field(default_factory=lambda: f"tour-{uuid.uuid4().hex}")
    conversation: str = field(default_factory=lambda: f"tour-{uuid.uuid4().hex}")  # nobody else's


@dataclass(frozen=True)
class Stop:
    """Routes as the API's schema has them, a title, and a visit that gives a line."""

    routes: tuple[str, ...]
    title: str
    visit: Callable[[Tour], str]


def _start(tour: Tour) -> str:
    info = tour.client.get("/")
    require(info["status"] in ("ok", "degraded") and bool(info["auto"]), f"/ says it serves nothing: {info}")
    tour.auto = info["auto"]
    return f"{info['name']} {info['version']}, {info['status']}; auto means {tour.auto}"


def _health(tour: Tour) -> str:
    health = tour.client.get("/health")
    for path in ("/health/live", "/health/ready"):
        require(tour.client.get(path) == {"status": "ok"}, f"{path} is not ok")
    store, problem = health["store"]["status"], f" ({health['problem']})" if health["problem"] else ""
    return f"{health['status']}{problem}: {health['workers']} workers, database {store}; alive and ready"


def _pages(tour: Tour) -> str:
    pages = {path: tour.client.text(path, "text/html") for path in ("/app", "/dashboard", "/docs", "/redoc")}
    assets = sorted(set(re.findall(r'"(/assets/[^"]+)"', pages["/app"])))
    require(bool(assets), "/app loads nothing")
    for asset in assets:
        tour.client.text(asset, _asset_kind(asset))
    outside = {
        path: found for path, page in pages.items() if (found := re.findall(r'(?:src|href)="(https?:[^"]+)', page))
    }
    require(not outside, f"pages load from other hosts: {outside}")
    paths = tour.client.get("/openapi.json")["paths"]
    return f"{', '.join(pages)} with {len(assets)} files, none from another host; the schema has {len(paths)} paths"


def _asset_kind(path: str) -> str:
    kinds = {"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}
    return kinds[path.rpartition(".")[2]]


def _models(tour: Tour) -> str:
    models = tour.client.get("/models")["models"]
    trained = [model for model in models if model["trained"]]
    require(any(model["auto"] for model in trained), f"none of the models is auto: {models}")
    lines = [f"{m['name']} {m['version']}" + (" (auto)" if m["auto"] else "") for m in trained]
    return ", ".join(lines)


def _load(tour: Tour) -> str:
    """Loads what is served already, so that a tour changes nothing."""
    model = next((model for model in tour.client.get("/models")["models"] if model["auto"]), None)
    require(model is not None, "/models has none that is auto")
    assert model is not None
    newest = any(version["newest"] and version["served"] for version in model["versions"])
    body = {} if newest else {"version": model["version"]}
    loaded = tour.client.expect("POST", f"/models/{tour.auto}/load", body)
    require(loaded["version"] == model["version"], f"another version was loaded than was served: {loaded}")
    return f"{tour.auto} {loaded['version']} in {loaded['workers_serving']} of {loaded['workers']} workers"


def _trials(tour: Tour) -> str:
    """Asks to change what is served of a model that there is not, so that a tour changes nothing."""
    trial = {"version": "none", "role": "shadow"}
    changes = [
        ("POST", "trial", trial),
        ("DELETE", "trial", None),
        ("POST", "promote", None),
        ("POST", "rollback", None),
    ]
    for method, what, body in changes:
        status, answer = tour.client.ask(method, f"/models/none/{what}", body)
        require(status == 404 and answer["error"]["code"] == "unknown_model", f"{what}: {status} {answer}")
    found = tour.client.get("/experiments")["experiments"]
    for one in found:
        low, high = one["interval"] or (one["difference"], one["difference"])
        require(low is None or low <= one["difference"] <= high, f"a difference outside its interval: {one}")
    running = [f"{one['model']} {one['challenger']}: {one['sentence']}" for one in found if one["until"] is None]
    return "; ".join(running) or f"none runs, {len(found)} have ended; nothing was changed"


def _batch(tour: Tour) -> str:
    body = {"conversations": [{"conversation_id": tour.conversation, "transcript": text} for text in BATCH]}
    ranked = tour.client.expect("POST", "/predict/batch", body)["predictions"]
    tour.batch = [one["prediction_id"] for one in ranked]
    tour.predictions += tour.batch
    _check_ranking(ranked, len(BATCH))
    return "; ".join(f"{one['prediction']['probability']:.2f} {BATCH[one['index']]}" for one in ranked)


def _deal(tour: Tour) -> str:
    calls = [{"transcript": text, "date": f"2024-03-0{day}"} for day, text in enumerate(BATCH, start=1)]
    found = tour.client.expect("POST", "/predict/deal", {"deal_id": tour.deal, "conversations": calls[::-1]})
    tour.predictions.append(found["prediction_id"])
    require([one["date"] for one in found["after"]] == [call["date"] for call in calls], f"not in order: {found}")
    require(found["after"][-1]["probability"] == found["prediction"]["probability"], f"two probabilities: {found}")
    steps = " → ".join(f"{one['probability']:.2f}" for one in found["after"])
    return f"three calls: {steps}; the one of {found['moved_most']['date']} moved it most"


def _deals(tour: Tour) -> str:
    """Asked until the prediction is stored, which is done in the background."""
    deadline = time.monotonic() + STORED_SECONDS
    while not (page := tour.client.get(f"/deals?id_contains={tour.deal}"))["deals"] and time.monotonic() < deadline:
        time.sleep(STORED_SECONDS / 50)
    require([one["deal_id"] for one in page["deals"]] == [tour.deal], f"/deals has {page}")
    history = tour.client.get(f"/deals/{tour.deal}")
    require(history["is_open"] and len(history["curve"]) == len(BATCH), f"the deal is {history}")
    lost = tour.client.get("/deals/lost")
    require(lost["deals"] == sum(month["deals"] for month in lost["months"]), f"/deals/lost counts otherwise: {lost}")
    total = tour.client.get("/deals?limit=1")["total"]
    missing = ", ".join(history["gaps"]) or "nothing"
    stands = f"{tour.deal[:12]}… stands at {history['probability']:.2f}"
    return f"{total} open, {lost['deals']} lost; {stands}; not heard of: {missing}"


def _similar(tour: Tour) -> str:
    asked = {"transcript": BATCH[0], "similar_count": 2, "similar_filter": {"outcome": "successful"}}
    answer = tour.client.expect("POST", "/similar", asked)
    found = answer["similar_conversations"]
    if found is None:
        return str(answer["similar_problem"])
    require({one["outcome"] for one in found} <= {"successful"}, f"not only won deals: {found}")
    return f"{len(found)} won: " + ", ".join(f"{one['conversation_id']} ({one['similarity']:.2f})" for one in found)


def _read(tour: Tour) -> str:
    found = tour.client.expect("POST", "/conversations/read?name=call.vtt", TRANSCRIPT)["conversations"]
    require(len(found) == 1 and len(found[0]["turns"]) == 2, f"the transcript was read as {found}")
    return "call.vtt: " + " / ".join(f"{turn['speaker']}: {turn['text']}" for turn in found[0]["turns"])


def _recording(tour: Tour) -> str:
    """A tenth of a second of silence: in too short a recording nobody can be heard, and the service has to say so."""
    status, sent = tour.client.ask("POST", "/recordings?name=call.wav", _silence())
    check_allowed(status, sent)
    if status == 503:
        return f"not here: {sent['error']['message']}"
    require(status == 202, f"a recording was answered {status}, not 202: {sent}")
    place, deadline = f"/recordings/{sent['id']}", time.monotonic() + HEARD_SECONDS
    while (found := tour.client.get(place))["state"] in ("waiting", "hearing") and time.monotonic() < deadline:
        time.sleep(HEARD_SECONDS / 200)
    require(found["state"] == "failed" and bool(found["problem"]), f"a silent recording became {found}")
    require(tour.client.expect("DELETE", place)["id"] == sent["id"], "the recording is not deleted")
    return f"call.wav, which is silent: {found['problem']}"


def _silence() -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(1600))
    return file.getvalue()


def _file(tour: Tour) -> str:
    answer = tour.client.expect("POST", "/predict/file?name=deals.csv", TABLE)
    tour.predictions += [one["prediction_id"] for one in answer["predictions"]]
    _check_ranking(answer["predictions"], 2)
    rows = list(csv.DictReader(io.StringIO(answer["csv"])))
    require([row["rank"] for row in rows] == ["1", "2"], f"the ranked table is {answer['csv']!r}")
    return "deals.csv: " + ", ".join(row["deal"] for row in rows) + ", also as CSV with the file's columns"


def _check_ranking(ranked: list[dict[str, Any]], count: int) -> None:
    probabilities = [one["prediction"]["probability"] for one in ranked]
    require([one["rank"] for one in ranked] == list(range(1, count + 1)), f"the ranks are wrong: {ranked}")
    require(probabilities == sorted(probabilities, reverse=True), f"not the likeliest first: {ranked}")


def _feedback(tour: Tour) -> str:
    identifier = tour.predictions[0]
    said = tour.client.expect("POST", "/feedback", {"prediction_id": identifier, "actual_outcome": "successful"})
    correct = said["predicted_outcome"] == "successful"
    require(said["correct"] == correct, f"the feedback contradicts itself: {said}")
    return f"{identifier[:12]}… ended successfully; predicted {said['predicted_outcome']}, {said['probability']:.2f}"


def _retrainings(tour: Tour) -> str:
    found = tour.client.get("/retrainings?limit=1")["retrainings"]
    if not found:
        return "none yet; python main.py --mode retrain learns from what ended"
    (last,) = found
    require(last["held_out"] <= last["new_outcomes"], f"/retrainings says {last}")
    return f"{last['model']} {last['decision']}: {last['reason']}"


def _suggestions(tour: Tour) -> str:
    found = tour.client.get("/suggest?count=4")
    shown = found["suggestions"]
    require(len(shown) == min(4, found["without_outcome"]), f"/suggest gives {len(shown)} deals: {found}")
    require(all(one["reason"] for one in shown), f"/suggest gives no reason: {shown}")
    first = f"; first {shown[0]['prediction_id'][:12]}…: {shown[0]['reason']}" if shown else ""
    return f"{len(shown)} of {found['without_outcome']} without an outcome{first}"


def _labels(tour: Tour) -> str:
    signal = {"name": "commitment", "polarity": "positive"}
    body = {
        "prediction_id": tour.predictions[0],
        "sentence": "They will sign tomorrow.",
        "said": None,
        "should_be": signal,
    }
    status, label = tour.client.ask("POST", "/signals/label", body)
    if status == 422 and label["error"]["code"] == "no_words_are_stored":
        return str(label["error"]["message"])
    require(status == 200 and not label["right"], f"the label was not stored: {status} {label}")
    require(label in tour.client.get("/signals/labels")["labels"], f"/signals/labels has no {label}")
    return f"“{label['sentence']}” gives {signal['name']}, which was not found in it"


def _crm(tour: Tour) -> str:
    """Sends events without a signature, which the service has to refuse, so that a tour names no deal to anybody."""
    status, answer = tour.client.ask("POST", "/crm/hubspot", [])
    refused = (status, answer["error"]["code"])
    require(refused in ((404, "switched_off"), (401, "wrong_signature")), f"/crm/hubspot: {status} {answer}")
    return "switched off" if status == 404 else "refused what HubSpot did not sign"


def _log(tour: Tour) -> str:
    identifier = tour.predictions[0]
    entry = tour.client.get(f"/logs/{identifier}")
    query = urllib.parse.urlencode({"request_id": entry["request_id"]})
    page = tour.client.get(f"/logs?{query}")["predictions"]
    require(entry in page and entry["actual_outcome"] == "successful", f"the log holds {page}")
    exported = list(csv.DictReader(io.StringIO(tour.client.text(f"/logs/export?{query}", "text/csv"))))
    require([row["prediction_id"] for row in exported] == [one["prediction_id"] for one in page], "the CSV is another")
    return (
        f"{identifier[:12]}… by {entry['caller']} after {entry['latency_ms']:.0f} ms, found by its request, and as CSV"
    )


def _performance(tour: Tour) -> str:
    found = tour.client.get("/performance?hours=24")
    latency, resources = found["latency"], found["resources"]
    require(resources["workers"] >= 1 and resources["memory_bytes"] > 0, f"/performance says {resources}")
    p50 = "–" if latency["p50_ms"] is None else f"{latency['p50_ms']:.0f} ms"
    return (
        f"{found['requests']} requests and {found['predictions']} predictions in 24 hours, p50 {p50}, "
        f"{found['live']['feedback']} with feedback, {resources['memory_bytes'] / 2**20:.0f} MiB"
    )


def _signals(tour: Tour) -> str:
    found = tour.client.get("/signals")
    given = [one for one in found["signals"] if one["conversations"]]
    for one in given:
        low, high = one["interval"]
        require(low <= one["rate"] <= high, f"/signals gives a rate outside its interval: {one}")
    if not given:
        return found["problem"] or f"none in {found['conversations']} conversations"
    best = max(given, key=lambda one: one["rate"])
    share = f"{best['successful']} of {best['conversations']}"
    return (
        f"{len(given)} in {found['conversations']} conversations; most often successful with: {best['title']}, {share}"
    )


def _metrics(tour: Tour) -> str:
    text = tour.client.text("/metrics", "text/plain")
    counted = [
        float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith("sales_predictions_total{")
    ]
    require(
        sum(counted) >= len(tour.predictions), f"/metrics counts {sum(counted):.0f} predictions, fewer than were made"
    )
    return f"{len(text.splitlines())} lines; {sum(counted):.0f} conversations predicted since the start"


def _audit(tour: Tour) -> str:
    query = urllib.parse.urlencode({"subject": tour.predictions[0]})
    entries = tour.client.get(f"/audit?{query}")["entries"]
    require([one["action"] for one in entries] == ["feedback given"], f"/audit says of the feedback: {entries}")
    said = entries[0]
    return f"{said['caller']} from {said['address']}: {said['action']}, {said['detail']['after']}"


def _deletion(tour: Tour) -> str:
    removed = tour.client.expect("DELETE", f"/logs?conversation_id={tour.conversation}")["removed"]
    require(removed == len(tour.batch), f"of one conversation's {len(tour.batch)} predictions {removed} were deleted")
    for identifier in set(tour.predictions) - set(tour.batch):
        tour.client.expect("DELETE", f"/logs/{identifier}")
    status, answer = tour.client.ask("GET", f"/logs/{tour.predictions[0]}")
    require(status == 404 and answer["error"]["code"] == "unknown_prediction", f"it is still there: {status} {answer}")
    return f"the {len(tour.predictions)} predictions of this tour, with their feedback"


BEFORE = (
    Stop(("GET /",), "What it is", _start),
    Stop(("GET /health", "GET /health/live", "GET /health/ready"), "How it is", _health),
    Stop(
        ("GET /app", "GET /dashboard", "GET /docs", "GET /redoc", "GET /openapi.json", "GET /assets/{name}"),
        "Pages",
        _pages,
    ),
    Stop(("GET /models",), "Models", _models),
    Stop(("POST /models/{model_type}/load",), "Loading a version", _load),
    Stop(
        (
            "GET /experiments",
            "POST /models/{model_type}/trial",
            "DELETE /models/{model_type}/trial",
            "POST /models/{model_type}/promote",
            "POST /models/{model_type}/rollback",
        ),
        "Trials of versions",
        _trials,
    ),
)
AFTER = (
    Stop(("POST /predict/batch",), "Several conversations, ranked", _batch),
    Stop(("POST /predict/deal",), "Several conversations of one deal", _deal),
    Stop(("GET /deals", "GET /deals/{deal_id}", "GET /deals/lost"), "Open deals, ranked", _deals),
    Stop(("POST /similar",), "Won deals like one conversation", _similar),
    Stop(("POST /conversations/read",), "A transcript file", _read),
    Stop(
        ("POST /recordings", "GET /recordings/{identifier}", "DELETE /recordings/{identifier}"),
        "A recording",
        _recording,
    ),
    Stop(("POST /predict/file",), "A table, ranked", _file),
    Stop(("POST /feedback",), "How a deal ended", _feedback),
    Stop(("GET /logs", "GET /logs/{prediction_id}", "GET /logs/export"), "The log", _log),
    Stop(("POST /crm/hubspot",), "Changes in a CRM", _crm),
    Stop(("GET /retrainings",), "What was learned from how deals ended", _retrainings),
    Stop(("GET /suggest",), "Outcomes to look up next", _suggestions),
    Stop(("POST /signals/label", "GET /signals/labels"), "A signal that was missing", _labels),
    Stop(("GET /performance",), "Figures", _performance),
    Stop(("GET /signals",), "Signals and success", _signals),
    Stop(("GET /metrics",), "For Prometheus", _metrics),
    Stop(("GET /audit",), "Who did what", _audit),
    Stop(("DELETE /logs", "DELETE /logs/{prediction_id}"), "Deleted", _deletion),
)
