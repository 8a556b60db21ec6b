"""A HubSpot to try the sync on: `python -m tests.crm.try_it [PORT]` serves the stand-in with three open deals and a closed one.

It prints what to set; nothing leaves this machine.
"""

from __future__ import annotations

import sys

import uvicorn

from foundations.terminal import say
from tests.crm.hubspot_stub import HubSpotStub
from tests.crm.stub_server import TOKEN

_CALLS = "calls", "hs_call_body"
_NOTES = "notes", "hs_note_body"
_MAILS = "emails", "hs_email_text"
DEALS: dict[str, list[tuple[tuple[str, str], str, str]]] = {
    "Compressors for Vogt Dental": [
        (
            _CALLS,
            "2026-11-02",
            "<p>Dr Vogt complained about the price and says the Italian unit is 9k less per chair.</p>",
        ),
        (
            _MAILS,
            "2026-11-09",
            "Our bank approved the lease this morning. Please send the floor plan for the drilling.",
        ),
        (
            _NOTES,
            "2026-11-16",
            "His wife does the books and has the leasing sheet filled in. They want to be running by May.",
        ),
    ],
    "Route planning, Halden Logistics": [
        (
            _CALLS,
            "2026-11-05",
            "Customer: We looked at it twice. Honestly we don't need another tool this year.<br>"
            "Agent: What would have to change?<br>Customer: The budget is frozen until the summer, so nothing.",
        ),
    ],
    "Booking system, Hotel Alm": [
        (_NOTES, "2026-11-12", "Demo with the owner. She liked the calendar, asked who else in the valley uses it."),
    ],
}


def filled() -> HubSpotStub:
    """The stand-in with these deals."""
    stub = HubSpotStub()
    for name, said in DEALS.items():
        deal = stub.add("deals", dealname=name, dealstage="contractsent", hs_is_closed="false")
        for (kind, words), day, text in said:
            direction = {"hs_email_direction": "INCOMING_EMAIL"} if kind == "emails" else {}
            stub.add(kind, deal, hs_timestamp=f"{day}T10:00:00Z", **{words: text}, **direction)
    stub.add("deals", dealname="Scales, Bakery Reuss", hs_is_closed="true", hs_is_closed_won="true")
    return stub


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8765
    say(f"export SALES_HUBSPOT_URL=http://127.0.0.1:{port} SALES_HUBSPOT_TOKEN={TOKEN}")
    uvicorn.run(filled().app(), port=port, log_level="warning")
