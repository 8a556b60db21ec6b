"""What the webhook sends: a JSON body without a customer's words, and the signature that proves who sent it.

The signature is HMAC-SHA256 over "TIMESTAMP.BODY" with the shared secret, as hexadecimal: `X-Sales-Signature: t=…,v1=…`.
The timestamp, in seconds since 1970, is that of the try, so that the receiver can refuse what is old.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from urllib.parse import quote

from prediction_log.crossings.queue import Crossing

SIGNATURE_HEADER = "X-Sales-Signature"
EVENT_HEADER = "X-Sales-Event"
BandOf = Callable[[str, str, float], str | None]  # model, version, probability


def body_of(crossing: Crossing, band_of: BandOf) -> bytes:
    """The body: ids, figures, moments, and the path that shows more on the service."""
    shown_at = f"/deals/{quote(crossing.deal_id, safe='')}" if crossing.deal_id else f"/logs/{crossing.prediction_id}"
    said = {
        "id": crossing.prediction_id,
        "type": "score.crossed_line",
        "deal_id": crossing.deal_id,
        "conversation_id": crossing.conversation_id,
        "probability": crossing.probability,
        "previous_probability": crossing.before,
        "direction": "up" if crossing.probability > crossing.before else "down",
        "lines": list(crossing.lines),
        "band": band_of(crossing.model, crossing.model_version, crossing.probability),
        "model": crossing.model,
        "model_version": crossing.model_version,
        "predicted_at": crossing.predicted_at.isoformat(timespec="milliseconds"),
        "path": shown_at,
    }
    return json.dumps(said).encode("ascii")


def headers_of(event_id: str, body: bytes, secret: str, timestamp: int) -> dict[str, str]:
    """The headers of one try; timestamp: seconds since 1970."""
    return {
        "Content-Type": "application/json",
        "User-Agent": "sales-conversion",
        EVENT_HEADER: event_id,
        SIGNATURE_HEADER: f"t={timestamp},v1={signature(body, secret, timestamp)}",
    }


def signature(body: bytes, secret: str, timestamp: int) -> str:
    """64 hexadecimal digits."""
    signed = str(timestamp).encode("ascii") + b"." + body
    return hmac.new(secret.encode("utf-8"), signed, hashlib.sha256).hexdigest()
