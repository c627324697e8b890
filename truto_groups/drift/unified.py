"""The unified group's own fields: what makes rows wrong, and what their values say.

Breaking is only what would put something wrong into a row. A value that becomes null because it
cannot be read is told, and publishes.
"""

from collections.abc import Iterator, Mapping, Sequence

from truto_groups.contract import GROUP_TYPES, UNIFIED_GROUP_FIELDS
from truto_groups.drift.chance import SURPRISING, UNUSUAL, Count, least_surprising
from truto_groups.drift.findings import Finding
from truto_groups.drift.shape import Path, Seen, Shape

# What may come where nothing is known yet: an id as digits, an instant as an epoch. A text is
# taken as it is; an object or a list as a name would put JSON into the column.
_DOCUMENTED: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(UNIFIED_GROUP_FIELDS, frozenset({"string", "number"})),
    "remote_data": frozenset({"object"}),
}

_MANY_GROUP_TYPES = 12
"""An account with more types than this, none of them documented, uses free text."""

MACHINE_FORMS = frozenset({"digits", "uuid", "email", "url", "dn"})
"""Forms of ids that exclude each other: of these, one does not turn into another by chance."""

# A form and those that are also it: ids that may hold letters sometimes hold none.
_WIDER: Mapping[str, frozenset[str]] = {
    "digits": frozenset({"hex", "alnum", "word", "text"}),
    "hex": frozenset({"alnum", "word", "text"}),
    "alnum": frozenset({"word", "text"}),
    "word": frozenset({"text"}),
}


def find_contract_findings(
    observed: Shape, *, baseline: Shape | None, unmapped_limit: float | None
) -> Iterator[Finding]:
    """Find what breaks the contract, with or without a baseline."""
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
        yield from _find_retyped(field, observed, baseline=baseline)
    if baseline is None:
        for field, unreadable in sorted(observed.counts.unreadable_instants.items()):
            if unreadable:
                yield _unreadable(field, unreadable, observed, was="an instant")
    yield from _find_unmapped(observed, unmapped_limit=unmapped_limit)
    yield from _find_duplicates(observed)


def _find_retyped(field: str, observed: Shape, *, baseline: Shape | None) -> Iterator[Finding]:
    path = (field,)
    seen = observed.seen(path)
    was = baseline.seen(path) if baseline is not None else None
    known = was.value_types if was is not None and was.value_types else _DOCUMENTED[field]
    added = seen.value_types - known
    if not added:
        return
    is_new = was is None or not was.value_types
    record_count = sum(seen.types[name] for name in added)
    yield Finding(
        kind="type_changed",
        # remote_data is kept as it came, so that on a first sync nothing is wrong with its row.
        severity="warning" if is_new and field == "remote_data" else "breaking",
        path=field,
        was=f"{' or '.join(sorted(known))}{' (documented)' if is_new else ''}",
        now=_types(seen),
        record_count=record_count,
        of=observed.record_count,
        steps=path,
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


def _find_duplicates(observed: Shape) -> Iterator[Finding]:
    counts = observed.counts
    same = counts.duplicate_id_count - counts.differing_id_count
    if counts.differing_id_count:
        yield Finding(
            kind="duplicate_ids_differ",
            severity="warning",
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


def find_value_findings(
    observed: Shape, *, baseline: Shape, history: Sequence[Shape]
) -> Iterator[Finding]:
    """Find what changed in the values of ``group_type``, the instants and the ids."""
    witnesses = [baseline, *history]
    yield from _find_new_group_types(observed, baseline=baseline)
    for field, unreadable in sorted(observed.counts.unreadable_instants.items()):
        if unreadable:
            yield from _find_unreadable(field, unreadable, observed, witnesses=witnesses)
    yield from _find_new_id_forms(observed, witnesses=witnesses)


def _find_new_group_types(observed: Shape, *, baseline: Shape) -> Iterator[Finding]:
    was = {value.lower() for value in baseline.counts.group_types}
    is_free_text = len(was.difference(GROUP_TYPES)) > _MANY_GROUP_TYPES
    now: dict[str, tuple[str, int]] = {}
    for value, count in observed.counts.group_types.items():
        known = now.get(value.lower(), (value, 0))
        now[value.lower()] = (known[0], known[1] + count)
    for lowered in sorted(now.keys() - was):
        value, count = now[lowered]
        is_documented = lowered in GROUP_TYPES
        yield Finding(
            kind="new_group_type",
            severity="information" if is_documented or is_free_text or not was else "warning",
            path="group_type",
            was=_listed(baseline.counts.group_types),
            now=f"`{value}` in {count:,} of {observed.record_count:,}",
            record_count=count,
            of=observed.record_count,
            was_of=baseline.record_count,
            steps=("group_type",),
        )


def _find_unreadable(
    field: str, unreadable: int, observed: Shape, *, witnesses: Sequence[Shape]
) -> Iterator[Finding]:
    path = (field,)
    references = [
        Count(shape.counts.unreadable_instants.get(field, 0), shape.seen(path).value_count)
        for shape in witnesses
    ]
    now = Count(unreadable, max(observed.seen(path).value_count, unreadable))
    if not references[0].count:
        yield _unreadable(field, unreadable, observed, was="readable")
        return
    chance = least_surprising(now, references=references)
    if now.share > references[0].share and chance < UNUSUAL:
        was = f"unreadable in {references[0].count:,} of {references[0].of:,}"
        severity = "warning" if chance < SURPRISING else "information"
        found = _unreadable(field, unreadable, observed, was=was)
        yield Finding(
            **{
                **{name: getattr(found, name) for name in found.__struct_fields__},
                "severity": severity,
                "chance": chance,
            }
        )


def _unreadable(field: str, unreadable: int, observed: Shape, *, was: str) -> Finding:
    of = observed.seen((field,)).value_count
    return Finding(
        kind="instants_unreadable",
        severity="warning",
        path=field,
        was=was,
        now=f"no instant in {unreadable:,} of {of:,}",
        record_count=unreadable,
        of=of,
        steps=(field,),
    )


def _find_new_id_forms(observed: Shape, *, witnesses: Sequence[Shape]) -> Iterator[Finding]:
    was = witnesses[0].counts.id_forms
    now = observed.counts.id_forms
    new = {form: count for form, count in now.items() if not _is_known(form, was)}
    if not was or not new:
        return
    observed_count = Count(sum(new.values()), sum(now.values()))
    references = [
        Count(
            sum(n for form, n in shape.counts.id_forms.items() if not _is_known(form, was)),
            sum(shape.counts.id_forms.values()),
        )
        for shape in witnesses
    ]
    chance = least_surprising(observed_count, references=references)
    # One kind of machine-made ids does not turn into another by chance, not even in one group.
    is_replaced = (
        observed_count.share == 1.0
        and set(new) <= MACHINE_FORMS
        and set(was) <= MACHINE_FORMS
        and not any(reference.count for reference in references)
    )
    yield Finding(
        kind="id_form_changed",
        severity="warning" if is_replaced or chance < SURPRISING else "information",
        path="id",
        was=_listed(was),
        now=_listed(new),
        record_count=observed_count.count,
        of=observed_count.of,
        was_of=sum(was.values()),
        chance=0.0 if is_replaced else chance,
        steps=("id",),
    )


def _is_known(form: str, known: Mapping[str, int]) -> bool:
    return form in known or bool(_WIDER.get(form, frozenset()) & known.keys())


def _types(seen: Seen, *, leave_out: str = "") -> str:
    return ", ".join(
        f"{name} in {count:,} of {seen.present_count:,}"
        for name, count in sorted(seen.types.items(), key=lambda item: (-item[1], item[0]))
        if name != leave_out
    )


def _listed(values: Mapping[str, int]) -> str:
    ordered = sorted(values, key=lambda value: (-values[value], value))
    shown = ", ".join(f"`{value}`" for value in ordered[:5])
    return f"{shown} and {len(ordered) - 5} more" if len(ordered) > 5 else shown or "none"


def is_unified(path: Path) -> bool:
    """Whether a path is one of the documented fields of the unified group itself."""
    return len(path) == 1 and path[0] in UNIFIED_GROUP_FIELDS
