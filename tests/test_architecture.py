"""The order of the rooms: an entry of the root imports only what stands below it, and nothing imports in a circle.

Imports inside functions and under TYPE_CHECKING count as well: who reads a file has to follow them.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# From the ground up. An entry may import those before it; what stands in one row does not know each other.
ORDER: tuple[tuple[str, ...], ...] = (
    ("foundations",),
    ("conversations",),
    ("encoder",),
    ("probability",),
    ("modelling",),
    ("signals",),
    ("knowledge",),
    ("starter_model", "few_shot_model", "classification_head_model", "contrastive_learning_model"),
    ("ensemble_model",),
    ("model_registry",),
    ("similarity",),
    ("scoring",),
    ("deals",),
    ("evaluation",),
    ("answers",),
    ("prediction_log",),
    ("learning",),
    ("crm",),
    ("service",),
    ("stages",),
    ("langchain_integration", "api_demo", "generate_sales_data", "data_pipeline"),
    ("evaluation_framework", "deployment_system"),
    ("main",),
)
LEVELS = {name: level for level, row in enumerate(ORDER) for name in row}
DOORS = {"generate_sales_data", "data_pipeline", "evaluation_framework", "deployment_system", "langchain_integration"}
MODELS = {
    "starter_model",
    "few_shot_model",
    "classification_head_model",
    "contrastive_learning_model",
    "ensemble_model",
}
MOST_FILES = 15
MOST_ENTRIES = 40


def modules(root: Path) -> dict[str, Path]:
    """Every module of the program by its dotted name; tests and benchmarks are no part of the house."""
    found = [*root.glob("*.py"), *(path for name in LEVELS for path in (root / name).rglob("*.py"))]
    return {".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): path for path in found}


def imports(source: str, known: set[str]) -> Iterator[str]:
    """Modules of the program that a source imports, wherever the import stands."""
    for node in statements(source):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            assert node.level == 0, f"a relative import: {ast.unparse(node)}"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if name in known else str(node.module) for name in names]
        yield from (name for name in names if name in known)


@functools.cache
def statements(source: str) -> list[ast.Import | ast.ImportFrom]:
    """The imports of a source."""
    return [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Import | ast.ImportFrom)]


def arrows(added: dict[str, str] | None = None) -> dict[str, set[str]]:
    """Module → the modules it imports; `added`: lines put after a module's own, to see what they would do."""
    found = modules(ROOT)
    more = added or {}
    return {
        name: set(imports(path.read_text(encoding="utf-8") + more.get(name, ""), set(found)))
        for name, path in found.items()
    }


def entry(module: str) -> str:
    """The entry of the root that a module lies in."""
    return module.partition(".")[0]


def upward(graph: dict[str, set[str]]) -> list[str]:
    """Imports that do not run downwards in ORDER."""
    return sorted(
        f"{name} → {imported}"
        for name, targets in graph.items()
        for imported in targets
        if entry(name) != entry(imported) and LEVELS[entry(imported)] >= LEVELS[entry(name)]
    )


def circle(graph: dict[str, set[str]]) -> list[str]:
    """Modules that import each other in a circle; [] where none do."""
    left = {name: set(targets) for name, targets in graph.items()}
    while free := [name for name, targets in left.items() if not targets & left.keys()]:
        for name in free:
            del left[name]
    return sorted(left)


def test_every_entry_of_the_root_has_its_place() -> None:
    found = {entry(name) for name in modules(ROOT)}
    folders = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "benchmarks"}
    assert found | folders == LEVELS.keys()


def test_imports_run_downwards_only() -> None:
    assert upward(arrows()) == []


def test_no_file_is_on_a_circle() -> None:
    assert circle(arrows()) == []


def test_a_folder_and_one_inside_it_import_in_one_direction_only() -> None:
    graph = arrows()
    between = {
        (name.rpartition(".")[0], imported.rpartition(".")[0])
        for name, targets in graph.items()
        for imported in targets
        if entry(name) == entry(imported)
    }
    both = [(one, other) for one, other in between if one != other and (other, one) in between]
    assert not both


def test_a_stage_is_a_door_that_no_room_opens() -> None:
    opened = [
        f"{name} → {imported}"
        for name, targets in arrows().items()
        for imported in targets & DOORS
        if entry(name) != "main"
    ]
    assert opened == []


def test_rooms_reach_models_through_the_registry_alone() -> None:
    allowed = MODELS | {"model_registry"}
    direct = [name for name, targets in arrows().items() if targets & MODELS and name not in allowed]
    assert direct == []


@pytest.mark.parametrize(
    ("module", "lines", "imported"),
    [
        ("foundations.errors", "from conversations.conversation import Turn\n", "conversations.conversation"),
        ("encoder.layout", "def late():\n    import signals.head\n", "signals.head"),
        (
            "probability.bands",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from model_registry import load_model\n",
            "model_registry",
        ),
        ("few_shot_model", "import contrastive_learning_model\n", "contrastive_learning_model"),
    ],
)
def test_an_import_that_runs_upwards_is_found(module: str, lines: str, imported: str) -> None:
    assert upward(arrows({module: f"\n{lines}"})) == [f"{module} → {imported}"]


def test_a_circle_is_found() -> None:
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}, "e": set()}) == ["a", "b", "c", "d"]


def test_the_root_is_seen_at_one_look() -> None:
    ignored = {name.strip("/") for name in (ROOT / ".gitignore").read_text(encoding="utf-8").split()}
    shown = [path.name for path in ROOT.iterdir() if path.name not in ignored and not path.name.startswith(".")]
    assert len(shown) <= MOST_ENTRIES, sorted(shown)


def test_no_folder_is_crowded() -> None:
    folders = {path.parent for path in ROOT.rglob("*.py") if not path.relative_to(ROOT).parts[0].startswith(".")}
    crowded = {
        str(folder.relative_to(ROOT)): count
        for folder in folders
        if (count := len([*folder.glob("*.py")])) > MOST_FILES
    }
    assert crowded == {}
