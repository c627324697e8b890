"""Write the query of List Groups as Truto reads it, and plan which listings it takes.

Text in, text out. Which parameters exist and what they may hold is settings/query.py's to say.
"""

import itertools
from collections.abc import Iterator, Mapping
from datetime import date
from typing import cast
from urllib.parse import quote

from truto_groups.errors import SettingsError
from truto_groups.settings.query import QueryValue
from truto_groups.settings.query_parameters import ARRAY_PARAMETERS


def plan_listings(query: Mapping[str, QueryValue]) -> list[dict[str, QueryValue]]:
    """Find the listings that together answer a query.

    Some integrations list the groups of one organization or of one type only. A parameter that
    has a list of values is therefore listed once for each of them, except those that are arrays
    on the wire.

    Args:
        query: Parameters by wire name.

    Returns:
        One query per listing, with a single value for every parameter that had several; at least
        one. Where several parameters have lists, every combination.

    Raises:
        SettingsError: A list is empty: nothing would be listed, and the account look empty.
    """
    choices: list[list[QueryValue]] = []
    for name, value in query.items():
        if not isinstance(value, list | tuple) or name in ARRAY_PARAMETERS:
            choices.append([value])
            continue
        values: list[QueryValue] = []
        for one in cast("list[QueryValue]", value):
            if one not in values:
                values.append(one)
        if not values:
            raise SettingsError(
                f"The query parameter {name} has an empty list of values.",
                advice="Give it at least one value, or leave it out.",
            )
        choices.append(values)
    return [dict(zip(query, one, strict=True)) for one in itertools.product(*choices)]


def encode_query(query: Mapping[str, object]) -> str:
    """Write parameters as a query string, in Truto's syntax and percent-encoded.

    Objects become ``foo[bar]=baz``, arrays ``foo[]=bar``; booleans are ``true`` and ``false``.
    None is left out: Truto would read it as the text "None".

    Args:
        query: Parameters by wire name.

    Returns:
        The query string without ``?``; empty when there is nothing to send.
    """
    pairs: list[str] = []
    for name, value in query.items():
        is_array = isinstance(value, list | tuple)
        is_lone = name in ARRAY_PARAMETERS and not is_array
        pairs.extend(_iter_pairs(f"{name}[]" if is_lone else name, query[name]))
    return "&".join(pairs)


def encode_path(text: str) -> str:
    """Write text as one segment of a path: neither ``/`` nor ``..`` in it leads elsewhere."""
    encoded = encode_text(text)
    return encoded.replace(".", "%2E") if text in {".", ".."} else encoded


def encode_text(text: str) -> str:
    """Write text percent-encoded; half a character in it as a question mark."""
    return quote(text, safe="", errors="replace")


def _iter_pairs(name: str, value: object) -> Iterator[str]:
    if value is None:
        return
    if isinstance(value, Mapping):
        for key, inner in cast("Mapping[str, object]", value).items():
            yield from _iter_pairs(f"{name}[{key}]", inner)
    elif isinstance(value, list | tuple):
        for inner in cast("list[object]", value):
            yield from _iter_pairs(f"{name}[]", inner)
    else:
        yield f"{encode_text(name)}={encode_text(_write(value))}"


def _write(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, date):
        return value.isoformat()
    return str(value)
