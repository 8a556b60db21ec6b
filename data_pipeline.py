"""From a conversation to model text, and from a file to train, validation and test data.

`render_input` is the one place where a conversation becomes the text that models and bags of words read; `segments`
cuts that text to what one encoder window holds, at turn boundaries and without dropping a word. Reading files is
`conversations.reading.files`, splitting is `conversations.split`; both are offered here under one name.
"""

from __future__ import annotations

from conversations.conversation import Conversation, ConversationContext, Turn, conversation_from_record
from conversations.model_text import Passage, render_input, rendered_text, spoken_text
from conversations.reading.files import read_conversations, read_splits, write_splits
from conversations.sentences import sentence_spans, split_sentences
from conversations.split import DataSplits, split_conversations
from modelling.segments import Segment, segments

__all__ = [
    "Conversation",
    "ConversationContext",
    "DataSplits",
    "Passage",
    "Segment",
    "Turn",
    "conversation_from_record",
    "read_conversations",
    "read_splits",
    "render_input",
    "rendered_text",
    "segments",
    "sentence_spans",
    "split_conversations",
    "split_sentences",
    "spoken_text",
    "write_splits",
]
