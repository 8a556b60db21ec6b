"""The documents say what is so: commands parse, files exist, links lead somewhere, the sample request is valid."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from answers.requests import SAMPLE_REQUEST, PredictionRequest
from conversations.conversation import ConversationContext
from conversations.reading.files import read_conversations
from foundations.settings import ENVIRONMENT_PREFIX, Settings
from main import _parser

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
ARCHITECTURE = ROOT / "docs" / "architecture.md"
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("deploy/*.md")])
MODULES = sorted(path.name for path in ROOT.glob("*.py"))

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_PROGRAM = re.compile(r"(?:[\w./]*/)?python(?:3(?:\.\d+)?)?$")


def _blocks(document: Path, language: str) -> list[str]:
    """The fenced blocks of a document in a language."""
    return [text for name, text in _FENCE.findall(document.read_text(encoding="utf-8")) if name == language]


def _commands(document: Path) -> list[list[str]]:
    """Every command line of the document's bash blocks, as words; comments and here-documents are left out."""
    commands = []
    for block in _blocks(document, "bash"):
        script = re.sub(r"(<<\s*'?(\w+)'?[^\n]*\n).*?^\2$", r"\1", block, flags=re.MULTILINE | re.DOTALL)
        script = re.sub(r"(^|\s)#[^\n]*$", "", script.replace("\\\n", " "), flags=re.MULTILINE)
        lexer = shlex.shlex(script, posix=True, punctuation_chars="|&;\n")
        lexer.whitespace, lexer.whitespace_split, lexer.commenters = " \t", True, ""
        words: list[str] = []
        for word in [*lexer, "\n"]:
            if word.strip("|&;\n"):
                words.append(word)
            elif words:
                commands.append(words)
                words = []
    return commands


def _main_arguments(document: Path) -> list[list[str]]:
    return [words[2:] for words in _commands(document) if _PROGRAM.match(words[0]) and words[1:2] == ["main.py"]]


def _make_targets() -> set[str]:
    return set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def _listed_files(document: Path, heading: str) -> list[str]:
    """The files that the first cells of the tables under a heading link to."""
    section = document.read_text(encoding="utf-8").split(f"\n{heading}\n", 1)[1].split("\n## ", 1)[0]
    cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("|")]
    return [
        name
        for cell in cells
        for name in re.findall(r"`([\w.]+\.\w+)`|\[([\w.]+\.\w+)\]", cell)
        for name in name
        if name
    ]


def _anchors(document: Path) -> set[str]:
    """The anchors that a Markdown viewer makes of a document's headings."""
    headings = re.findall(r"^#+ (.+)$", _FENCE.sub("", document.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _sample_request() -> dict[str, object]:
    """The body that the README's curl command sends."""
    curl = [words for words in _commands(README) if words[0] == "curl"]
    assert len(curl) == 1, "the README shows one curl command"
    return json.loads(curl[0][curl[0].index("-d") + 1])


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_main_command_parses(document: Path) -> None:
    for arguments in _main_arguments(document):
        try:
            _parser().parse_args(arguments)
        except SystemExit:
            pytest.fail(f"{document.name} shows a command that main.py refuses: {shlex.join(arguments)}")


def test_commands_were_found_in_the_documents() -> None:
    # The README's command block and the one for encoders alone have as many, or the search is broken.
    assert len(_main_arguments(README)) >= 12
    assert ["--mode", "deploy", "--host", "127.0.0.1", "--port", "8080"] in _main_arguments(README)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_script_and_make_target_of_a_command_exists(document: Path) -> None:
    for words in _commands(document):
        if _PROGRAM.match(words[0]) and words[1].endswith(".py"):
            assert (ROOT / words[1]).is_file(), f"{document.name}: {shlex.join(words)}"
        if words[0] == "make":
            assert set(words[1:]) <= _make_targets(), f"{document.name}: {shlex.join(words)}"


def test_the_readme_shows_every_option_and_mode() -> None:
    text = README.read_text(encoding="utf-8")
    used = {word for arguments in _main_arguments(README) for word in arguments}
    for action in _parser()._actions:
        for option in action.option_strings:
            assert option in ("-h", "--help") or option in text, f"the README doesn't mention {option}"
    modes = next(action.choices for action in _parser()._actions if action.dest == "mode")
    assert set(modes or ()) - {"all"} <= used, "the README has no example of a mode"


def test_the_readme_lists_every_module_and_only_files_that_exist() -> None:
    listed = _listed_files(README, "## The files")
    assert len(listed) == len(set(listed)), "a file is listed twice"
    assert [name for name in listed if not (ROOT / name).is_file()] == []
    assert sorted(set(MODULES) - set(listed)) == []


def test_the_architecture_lists_every_module_and_only_files_that_exist() -> None:
    listed = _listed_files(ARCHITECTURE, "## The modules")
    assert len(listed) == len(set(listed)), "a module is listed twice"
    assert [name for name in listed if not (ROOT / name).is_file()] == []
    assert sorted(set(MODULES) - set(listed)) == []


def test_no_module_imports_from_a_later_table_of_the_architecture() -> None:
    section = ARCHITECTURE.read_text(encoding="utf-8").split("\n## The modules\n", 1)[1].split("\n## ", 1)[0]
    tables = [re.findall(r"`(\w+)\.py`", text) for text in section.split("|---|---|")[1:]]
    place = {module: number for number, names in enumerate(tables) for module in names}
    for module, table in place.items():
        code = (ROOT / f"{module}.py").read_text(encoding="utf-8")
        imported = re.findall(r"^(?:from|import) (\w+)", code, re.MULTILINE)  # when the module itself is imported
        later = [name for name in imported if place.get(name, 0) > table]
        assert later == [], f"{module}.py imports {later}"


def test_the_sample_request_is_valid_and_the_services_own() -> None:
    body = _sample_request()
    request = PredictionRequest.model_validate(body)
    assert request.conversation().transcript == body["transcript"]
    assert set(body) <= set(PredictionRequest.model_fields), "an unknown field would be ignored"
    assert body == SAMPLE_REQUEST


@pytest.mark.parametrize(("language", "ending"), [("json", "jsonl"), ("csv", "csv")])
def test_the_readmes_sample_records_can_be_read(language: str, ending: str, tmp_path: Path) -> None:
    samples = [block for block in _blocks(README, language) if "transcript" in block or "turns" in block]
    assert samples
    path = tmp_path / f"deals.{ending}"
    path.write_text(samples[0], encoding="utf-8")
    conversations = read_conversations(path)
    assert {conversation.outcome for conversation in conversations} <= {"successful", "failed"}
    assert all(conversation.group for conversation in conversations)
    assert conversations[0].conversation_context != ConversationContext()


def test_the_readme_documents_every_setting() -> None:
    text = README.read_text(encoding="utf-8")
    documented = set(re.findall(rf"`({ENVIRONMENT_PREFIX}[A-Z_]+)`", text))
    assert documented == {ENVIRONMENT_PREFIX + name.upper() for name in Settings.model_fields}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_relative_link_leads_somewhere(document: Path) -> None:
    for link in _LINK.findall(_FENCE.sub("", document.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", link):
            continue  # another host; the tests need no network
        file, _, anchor = link.partition("#")
        target = (document.parent / file).resolve() if file else document
        assert target.exists(), f"{document.name} links to {link}"
        assert not anchor or anchor in _anchors(target), f"{document.name} links to {link}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_no_figure_is_still_to_be_filled_in(document: Path) -> None:
    waiting = re.findall(r"FIGURES: ([^\n]*)", document.read_text(encoding="utf-8"))
    assert waiting == [], f"{document.name} waits for figures"
