"""Which column of a table, or field of a JSON message, feeds which of our fields, by its name alone.

Exact names come first, then the API names and labels of Salesforce, HubSpot, Pipedrive, Zoho, Close and Dynamics. Names are
compared without case, spaces, dots and underscores (`plain_name`). It sees no cell.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from conversations.formats.fields import plain_name
from conversations.formats.options import FIELDS, MESSAGE_COLUMNS, ReadingOptions
from conversations.formats.tables.delimited import quoted_columns
from foundations.errors import InputError

# The first that a table has is taken.
_NAMES: dict[str, str] = {
    "transcript": "transcript hscallbody callbody callnotes hsmeetingbody hsnotebody notebody notecontent activitynote "
    "description comments fullcomments dealdescription opportunitydescription taskdescription publicdescription "
    "activitypublicdescription notetext note dealnote textbody hsemailtext emailbody",
    "conversation_id": "conversationid id dialogueid dialogid transcriptid sessionid ticketid chatid threadid caseid "
    "hsobjectid recordid callid meetingid taskid activityid dealid opportunityid donotmodifyopportunity",
    "group": "group accountid accountnameid accountname companyaccount associatedcompanyids associatedcompanyid "
    "associatedcompany orgid organizationid organization orgname dealorganization parentaccountid potentialcustomer "
    "leadid leadname associateddealids associateddeals associateddeal opportunityid opportunityname whatid relatedtoid",
    "deal_id": "dealid opportunityid associateddealids associateddealid dealrecordid potentialid dealnameid",
    "date": "date activitydate messagedate hstimestamp calldate callstarttime duedateonly activityduedate closedate "
    "closingdate actualclosedate dealdealclosedon expectedclosedate dealexpectedclosedate estclosedate createddate createdate "
    "createdtime datecreated addtime dealdealcreated",
    "company_size": "companysize numberofemployees employees",
    "industry": "industry accountindustry",
    "contact_role": "contactrole contacttitle jobtitle",
    "lead_source": "leadsource originaltrafficsource originalsource hsanalyticssource",
}
ID_NAMES = tuple(_NAMES["conversation_id"].split())
_MESSAGE_IDS = "conversation dialogue dialog thread chat session call ticket".split()  # after those of conversation_id
_MESSAGE_WORDS = "text message messagetext content body bodytext textbody utterance words sentence line msg".split()
_SPEAKERS = """speaker speakername sender sendername author authorname from fromname participant participantname user
 username""".split()
_ROLES = "role speakerrole senderrole sendertype participantrole authortype usertype".split()
_AGENT_FLAGS = "isagent isrep isseller fromagent agent".split()
_CUSTOMER_FLAGS = "iscustomer fromcustomer inbound isinbound incoming isincoming customer".split()
_DIRECTIONS = ("direction", "messagedirection")
_TIMES = """time timestamp ts sentat sentdate sent createdat messagetime datetime starttime start begin offset date
 createddate turn turnindex turnid turnnumber sequence seq position index""".split()
_DEAL_DATES = {"closedate", "closingdate", "expectedclosedate", "actualclosedate", "dealexpectedclosedate", "datewon"}
_STAGES = {"stagename", "dealstage", "stage", "dealstatus", "statustype", "opportunitystatus", "status"}
_OF_ACTIVITIES = set(
    """whatid whoid activitydate subject hstimestamp hscallbody callbody callnotes hsnotebody hsmeetingbody hsemailtext
    activityid taskid callid duedateonly tasksubtype relatedtoid activitynote fullcomments""".split()
)


class MessageColumns(NamedTuple):
    """The columns of a table with one message a row; None: there is none."""

    ids: list[str]  # of its conversation, the likeliest first
    words: str
    speaker: str | None
    role: str | None
    agent: str | None  # true where the seller speaks
    customer: str | None  # true where the customer speaks
    direction: str | None  # inbound: the customer speaks
    time: str | None

    @property
    def sources(self) -> dict[str, str]:
        """Our fields and the columns that feed them."""
        who = ", ".join(filter(None, (self.speaker, self.role, self.agent, self.customer, self.direction)))
        named = {"transcript": self.words, "speaker": who, "time": self.time}
        return {field: column for field, column in named.items() if column}


def field_columns(columns: Sequence[str]) -> dict[str, str]:
    """Our fields and the columns that hold them, but for the outcome and what only messages have."""
    plain, own = _plain(columns, with_relations=True), _plain(columns, with_relations=False)
    sources = {}
    for field in FIELDS:
        if field in MESSAGE_COLUMNS:
            continue
        own_only = field == "conversation_id"
        column = _first(own if own_only else plain, _NAMES.get(field, field.replace("_", "")).split())
        if field in columns:
            sources[field] = field
        elif column is not None and field not in ("outcome", "split"):
            sources[field] = column
    if "deal_id" not in sources and "conversation_id" in sources and _are_deals(columns):
        sources["deal_id"] = sources["conversation_id"]
    return sources


def message_columns(columns: Sequence[str], named: dict[str, str]) -> MessageColumns | None:
    """The columns of messages, where a table may hold one a row: whose id repeats is then to be seen.

    named: our fields and the columns that a person named for them.
    """
    plain = _plain(columns, with_relations=False)
    ids = [plain[name] for name in (*ID_NAMES, *_MESSAGE_IDS) if name in plain]
    words = named.get("transcript") or _first(plain, [*_NAMES["transcript"].split()[:1], *_MESSAGE_WORDS])
    who = [_first(plain, names) for names in (_SPEAKERS, _ROLES, _AGENT_FLAGS, _CUSTOMER_FLAGS, _DIRECTIONS)]
    speaker, role, agent, customer, direction = who
    speaker = named.get("speaker", speaker)
    ids = [named["conversation_id"]] if "conversation_id" in named else ids
    if not ids or words is None or not any((speaker, role, agent, customer, direction)):
        return None
    time = named.get("time") or _first(plain, _TIMES)
    return MessageColumns(ids, words, speaker, role, agent, customer, direction, time)


def may_be_messages(columns: Sequence[str], path: Path, options: ReadingOptions) -> bool:
    """Whether each row may be a message. Raises InputError where a column that a person named is not there."""
    return message_columns(columns, named_columns(columns, path, options)) is not None


def named_columns(columns: Sequence[str], path: Path, options: ReadingOptions) -> dict[str, str]:
    """The columns that a person named, in any case. Raises InputError where one is not there."""
    return {field: _found(columns, field, name, path) for field, name in options.columns.items()}


def _found(columns: Sequence[str], field: str, name: str, path: Path) -> str:
    for column in (*(c for c in columns if c == name), *(c for c in columns if c.casefold() == name.casefold())):
        return column
    raise InputError(f"{path} has no column {name!r} for {field} (found: {quoted_columns(columns)}).")


def _plain(columns: Sequence[str], with_relations: bool) -> dict[str, str]:
    """Columns by their plain names, the first of each.

    "Account.Industry" is an industry too where no column is called just that; "Account.Id" is never the row's own id.
    """
    own = {plain_name(column): column for column in reversed(columns) if with_relations or "." not in column}
    if not with_relations:
        return own
    return {plain_name(column.rsplit(".", 1)[-1]): column for column in reversed(columns)} | own


def _are_deals(columns: Sequence[str]) -> bool:
    """Whether a row is a deal, not something that was done for one."""
    plain = set(_plain(columns, with_relations=False))
    return bool(plain & _STAGES and plain & _DEAL_DATES) and not plain & _OF_ACTIVITIES


def _first(plain: dict[str, str], names: Iterable[str]) -> str | None:
    return next((plain[name] for name in names if name in plain), None)
