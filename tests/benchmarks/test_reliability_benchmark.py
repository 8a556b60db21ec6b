"""The reliability benchmark itself: its tables, its exit codes, its places in the document; the proofs are real runs of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.reliability import __main__ as reliability
from benchmarks.reliability.figures import Figure, Progress, Proof, Sizes, percentile
from benchmarks.reliability.load import Usage

DOCUMENT = Path(__file__).parents[2] / "docs" / "reliability.md"


@pytest.fixture
def one_proof(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that the only proof will yield."""
    figures: list[Figure] = []

    def measure(artifacts: Path, sizes: Sizes, progress: Progress) -> Iterator[Figure]:
        yield Figure("cases wanted", str(sizes.cases))
        yield from figures

    monkeypatch.setattr(reliability, "PROOFS", (Proof("schema", "A proof", measure),))
    return figures


def test_a_table_is_written_to_its_place_and_a_missed_promise_is_exit_code_1(
    one_proof: list[Figure], tmp_path: Path
) -> None:
    document = tmp_path / "reliability.md"
    text = DOCUMENT.read_text()
    document.write_text(text)
    arguments = ["--only", "schema", "--artifacts", str(tmp_path), "--write", str(document), "--cases", "7"]
    one_proof.append(Figure("lost", "0", "0", True))
    assert reliability.main(arguments) == 0
    written = document.read_text()
    assert "| cases wanted | 7 |  |  |\n| lost | 0 | 0 | met |\n<!-- reliability schema: end -->" in written
    assert written.partition("<!-- reliability kills")[2] == text.partition("<!-- reliability kills")[2]
    one_proof[0] = Figure("lost", "1", "0", False)
    assert reliability.main(arguments) == 1
    assert "| lost | 1 | 0 | MISSED |" in document.read_text()


def test_a_document_without_the_place_is_a_sentence(one_proof: list[Figure], tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("nothing")
    assert reliability.main(["--artifacts", str(tmp_path), "--write", str(tmp_path / "a.md")]) == 2


def test_the_document_has_a_place_for_every_proof() -> None:
    text = DOCUMENT.read_text()
    for proof in reliability.PROOFS:
        assert text.count(f"<!-- reliability {proof.name}: begin -->") == 1
        assert text.count(f"<!-- reliability {proof.name}: end -->") == 1


def test_percentiles_by_hand() -> None:
    assert percentile([float(n) for n in range(1, 101)], 0.99) == 99.0
    assert percentile([float(n) for n in range(1, 102)], 0.99) == 100.0
    assert percentile([3.0, 1.0, 2.0], 0.5) == 2.0


@pytest.mark.parametrize(("last", "met"), [(104, True), (106, False)])
def test_memory_that_grows_is_noticed(last: int, met: bool) -> None:
    # 16 looks; the first 4 are the settling. Of the other 12, the first 3 have the median 100, the last 3 `last`.
    usage = Usage(server=None, memory=[500] * 4 + [100] * 9 + [last] * 3, files=[7] * 16)  # type: ignore[arg-type]
    assert [figure.met for figure in usage.figures()] == [met, True]
