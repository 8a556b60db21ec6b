"""POST /crm/hubspot: HubSpot's webhooks, answered at once and queued in the database for the next `--mode sync`.

Added only where SALES_HUBSPOT_WEBHOOK_SECRET is set. HubSpot has no key of ours; its signature is what lets it in.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from fastapi import APIRouter, Request, Response

from crm.accounts.webhooks import WrongSignatureError, check_signature, named_deals
from crm.state import enqueue
from foundations.errors import InputError
from foundations.settings import Settings
from prediction_log.store import PredictionStore
from service.access.audit_trail import actor_of
from service.access.guards import GUARDED, Access
from service.api_errors import ApiError, documented_errors

PATH = "/crm/hubspot"
_EVENTS: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "HubSpot's events, signed in the headers X-HubSpot-Signature-v3 and X-HubSpot-Request-Timestamp.",
        "content": {"application/json": {"schema": {"type": "array", "items": {"type": "object"}}}},
    }
}


def crm_router(access: Access, settings: Settings, store: PredictionStore) -> APIRouter:
    """It asks no key of ours, within the limits of every caller."""
    router = APIRouter(route_class=access.route_class(None), tags=["crm"])

    @router.post(PATH, status_code=204, responses=documented_errors(422, *GUARDED), openapi_extra=_EVENTS)
    async def hubspot(request: Request) -> Response:
        """Takes HubSpot's events: the deals that they name are looked at by the next sync."""
        body = await request.body()
        _check(access, settings, request, body)
        try:
            deals = named_deals(body)
        except InputError as error:
            raise ApiError(422, "invalid_request", str(error)) from error
        for account, deal_ids in deals.items():
            await asyncio.to_thread(enqueue, store, account, deal_ids)
        return Response(status_code=204)

    return router


def _check(access: Access, settings: Settings, request: Request, body: bytes) -> None:
    query = f"?{request.url.query}" if request.url.query else ""
    address = settings.hubspot_webhook_url or f"https://{request.headers.get('host', '')}{PATH}"
    timestamp, signature = (
        request.headers.get(f"x-hubspot-{name}", "") for name in ("request-timestamp", "signature-v3")
    )
    secret = settings.hubspot_webhook_secret
    try:
        check_signature(secret, request.method, f"{address}{query}", body, timestamp, signature, time.time())
    except WrongSignatureError as error:
        access.audit.refused(actor_of(request), f"{request.method} {PATH}", "wrong signature")
        raise ApiError(401, "wrong_signature", str(error)) from error
