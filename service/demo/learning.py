"""The stops after a prediction: how its deal ended, what is stored of both, and what is learned from them."""

from __future__ import annotations

import csv
import io
import urllib.parse

from service.demo.client import require
from service.demo.stop import Stop, Tour


def _feedback(tour: Tour) -> str:
    identifier = tour.predictions[0]
    said = tour.client.expect("POST", "/feedback", {"prediction_id": identifier, "actual_outcome": "successful"})
    correct = said["predicted_outcome"] == "successful"
    require(said["correct"] == correct, f"the feedback contradicts itself: {said}")
    return f"{identifier[:12]}… ended successfully; predicted {said['predicted_outcome']}, {said['probability']:.2f}"


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


def _crm(tour: Tour) -> str:
    """Sends events without a signature, which the service has to refuse, so that a tour names no deal to anybody."""
    status, answer = tour.client.ask("POST", "/crm/hubspot", [])
    refused = (status, answer["error"]["code"])
    require(refused in ((404, "switched_off"), (401, "wrong_signature")), f"/crm/hubspot: {status} {answer}")
    return "switched off" if status == 404 else "refused what HubSpot did not sign"


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


STOPS = (
    Stop(("POST /feedback",), "How a deal ended", _feedback),
    Stop(("GET /logs", "GET /logs/{prediction_id}", "GET /logs/export"), "The log", _log),
    Stop(("POST /crm/hubspot",), "Changes in a CRM", _crm),
    Stop(("GET /retrainings",), "What was learned from how deals ended", _retrainings),
    Stop(("GET /suggest",), "Outcomes to look up next", _suggestions),
    Stop(("POST /signals/label", "GET /signals/labels"), "A signal that was missing", _labels),
)
