"""Filters that were ignored: Truto drops what the vendor cannot apply, and answers 200 with all.

Compares what the settings ask for with what the integration's ``meta`` knows and with what came.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Literal

from truto_groups.settings.query import QueryValue

# A parameter that narrows the list, and the field of the group in which that shows.
_SHOWS_IN: Mapping[str, str] = {
    "group_type": "group_type",
    "organization_id": "organization",
    "name": "name",
    "description": "description",
}
_INSTANTS = ("created_at", "updated_at")
_SEARCHED = frozenset({"name", "description"})
# Truto documents it as a value to ask for, and not as one of those that it answers with.
_NEVER_ANSWERED = frozenset({"product"})
# A date of the app's zone begins up to 14 hours before that of UTC, and ends a day later.
_SLACK_OF_A_DATE = timedelta(days=2)
_NEVER_DECLARED = frozenset({"remote_query"})


@dataclass(frozen=True)
class ObservedValues:
    """What the groups of a sync have in the fields that a filter can ask for.

    Attributes:
        record_count: Groups received.
        values: Field to its values with how many groups have each; null is left out. A field
            with too many values to list is left out.
        earliest: Field to its earliest instant (aware UTC).
        latest: Field to its latest instant (aware UTC).
    """

    record_count: int
    values: Mapping[str, Mapping[str, int]] = field(default_factory=dict[str, Mapping[str, int]])
    earliest: Mapping[str, datetime] = field(default_factory=dict[str, datetime])
    latest: Mapping[str, datetime] = field(default_factory=dict[str, datetime])


@dataclass(frozen=True)
class IgnoredFilter:
    """A parameter of the query that had no effect, or may have none.

    Attributes:
        parameter: Its wire name.
        kind: ``contradicted``: groups came that it rules out; ``not_declared``: the integration's
            ``meta`` does not know it.
        record_count: Groups that contradict it.
        message: What happened and what to do.
    """

    parameter: str
    kind: Literal["contradicted", "not_declared"]
    record_count: int
    message: str

    def without_values(self) -> "IgnoredFilter":
        """The same without an example of what came."""
        if self.kind != "contradicted":
            return self
        message = (
            f"The settings ask for `{self.parameter}`, but groups came that it rules out: the"
            " filter was ignored. Take it out, or ask for it in remote_query."
        )
        return replace(self, message=message)


def find_ignored_filters(
    query: Mapping[str, QueryValue],
    *,
    declared: Collection[str] | None,
    observed: ObservedValues,
) -> list[IgnoredFilter]:
    """Find the filters of the settings that were ignored.

    Args:
        query: The query as the settings give it, by wire name.
        declared: The parameters that the integration's ``meta`` declares; None when not known.
        observed: What came.

    Returns:
        One entry per parameter, those that groups contradict first.
    """
    contradicted = [
        told
        for parameter, value in query.items()
        if (told := _find_contradiction(parameter, value, observed)) is not None
    ]
    known = {told.parameter for told in contradicted}
    undeclared = [
        IgnoredFilter(
            parameter,
            "not_declared",
            0,
            f"The settings give `{parameter}`, which the integration's meta does not declare:"
            " Truto may ignore it. Take it out, or use remote_query with the app's own name.",
        )
        for parameter in query
        if declared is not None
        and parameter not in known
        and parameter not in declared
        and parameter not in _NEVER_DECLARED
        and not parameter.startswith("truto_")
    ]
    return contradicted + undeclared


def _find_contradiction(
    parameter: str, value: QueryValue, observed: ObservedValues
) -> IgnoredFilter | None:
    if parameter in _INSTANTS:
        return _find_instant_outside(parameter, value, observed)
    shows_in = _SHOWS_IN.get(parameter)
    wanted = _wanted(value)
    came = observed.values.get(shows_in or "", {})
    if shows_in is None or wanted is None or not came:
        return None
    others = {
        text: count for text, count in came.items() if _rules_out(parameter, text.lower(), wanted)
    }
    seen = wanted & {text.lower() for text in came}
    if parameter == "organization_id" and not seen:
        # Slugs are asked for and ids come back: two names of one thing contradict nothing.
        return None
    if parameter == "group_type" and _NEVER_ANSWERED & wanted - seen:
        return None
    if not others:
        return None
    count = sum(others.values())
    example = max(others, key=lambda text: (others[text], text))
    return IgnoredFilter(
        parameter,
        "contradicted",
        count,
        f"The settings ask for `{parameter}` {_or(value)}, but {count:,} of"
        f" {observed.record_count:,} groups have another (`{example[:60]}`): the filter was"
        " ignored. Take it out, or ask for it in remote_query.",
    )


def _rules_out(parameter: str, text: str, wanted: Collection[str]) -> bool:
    """Whether a filter, as apps understand it, does not let a text through; both in small letters.

    Many apps search for a name instead of comparing it.
    """
    if parameter in _SEARCHED:
        return not any(one in text for one in wanted)
    return text not in wanted


def _find_instant_outside(
    parameter: str, value: QueryValue, observed: ObservedValues
) -> IgnoredFilter | None:
    if not isinstance(value, dict):
        return None
    for operator, bound in value.items():
        limit = _instant(bound)
        came = (observed.earliest if operator in ("gt", "gte") else observed.latest).get(parameter)
        if limit is None or came is None or operator not in ("gt", "gte", "lt", "lte"):
            continue
        # Where a date begins and ends is the app's to say, in whatever zone.
        slack = _SLACK_OF_A_DATE if _is_date(bound) else timedelta()
        is_outside = came < limit - slack if operator in ("gt", "gte") else came > limit + slack
        if is_outside:
            return IgnoredFilter(
                parameter,
                "contradicted",
                1,
                f"The settings ask for `{parameter}` {operator} {limit.isoformat()}, but a group"
                f" has {came.isoformat()}: the filter was ignored. Take it out.",
            )
    return None


def _wanted(value: QueryValue) -> set[str] | None:
    """The texts that a filter lets through; None when it is no list of values."""
    if isinstance(value, str | int) and not isinstance(value, bool):
        return {str(value).lower()}
    if isinstance(value, list):
        return {str(one).lower() for one in value}
    if isinstance(value, dict) and value.keys() <= {"eq", "in"}:
        return set[str]().union(*(_wanted(one) or () for one in value.values()))
    return None


def _or(value: QueryValue) -> str:
    wanted = _wanted(value) or set()
    return " or ".join(f"`{one}`" for one in sorted(wanted))


def _is_date(value: object) -> bool:
    return not any(mark in str(value) for mark in "T: ")


def _instant(value: object) -> datetime | None:
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    try:
        instant = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)
