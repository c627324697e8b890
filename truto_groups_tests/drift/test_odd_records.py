"""Whatever one account sends, its shape is found and judged: nothing raises, nothing takes minutes.

Real: msgspec, DuckDB and the audit. Hypothesis makes the records, and the giants are built by hand.
"""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from truto_groups.drift.audit import PastSync, audit
from truto_groups.drift.findings import Finding, findings_from_json, findings_to_json
from truto_groups.drift.folding import MAX_PATHS, is_data_key
from truto_groups.drift.profile import shape_of
from truto_groups.drift.shape import Shape
from truto_groups.drift.verdict import LandedAccount
from truto_groups.sync.land import StagedPage, Staging
from truto_groups_tests.stand import A

pytestmark = pytest.mark.long

ODD_KEYS = [
    *(
        "",
        " ",
        ".",
        "a.b",
        "[]",
        "{}",
        "[*]",
        "*",
        "$",
        "$.x",
        "#-1",
        "0",
        "-1",
        "1.5",
        "null",
        "'",
    ),
    *('a"b', "a\\b", "\\", '"', '\\"', "`", "|", "a\nb", "\0", "\x01", "\x85", "é", "😀", "\u202e"),
    *(
        "?(@.x)",
        "..",
        "/x",
        "~1",
        "%s",
        "{0}",
        "x" * 300,
        "id",
        "name",
        "remote_data",
        "group_type",
    ),
]

keys = st.sampled_from(ODD_KEYS) | st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(10**25), 10**25)
    | st.floats(allow_nan=False, allow_infinity=False)
    | keys
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=10,
)
records = st.fixed_dictionaries(
    {"id": st.integers(0, 9) | st.sampled_from("abc"), "remote_data": values},
    optional=dict.fromkeys(
        ["name", "group_type", "description", "organization", "created_at", "updated_at"], values
    ),
).flatmap(lambda known: st.dictionaries(keys, values, max_size=3).map(lambda more: more | known))
answers = st.lists(st.lists(records, min_size=1, max_size=6), min_size=2, max_size=3)


def look_at(staging: Staging, texts: Sequence[str]) -> tuple[LandedAccount, Shape]:
    """Land an answer in the place of the one before, and find its shape."""
    staging.forget([A])
    assert staging.land([StagedPage(A, 1, f"[{','.join(texts)}]")]) == {}
    landed = staging.inspect([A])[A]
    return landed, shape_of(staging.profile([A])[A], landed.counts)


def tell(staging: Staging, findings: Sequence[Finding]) -> None:
    """Do with findings all that is done with them."""
    assert findings_from_json(findings_to_json(findings)) == findings
    for finding in findings:
        assert finding.message
        assert finding.advice
        finding.without_values()
        if finding.steps:
            staging.find_example(A, finding)


@pytest.fixture(name="staging", scope="module")
def provide_staging() -> Iterator[Staging]:
    """One for all: opening one takes longer than landing some records."""
    with Staging() as staging:
        yield staging


@settings(max_examples=12, deadline=None, derandomize=True)
@given(answers=answers)
def test_records_with_any_keys_and_values_are_judged(
    staging: Staging, answers: list[list[dict[str, Any]]]
) -> None:
    baseline: Shape | None = None
    history: list[PastSync] = []
    for answer in answers:
        _, shape = look_at(staging, [json.dumps(record) for record in answer])
        assert Shape.from_json(shape.to_json()) == shape
        findings = audit(shape, baseline=baseline, history=history, unmapped_limit=0.5)
        tell(staging, findings)
        baseline = baseline or shape
        history.append(PastSync(shape, findings))


def one(remote_data: object) -> list[str]:
    text = remote_data if isinstance(remote_data, str) else json.dumps(remote_data)
    return [f'{{"id":"1","remote_data":{text}}}']


def object_of(count: int, prefix: str = "k") -> dict[str, int]:
    return {f"{prefix}{number}x": number for number in range(count)}


def each(count: int, make: Callable[[int], dict[str, object]]) -> list[str]:
    return [json.dumps({"id": str(number), **make(number)}) for number in range(count)]


GIANTS: dict[str, Callable[[], list[str]]] = {
    "many keys in one object": lambda: one(object_of(100_000)),
    "many keys over many records": lambda: each(
        1000, lambda n: {"remote_data": object_of(100, f"k{n}_")}
    ),
    "many keys of the record itself": lambda: each(1, lambda _: {**object_of(100_000)}),
    "many objects with a key each": lambda: one([{f"k{n}": 1} for n in range(50_000)]),
    "one key many times": lambda: one("{" + ",".join(['"k":1'] * 50_000) + "}"),
    "a key of a megabyte": lambda: one({"a@" + "." * 1_000_000 + " ": 1}),
    "490 objects deep": lambda: one('{"a":' * 490 + "1" + "}" * 490),
    "490 arrays deep": lambda: one("[" * 490 + "]" * 490),
    "a key of its own at each of three levels": lambda: each(
        10_000, lambda n: {"remote_data": {f"p{n}": {f"q{n}": {f"r{n}": 1}}}}
    ),
    "a type of its own for each group": lambda: each(
        10_000, lambda n: {"group_type": "t" * 500 + str(n)}
    ),
}


@pytest.mark.parametrize("name", GIANTS)
def test_a_giant_is_judged_in_seconds(staging: Staging, name: str) -> None:
    texts = GIANTS[name]()
    began = time.process_time()
    landed, shape = look_at(staging, texts)
    small = shape_of([('{"id":"VARCHAR","remote_data":{"x":"VARCHAR"}}', 5)], landed.counts)
    findings = audit(shape, baseline=small, history=[PastSync(shape)] * 20)
    tell(staging, findings[:20])
    assert len(shape.paths) <= MAX_PATHS
    assert len(shape.to_json()) < 100_000
    assert time.process_time() - began < 10


@pytest.mark.parametrize(
    "key",
    [
        f"a@{'.' * 100_000} ",
        "A1" * 100_000 + "!",
        "ab1" * 100_000 + ".",
        "=" * 100_000,
        " " * 100_000,
    ],
    ids=lambda key: key[:6],
)
def test_a_long_key_is_data_whatever_it_holds(key: str) -> None:
    began = time.process_time()
    assert is_data_key(key)
    assert time.process_time() - began < 1
