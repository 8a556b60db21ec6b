"""The tables of which versions of the models are served, and of what they learn from.

served_versions which version of each model is champion and which is on trial, now and before
trial_scores    what a version on trial said of a predicted conversation
retrainings     what was decided about each retrained model, with the figures it was decided by
labelled_sentences  what people said of a signal; each goes with its prediction
"""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, Column, Float, ForeignKey, Index, Integer, String, Table, Text

from prediction_log.tables.rows import UtcDateTime, metadata

served_versions = Table(
    "served_versions",
    metadata,
    Column("entry_id", String(32), primary_key=True),
    Column("model", String(64), nullable=False),
    Column("role", String(16), nullable=False),  # champion, shadow or split
    Column("version", String(64), nullable=False),
    Column("share", Float),  # of a split: percent of the deals
    Column("pinned", Boolean, nullable=False),  # of a champion: a new start keeps it
    Column("wanted", Boolean, nullable=False),  # every worker keeps it in memory
    Column("trained_at", UtcDateTime),  # None: not known, as its files were on another machine
    Column("metrics", JSON, nullable=False),  # its cross-validated figures, so that `auto` is the same everywhere
    Column("replaces", String(32)),  # of a champion: the entry of the one before, to which one may go back
    Column("against", String(64)),  # of a trial: the champion's version
    Column("since", UtcDateTime, nullable=False),
    Column("until", UtcDateTime),  # None: now
    Column("ended", String(32)),  # why
    Index("ix_served_versions_until", "until"),
)

trial_scores = Table(
    "trial_scores",
    metadata,
    Column("prediction_id", String(32), primary_key=True),  # its prediction is stored on another way, so no foreign key
    Column("trial_id", String(32), nullable=False),  # an entry of `served_versions`
    Column("unit", String(64), nullable=False),  # SHA-256 of what deals are told apart by
    Column("version", String(64), nullable=False),  # of a split the one that answered, else the one on trial
    Column("probability", Float, nullable=False),  # what that version said
    Column("champion", Float),  # of a shadow: what the champion answered
    Column("created_at", UtcDateTime, nullable=False),
    Index("ix_trial_scores_trial_id", "trial_id"),
    Index("ix_trial_scores_created_at", "created_at"),
)

retrainings = Table(
    "retrainings",
    metadata,
    Column("retraining_id", String(32), primary_key=True),  # sorts by time
    Column("decided_at", UtcDateTime, nullable=False),
    Column("model", String(64), nullable=False),
    Column("decision", String(16), nullable=False),  # refused, promoting, promoted, or interrupted before it was served
    Column("reason", Text, nullable=False),
    Column("started_by", String(200), nullable=False),  # the trigger that was met
    Column("champion_version", String(64), nullable=False),
    Column("promoted_version", String(64)),
    Column("learned", Integer, nullable=False),  # conversations that the challenger learned from
    Column("new_outcomes", Integer, nullable=False),  # that the champion has not learned from
    Column("held_out", Integer, nullable=False),  # of them, which both models were judged by
    Column("held_out_successful", Integer, nullable=False),
    Column("champion_loss", Float),  # mean log loss in nats on those held out; none where they were too few
    Column("challenger_loss", Float),
    Column("difference", Float),  # challenger − champion
    Column("interval_low", Float),  # 95 %
    Column("interval_high", Float),
    Column("threshold", Float, nullable=False),  # what interval_high has to stay below
    Column("outcomes_until", UtcDateTime),  # when the newest of the outcomes came that were looked at
)

labelled_sentences = Table(
    "labelled_sentences",
    metadata,
    Column("label_id", String(32), primary_key=True),  # sorts by time
    Column("prediction_id", String(32), ForeignKey("predictions.prediction_id", ondelete="CASCADE"), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("caller", String(64), nullable=False),  # a key's name or an address
    Column("sentence", Text, nullable=False),  # as SALES_STORE_TRANSCRIPTS says
    Column("said_signal", String(32)),  # what the finder found; none for a signal that it missed
    Column("said_polarity", String(8)),
    Column("true_signal", String(32)),  # what it should be; none where the sentence gives no signal
    Column("true_polarity", String(8)),
    Index("ix_labelled_sentences_prediction_id", "prediction_id"),
)
