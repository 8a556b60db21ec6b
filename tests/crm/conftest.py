"""What the tests of the CRM share: stand-ins that are served, and the tiny models that score."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from answers.sources import Sources
from crm.accounts.hubspot import NAME, HubSpot
from crm.accounts.hubspot_records import refused
from crm.accounts.salesforce import Salesforce
from crm.accounts.salesforce_access import NAME as SALESFORCE
from crm.accounts.salesforce_access import refused as salesforce_refused
from crm.deals import Crm
from crm.http_client import BearerToken, CrmHttp, Pace
from crm.report import Report
from crm.sync import Options, Sync
from foundations.artifact_folder import ArtifactFolder
from foundations.settings import load_settings
from prediction_log.recorder import PredictionRecorder
from prediction_log.store import PredictionStore
from prediction_log.waiting import WaitingRecords
from prediction_log.writer import PredictionWriter
from tests.crm.hubspot_stub import HubSpotStub
from tests.crm.salesforce_stub import SalesforceStub
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


@pytest.fixture
def org() -> SalesforceStub:
    return SalesforceStub()


@pytest.fixture
def address(org: SalesforceStub) -> Iterator[str]:
    with served(org.app()) as url:
        yield url


def connected_to(org: SalesforceStub, address: str, auth: httpx2.Auth | None = None) -> Salesforce:
    auth = auth or BearerToken(TOKEN)
    return Salesforce(CrmHttp(SALESFORCE, address, auth, NO_PACE, salesforce_refused, sleep=wait(org)))


@pytest.fixture
def client(org: SalesforceStub, address: str) -> Iterator[Salesforce]:
    found = connected_to(org, address)
    yield found
    found.close()
