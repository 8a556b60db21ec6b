"""Open deals out of the stored predictions, on SQLite and on a real PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from foundations.settings import load_settings
from prediction_log.deals import timeline
from prediction_log.deals.listing import DealFilter, deal_page
from prediction_log.deals.timeline import deal_timeline
from prediction_log.store import PredictionStore
from tests.prediction_log.test_store import record, say


def of_deal(deal: str | None, number: int, probability: float, group: str | None = None) -> dict[str, object]:
    moment = datetime.fromtimestamp(number, tz=UTC)
    return record(
        prediction_id=f"{number:032x}", created_at=moment, deal_id=deal, deal_group=group, probability=probability
    )


def test_open_deals_are_ranked_by_their_newest_prediction(store: PredictionStore) -> None:
    store.write(
        [
            of_deal("rising", 1, 0.2, "Acme"),
            of_deal("falling", 2, 0.95),
            of_deal("rising", 3, 0.3, "Acme"),
            of_deal("falling", 4, 0.5),
            of_deal("rising", 5, 0.9, "Acme"),
            of_deal("single", 6, 0.5, "100%_done"),
            of_deal("closed", 7, 0.99),
            of_deal("closed", 8, 0.98),
            of_deal(None, 9, 1.0),
        ]
    )
    say(store, f"{7:032x}", "failed")  # for its older prediction
    page = deal_page(store, DealFilter())
    # 0.9 − 0.3; 0.5 − 0.95; equals go by id.
    assert [(one.rank, one.deal_id, one.predictions, one.change) for one in page.deals] == [
        (1, "rising", 3, pytest.approx(0.6)),
        (2, "falling", 2, pytest.approx(-0.45)),
        (3, "single", 1, None),
    ]
    assert page.total == 3
    second = deal_page(store, DealFilter(limit=1, offset=1))
    assert ([one.deal_id for one in second.deals], second.deals[0].rank, second.total) == (["falling"], 2, 3)
    beyond = deal_page(store, DealFilter(offset=50))
    assert (beyond.deals, beyond.total) == ([], 3)
    found = {
        "Acme": DealFilter(group="Acme"),
        "ING": DealFilter(id_contains="ING"),
        "%": DealFilter(id_contains="%"),
        "none": DealFilter(group="acme"),
    }
    assert {name: [one.deal_id for one in deal_page(store, wanted).deals] for name, wanted in found.items()} == {
        "Acme": ["rising"],
        "ING": ["rising", "falling", "single"],
        "%": [],
        "none": [],
    }


def test_one_deals_predictions_in_order_of_time(store: PredictionStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.write([of_deal("d", n, n / 10, "Acme") for n in (3, 1, 2)] + [of_deal(None, 4, 0.9)])
    say(store, f"{2:032x}", "successful")
    found = deal_timeline(store, "d")
    assert found is not None
    assert [(one.probability, one.change, one.actual_outcome) for one in found.predictions] == [
        (0.1, None, None),
        (0.2, pytest.approx(0.1), "successful"),
        (0.3, pytest.approx(0.1), None),
    ]
    assert (found.group, found.is_open) == ("Acme", False)
    assert deal_timeline(store, "other") is None
    assert deal_timeline(store, "\x00") is None, "no id is not the predictions without a deal"
    monkeypatch.setattr(timeline, "MOST_PREDICTIONS", 2)
    newest = deal_timeline(store, "d")
    assert newest is not None
    assert [(one.probability, one.change) for one in newest.predictions] == [  # type: ignore[comparison-overlap]
        (0.2, pytest.approx(0.1)),
        (0.3, pytest.approx(0.1)),
    ]


def test_the_predictions_of_a_deal_are_found_by_an_index(tmp_path: Path) -> None:
    url = load_settings(state=tmp_path).database
    store = PredictionStore(url)
    store.check()
    store.close()
    plans = {
        "SELECT * FROM predictions WHERE deal_id = 'd' ORDER BY prediction_id DESC": "ix_predictions_deal_id",
        "SELECT max(prediction_id) FROM predictions WHERE deal_id IS NOT NULL GROUP BY deal_id": "COVERING INDEX",
    }
    with create_engine(url).connect() as connection:
        for query, index in plans.items():
            plan = " ".join(str(row) for row in connection.execute(text(f"EXPLAIN QUERY PLAN {query}")))
            assert index in plan
