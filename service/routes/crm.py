"""POST /crm/hubspot: HubSpot's webhooks, answered at once and queued in the database for the next `--mode sync`.

HubSpot has no key of ours; its signature is what lets it in. Without SALES_HUBSPOT_WEBHOOK_SECRET nothing can be signed, and
the answer is a 404 that says so.
"""

from __future__ import annotations

import asyncio
import time
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request, Response

from crm.accounts.webhooks import WrongSignatureError, check_signature, named_deals
from crm.state import enqueue
from foundations.errors import InputError
from foundations.settings import Settings
from prediction_log.store import PredictionStore
from service.access.audit_trail import actor_of
from service.access.guards import GUARDED, Access
from service.api_errors import ApiError, documented_errors

PATH = "/crm/hubspot"
_EVENT = {
    "eventId": 100,
    "subscriptionId": 12,
    "portalId": 62515,
    "occurredAt": 1764521093000,
    "subscriptionType": "deal.propertyChange",
    "objectId": 901,
    "propertyName": "dealstage",
    "propertyValue": "contractsent",
}
_DOCUMENTED: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "HubSpot's events, of which those about deals count.",
        "content": {
            "application/json": {
                "schema": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {
                            "portalId": {"type": "integer", "description": "The account."},
                            "subscriptionType": {"type": "string", "description": "What happened, to what."},
                            "objectId": {"type": "integer", "description": "The deal."},
                        },
                    },
                    "example": [_EVENT],
                }
            }
        },
    },
    "security": [],  # no key of ours is asked for
}


def crm_router(access: Access, settings: Settings, store: PredictionStore) -> APIRouter:
    """It asks no key of ours, within the limits of every caller."""
    router = APIRouter(route_class=access.route_class(None), tags=["crm"])

    @router.post(PATH, status_code=204, responses=documented_errors(404, 422, *GUARDED), openapi_extra=_DOCUMENTED)
    async def hubspot(
        request: Request,
        signature: Annotated[str, Header(alias="X-HubSpot-Signature-v3", description="As HubSpot makes it.")] = "",
        timestamp: Annotated[
            str, Header(alias="X-HubSpot-Request-Timestamp", description="Milliseconds since 1970.")
        ] = "",
    ) -> Response:
        """HubSpot's webhooks: the deals that its events name are looked at by the next `--mode sync`.

        Needs SALES_HUBSPOT_WEBHOOK_SECRET, the client secret of the app that subscribes to them; 404 without it. Each request
        is signed (version 3) and at most five minutes old, else it is a 401.
        """
        if not settings.hubspot_webhook_secret:
            raise ApiError(
                404,
                "switched_off",
                "HubSpot's webhooks are switched off here; SALES_HUBSPOT_WEBHOOK_SECRET, the app's client secret, switches "
                "them on.",
            )
        body = await request.body()
        _check(access, settings, request, body, signature, timestamp)
        try:
            deals = named_deals(body)
        except InputError as error:
            raise ApiError(422, "invalid_request", str(error)) from error
        for account, deal_ids in deals.items():
            await asyncio.to_thread(enqueue, store, account, deal_ids)
        return Response(status_code=204)

    return router


def _check(access: Access, settings: Settings, request: Request, body: bytes, signature: str, timestamp: str) -> None:
    query = f"?{request.url.query}" if request.url.query else ""
    address = settings.hubspot_webhook_url or f"https://{request.headers.get('host', '')}{PATH}"
    secret = settings.hubspot_webhook_secret
    try:
        check_signature(secret, request.method, f"{address}{query}", body, timestamp, signature, time.time())
    except WrongSignatureError as error:
        access.audit.refused(actor_of(request), f"{request.method} {PATH}", "wrong signature")
        raise ApiError(401, "wrong_signature", str(error)) from error
