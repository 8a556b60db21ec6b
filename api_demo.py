"""A guided tour of every endpoint of a running server: `python api_demo.py [--url URL] [--key KEY]`.

Checks that each answer has the form it should have, not that the prediction is right, and deletes what it predicted. To
a server of this machine it sends the admin key of the folder that SALES_STATE or SALES_ARTIFACTS names, unless told
another. The other stops are those of `service.demo.tour`, how it asks `service.demo.client`. Exit code 0 if all is as
expected, 1 if the server answers wrongly, 2 if it isn't there, has no model, or wants a key. Costs a few predictions.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel

from foundations.errors import InputError
from foundations.settings import load_settings
from service.access.addresses import is_loopback
from service.access.admin_key import admin_key_path, read_admin_key
from service.demo.client import DemoClient, WrongAnswerError, check_allowed
from service.demo.stop import Stop, Tour
from service.demo.tour import AFTER, BEFORE

DEFAULT_URL = "http://127.0.0.1:8000"


@dataclass(frozen=True)
class Sample:
    """A request body and the status code it should get."""

    title: str
    body: dict[str, Any]
    status: int = 200


SAMPLES = (
    Sample(
        "A promising call",
        {
            "transcript": "Customer was very excited about our CRM software. They asked detailed questions about pricing "
            "and implementation timeline. They mentioned they have a budget of $50,000 and want to move forward quickly.",
            "context": {"industry": "healthcare", "urgency": "high", "budget_authority": "decision_maker"},
            "include_similar": True,
        },
    ),
    Sample(
        "A call that went nowhere",
        {
            "transcript": "The customer was not interested in a change. There is no budget this year, and the decision "
            "would need approval from the head office. They will think about it and did not want another call.",
            "context": {"industry": "retail", "urgency": "low", "budget_authority": "end_user"},
        },
    ),
    Sample(
        "A mixed call",
        {
            "transcript": "They loved the demo and the budget is approved. However, they are worried about the data "
            "migration and compare us with another vendor before they decide next month."
        },
    ),
    Sample(
        "A dialogue",
        {
            "turns": [
                {"speaker": "seller", "text": "Last time security was the open question. Where does that stand?"},
                {"speaker": "customer", "text": "Our concerns were resolved by your audit report."},
                {"speaker": "seller", "text": "And the budget?"},
                {"speaker": "customer", "text": "It's approved. Please send me the contract, I'll sign on Friday."},
            ],
            "context": {"company_size": "enterprise", "budget_authority": "decision_maker"},
        },
    ),
    Sample("A mistake: an empty transcript", {"transcript": "   "}, status=422),
)


def check(sample: Sample, status: int, answer: dict[str, Any]) -> None:
    """Raises InputError where the server has no model, WrongAnswerError where the answer isn't what the API promises."""
    check_allowed(status, answer)
    if status == 503 and "error" in answer:
        raise InputError(answer["error"]["message"])
    if status != sample.status:
        raise WrongAnswerError(f"{sample.title!r} was answered {status}, not {sample.status}: {answer}")
    try:
        if status != 200:
            consistent = isinstance(answer["error"]["message"], str)
        else:
            prediction = answer["prediction"]
            probability = prediction["probability"]
            successful = prediction["outcome"] == "successful"
            low, high = answer["band"]["interval"]
            consistent = 0 <= probability <= 1 and successful == (probability >= 0.5) and 0 <= low <= high <= 1
            consistent = consistent and isinstance(answer["prediction_id"], str)
    except (KeyError, TypeError) as error:
        raise WrongAnswerError(f"The answer to {sample.title!r} lacks {error}: {answer}") from error
    if not consistent:
        raise WrongAnswerError(f"The answer to {sample.title!r} contradicts itself: {answer}")


def show(console: Console, sample: Sample, answer: dict[str, Any]) -> None:
    """Prints one answer for people."""
    if "error" in answer:
        lines = [f"refused: {escape(answer['error']['message'])}"]
        colour = "yellow"
    else:
        lines = _prediction_lines(answer)
        colour = "green" if answer["prediction"]["outcome"] == "successful" else "red"
    console.print(Panel("\n".join(lines), title=escape(sample.title), title_align="left", border_style=colour))


def _prediction_lines(answer: dict[str, Any]) -> list[str]:
    prediction, analysis = answer["prediction"], answer.get("analysis") or {}
    milliseconds = 1000 * answer["processing_time"]
    verdict = f"[bold]{prediction['outcome']}[/bold], P(successful) = {prediction['probability']:.3f}"
    lines = [f"{verdict}   ({answer['model_used']}, {milliseconds:.0f} ms)", f"  {_band_line(answer['band'])}"]
    strongest = analysis.get("evidence", [])[:2]
    lines += [f"  {one['effect']:+.1f} points: {escape(one['sentence'])}" for one in strongest]
    lines += [f"  + {escape(text)}" for text in analysis.get("key_indicators", [])]
    lines += [f"  - {escape(text)}" for text in analysis.get("risk_factors", [])]
    lines += [f"  → {escape(text)}" for text in answer.get("recommendations") or []]
    lines += [f"  ≈ {escape(text)}" for text in map(_similar_line, answer.get("similar_conversations") or [])]
    return lines


def _similar_line(found: dict[str, Any]) -> str:
    return f"{found['conversation_id']} ({found['outcome']}, similarity {found['similarity']:.2f}): {found['excerpt']}"


def _band_line(band: dict[str, Any]) -> str:
    low, high = (100 * edge for edge in band["interval"])
    rate = "unknown" if band["observed_rate"] is None else f"{100 * band['observed_rate']:.0f} %"
    return f"band {band['name']}: {rate} of {band['conversations']} converted (95 % interval {low:.0f}–{high:.0f} %)"


def run_demo(client: DemoClient, console: Console) -> None:
    """Visits every endpoint and prints the answers. Raises InputError or WrongAnswerError at the first that fails."""
    tour = Tour(client)
    try:
        _run(tour, client, console)
    except (InputError, WrongAnswerError):
        for identifier in tour.predictions:  # what went wrong is told; this is only for leaving nothing behind
            with contextlib.suppress(InputError, WrongAnswerError):
                client.ask("DELETE", f"/logs/{identifier}")
        raise


def _run(tour: Tour, client: DemoClient, console: Console) -> None:
    _visit(tour, BEFORE, console)
    for sample in SAMPLES:
        status, answer = client.ask("POST", "/predict", {**sample.body, "include_analysis": True})
        check(sample, status, answer)
        show(console, sample, answer)
        tour.predictions += [answer["prediction_id"]] if status == 200 else []
    _visit(tour, AFTER, console)
    routes = 1 + sum(len(stop.routes) for stop in BEFORE + AFTER)
    console.print(f"All {routes} endpoints answer as they should. Try it yourself: {client.url}/docs", soft_wrap=True)


def _visit(tour: Tour, stops: Sequence[Stop], console: Console) -> None:
    for stop in stops:
        try:
            line = stop.visit(tour)
        except (KeyError, TypeError, IndexError) as error:
            raise WrongAnswerError(f"{', '.join(stop.routes)}: the answer lacks {error}") from error
        console.print(f"[bold]{escape(stop.title)}[/bold]   [dim]{', '.join(stop.routes)}[/dim]", soft_wrap=True)
        console.print(f"  {escape(line)}")


def own_key(url: str) -> str:
    """The admin key of this folder's server, where the URL is of this machine and there is one; else ""."""
    path = admin_key_path(load_settings())
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:  # the first request says what is wrong with it
        return ""
    return read_admin_key(path) if path.exists() and (host == "localhost" or is_loopback(host)) else ""


def main(arguments: list[str] | None = None) -> int:
    """The command line; gives the exit code."""
    parser = argparse.ArgumentParser(description="A guided tour of every endpoint of a running server.")
    parser.add_argument("--url", default=DEFAULT_URL, help=f"where the server is (default {DEFAULT_URL})")
    parser.add_argument(
        "--key", help="an API key with the role admin (default: the admin key that the server of this folder made)"
    )
    options = parser.parse_args(arguments)
    try:
        key = own_key(options.url) if options.key is None else options.key
        run_demo(DemoClient(options.url.rstrip("/"), key), Console())
    except (InputError, WrongAnswerError) as error:
        Console(stderr=True).print(f"api_demo: {error}", style="red", markup=False)
        return 2 if isinstance(error, InputError) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
