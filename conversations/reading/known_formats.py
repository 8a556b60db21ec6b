"""Every format that is known, in the order in which they are asked; the first that knows a file reads it.

A new one is one line here. Where two could know the same file, the one that asks for more stands first.
"""

from __future__ import annotations

from conversations.formats.kinds import DocumentFormat, ListFormat, PackedFormat, RowsFormat, TextFormat
from conversations.formats.messages import helpdesks, intercom, mailbox, slack, whatsapp, zendesk
from conversations.formats.recordings import (
    coaching,
    fireflies,
    gong,
    listed,
    notetakers,
    platforms,
    sound,
    webvtt,
    word,
)
from conversations.formats.research.corpora import CONVOKIT
from conversations.formats.speech import amazon, azure, deepgram, elements, google, utterances, whisper
from conversations.formats.tables import answers, parquet, workbook

PACKED_FORMATS: tuple[PackedFormat, ...] = (
    workbook.FORMAT,
    parquet.FORMAT,
    word.FORMAT,
    mailbox.FORMAT,
    sound.FORMAT,
)
TEXT_FORMATS: tuple[TextFormat, ...] = (
    webvtt.FORMAT,
    whatsapp.FORMAT,
    mailbox.COPIED,
)
LIST_FORMATS: tuple[ListFormat, ...] = (
    CONVOKIT,
    fireflies.DOWNLOAD,
    notetakers.GRANOLA_ENTRIES,
    platforms.RECALL,
    coaching.GRAIN_LIST,
    whisper.SEGMENTS,
    slack.FORMAT,
    listed.PARTS,
)
DOCUMENT_FORMATS: tuple[DocumentFormat, ...] = (
    gong.FORMAT,
    fireflies.FORMAT,
    whisper.FORMAT,
    whisper.CPP,
    whisper.PIPELINE,
    utterances.FORMAT,
    utterances.GLADIA,
    deepgram.FORMAT,
    amazon.FORMAT,
    amazon.CALL_ANALYTICS,
    google.FORMAT,
    azure.FORMAT,
    elements.FORMAT,
    elements.SPEECHMATICS,
    elements.WORD_LIST,
    notetakers.FATHOM,
    notetakers.READ,
    notetakers.TLDV,
    notetakers.GRANOLA,
    notetakers.OTTER,
    platforms.STREAM,
    platforms.ZOOM,
    platforms.MEET,
    coaching.AVOMA,
    coaching.CHORUS,
    coaching.GRAIN,
    slack.ANSWER,
    intercom.FORMAT,
    zendesk.FORMAT,
    helpdesks.FRONT,
    helpdesks.HELP_SCOUT,
    helpdesks.FRESHDESK,
    listed.FORMAT,  # after all that have a list of that name
)

ROW_FORMATS: tuple[RowsFormat, ...] = (answers.SALESFORCE, answers.HUBSPOT, answers.LISTED)
