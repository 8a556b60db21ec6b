"""The last stops: the figures of all that was asked, who did what, and the deletion of what the tour predicted."""

from __future__ import annotations

import urllib.parse

from service.demo.client import require
from service.demo.stop import Stop, Tour


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


STOPS = (
    Stop(("GET /performance",), "Figures", _performance),
    Stop(("GET /signals",), "Signals and success", _signals),
    Stop(("GET /metrics",), "For Prometheus", _metrics),
    Stop(("GET /audit",), "Who did what", _audit),
    Stop(("DELETE /logs", "DELETE /logs/{prediction_id}"), "Deleted", _deletion),
)
