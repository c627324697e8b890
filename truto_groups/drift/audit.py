"""Compare what a sync looks like with the account's baseline and what came since.

Decides what changed and how bad that is; whether to publish is the caller's. What makes rows
wrong is unified_fields.py's part; here everything that is only different.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from truto_groups.drift import unified_fields, values
from truto_groups.drift.findings import Finding, FindingKind, Severity, sort_findings
from truto_groups.drift.folding import fold_alike
from truto_groups.drift.probability import SURPRISING, UNUSUAL, Count, least_surprising
from truto_groups.drift.shape import ANY_KEY, ELEMENT, MIXED, NOT_SEEN, Path, Seen, Shape, path_text

SHARE_THAT_MATTERS = 0.05
"""A share of nulls that moved by less does not warn, however sure it is."""

FEWEST_FOR_ALL_OR_NOTHING = 2
"""What every record had and none has now is no chance, from so many records on."""


@dataclass(frozen=True)
class PastSync:
    """A published sync since (or before) the baseline, oldest first in a history.

    Attributes:
        shape: What it looked like.
        findings: What its audit found. Where it drifted itself it is no witness of what is normal.
    """

    shape: Shape
    findings: Sequence[Finding] = ()


def audit(
    observed: Shape,
    *,
    baseline: Shape | None,
    history: Sequence[PastSync] = (),
    unmapped_limit: float | None = None,
) -> list[Finding]:
    """Find everything that changed, the worst first.

    Args:
        observed: The sync to judge.
        baseline: What the account looked like when first published or last accepted.
        history: Recent published syncs, oldest first; what varied in them may vary again.
        unmapped_limit: Share of records whose ``group_type`` may be none of the documented ones;
            None judges it not at all.

    Returns:
        Findings; ``breaking`` ones must hold the account back. Without a baseline (a first sync)
        only the contract is judged.
    """
    if baseline is None or not baseline.record_count:
        # An account that was empty has no baseline to speak of: its first groups are.
        baseline = next((past.shape for past in history if past.shape.record_count), None)
    comparison = _Comparison.of(observed, baseline=baseline, history=history)
    findings = [
        *unified_fields.find_contract_findings(
            comparison.observed,
            baseline=comparison.baseline,
            history=[past.shape for past in comparison.history],
            unmapped_limit=unmapped_limit,
        )
    ]
    broken = {finding.steps for finding in findings if finding.severity == "breaking"}
    if comparison.baseline is not None and observed.record_count:
        findings += values.find_value_findings(comparison.observed, witnesses=comparison.witnesses)
        findings += [f for f in _find_path_findings(comparison) if f.steps not in broken]
    return sort_findings(findings)


@dataclass(frozen=True)
class _Comparison:
    """The shapes of an audit, folded alike."""

    observed: Shape
    baseline: Shape | None
    history: Sequence[PastSync]

    @classmethod
    def of(
        cls, observed: Shape, *, baseline: Shape | None, history: Sequence[PastSync]
    ) -> "_Comparison":
        shapes = [observed, *(past.shape for past in history)]
        if baseline is None:
            observed, *shapes = fold_alike(shapes)
        else:
            observed, baseline, *shapes = fold_alike([observed, baseline, *shapes[1:]])
        pairs = zip(history, shapes, strict=True)
        return cls(observed, baseline, [PastSync(shape, past.findings) for past, shape in pairs])

    def witnesses(self, path: Path) -> list[Shape]:
        """The baseline, and the past syncs that did not drift at the path themselves."""
        first = [] if self.baseline is None else [self.baseline]
        return first + [past.shape for past in self.history if not _has_drifted(past, path)]


def _has_drifted(past: PastSync, path: Path) -> bool:
    return any(
        path[: len(finding.steps)] == finding.steps
        and finding.steps
        and (finding.severity != "information" or finding.chance < UNUSUAL)
        for finding in past.findings
    )


def _find_path_findings(comparison: _Comparison) -> Iterator[Finding]:
    assert comparison.baseline is not None  # noqa: S101 - narrows the type; audit() saw to it
    before, now = comparison.baseline, comparison.observed
    for path in sorted(before.paths.keys() | now.paths.keys()):
        if not path or not before.container_count(path) or not now.container_count(path):
            continue  # what is around it changed, and is told there
        was, seen = before.seen(path), now.seen(path)
        if path[-1] in (ELEMENT, ANY_KEY):
            yield from _find_type_findings(path, was, seen, comparison)
        elif not was.present_count and seen.present_count:
            yield _presence(path, "field_added", comparison)
        elif was.present_count and not seen.present_count:
            yield _presence(path, "field_gone", comparison)
        elif was.present_count:
            yield from _find_type_findings(path, was, seen, comparison)
            yield from _find_null_findings(path, was, seen, comparison)


def _presence(path: Path, kind: FindingKind, comparison: _Comparison) -> Finding:
    witnesses = comparison.witnesses(path)
    references = [_present(shape, path) for shape in witnesses]
    observed = _present(comparison.observed, path)
    chance = _chance(observed, references)
    # Nobody can miss what was always null.
    has_had_values = any(s.seen(path).value_count for s in (comparison.observed, *witnesses))
    is_gone = kind == "field_gone"
    was, now = witnesses[0].seen(path), comparison.observed.seen(path)
    return Finding(
        kind=kind,
        severity="warning" if chance < SURPRISING and has_had_values else "information",
        path=path_text(path),
        was=_words(references[0], was) if is_gone else "not there",
        now="not there" if is_gone else _words(observed, now),
        record_count=observed.of if is_gone else observed.count,
        of=observed.of,
        was_count=references[0].count,
        was_of=references[0].of,
        chance=chance,
        steps=path,
    )


def _find_type_findings(
    path: Path, was: Seen, seen: Seen, comparison: _Comparison
) -> Iterator[Finding]:
    known = was.value_types
    added = _new_types(seen.value_types, known=known)
    if not known or not added:
        return
    new_count = sum(seen.types[name] for name in added)
    observed = Count(new_count, seen.value_count)
    witnesses = comparison.witnesses(path)
    references = [
        Count(sum(shape.seen(path).types.get(name, 0) for name in added), value_count)
        for shape in witnesses
        if (value_count := shape.seen(path).value_count)
    ]
    chance = least_surprising(observed, references=references)
    is_one_field = not {ELEMENT, ANY_KEY} & set(path)
    is_one_type = len(known) == 1 and not any(reference.count for reference in references)
    is_sure = chance < SURPRISING or (is_one_field and is_one_type)
    yield Finding(
        kind="type_changed",
        severity="warning" if is_sure else "information",
        path=path_text(path),
        was=_types_text(was),
        now=_types_text(seen),
        record_count=new_count,
        of=seen.value_count,
        was_of=was.value_count,
        chance=0.0 if is_sure else chance,
        steps=path,
        new_types=tuple(added),
    )


def _new_types(observed: frozenset[str], *, known: frozenset[str]) -> list[str]:
    added = observed - known
    # An empty object in an array looks like a mixture: no news where objects are known.
    if MIXED in added and ("object" in known or "object" in observed):
        added -= {MIXED}
    if known == frozenset({MIXED}):
        added -= {"object"}
    return sorted(added)


def _find_null_findings(
    path: Path, was: Seen, seen: Seen, comparison: _Comparison
) -> Iterator[Finding]:
    assert comparison.baseline is not None  # noqa: S101 - narrows the type, as above
    observed = _valued(comparison.observed, path)
    if observed.share == _valued(comparison.baseline, path).share:
        return
    references = [_valued(shape, path) for shape in comparison.witnesses(path)]
    chance = _chance(observed, references)
    shares = [reference.share for reference in references if reference.of]
    moved = min(abs(observed.share - share) for share in shares)
    is_fall = observed.share < references[0].share
    # The first null ever, or the last value: worth a line whatever chance says.
    was_constant = all(share == shares[0] for share in shares) and shares[0] in (0.0, 1.0)
    is_emptied = not observed.count
    if not (chance < UNUSUAL or was_constant or is_emptied):
        return
    has_jumped = chance < SURPRISING and (moved >= SHARE_THAT_MATTERS or is_emptied)
    severity: Severity = "warning" if is_fall and has_jumped else "information"
    yield Finding(
        kind="null_share_jumped",
        severity=severity,
        path=path_text(path),
        was=_nulls_text(was, of=references[0].of),
        now=_nulls_text(seen, of=observed.of),
        record_count=observed.of - observed.count if is_fall else observed.count,
        of=observed.of,
        was_count=references[0].of - references[0].count if is_fall else references[0].count,
        was_of=references[0].of,
        chance=chance,
        steps=path,
    )


def _chance(observed: Count, references: Sequence[Count]) -> float:
    """How surprising a share is; what turned from all to none, or none to all, is no chance."""
    asked = [reference for reference in references if reference.of]
    is_all_or_nothing = observed.share in (0.0, 1.0) and all(
        reference.share == 1.0 - observed.share for reference in asked
    )
    fewest = min((one.of for one in (observed, *asked)), default=0)
    if asked and is_all_or_nothing and fewest >= FEWEST_FOR_ALL_OR_NOTHING:
        return 0.0
    return least_surprising(observed, references=asked)


def _present(shape: Shape, path: Path) -> Count:
    around = shape.container_count(path)
    return Count(min(shape.seen(path).present_count, around), around)


def _valued(shape: Shape, path: Path) -> Count:
    around = shape.container_count(path)
    return Count(min(shape.paths.get(path, NOT_SEEN).value_count, around), around)


def _words(count: Count, seen: Seen) -> str:
    types = " or ".join(sorted(seen.value_types)) or "null"
    return f"{types} in {count.count:,} of {count.of:,}"


def _types_text(seen: Seen) -> str:
    return ", ".join(
        f"{name} in {seen.types[name]:,} of {seen.value_count:,}" for name in _by_count(seen)
    )


def _by_count(seen: Seen) -> Iterable[str]:
    return sorted(seen.value_types, key=lambda name: (-seen.types[name], name))


def _nulls_text(seen: Seen, *, of: int) -> str:
    missing = max(of - seen.present_count, 0)
    parts = [f"null in {seen.null_count:,}"] if seen.null_count else []
    if missing:
        parts.append(f"missing in {missing:,}")
    return f"{' and '.join(parts) or 'always there'} of {of:,}"
