"""The bill of materials: valid CycloneDX, with every package of the locks, the script in the pages, and the same each time."""

from __future__ import annotations

import json
from typing import Any

import pytest

from foundations.atomic_files import file_sha256
from requirements.locks import locked
from requirements.sbom import PLOTLY, TOLD, bill_of_materials


@pytest.fixture(params=TOLD)
def told(request: pytest.FixtureRequest) -> tuple[tuple[str, ...], str]:
    locks = TOLD[request.param]
    return locks, bill_of_materials(locks)


def _hashes(component: dict[str, Any]) -> set[str]:
    return {one["content"] for reference in component["externalReferences"] for one in reference["hashes"]}


def test_it_keeps_to_the_standard(told: tuple[tuple[str, ...], str]) -> None:
    from cyclonedx.schema import SchemaVersion  # seconds of imports that only this needs
    from cyclonedx.validation.json import JsonStrictValidator

    validator = JsonStrictValidator(SchemaVersion.V1_6)
    assert validator.validate_str(told[1]) is None
    wrong = json.loads(told[1])
    wrong["components"][0]["type"] = "thing"
    assert validator.validate_str(json.dumps(wrong)) is not None


def test_it_has_every_package_of_the_locks_with_its_hashes(told: tuple[tuple[str, ...], str]) -> None:
    locks, text = told
    packages = {one["purl"]: one for one in json.loads(text)["components"]}
    pinned = {f"pkg:pypi/{one.name}@{one.version}": one for lock in locks for one in locked(lock)}
    assert pinned.keys() == {purl for purl in packages if purl.startswith("pkg:pypi/")}
    assert all(_hashes(packages[purl]) == set(one.hashes) for purl, one in pinned.items())


def test_it_has_the_script_that_lies_in_the_project(told: tuple[tuple[str, ...], str]) -> None:
    (script,) = [one for one in json.loads(told[1])["components"] if one["purl"].startswith("pkg:npm/")]
    assert script["hashes"] == [{"alg": "SHA-256", "content": file_sha256(PLOTLY / "plotly-basic.min.js")}]
    assert script["version"] in (PLOTLY / "plotly-basic.min.js").read_text(encoding="utf-8")[:200]


def test_the_same_locks_give_the_same_file(told: tuple[tuple[str, ...], str]) -> None:
    assert bill_of_materials(told[0]) == told[1]


def test_the_image_has_no_training(told: tuple[tuple[str, ...], str]) -> None:
    has_torch = any(one["name"] == "torch" for one in json.loads(told[1])["components"])
    assert has_torch == (told[0] == TOLD["run"])
