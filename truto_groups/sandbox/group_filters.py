"""Which groups a query leaves, and in which order.

Only parameters that the integration supports count; every other is ignored without a word, as
Truto does. Operators are those of Truto's query helper: ``eq ne gt gte lt lte in nin like``.
"""

import fnmatch
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, cast

from truto_groups.sandbox.integrations import Integration
from truto_groups.sandbox.served_accounts import Group, Verbatim
from truto_groups.sandbox.wire import Query

Test = Callable[[Any], bool]


def find_absent_parameters(integration: Integration, query: Query) -> list[str]:
    """Name the required parameters that a query lacks."""
    required = (parameter.name for parameter in integration.parameters if parameter.is_required)
    return [name for name in required if not query.get(name)]


def select_groups(
    groups: Sequence[Group], *, integration: Integration, query: Query
) -> Sequence[Group]:
    """Apply the filters and the order of a query.

    Returns:
        ``groups`` itself when nothing applies, so that generated groups stay unmade.
    """
    tests: list[tuple[str, Test]] = []
    for parameter in integration.parameters:
        condition = query.get(parameter.name)
        if parameter.filters is not None and condition is not None:
            is_instant = parameter.format == "date-time"
            tests.append((parameter.filters, _build_test(condition, is_instant=is_instant)))
    remote_query: Any = query.get("remote_query")
    if isinstance(remote_query, dict):
        for name, condition in cast("Query", remote_query).items():
            if name in integration.remote_parameters:
                path = f"remote_data.{integration.remote_parameters[name]}"
                tests.append((path, _build_test(condition)))
    if tests:
        groups = [
            group for group in groups if all(test(read_path(group, path)) for path, test in tests)
        ]
    sortable = {p.name: p.values for p in integration.parameters}.get("sort_by", ())
    if query.get("sort_by") in sortable:
        groups = sorted(groups, key=lambda group: _rank(read_path(group, query["sort_by"])))
    return groups


def select_rows(
    rows: Iterable[Mapping[str, Any]], *, query: Query, names: Sequence[str]
) -> list[Mapping[str, Any]]:
    """Apply the filters of an admin list to its rows; names are dotted paths."""
    tests: list[tuple[str, Test]] = []
    for name in names:
        condition = query.get(name, read_path(query, name))
        if condition is not None:
            is_instant = name in {"created_at", "updated_at"}
            tests.append((name, _build_test(condition, is_instant=is_instant)))
    return [row for row in rows if all(test(read_path(row, path)) for path, test in tests)]


def read_path(value: Any, path: str) -> Any:
    """Follow a dotted path through objects; None where it ends early."""
    if isinstance(value, Verbatim):
        value = value.read()
    for key in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = cast("Mapping[str, Any]", value).get(key)
    return value


def read_instant(value: Any) -> datetime | None:
    """Read ISO 8601 or epoch seconds or milliseconds; None when it is neither."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        seconds = value / 1000 if abs(value) >= 1e11 else value
        return datetime.fromtimestamp(seconds, UTC)
    try:
        instant = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def _build_test(condition: Any, *, is_instant: bool = False) -> Test:
    conditions: Query = {"in" if isinstance(condition, list) else "eq": condition}
    if isinstance(condition, dict):
        conditions = cast("Query", condition)
    tests: list[Test] = []
    for operator, operand in conditions.items():
        if is_instant and operator in _COMPARISONS:
            tests.append(_on_instants(operator, operand))
        elif operator in {"in", "nin"}:
            tests.append(_OPERATORS[operator](_split(operand)))
        elif operator in _OPERATORS:
            tests.append(_OPERATORS[operator](operand))
    return lambda value: all(test(value) for test in tests)


def _on_instants(operator: str, operand: Any) -> Test:
    wanted = read_instant(operand)

    def test(value: Any) -> bool:
        instant = read_instant(value)
        return (
            instant is not None and wanted is not None and _COMPARISONS[operator](instant, wanted)
        )

    return test


def _split(operand: Any) -> list[str]:
    items = cast("list[Any]", operand) if isinstance(operand, list) else str(operand).split(",")
    return [str(item) for item in items]


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _rank(value: Any) -> tuple[bool, float, str]:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return (value is None, float(value) if is_number else 0.0, _text(value))


_COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": lambda value, operand: value == operand,
    "ne": lambda value, operand: value != operand,
    "gt": lambda value, operand: value > operand,
    "gte": lambda value, operand: value >= operand,
    "lt": lambda value, operand: value < operand,
    "lte": lambda value, operand: value <= operand,
}


def _comparing(operator: str) -> Callable[[Any], Test]:
    compare = _COMPARISONS[operator]
    return lambda operand: lambda value: compare(_text(value), _text(operand))


_OPERATORS: Mapping[str, Callable[[Any], Test]] = {
    **{operator: _comparing(operator) for operator in _COMPARISONS},
    "in": lambda operand: lambda value: _text(value) in operand,
    "nin": lambda operand: lambda value: _text(value) not in operand,
    "like": lambda operand: (
        lambda value: fnmatch.fnmatch(_text(value).lower(), str(operand).lower().replace("%", "*"))
    ),
}
