"""Render the dictionary of tables from the contract: one in the README, all in docs/tables.md.

``python -m truto_groups_tests.readme_tables`` writes both; test_readme.py holds that they are in
step.
"""

import re
from pathlib import Path

from truto_groups import schema

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
TABLES = ROOT / "docs" / "tables.md"
SHOWN = (
    schema.GROUPS,
    schema.RAW_GROUPS,
    schema.GROUP_TYPE_BREAKDOWN,
    schema.GROUP_CHANGES,
    schema.INTEGRATED_ACCOUNTS,
    schema.ACCOUNT_SYNCS,
    schema.INTEGRATION_CONTRACTS,
    schema.ACCOUNT_DRIFT,
    schema.HELD_BACK_GROUPS,
    schema.ACCOUNT_SHAPES,
    schema.ACCEPTED_BASELINES,
)
_BETWEEN_MARKS = re.compile(r"(<!-- tables -->\n).*?(<!-- /tables -->)", re.DOTALL)


def render_tables() -> str:
    """The text of docs/tables.md."""
    parts = ["# The tables", *(f"## {table.name}\n\n{render(table)}" for table in SHOWN)]
    return "\n\n".join(parts) + "\n"


def put_into(readme: str) -> str:
    """The README's text with the dictionary of `groups` between its marks."""
    return _BETWEEN_MARKS.sub(
        lambda found: f"{found[1]}{render(schema.GROUPS)}\n{found[2]}", readme
    )


def render(table: schema.Table) -> str:
    """One table's columns, as Markdown."""
    key = ", ".join(f"`{name}`" for name in table.key)
    rows = [
        f"| `{column.name}` | {column.type} | {column.description} |" for column in table.columns
    ]
    head = f"{table.description} Key: {key}."
    return "\n".join([head, "", "| column | type | |", "| --- | --- | --- |", *rows])


if __name__ == "__main__":
    README.write_text(put_into(README.read_text(encoding="utf-8")), encoding="utf-8")
    TABLES.write_text(render_tables(), encoding="utf-8")
