"""The corpus in small: what docs/drift.md shows for all sizes must hold for some in seconds."""

from pathlib import Path

import pytest

from truto_groups_tests.drift_corpus import score
from truto_groups_tests.drift_corpus.score import Case

# The corpus is made once where all of these run in one process.
pytestmark = pytest.mark.long


@pytest.fixture(name="small", scope="module")
def provide_small() -> list[Case]:
    return score.make_cases((3,), most=60, seed="test")


@pytest.fixture(name="cases", scope="module", params=["small", "large"])
def provide_cases(request: pytest.FixtureRequest, small: list[Case]) -> list[Case]:
    """Of accounts of three groups; of accounts of fifty a third as many, which take as long."""
    return small if request.param == "small" else score.make_cases((50,), most=20, seed="test")


def test_the_corpus_has_hundreds_of_mutations_and_of_harmless_variations(small: list[Case]) -> None:
    assert len({case.kind for case in small if case.kind}) >= 9
    assert sum(case.kind is not None for case in small) > 300
    assert sum(case.kind is None for case in small) > 300


def test_every_breaking_mutation_is_held_back_and_no_other(cases: list[Case]) -> None:
    wrong = [
        (case.kind, case.path, case.name, case.size)
        for case in cases
        if (score.ours(case).severity == "breaking") != case.is_breaking
    ]

    assert wrong == []


def test_mutations_are_named_with_kind_and_path(cases: list[Case]) -> None:
    mutated = [case for case in cases if case.kind]
    missed = [c for c in mutated if not score.is_named(c, score.ours(c))]

    assert len(missed) <= len(mutated) / 100, [(c.kind, c.path, c.name) for c in missed]


def test_no_harmless_variation_alarms(cases: list[Case]) -> None:
    alarmed = [
        (case.name, case.size, score.ours(case))
        for case in cases
        if case.kind is None and score.is_alarm(score.ours(case))
    ]

    assert alarmed == []


def test_the_tables_go_between_the_markers(tmp_path: Path) -> None:
    document = tmp_path / "drift.md"
    document.write_text(f"before\n{score.BEGIN}\nold\n{score.END}\nafter\n", encoding="utf-8")

    score.write_tables("new", path=document)

    assert document.read_text(encoding="utf-8") == (
        f"before\n{score.BEGIN}\n\nnew\n\n{score.END}\nafter\n"
    )


def test_the_document_has_the_markers() -> None:
    text = score.DOCS.read_text(encoding="utf-8")

    assert text.index(score.BEGIN) < text.index(score.END)
