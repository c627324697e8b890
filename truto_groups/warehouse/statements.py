"""Read the SQL files of ``truto_groups/warehouse/sql``. What they say is theirs alone."""

from functools import cache
from importlib import resources


@cache
def statement(name: str) -> str:
    """Return the text of ``sql/<name>.sql``."""
    return (
        resources.files("truto_groups.warehouse.sql")
        .joinpath(f"{name}.sql")
        .read_text(encoding="utf-8")
    )


def statements(name: str) -> list[str]:
    """Return the statements of ``sql/<name>.sql``, which end with a semicolon each."""
    return [part.strip() for part in statement(name).split(";\n") if part.strip(" \n;")]
