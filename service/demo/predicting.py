"""The stops that predict: conversations and deals, files and tables, and what is like them."""

from __future__ import annotations

import csv
import io
import time
import wave
from typing import Any

from service.demo.client import check_allowed, require
from service.demo.stop import Stop, Tour

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


STOPS = (
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
)
