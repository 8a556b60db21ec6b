"""Every pattern of the project, found in its source, with the methods by which the project calls each.

A pattern must be a text that can be told from its module alone, without importing it. So `re` is imported by that name
only, and what is given to it may name the module's constants, but nothing of a function or of another module.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import re
import string
from collections.abc import Iterator
from typing import Any, NamedTuple

from tests.hostile.growth import METHODS
from tests.test_architecture import ROOT, modules

_NO_PATTERN = {"escape", "purge", "Pattern", "Match", "error", "RegexFlag"}
_TAKES_FLAGS_AT = {"compile": 1, "split": 3, "sub": 4, "subn": 4}  # else 2
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
    trees = {name: ast.parse(source) for name, source in sources.items() if "re" in source}
    return [found for name, tree in trees.items() for found in patterns_of(name, tree, list(trees.values()))]


def patterns_of(module: str, tree: ast.Module, everywhere: list[ast.Module]) -> Iterator[Found]:
    """The patterns of one module; everywhere: the trees in which its names may be used."""
    _check_imports(module, tree)
    calls = list(_calls_of_re(module, tree))
    names = _constants(tree)
    compiled = {id(node.value): node.targets[0] for node in tree.body if isinstance(node, ast.Assign)}
    for method, call in calls:
        where = f"{module}, line {call.lineno}"
        pattern = _pattern(call, method, names, where)
        if method != "compile":
            yield Found(where, pattern, [{"subn": "sub"}.get(method, method)])
            continue
        target = compiled.get(id(call))
        assert isinstance(target, ast.Name), f"{where}: give the compiled pattern a name of its own in the module"
        yield Found(
            f"{where}: {target.id}", pattern, _methods(target.id, [tree] if target.id[0] == "_" else everywhere)
        )


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
    """The module's own names whose values need no import but these."""
    names: dict[str, Any] = {"re": re, "string": string}
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
            if isinstance(target, ast.Name):
                with contextlib.suppress(Exception):  # it needs more than that
                    names[target.id] = eval(compile(ast.Expression(node.value), "", "eval"), names)
    return names


def _value(node: ast.expr, names: dict[str, Any], where: str) -> Any:
    try:
        return eval(compile(ast.Expression(node), where, "eval"), names)  # the project's own source
    except NameError as error:
        raise AssertionError(f"{where}: a pattern of the module's constants only, so that it can be tested") from error


def _methods(name: str, trees: list[ast.Module]) -> list[str]:
    """How a compiled pattern is called; in every way where it is also handed on under another name."""
    called: set[str] = set()
    for tree in trees:
        parents = {id(child): node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Load):
                parent = parents[id(node)]
                called |= {parent.attr} if isinstance(parent, ast.Attribute) else set(_ANY_METHOD)
    return sorted(called & METHODS.keys()) or _ANY_METHOD
