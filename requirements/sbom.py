"""What a user installs, as CycloneDX 1.6 in JSON: `make sbom` writes artifacts/sbom/.

`serving.cdx.json` is what the image has beside Debian and Python, `run.cdx.json` what `make install` brings. Each part is
named by its package URL, with the SHA-256 of every file of that version; Plotly's script, which lies in this
project, is among them. Licences are not told, nor which part needs which: the locks don't know it. The same locks give the
same file. Needs requirements/dev.txt; takes a second.
"""

from __future__ import annotations

import json
import tomllib
import uuid
from collections.abc import Iterable
from itertools import groupby

from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, Property, XsUri
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL

from foundations.artifact_folder import DEFAULT_ARTIFACTS
from foundations.atomic_files import file_sha256, write_text
from requirements.locks import ROOT, TORCH, Pinned, locked

PLOTLY = ROOT / "service" / "templates" / "plotly"
TOLD = {"serving": ("serving",), "run": (TORCH, "run")}  # by file, the locks whose packages it has


def bill_of_materials(locks: Iterable[str]) -> str:
    """The packages of these locks and what lies in the project itself, as the text of a JSON file."""
    pinned = sorted({one for lock in locks for one in locked(lock)}, key=_version)
    parts = [_package(list(alike)) for _, alike in groupby(pinned, key=_version)]
    metadata = BomMetaData(component=_project())
    metadata.timestamp = None  # type: ignore[assignment]  # the day would make each file another
    said = "".join(map(str, pinned))
    bom = Bom(components=[*parts, _plotly()], metadata=metadata, serial_number=uuid.uuid5(uuid.NAMESPACE_OID, said))
    bom.register_dependency(metadata.component, bom.components)  # type: ignore[arg-type]
    return make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(indent=1) + "\n"


def _version(pinned: Pinned) -> tuple[str, str]:
    return pinned.name, pinned.version


def _package(alike: list[Pinned]) -> Component:
    """One version of a package, however many conditions it is installed under."""
    name, version = _version(alike[0])
    purl = PackageURL("pypi", None, name, version)
    files = ExternalReference(
        type=ExternalReferenceType.DISTRIBUTION,
        url=XsUri(str(purl)),
        comment="the SHA-256 of each file of this version",
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=one) for one in alike[0].hashes],
    )
    markers = [] if any(not one.marker for one in alike) else [one.marker for one in alike]
    return Component(
        name=name,
        version=version,
        purl=purl,
        bom_ref=str(purl),
        external_references=[files],
        properties=[Property(name="python:marker", value=marker) for marker in markers],
    )


def _plotly() -> Component:
    about = json.loads((PLOTLY / "package.json").read_text(encoding="utf-8"))
    purl = PackageURL("npm", None, about["name"], about["version"])
    script = HashType(alg=HashAlgorithm.SHA_256, content=file_sha256(PLOTLY / about["main"]))
    return Component(name=about["name"], version=about["version"], purl=purl, bom_ref=str(purl), hashes=[script])


def _project() -> Component:
    about = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return Component(
        name=about["name"], version=about["version"], type=ComponentType.APPLICATION, bom_ref=about["name"]
    )


if __name__ == "__main__":
    for told, names in TOLD.items():
        write_text(DEFAULT_ARTIFACTS / "sbom" / f"{told}.cdx.json", bill_of_materials(names))
