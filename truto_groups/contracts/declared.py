"""What Truto's meta declares of List Groups: read it, and tell what changed in it.

Pure: answers, stored rows and a clock reading in, rows and problems out. Asking Truto is
truto/blocking.py's, keeping the history the warehouse's.

A change is told for a week after it was first seen, or until it is undone: what is declared now is
compared with what was declared a week ago. A required parameter that no setting gives is told as
long as that is so.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, cast

from truto_groups.schema import UNIFIED_GROUP_FIELDS

DeclaredKind = Literal["field", "parameter"]
Change = Literal["dropped", "retyped", "newly_required"]

TOLD_FOR: Final = timedelta(days=7)
"""How long a change is told after it was first seen."""

ALWAYS_SENT: Final = frozenset({"integrated_account_id", "limit", "next_cursor"})
"""Parameters that the client gives by itself."""


@dataclass(frozen=True, slots=True)
class Declared:
    """A field of the answer, or a parameter of the query, as ``meta`` declares it.

    Attributes:
        kind: ``field`` or ``parameter``.
        name: Its wire name.
        json_type: The declared JSON type; several are joined with ``|``; None when there is none.
        is_required: Whether it is required and no default of the mapping gives it.
    """

    kind: DeclaredKind
    name: str
    json_type: str | None
    is_required: bool


@dataclass(frozen=True, slots=True)
class Contract:
    """What one answer declares.

    Attributes:
        kinds: What the answer tells of; what it does not tell of stays as it was.
        entries: What it declares, by kind and name in the order of the answer.
    """

    kinds: frozenset[DeclaredKind]
    entries: Sequence[Declared]


@dataclass(frozen=True, slots=True)
class KeptRow:
    """A row of ``integration_contracts``: something declared, from when and until when.

    Attributes:
        integration: The app's kind.
        declared: What was declared.
        first_seen_at: When it was first seen.
        gone_at: When it was first no longer so; None while it is.
    """

    integration: str
    declared: Declared
    first_seen_at: datetime
    gone_at: datetime | None = None

    def holds_at(self, instant: datetime) -> bool:
        """Whether it was declared at an instant."""
        return self.first_seen_at <= instant and (self.gone_at is None or self.gone_at > instant)


@dataclass(frozen=True, slots=True)
class ContractChange:
    """A change of what an integration declares that may show in the data soon.

    Attributes:
        integration: The app's kind.
        change: A field that we rely on was dropped or retyped, or a parameter became required.
        name: The field or parameter.
        was: JSON type before; None when it was not declared.
        now: JSON type now; None when it is no longer declared.
        seen_at: When it was first seen.
    """

    integration: str
    change: Change
    name: str
    was: str | None
    now: str | None
    seen_at: datetime

    @property
    def told_until(self) -> datetime:
        """When it is no longer told."""
        return self.seen_at + TOLD_FOR


def read_contract(answer: Mapping[str, object]) -> Contract:
    """Read an answer of ``meta/list``.

    ``required`` is a boolean on each property, as Truto writes it, or JSON Schema's list of names.

    Raises:
        ValueError: It declares no field, so that it tells nothing.
    """
    fields = _read_schema(answer.get("response_schema"), "field") or _read_schema(
        answer.get("schema"), "field"
    )
    if not fields:
        raise ValueError("neither its response_schema nor its schema declares a field")
    kinds: set[DeclaredKind] = {"field"}
    entries = list(fields)
    if "query_schema" in answer:
        kinds.add("parameter")
        given = _mapping(answer.get("default_query"))
        entries += _read_schema(answer["query_schema"], "parameter", given=given)
    return Contract(frozenset(kinds), entries)


def find_changes(rows: Iterable[KeptRow], *, now: datetime) -> list[ContractChange]:
    """Find what changed within the last week and still is so.

    Args:
        rows: Rows of ``integration_contracts``.
        now: Aware UTC instant to judge by.

    Returns:
        By integration and name; empty when nothing is to be told.
    """
    histories: dict[tuple[str, DeclaredKind, str], list[KeptRow]] = defaultdict(list)
    began: dict[tuple[str, DeclaredKind], datetime] = {}
    for row in sorted(rows, key=lambda row: row.first_seen_at):
        declared = row.declared
        histories[row.integration, declared.kind, declared.name].append(row)
        began.setdefault((row.integration, declared.kind), row.first_seen_at)
    changes: list[ContractChange] = []
    for (integration, kind, _), history in sorted(histories.items()):
        since = max(now - TOLD_FOR, began[integration, kind])
        found = _compare_field(history, since) if kind == "field" else None
        found = _compare_parameter(history, since) if kind == "parameter" else found
        if found is not None:
            changes.append(found)
    return changes


def find_missing_parameters(
    rows: Iterable[KeptRow], *, integration: str, given: Iterable[str]
) -> list[str]:
    """Find the parameters that an integration requires and an account's settings do not give.

    Args:
        rows: Rows of ``integration_contracts``.
        integration: The account's.
        given: Wire names of the parameters in the account's query.
    """
    present = {*given, *ALWAYS_SENT}
    return sorted(
        row.declared.name
        for row in rows
        if row.integration == integration
        and row.gone_at is None
        and row.declared.kind == "parameter"
        and row.declared.is_required
        and row.declared.name not in present
    )


def _compare_field(history: Sequence[KeptRow], since: datetime) -> ContractChange | None:
    """Compare a field with what it was when the week began, or when it was first declared in it."""
    within = [row for row in history if row.gone_at is None or row.gone_at > since]
    if not within or within[0].declared.name not in UNIFIED_GROUP_FIELDS:
        return None
    first, last = within[0], within[-1]
    name, now = first.declared.name, last.declared.json_type
    if last.gone_at is not None:
        return ContractChange(
            last.integration, "dropped", name, first.declared.json_type, None, last.gone_at
        )
    # Without a type a declaration says nothing of it.
    was = next((row.declared.json_type for row in within if row.declared.json_type), None)
    if now is None or was == now:
        return None
    return ContractChange(last.integration, "retyped", name, was, now, last.first_seen_at)


def _compare_parameter(history: Sequence[KeptRow], since: datetime) -> ContractChange | None:
    now = history[-1]
    if now.gone_at is not None or not now.declared.is_required:
        return None
    then = next((row for row in history if row.holds_at(since)), None)
    if then is not None and then.declared.is_required:
        return None
    was = None if then is None else then.declared.json_type
    return ContractChange(
        now.integration,
        "newly_required",
        now.declared.name,
        was,
        now.declared.json_type,
        now.first_seen_at,
    )


def _read_schema(
    schema: object, kind: DeclaredKind, *, given: Mapping[str, object] | None = None
) -> list[Declared]:
    properties = _mapping(_mapping(schema).get("properties"))
    named = _mapping(schema).get("required")
    required = cast("list[object]", named) if isinstance(named, list) else []
    given = given or {}
    return [
        Declared(
            kind,
            name,
            _read_type(_mapping(described)),
            (name in required or _mapping(described).get("required") is True)
            and given.get(name) is None,
        )
        for name, described in properties.items()
    ]


def _read_type(described: Mapping[str, object]) -> str | None:
    told = described.get("type")
    if isinstance(told, str):
        return told
    if isinstance(told, list):
        # Null beside a type only says that the value may be missing.
        types = {str(one) for one in cast("list[object]", told)} - {"null"}
        return "|".join(sorted(types)) or None
    if "properties" in described:
        return "object"
    return "array" if "items" in described else None


def _mapping(value: object) -> Mapping[str, object]:
    return cast("Mapping[str, object]", value) if isinstance(value, Mapping) else {}
