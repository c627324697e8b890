"""Score the audit on the corpus and write the tables of docs/drift.md.

``python -m truto_groups_tests.drift_corpus.score`` takes a few minutes; ``--quick`` takes the small
accounts only and writes nothing.
"""

import math
import random
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from truto_groups.drift.audit import PastSync, audit
from truto_groups.drift.findings import Finding, worst
from truto_groups.drift.profile import shape_of
from truto_groups.drift.shape import LandedCounts, Shape
from truto_groups.drift.volume import plausible_count
from truto_groups_tests.drift_corpus.mutations import iter_mutations
from truto_groups_tests.drift_corpus.observing import observe_shapes
from truto_groups_tests.drift_corpus.records import INTEGRATIONS, make_account
from truto_groups_tests.drift_corpus.variations import iter_variations

DOCS = Path(__file__).parents[2] / "docs" / "drift.md"
BEGIN = "<!-- score: begin (make drift-score writes what follows) -->"
END = "<!-- score: end -->"

SIZES = (1, 3, 10, 50, 200, 1000, 5000)
# So many mutations an account, so that the large accounts do not take hours.
_MOST = {200: 80, 1000: 30, 5000: 8}
_PAST_SYNCS = 4


@dataclass(frozen=True)
class Case:
    """One observed sync with what is true of it; ``kind`` is None for a harmless variation."""

    kind: str | None
    path: str
    name: str
    is_breaking: bool
    size: int
    baseline: Shape
    observed: Shape
    history: Sequence[PastSync]


@dataclass(frozen=True)
class Said:
    """What a detector says: the kinds with paths that it names, and its worst severity."""

    named: frozenset[tuple[str, str]]
    severity: str | None


Detector = Callable[[Case], Said]


def ours(case: Case) -> Said:
    findings = audit(case.observed, baseline=case.baseline, history=case.history)
    return Said(frozenset((f.kind, f.path) for f in findings), worst(findings))


def always(case: Case) -> Said:
    return Said(frozenset(), "breaking")


def never(case: Case) -> Said:
    return Said(frozenset(), None)


def dagster_columns(case: Case) -> Said:
    """What ``build_column_schema_change_checks`` compares: names and types of the columns.

    Given the unified group's own fields as columns, which is more than our table would show it:
    that has the same columns whatever comes.
    """
    was, now = _columns(case.baseline), _columns(case.observed)
    named = {("field_added", name) for name in now.keys() - was.keys()}
    named |= {("field_gone", name) for name in was.keys() - now.keys()}
    named |= {("type_changed", name) for name in was.keys() & now.keys() if was[name] != now[name]}
    return Said(frozenset(named), "warning" if named else None)


def _columns(shape: Shape) -> dict[str, frozenset[str]]:
    return {path[0]: seen.value_types for path, seen in shape.paths.items() if len(path) == 1}


DETECTORS: dict[str, Detector] = {
    "truto-groups": ours,
    "Dagster's column-change check": dagster_columns,
    "always alarm": always,
    "never alarm": never,
}


def make_cases(sizes: Iterable[int] = SIZES, *, most: int = 400, seed: str = "first") -> list[Case]:
    """The corpus: for each integration and size mutations and harmless variations."""
    return [
        case
        for size in sizes
        for integration in INTEGRATIONS
        for case in make_account_cases(
            integration, size=size, most=min(most, _MOST.get(size, most)), seed=seed
        )
    ]


def make_account_cases(integration: str, *, size: int, most: int, seed: str) -> list[Case]:
    rng = random.Random(f"{integration}/{size}/{seed}")
    records = make_account(integration, size=size, seed=seed)
    past = [make_account(integration, size=size, seed=f"{seed}{i}") for i in range(_PAST_SYNCS)]
    mutations = iter_mutations(records, rng=rng, most=most)
    repeats = 3 if size <= 200 else 1
    variations = list(iter_variations(records, integration, rng=rng, repeats=repeats))
    accounts: dict[str, list[Any]] = {"baseline": records}
    accounts |= {f"past {i}": one for i, one in enumerate(past)}
    accounts |= {f"mutation {i}": one.records for i, one in enumerate(mutations)}
    accounts |= {f"variation {i}": one for i, (_, one) in enumerate(variations)}
    shapes = observe_shapes(accounts)
    baseline = shapes["baseline"]
    history = [PastSync(shapes[f"past {i}"]) for i in range(_PAST_SYNCS)]
    cases = [
        Case(
            one.kind,
            one.path,
            one.reach,
            one.is_breaking,
            size,
            baseline,
            shapes[f"mutation {i}"],
            # Half of the cases are the second sync, half have a history.
            history if i % 2 else [],
        )
        for i, one in enumerate(mutations)
    ]
    return cases + [
        Case(
            None,
            "",
            name,
            False,
            size,
            baseline,
            shapes[f"variation {i}"],
            history if i % 2 else [],
        )
        for i, (name, _) in enumerate(variations)
    ]


def is_named(case: Case, said: Said) -> bool:
    return (case.kind, case.path) in said.named


def is_alarm(said: Said) -> bool:
    return said.severity in ("breaking", "warning")


def tables(cases: Sequence[Case]) -> str:
    """All tables, as Markdown."""
    said = {name: [detect(case) for case in cases] for name, detect in DETECTORS.items()}
    parts = [
        _detectors_table(cases, said),
        _kinds_table(cases, said["truto-groups"]),
        _sizes_table(cases, said["truto-groups"]),
        _smallest_table(),
        _collapse_table(),
    ]
    return "\n\n".join(parts)


def _detectors_table(cases: Sequence[Case], said: dict[str, list[Said]]) -> str:
    rows = []
    for name, answers in said.items():
        pairs = list(zip(cases, answers, strict=True))
        mutated = [pair for pair in pairs if pair[0].kind is not None]
        harmless = [pair for pair in pairs if pair[0].kind is None]
        breaking = [pair for pair in mutated if pair[0].is_breaking]
        soft = [pair for pair in mutated if not pair[0].is_breaking]
        alarms = sum(is_alarm(answer) for _, answer in pairs)
        true_alarms = sum(is_alarm(answer) for _, answer in mutated)
        rows.append(
            [
                name,
                _share(sum(a.severity == "breaking" for _, a in breaking), len(breaking)),
                _share(sum(a.severity == "breaking" for _, a in soft), len(soft)),
                _share(sum(is_named(case, answer) for case, answer in mutated), len(mutated)),
                _share(true_alarms, len(mutated)),
                _share(true_alarms, alarms),
                _share(sum(is_alarm(a) for _, a in harmless), len(harmless)),
            ]
        )
    return _table(
        "Detectors, over all kinds and sizes",
        [
            "detector",
            "breaking held back",
            "held back, though not breaking",
            "named with kind and path",
            "alarmed (warning or breaking)",
            "precision of alarms",
            "false alarms on harmless",
        ],
        rows,
    )


def _kinds_table(cases: Sequence[Case], answers: Sequence[Said]) -> str:
    rows = []
    pairs = list(zip(cases, answers, strict=True))
    for kind in sorted({case.kind for case in cases if case.kind}):
        for reach in ("one", "some", "all"):
            some = [p for p in pairs if p[0].kind == kind and p[0].name == reach]
            if not some:
                continue
            # Named though it was another mutation, at a path that has nothing to do with it.
            stray = sum(_is_stray(case, answer, kind) for case, answer in pairs)
            named = sum(is_named(*pair) for pair in some)
            rows.append(
                [
                    kind,
                    reach,
                    str(len(some)),
                    _share(named, len(some)),
                    _share(sum(a.severity == "breaking" for _, a in some), len(some)),
                    _share(sum(a.severity == "warning" for _, a in some), len(some)),
                    _share(sum(a.severity == "information" for _, a in some), len(some)),
                    str(stray) if reach == "all" or kind == "not_an_object" else "",
                ]
            )
    return _table(
        "By kind, and by how many records are mutated",
        ["kind", "records", "mutations", "named", "breaking", "warning", "information", "stray"],
        rows,
    )


def _is_stray(case: Case, answer: Said, kind: str) -> bool:
    """Whether an alarm names this kind at a path outside of the mutated one."""
    if not is_alarm(answer):
        return False
    return any(
        named == kind and not (path.startswith(case.path) or case.path.startswith(path))
        for named, path in answer.named
        if case.kind is None
    )


def _sizes_table(cases: Sequence[Case], answers: Sequence[Said]) -> str:
    rows = []
    for size in sorted({case.size for case in cases}):
        pairs = [p for p in zip(cases, answers, strict=True) if p[0].size == size]
        mutated = [p for p in pairs if p[0].kind is not None]
        harmless = [p for p in pairs if p[0].kind is None]
        breaking = [p for p in mutated if p[0].is_breaking]
        alarms = sum(is_alarm(a) for _, a in mutated)
        false_alarms = sum(is_alarm(a) for _, a in harmless)
        rows.append(
            [
                f"{size:,}",
                str(len(mutated)),
                _share(sum(a.severity == "breaking" for _, a in breaking), len(breaking)),
                _share(sum(is_named(*p) for p in mutated), len(mutated)),
                _share(alarms, len(mutated)),
                _share(alarms, alarms + false_alarms),
                str(len(harmless)),
                str(false_alarms),
            ]
        )
    return _table(
        "By size of account",
        [
            "groups",
            "mutations",
            "breaking held back",
            "named",
            "alarmed",
            "precision",
            "harmless variations",
            "false alarms",
        ],
        rows,
    )


def _one_field(count: int, of: int, *, rest: str) -> Shape:
    having = '{"id":"VARCHAR","remote_data":{"x":"VARCHAR"}}'
    structures = [(text, n) for text, n in ((having, count), (rest, of - count)) if n]
    return shape_of(structures, LandedCounts(record_count=of))


_NULL = '{"id":"VARCHAR","remote_data":{"x":"NULL"}}'
_LACKING = '{"id":"VARCHAR","remote_data":{"y":"VARCHAR"}}'


def _warns(findings: Sequence[Finding]) -> bool:
    return any(f.severity == "warning" and f.path == "remote_data.x" for f in findings)


def _smallest_table() -> str:
    rows = []
    for size in SIZES:
        full = _one_field(size, size, rest=_NULL)
        empty = _one_field(0, size, rest=_LACKING)
        nulls = _least(
            size,
            lambda n, s=size, b=full: _warns(audit(_one_field(s - n, s, rest=_NULL), baseline=b)),
        )
        gone = _least(
            size,
            lambda n, s=size, o=empty: _warns(audit(o, baseline=_one_field(n, s, rest=_LACKING))),
        )
        added = _least(
            size,
            lambda n, s=size, b=empty: _warns(audit(_one_field(n, s, rest=_LACKING), baseline=b)),
        )
        rows.append([f"{size:,}", *(_of(n, size) for n in (nulls, gone, added))])
    return _table(
        "The smallest change that warns, against one baseline of the same size",
        [
            "groups",
            "nulls where there were none",
            "a field gone that so many had",
            "a new field in so many",
        ],
        rows,
    )


def _collapse_table() -> str:
    rows = []
    for size in (1, 2, *SIZES[1:], 50_000):
        row = [f"{size:,}"]
        for syncs in (1, 5, 20):
            for wanted in (("warn", "hold_back"), ("hold_back",)):
                lost = _least(
                    size,
                    lambda n, wanted=wanted, syncs=syncs, size=size: (
                        plausible_count(size - n, history=[size] * syncs).outcome in wanted
                    ),
                )
                left = None if lost is None else size - lost
                row.append("never" if left is None else f"{left:,}")
        rows.append(row)
    return _table(
        "The smallest collapse, after so many steady syncs: groups left at which it warns, and at"
        " which it is held back",
        [
            "groups",
            "1 sync: warns",
            "held back",
            "5 syncs: warns",
            "held back",
            "20 syncs: warns",
            "held back",
        ],
        rows,
    )


def _least(most: int, holds: Callable[[int], bool]) -> int | None:
    """The least number from 1 to ``most`` for which it holds, as for all above; None for none."""
    if not holds(most):
        return None
    low, high = 1, most
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle + 1, high)
    return low


def _of(count: int | None, size: int) -> str:
    return "never" if count is None else f"{count:,} ({count / size:.1%})"


def _share(count: int, of: int) -> str:
    if not of:
        return "-"
    # Rounded down, so that 100 % is all of them.
    return "100 %" if count == of else f"{math.floor(10_000 * count / of) / 100:.2f} %"


def _table(title: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"### {title}", "", f"| {' | '.join(header)} |", f"|{' --- |' * len(header)}"]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join(lines)


def write_tables(text: str, *, path: Path) -> None:
    """Put the tables between the markers of a document."""
    document = path.read_text(encoding="utf-8")
    before, rest = document.split(BEGIN, 1)
    _, after = rest.split(END, 1)
    path.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", encoding="utf-8")


def main(arguments: Sequence[str]) -> None:
    """Print the tables; write them into the document unless ``--quick``."""
    is_quick = "--quick" in arguments
    cases = make_cases(SIZES[:4] if is_quick else SIZES)
    count = sum(case.kind is not None for case in cases)
    text = (
        f"{count:,} mutations and {len(cases) - count:,} harmless variations of"
        f" {len(INTEGRATIONS)} integrations.\n\n{tables(cases)}"
    )
    sys.stdout.write(text + "\n")
    if not is_quick:
        write_tables(text, path=DOCS)


if __name__ == "__main__":
    main(sys.argv[1:])
