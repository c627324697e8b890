"""The unified group's own fields: what makes rows wrong, with or without a baseline.

Breaking is only what would put something wrong into a row. A value that becomes null because it
cannot be read is told, and publishes.
"""

from collections.abc import Iterator, Mapping, Sequence

from truto_groups.drift.findings import Finding
from truto_groups.drift.probability import Count
from truto_groups.drift.shape import Seen, Shape
from truto_groups.drift.values import unreadable_finding
from truto_groups.schema import UNIFIED_GROUP_FIELDS

# What may come where nothing is known yet: an id as digits, an instant as an epoch. A text is
# taken as it is; an object or a list as a name would put JSON into the column.
_DOCUMENTED: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(UNIFIED_GROUP_FIELDS, frozenset({"string", "number"})),
    "remote_data": frozenset({"object"}),
}
# What is no instant becomes null, and what is no group_type becomes unmapped: no row is wrong.
_READ_WHATEVER_COMES = frozenset({"created_at", "updated_at", "group_type"})


def find_contract_findings(
    observed: Shape,
    *,
    baseline: Shape | None,
    history: Sequence[Shape] = (),
    unmapped_limit: float | None,
) -> Iterator[Finding]:
    """Find what breaks the contract, with or without a baseline.

    A field that was always null in the baseline is of the type that it had since, in ``history``.
    """
    count = observed.record_count
    if observed.not_object_count:
        yield Finding(
            kind="not_an_object",
            severity="breaking",
            was="object",
            now=_types(observed.seen(()), leave_out="object"),
            record_count=observed.not_object_count,
            of=count,
        )
    missing = max(observed.counts.missing_id_count - observed.not_object_count, 0)
    if missing:
        yield Finding(
            kind="id_missing",
            severity="breaking",
            path="id",
            was="a text or an integer",
            now=f"nothing that identifies in {missing:,} of {count:,}",
            record_count=missing,
            of=count,
            steps=("id",),
        )
    for field in UNIFIED_GROUP_FIELDS:
        known = next(
            (
                shape.seen((field,)).value_types
                for shape in ([] if baseline is None else [baseline, *history])
                if shape.seen((field,)).value_types
            ),
            frozenset[str](),
        )
        yield from _find_retyped(field, observed, known=known)
    if baseline is None:
        for field, unreadable in sorted(observed.counts.unreadable_instants.items()):
            if unreadable:
                yield unreadable_finding(field, unreadable, observed, was="an instant")
    yield from _find_unmapped(observed, unmapped_limit=unmapped_limit)
    yield from _find_duplicates(observed, baseline=baseline)


def _find_retyped(field: str, observed: Shape, *, known: frozenset[str]) -> Iterator[Finding]:
    path = (field,)
    if not known and field in _READ_WHATEVER_COMES:
        return
    seen = observed.seen(path)
    expected = known or _DOCUMENTED[field]
    added = sorted(seen.value_types - expected)
    if not added:
        return
    yield Finding(
        kind="type_changed",
        # remote_data is kept as it came, so that on a first sync nothing is wrong with its row.
        severity="warning" if not known and field == "remote_data" else "breaking",
        path=field,
        was=f"{' or '.join(sorted(expected))}{'' if known else ' (documented)'}",
        now=_types(seen),
        record_count=sum(seen.types[name] for name in added),
        of=observed.record_count,
        steps=path,
        new_types=tuple(added),
    )


def _find_unmapped(observed: Shape, *, unmapped_limit: float | None) -> Iterator[Finding]:
    counts = observed.counts
    share = Count(counts.unmapped_count, counts.record_count).share
    if unmapped_limit is not None and share > unmapped_limit:
        yield Finding(
            kind="group_types_unmapped",
            severity="warning",
            path="group_type",
            was=f"at most {unmapped_limit:.0%} unmapped",
            now=f"{counts.unmapped_count:,} of {counts.record_count:,} unmapped",
            record_count=counts.unmapped_count,
            of=counts.record_count,
        )


def _find_duplicates(observed: Shape, *, baseline: Shape | None) -> Iterator[Finding]:
    counts = observed.counts
    is_usual = baseline is not None and baseline.counts.differing_id_count > 0
    same = counts.duplicate_id_count - counts.differing_id_count
    if counts.differing_id_count:
        yield Finding(
            kind="duplicate_ids_differ",
            severity="information" if is_usual else "warning",
            path="id",
            was="one content an id",
            now=f"{counts.differing_id_count:,} ids with several",
            record_count=counts.differing_id_count,
            of=counts.record_count,
        )
    if same > 0:
        yield Finding(
            kind="duplicate_ids",
            severity="information",
            path="id",
            was="once an id",
            now=f"{same:,} ids more than once",
            record_count=same,
            of=counts.record_count,
        )


def _types(seen: Seen, *, leave_out: str = "") -> str:
    return ", ".join(
        f"{name} in {count:,} of {seen.present_count:,}"
        for name, count in sorted(seen.types.items(), key=lambda item: (-item[1], item[0]))
        if name != leave_out
    )
