"""What the tests of the CRM share: stand-ins that are served, and the tiny models that score."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from answers.sources import Sources
from crm.deals import Crm
from crm.http_client import BearerToken, CrmHttp, Pace
from crm.hubspot import NAME, HubSpot
from crm.hubspot_records import refused
from crm.report import Report
from crm.sync import Options, Sync
from foundations.artifact_folder import ArtifactFolder
from foundations.settings import load_settings
from prediction_log.recorder import PredictionRecorder
from prediction_log.store import PredictionStore
from prediction_log.waiting import WaitingRecords
from prediction_log.writer import PredictionWriter
from tests.crm.hubspot_stub import HubSpotStub
from tests.crm.stub_server import TOKEN, served, wait

NO_PACE = {False: Pace(1_000_000, 1.0)}


@pytest.fixture
def hubspot() -> HubSpotStub:
    return HubSpotStub()


@pytest.fixture
def hubspot_url(hubspot: HubSpotStub) -> Iterator[str]:
    with served(hubspot.app()) as url:
        yield url


@pytest.fixture
def hubspot_client(hubspot: HubSpotStub, hubspot_url: str) -> Iterator[HubSpot]:
    """What asks the stand-in; where it has to wait, the stand-in's clock moves."""
    with CrmHttp(NAME, hubspot_url, BearerToken(TOKEN), NO_PACE, refused, sleep=wait(hubspot)) as http:
        yield HubSpot(http)


@pytest.fixture(scope="module")
def sources(trained_artifacts: ArtifactFolder) -> Sources:
    return Sources.of(trained_artifacts, 1)


@dataclass
class Runs:
    """Syncs that share a database."""

    sources: Sources
    store: PredictionStore
    recorder: PredictionRecorder

    def __call__(self, crm: Crm, **options: bool) -> Report:
        return Sync(crm, self.sources, self.store, self.recorder, Options(model_type="starter", **options)).run()


@pytest.fixture
def sync(sources: Sources, tmp_path: Path) -> Iterator[Runs]:
    store = PredictionStore(load_settings(state=tmp_path).database)
    writer = PredictionWriter(store, WaitingRecords(tmp_path))
    writer.start()
    yield Runs(sources, store, PredictionRecorder(writer, "masked", durable=True))
    writer.stop(5)
    store.close()
