"""The documents say what is so: commands parse, files exist, lists are whole, links lead somewhere, nothing is said twice."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from answers.requests import SAMPLE_REQUEST, PredictionRequest
from answers.responses import PredictionResponse
from conversations.conversation import ConversationContext
from conversations.reading.files import read_conversations
from deployment_system import create_app
from foundations.artifact_folder import ArtifactFolder
from foundations.settings import ENVIRONMENT_PREFIX, Settings, load_settings
from main import MODES
from stages.options import options_parser
from tests.test_architecture import LEVELS, ROOT, modules

README = ROOT / "README.md"
DOCS = ROOT / "docs"
ARCHITECTURE, COMMAND_LINE, API, SETTINGS = (
    DOCS / f"{name}.md" for name in ("architecture", "command-line", "api", "settings")
)
# A room within a room that has a page of its own comes last.
ROOMS = [
    *sorted(path.parent for path in ROOT.glob("*/__init__.py")),
    ROOT / "tests",
    ROOT / "conversations" / "formats",
]
ROOM_PAGES = [room / "README.md" for room in ROOMS]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *DOCS.glob("**/*.md"), *ROOT.glob("deploy/*.md"), *ROOM_PAGES])
MOST_LINES = {README: 220, ARCHITECTURE: 150, **dict.fromkeys(ROOM_PAGES, 25), ROOT / "tests" / "README.md": 30}
EXAMPLE = "nearest_centroid"  # the model that docs/architecture.md adds
SAID_TWICE = 15  # words in a row
SUFFIXES = {"py", "json", "md", "txt"}
FOLDERS = sorted({*(room.name for room in ROOMS), "deploy", "docs", "requirements"})

_FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_PROGRAM = re.compile(r"(?:[\w./]*/)?python(?:3(?:\.\d+)?)?$")
_CODE = re.compile(r"`([^`\n]+)`")
_FOLDER = re.compile(r"\*\*`([\w/]+/)`\*\*")  # in a room's page: what follows in this item lies in that folder
_FIRST_FILE = re.compile(
    r"^ *(?:[-*]|\d+\.|\|) *[\[`*]*([\w./]+\.py)\b", re.MULTILINE
)  # of a list's item or table's row


def _id(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _text(document: Path) -> str:
    return document.read_text(encoding="utf-8")


def _prose(document: Path) -> str:
    """All but the fenced blocks."""
    return _FENCE.sub("", _text(document))


def _blocks(document: Path, language: str) -> list[str]:
    """The fenced blocks of a document in a language."""
    return [text for name, text in _FENCE.findall(_text(document)) if name == language]


def _section(document: Path, heading: str) -> str:
    return _text(document).split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]


def _first_cells(text: str) -> list[list[str]]:
    """What stands as code in the first cell of each table row."""
    return [_CODE.findall(line.split("|")[1]) for line in text.splitlines() if line.startswith("| `")]


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


def _is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.with_suffix(".py").is_file() or path.is_dir()


def _anchors(document: Path) -> set[str]:
    """The anchors that a Markdown viewer makes of a document's headings."""
    headings = re.findall(r"^#+ (.+)$", _prose(document), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _sample_request() -> dict[str, object]:
    """The body that the README's curl command sends."""
    curl = [words for words in _commands(README) if words[0] == "curl"]
    assert len(curl) == 1, "the README shows one curl command"
    return json.loads(curl[0][curl[0].index("-d") + 1])


def _named_files(page: Path) -> list[str]:
    """The files that a room's page names, as paths in the room; those after **`folder/`** in an item lie in that folder."""
    named = []
    for item in re.split(r"\n(?=- |\n)", _text(page)):
        folders = _FOLDER.findall(item) or [""]
        assert len(folders) == 1, f"{_id(page)}: one item for each folder"
        names = [name for name in _CODE.findall(item) if re.fullmatch(r"[\w./]+\.(?:py|json|safetensors)", name)]
        named += [folders[0] + name for name in names]
    return named


# Commands


@pytest.mark.parametrize("document", DOCUMENTS, ids=_id)
def test_every_main_command_parses(document: Path) -> None:
    for arguments in _main_arguments(document):
        try:
            options_parser(MODES).parse_args(arguments)
        except SystemExit:
            pytest.fail(f"{_id(document)} shows a command that main.py refuses: {shlex.join(arguments)}")


def test_commands_were_found_in_the_documents() -> None:
    assert len(_main_arguments(COMMAND_LINE)) >= 20, "the page has as many, or the search is broken"
    assert [words[1] for words in _main_arguments(README)] == ["train", "evaluate", "score", "deploy"]


@pytest.mark.parametrize("document", DOCUMENTS, ids=_id)
def test_every_script_module_and_make_target_of_a_command_exists(document: Path) -> None:
    for words in _commands(document):
        if _PROGRAM.match(words[0]) and words[1].endswith(".py"):
            assert (ROOT / words[1]).is_file(), f"{_id(document)}: {shlex.join(words)}"
        if _PROGRAM.match(words[0]) and words[1] == "-m":
            assert _is_module(words[2]), f"{_id(document)}: {shlex.join(words)}"
        if words[0] == "make":
            assert set(words[1:]) <= _make_targets(), f"{_id(document)}: {shlex.join(words)}"


def test_the_command_lines_page_has_an_example_of_every_option_and_mode() -> None:
    used = {word for arguments in _main_arguments(COMMAND_LINE) for word in arguments}
    options = {option for action in options_parser(MODES)._actions for option in action.option_strings} - {
        "-h",
        "--help",
    }
    assert options - used == set(), "options without an example"
    assert MODES.keys() - {"all"} - used == set(), "modes without an example"


def test_the_command_lines_table_has_every_option_and_mode_once() -> None:
    rows = _first_cells(_section(COMMAND_LINE, "Options"))
    listed = [code.split()[0] for row in rows for code in row]
    options = [
        option for action in options_parser(MODES)._actions for option in action.option_strings if len(option) > 2
    ]
    assert sorted(listed) == sorted(set(options) - {"--help"})
    (row,) = [line for line in _section(COMMAND_LINE, "Options").splitlines() if line.startswith("| `--mode`")]
    assert set(_CODE.findall(row)) == {"--mode", *MODES} - {"all"}


# Files and rooms


@pytest.mark.parametrize("room", ROOMS, ids=_id)
def test_a_rooms_page_names_every_file_once_and_none_that_is_not_there(room: Path) -> None:
    named = _named_files(room / "README.md")
    within = [other for other in ROOMS if room in other.parents]  # which name their own
    paths = [path for path in room.rglob("*.py") if not any(other in path.parents for other in within)]
    files = [str(path.relative_to(room)) for path in paths if path.name != "__init__.py"]
    assert sorted(name for name in named if name.endswith(".py")) == sorted(files)
    assert [name for name in named if not (room / name).is_file()] == []


@pytest.mark.parametrize("room", ROOMS, ids=_id)
def test_a_rooms_page_says_what_goes_in_and_out_and_what_it_must_never_know(room: Path) -> None:
    page = _text(room / "README.md")
    assert page.startswith(f"# {room.name}\n")
    assert "**In:**" in page and "**Out:**" in page and "**Must never" in page


@pytest.mark.parametrize("document", MOST_LINES, ids=_id)
def test_a_page_is_short(document: Path) -> None:
    assert len(_text(document).splitlines()) <= MOST_LINES[document]


def test_the_readmes_map_has_every_entry_of_the_house_once_and_in_order() -> None:
    lines = [line for line in _section(README, "The rooms").splitlines() if line.startswith("- ")]
    entries = [_LINK.findall(line)[0].removesuffix("/README.md").removesuffix(".py") for line in lines]
    assert sorted(entries) == sorted({name.partition(".")[0] for name in modules(ROOT)})
    assert [LEVELS[entry] for entry in entries] == sorted(LEVELS[entry] for entry in entries)


@pytest.mark.parametrize("document", [path for path in DOCUMENTS if path not in ROOM_PAGES], ids=_id)
def test_no_other_page_lists_files(document: Path) -> None:
    listed = [name for name in _FIRST_FILE.findall(_prose(document)) if (ROOT / name).is_file()]
    assert [name for name in listed if document != README or "/" in name] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=_id)
def test_every_module_and_file_that_is_named_exists(document: Path) -> None:
    own = _named_files(document) if document in ROOM_PAGES else []  # those of a room's page are looked at above
    for code in _CODE.findall(_prose(document)):
        if any(f"/{name}".endswith(f"/{code}") for name in own):
            continue
        parts = code.split(".")
        if re.fullmatch(r"\w+(\.\w+)+", code) and parts[0] in LEVELS and parts[-1] not in SUFFIXES:
            least = 1 if (ROOT / f"{parts[0]}.py").is_file() else 2  # a room alone is no module
            found = any(_is_module(".".join(parts[:count])) for count in range(least, len(parts) + 1))
            assert found, f"{_id(document)}: {code}"
        elif re.fullmatch(rf"[\w./-]+\.py|(?:{'|'.join(FOLDERS)})/[\w./-]*", code) and EXAMPLE not in code:
            assert (ROOT / code).exists() or (document.parent / code).exists(), f"{_id(document)}: {code}"


# Requests, answers, records


def test_the_sample_request_is_valid_and_the_services_own() -> None:
    body = _sample_request()
    request = PredictionRequest.model_validate(body)
    assert request.conversation().transcript == body["transcript"]
    assert set(body) <= set(PredictionRequest.model_fields), "an unknown field would be ignored"
    assert body == SAMPLE_REQUEST


def test_the_answers_that_are_shown_have_the_services_form() -> None:
    (whole,) = [json.loads(block) for block in _blocks(API, "json") if '"prediction"' in block]
    assert set(whole) == set(PredictionResponse.model_fields)
    PredictionResponse.model_validate(whole)
    (short,) = [json.loads(block) for block in _blocks(README, "json") if '"prediction"' in block]
    assert short.keys() < whole.keys()
    assert short["analysis"].keys() < whole["analysis"].keys()
    for name in ("prediction", "probability_interval", "reliability", "model_used"):
        assert short[name] == whole[name], "both show one answer"


def test_the_apis_page_has_every_field_of_request_and_answer() -> None:
    asked = {code for row in _first_cells(_section(API, "What is asked")) for code in row}
    assert asked == set(PredictionRequest.model_fields)
    answered = {code.partition(".")[0] for row in _first_cells(_section(API, "What is answered")) for code in row}
    assert set(PredictionResponse.model_fields) <= answered


def _shown_routes() -> Iterator[tuple[str, str]]:
    """Method and path of each route in the table: a method holds for the paths behind it, one alone for the next path."""
    for row in _first_cells(_section(API, "Routes")):
        methods: list[str] = []
        complete = False
        for code in row:
            found = re.fullmatch(r"(?:([A-Z]+)(?: |$))?(/\S*)?", code)
            assert found, code
            method, path = found.groups()
            if method:
                methods = [method] if complete else [*methods, method]
            complete = bool(path)
            for each in methods if path else ():
                yield each, re.sub(r"{\w+}", "{}", path.partition("?")[0])


def test_the_apis_page_has_every_route_and_no_other(trained_artifacts: ArtifactFolder, tmp_path: Path) -> None:
    app = create_app(load_settings(artifacts=trained_artifacts.root, state=tmp_path))
    paths = app.openapi()["paths"]
    there = {(method.upper(), re.sub(r"{\w+}", "{}", path)) for path, methods in paths.items() for method in methods}
    shown = list(_shown_routes())
    assert len(shown) == len(set(shown)), "a route stands twice"
    assert set(shown) == there | {("GET", page) for page in ("/app", "/dashboard", "/docs")}  # no part of the schema


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


# Settings


def test_the_settings_page_has_every_setting_once() -> None:
    documented = [code for row in _first_cells(_text(SETTINGS)) for code in row]
    assert sorted(documented) == sorted(ENVIRONMENT_PREFIX + name.upper() for name in Settings.model_fields)


def test_the_settings_page_has_the_defaults() -> None:
    for line in _text(SETTINGS).splitlines():
        row = re.match(rf"\| `{ENVIRONMENT_PREFIX}(\w+)` \| `([^`]+)` \|", line)  # others are told in words
        if row:
            default = Settings.model_fields[row[1].lower()].default
            assert row[2] == (f"{default:g}" if isinstance(default, float) else str(default)), line


@pytest.mark.parametrize("document", DOCUMENTS, ids=_id)
def test_every_setting_that_is_named_exists(document: Path) -> None:
    named = set(re.findall(rf"\b{ENVIRONMENT_PREFIX}[A-Z_]+\b", _text(document)))
    assert named <= {ENVIRONMENT_PREFIX + name.upper() for name in Settings.model_fields}


# Links and words


@pytest.mark.parametrize("document", DOCUMENTS, ids=_id)
def test_every_relative_link_leads_somewhere(document: Path) -> None:
    for link in _LINK.findall(_prose(document)):
        if re.match(r"[a-z]+:", link):
            continue  # another host; the tests need no network
        file, _, anchor = link.partition("#")
        target = (document.parent / file).resolve() if file else document
        assert target.exists(), f"{_id(document)} links to {link}"
        assert not anchor or anchor in _anchors(target), f"{_id(document)} links to {link}"
        assert document.parent != DOCS or target.is_relative_to(DOCS), f"{_id(document)} leaves the site with {link}"


def test_the_readme_leads_to_every_page() -> None:
    pages = [README, *ROOM_PAGES]  # a room's page leads to those within it
    linked = {
        (page.parent / link.partition("#")[0]).resolve() for page in pages for link in _LINK.findall(_prose(page))
    }
    assert {*DOCS.glob("*.md"), *ROOM_PAGES, ROOT / "deploy" / "README.md"} - linked == {DOCS / "index.md"}


def test_nothing_is_said_twice() -> None:
    places: dict[tuple[str, ...], str] = {}
    for document in DOCUMENTS:
        words = re.findall(r"[^\W_]+", _prose(document).lower())
        for start in range(len(words) - SAID_TWICE + 1):
            said = tuple(words[start : start + SAID_TWICE])
            assert places.setdefault(said, _id(document)) == _id(document), f"{_id(document)} repeats {' '.join(said)}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=_id)
def test_no_figure_is_still_to_be_filled_in(document: Path) -> None:
    waiting = re.findall(r"FIGURES: ([^\n]*)", _text(document))
    assert waiting == [], f"{_id(document)} waits for figures"
