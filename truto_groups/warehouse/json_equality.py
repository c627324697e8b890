"""Whether two texts are the same JSON value: what is spelled otherwise has not changed.

The order of keys, white space, escapes and how a number is written are spelling. SQL asks it as
``same_json(one, other)``, and only of texts that differ, because it takes both apart.
"""

import json
from decimal import Decimal
from typing import cast

import duckdb
import msgspec

# Whole numbers keep all their digits in Python, and so do others as decimals: 1.50 equals 1.5, and
# 1e25 the same written out.
_VALUE = msgspec.json.Decoder(float_hook=Decimal)


class _RepeatedKeyError(ValueError):
    """An object has two fields of one name, on whose value readers disagree."""


def register_sameness(connection: duckdb.DuckDBPyConnection) -> None:
    """Let SQL on this connection ask for ``same_json``; null where either text is null."""
    connection.create_function(  # pyright: ignore[reportUnknownMemberType] - one overload is untyped
        "same_json",
        is_same_json,
        ["VARCHAR", "VARCHAR"],
        "BOOLEAN",
        # Else a filter on the answer is pushed below where it was asked for, and it is asked again.
        side_effects=True,
    )


def is_same_json(one: str, other: str) -> bool:
    """Whether two texts say the same as JSON.

    What cannot be read for sure (nested too deep, two fields of one name, no JSON at all) is the
    same only as what is written alike.
    """
    if one == other:
        return True
    try:
        first, second = _VALUE.decode(one), _VALUE.decode(other)
        if first != second or not _agree_on_booleans(first, second):
            return False
        for text in (one, other):
            _guard_keys(text)
    except (msgspec.MsgspecError, ArithmeticError, RecursionError, ValueError):
        return False
    return True


def _agree_on_booleans(first: object, second: object) -> bool:
    """Whether equal values have their booleans in the same places: to Python, 1 equals true."""
    pairs = [(first, second)]
    while pairs:
        one, other = pairs.pop()
        if isinstance(one, bool) is not isinstance(other, bool):
            return False
        if isinstance(one, dict):
            fields = cast("dict[str, object]", other)
            pairs += ((value, fields[key]) for key, value in cast("dict[str, object]", one).items())
        elif isinstance(one, list):
            pairs += zip(cast("list[object]", one), cast("list[object]", other), strict=True)
    return True


def _guard_keys(text: str) -> None:
    # Only keys are of interest: numbers stay texts.
    json.loads(text, object_pairs_hook=_refuse_repeated, parse_int=str, parse_float=str)


def _refuse_repeated(pairs: list[tuple[str, object]]) -> None:
    if len({key for key, _ in pairs}) < len(pairs):
        raise _RepeatedKeyError
