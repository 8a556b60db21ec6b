"""Every pattern of the project, found in its source, with the methods by which the project calls each.

A pattern must be a text that can be told from its module's constants and those that it imports. So `re` is imported by
that name only, and what is given to it may name nothing of a function.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import importlib
import re
import string
from collections.abc import Iterator
from typing import Any, NamedTuple

from tests.hostile.growth import METHODS
from tests.test_architecture import LEVELS, ROOT, modules

_NO_PATTERN = {"escape", "purge", "Pattern", "Match", "error", "RegexFlag"}
_TAKES_FLAGS_AT = {"compile": 1, "split": 3, "sub": 4, "subn": 4}  # else 2
_NAMES_RE = re.compile(r"\bre(?:gex)?\b")
_WORD = re.compile(r"\w+")
_ANY_METHOD = ["finditer", "fullmatch", "match"]  # the others look for matches as finditer does


class Found(NamedTuple):
    """A pattern, where it stands, and how it is called."""

    where: str
    pattern: re.Pattern[Any]
    methods: list[str]

    @property
    def source(self) -> str:
        """The pattern as text, be it one for bytes."""
        written = self.pattern.pattern
        return written.decode("latin-1") if isinstance(written, bytes) else str(written)


@functools.cache
def project_patterns() -> list[Found]:
    """Those of all modules, in their order. Raises AssertionError for one that can't be told from its module."""
    sources = {name: path.read_text(encoding="utf-8") for name, path in sorted(modules(ROOT).items())}
    trees = {name: ast.parse(source) for name, source in sources.items() if _NAMES_RE.search(source)}
    shared = {name for tree in trees.values() for name in _compiled(tree).values() if not name.startswith("_")}
    named = {name for name, source in sources.items() if shared & set(_WORD.findall(source))}
    everywhere = [trees.get(name) or ast.parse(sources[name]) for name in sorted(named)]
    return [found for name, tree in trees.items() for found in patterns_of(name, tree, everywhere)]


def patterns_of(module: str, tree: ast.Module, everywhere: list[ast.Module]) -> Iterator[Found]:
    """The patterns of one module; everywhere: the trees in which its names may be used."""
    _check_imports(module, tree)
    calls = list(_calls_of_re(module, tree))
    names = _constants(tree)
    compiled = _compiled(tree)
    for method, call in calls:
        where = f"{module}, line {call.lineno}"
        pattern = _pattern(call, method, names, where)
        if method != "compile":
            yield Found(where, pattern, [{"subn": "sub"}.get(method, method)])
            continue
        target = compiled.get(id(call))
        assert target, f"{where}: give the compiled pattern a name of its own in the module"
        yield Found(f"{where}: {target}", pattern, _methods(target, [tree] if target[0] == "_" else everywhere))


def _compiled(tree: ast.Module) -> dict[int, str]:
    """The names of the module's calls of re.compile, by the calls' identities."""
    return {
        id(node.value): node.targets[0].id
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Call)
        and ast.unparse(node.value.func) == "re.compile"
    }


def _calls_of_re(module: str, tree: ast.Module) -> Iterator[tuple[str, ast.Call]]:
    """The function of `re` and its call; nothing else of `re` but flags and types is used."""
    called = {id(node.func): node for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "re":
            if node.attr in _NO_PATTERN or node.attr.isupper():
                continue
            assert id(node) in called, f"{module}, line {node.lineno}: call re.{node.attr}, don't hand it on"
            yield node.attr, called[id(node)]


def _check_imports(module: str, tree: ast.Module) -> None:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert node.module not in ("re", "regex"), f"{module}: {ast.unparse(node)}; say import re"
        elif isinstance(node, ast.Import):
            odd = [one for one in node.names if one.name == "regex" or (one.name == "re" and one.asname)]
            assert not odd, f"{module}: {ast.unparse(node)}; say import re"


def _pattern(call: ast.Call, method: str, names: dict[str, Any], where: str) -> re.Pattern[Any]:
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    place = _TAKES_FLAGS_AT.get(method, 2)
    flags = given.get("flags") or (call.args[place] if len(call.args) > place else None)
    return re.compile(_value(call.args[0], names, where), _value(flags, names, where) if flags else 0)


def _constants(tree: ast.Module) -> dict[str, Any]:
    """The module's names whose values need no import but these, and the texts that it imports from other modules."""
    names: dict[str, Any] = {"re": re, "string": string}
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in LEVELS:
            there = vars(importlib.import_module(node.module))
            texts = {one.asname or one.name: there.get(one.name) for one in node.names}
            names |= {name: text for name, text in texts.items() if isinstance(text, str)}
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
            with contextlib.suppress(Exception):  # it needs more than that
                value = eval(compile(ast.Expression(node.value), "", "eval"), names)
                if isinstance(target, ast.Name):
                    names[target.id] = value
                elif isinstance(target, ast.Tuple):
                    names |= {
                        one.id: part for one, part in zip(target.elts, value, strict=True) if isinstance(one, ast.Name)
                    }
    return names


def _value(node: ast.expr, names: dict[str, Any], where: str) -> Any:
    try:
        return eval(compile(ast.Expression(node), where, "eval"), names)  # the project's own source
    except NameError as error:
        raise AssertionError(f"{where}: a pattern of the module's constants only, so that it can be tested") from error


def _methods(name: str, trees: list[ast.Module]) -> list[str]:
    """How a compiled pattern is called; in every way where it is also handed on under another name."""
    called = set[str]().union(*(_uses(tree).get(name, ()) for tree in trees))
    return sorted(called & METHODS.keys()) or _ANY_METHOD


@functools.cache
def _uses(tree: ast.Module) -> dict[str, set[str]]:
    """Each name that a module reads, with what it asks of it; any method where it is not asked for an attribute."""
    uses: dict[str, set[str]] = {}
    for parent in ast.walk(tree):
        for node in ast.iter_child_nodes(parent):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                asked = {parent.attr} if isinstance(parent, ast.Attribute) else _ANY_METHOD
                uses.setdefault(node.id, set()).update(asked)
    return uses
