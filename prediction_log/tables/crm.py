"""The tables of what is kept in step with a CRM.

crm_cursors     up to which moment a CRM's records were looked at
crm_deals       what was written into a deal of a CRM; of its words and of the note nothing but hashes
crm_queue       deals of a CRM that are to be looked at, as it said by a webhook or as writing failed
"""

from __future__ import annotations

from sqlalchemy import Column, Float, Integer, String, Table

from prediction_log.tables.rows import LONGEST_CRM_ID, UtcDateTime, metadata

crm_cursors = Table(
    "crm_cursors",
    metadata,
    Column("account", String(80), primary_key=True),  # such as hubspot:1234567
    Column("kind", String(16), primary_key=True),  # of records
    Column("moment", UtcDateTime, nullable=False),
)

crm_deals = Table(
    "crm_deals",
    metadata,
    Column("account", String(80), primary_key=True),
    Column("deal_id", String(LONGEST_CRM_ID), primary_key=True),
    Column("read_sha256", String(64), nullable=False),  # of all that the score was made of
    Column("probability", Float, nullable=False),  # as written, rounded
    Column("band", String(16), nullable=False),
    Column("change", Float),
    Column("note_id", String(LONGEST_CRM_ID), nullable=False),
    Column("note_sha256", String(64), nullable=False),
    Column("written_at", UtcDateTime, nullable=False),
)

crm_queue = Table(
    "crm_queue",
    metadata,
    Column("account", String(80), primary_key=True),
    Column("deal_id", String(LONGEST_CRM_ID), primary_key=True),
    Column("events", Integer, nullable=False),  # how often it was named: an entry that grew meanwhile is not done
    Column("received_at", UtcDateTime, nullable=False),  # the first time
)
