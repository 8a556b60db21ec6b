"""Which CRM is meant, and how it is reached: the one place that knows them all. Connects to nothing."""

from __future__ import annotations

from collections.abc import Callable

from crm.accounts import salesforce_access
from crm.accounts.hubspot import HubSpot
from crm.accounts.salesforce import Salesforce
from crm.deals import Crm
from crm.http_client import BearerToken, CrmHttp, Pace
from foundations.errors import InputError
from foundations.settings import Settings


def connected(name: str, settings: Settings) -> Crm:
    """The CRM of that name with the settings' tokens. Raises InputError where one is missing."""
    return CRMS[name](settings)


def _hubspot(settings: Settings) -> Crm:
    if not settings.hubspot_token:
        raise InputError(
            "--crm hubspot needs SALES_HUBSPOT_TOKEN in the environment: the access token of a private app (docs/crm.md)."
        )
    return HubSpot.at(settings.hubspot_url, settings.hubspot_token)


def _salesforce(settings: Settings) -> Crm:
    address, by_itself = settings.salesforce_url, settings.salesforce_client_id and settings.salesforce_client_secret
    if not address or not (settings.salesforce_token or by_itself):
        raise InputError(
            "--crm salesforce needs SALES_SALESFORCE_URL and either SALES_SALESFORCE_CLIENT_ID with "
            "SALES_SALESFORCE_CLIENT_SECRET or SALES_SALESFORCE_TOKEN in the environment (docs/crm.md)."
        )
    auth = (
        salesforce_access.ClientCredentials(address, settings.salesforce_client_id, settings.salesforce_client_secret)
        if by_itself
        else BearerToken(settings.salesforce_token)
    )
    paces = {of_searches: Pace(*limit) for of_searches, limit in salesforce_access.PACES.items()}
    return Salesforce(CrmHttp(salesforce_access.NAME, address, auth, paces, salesforce_access.refused))


CRMS: dict[str, Callable[[Settings], Crm]] = {"hubspot": _hubspot, "salesforce": _salesforce}
