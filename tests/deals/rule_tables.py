"""A short rule of each kind, and files of rules."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_ROWS: tuple[dict[str, Any], ...] = (
    {"kind": "no_activity", "days": 14, "sentence": "Nothing for {days} days"},
    {"kind": "customer_silent", "days": 10, "sentence": "Silent for {days} days, {unanswered} unanswered"},
    {"kind": "falling_probability", "drop": 0.15, "sentence": "From {before} to {now}"},
    {"kind": "no_decision_maker", "conversations": 2, "roles": ["CEO"], "sentence": "Nobody in {conversations}"},
    {"kind": "no_next_step", "conversations": 1, "sentence": "No step"},
    {"kind": "price_not_mentioned", "conversations": 2, "sentence": "No price in {conversations}"},
    {"kind": "one_contact", "conversations": 2, "sentence": "Only {contact} in {conversations}"},
)
RULES = {rule["kind"]: {"severity": "medium", **rule} for rule in _ROWS}


def table(folder: Path, *rules: dict[str, Any]) -> Path:
    """A file of rules in a folder, which is made."""
    folder.mkdir(exist_ok=True)
    path = folder / "rules.json"
    path.write_text(json.dumps({"rules": list(rules)}), encoding="utf-8")
    return path
