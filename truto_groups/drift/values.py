"""What the values of the unified group say: types of groups, instants, forms of ids.

Nothing here makes a row wrong: what cannot be read becomes null, and is told.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec

from truto_groups.drift.findings import Finding, Severity
from truto_groups.drift.probability import SURPRISING, UNUSUAL, Count, least_surprising
from truto_groups.drift.shape import Path, Shape
from truto_groups.schema import GROUP_TYPES

_MANY_GROUP_TYPES = 20
"""An account with more types than this uses free text."""

_FEWEST_TYPED = 10
_OPEN_SHARE = 0.05

MACHINE_FORMS = frozenset({"digits", "uuid", "email", "url", "dn"})
"""Forms of ids that exclude each other: of these, one does not turn into another by chance."""

# A form and those that are also it: ids that may hold letters sometimes hold none.
_WIDER: Mapping[str, frozenset[str]] = {
    "digits": frozenset({"hex", "alnum", "word", "text"}),
    "hex": frozenset({"alnum", "word", "text"}),
    "alnum": frozenset({"word", "text"}),
    "word": frozenset({"text"}),
}


def find_value_findings(
    observed: Shape, *, witnesses: Callable[[Path], Sequence[Shape]]
) -> Iterator[Finding]:
    """Find what changed in the values of ``group_type``, the instants and the ids.

    Args:
        observed: The sync to judge.
        witnesses: A path to the shapes that tell what is normal there, the baseline first.
    """
    yield from _find_new_group_types(observed, witnesses=witnesses(("group_type",)))
    for field, unreadable in sorted(observed.counts.unreadable_instants.items()):
        if unreadable:
            yield from _find_unreadable(field, unreadable, observed, witnesses=witnesses((field,)))
    yield from _find_new_id_forms(observed, witnesses=witnesses(("id",)))


def _find_new_group_types(observed: Shape, *, witnesses: Sequence[Shape]) -> Iterator[Finding]:
    baseline = witnesses[0]
    was = _lowered(baseline)
    seen_since = {value for shape in witnesses[1:] for value in _lowered(shape)}
    now = _lowered(observed)
    for lowered in sorted(now.keys() - was.keys()):
        is_expected = lowered in GROUP_TYPES or lowered in seen_since
        is_news = not is_expected and _is_complete(was)
        yield Finding(
            kind="new_group_type",
            severity="warning" if is_news else "information",
            path="group_type",
            was=_listed(baseline.counts.group_types),
            now=f"`{_spelled(observed, lowered)}` in {now[lowered]:,} of {observed.record_count:,}",
            record_count=now[lowered],
            of=observed.record_count,
            was_of=baseline.record_count,
            chance=0.0 if is_news else 1.0,
            steps=("group_type",),
        )


def _lowered(shape: Shape) -> dict[str, int]:
    counts: dict[str, int] = {}
    for value, count in shape.counts.group_types.items():
        counts[value.lower()] = counts.get(value.lower(), 0) + count
    return counts


def _spelled(shape: Shape, lowered: str) -> str:
    return next(value for value in shape.counts.group_types if value.lower() == lowered)


def _is_complete(values: Mapping[str, int]) -> bool:
    """Whether a list of values looks complete, so that another one is news.

    Good and Turing: the share of values still to come is about the share of records whose value
    was seen only once. Free text never becomes complete.
    """
    of = sum(values.values())
    once = sum(1 for count in values.values() if count == 1)
    return of >= _FEWEST_TYPED and once < _OPEN_SHARE * of and len(values) <= _MANY_GROUP_TYPES


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
        yield unreadable_finding(field, unreadable, observed, was="readable")
        return
    chance = least_surprising(now, references=references)
    if now.share > references[0].share and chance < UNUSUAL:
        was = f"unreadable in {references[0].count:,} of {references[0].of:,}"
        severity: Severity = "warning" if chance < SURPRISING else "information"
        found = unreadable_finding(field, unreadable, observed, was=was)
        yield msgspec.structs.replace(found, severity=severity, chance=chance)


def unreadable_finding(field: str, unreadable: int, observed: Shape, *, was: str) -> Finding:
    """The finding for instants of a field that cannot be read, as a warning."""
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


def _listed(values: Mapping[str, int]) -> str:
    ordered = sorted(values, key=lambda value: (-values[value], value))
    shown = ", ".join(f"`{value}`" for value in ordered[:5])
    return f"{shown} and {len(ordered) - 5} more" if len(ordered) > 5 else shown or "none"
