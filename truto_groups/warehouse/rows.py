"""Rows that were asked for, handed over as whoever asked wants them: pandas, Polars, Arrow, DuckDB.

Which rows is readable.py's.
"""

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any

import duckdb

from truto_groups.errors import MissingPackageError
from truto_groups.warehouse.duckdb_errors import hiding_secrets
from truto_groups.warehouse.readable import Relation

if TYPE_CHECKING:
    import pandas as pd


class Rows:
    """Rows that were asked for, as they were then.

    Whatever is asked of them that stands not here, such as ``rows["name"]``, ``len(rows)`` or
    ``rows.head()``, is asked of their DataFrame.

    Attributes:
        relation: The rows as a DuckDB relation, to ask further.
    """

    def __init__(self, relation: Relation) -> None:
        self.relation = relation

    @cached_property
    def _frame(self) -> "pd.DataFrame":
        with hiding_secrets():
            return _to_frame(self.relation)

    def df(self) -> "pd.DataFrame":
        """The rows as a pandas DataFrame; always the same one."""
        return self._frame

    def arrow(self) -> Any:
        """The rows as a ``pyarrow.Table``.

        Raises:
            MissingPackageError: Arrow is not installed.
        """
        # Untyped, because Arrow and Polars need not be there.
        relation: Any = self.relation
        try:
            with hiding_secrets():
                return relation.to_arrow_table()
        except ModuleNotFoundError as error:
            raise _explain_missing(error, form="Arrow", extra="arrow") from error

    def pl(self) -> Any:
        """The rows as a ``polars.DataFrame``.

        Raises:
            MissingPackageError: Polars, or Arrow which it takes them from, is not installed.
        """
        relation: Any = self.relation
        try:
            with hiding_secrets():
                return relation.pl()
        except ModuleNotFoundError as error:
            raise _explain_missing(error, form="Polars", extra="polars") from error

    def __len__(self) -> int:
        """How many rows there are."""
        return len(self._frame)

    def __iter__(self) -> Iterator[Any]:
        """The columns' names, as a DataFrame has it."""
        return iter(self._frame)

    def __contains__(self, name: object) -> bool:
        """Whether there is such a column."""
        return name in self._frame

    def __getitem__(self, key: Any) -> Any:
        """A column, or rows."""
        frame: Any = self._frame
        return frame[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        """Set a column of the DataFrame."""
        self._frame[key] = value

    def __getattr__(self, name: str) -> Any:
        """What only the DataFrame has."""
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._frame, name)

    def __repr__(self) -> str:
        """What a shell shows."""
        return repr(self._frame)

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        return self._frame.to_html(max_rows=20, notebook=True)


def _to_frame(relation: Relation) -> "pd.DataFrame":
    """Read rows as a DataFrame, with instants in UTC."""
    instants = [
        name
        for name, kind in zip(relation.columns, relation.types, strict=True)
        if str(kind) == "TIMESTAMP WITH TIME ZONE"
    ]
    columns = [
        # For instants with a zone, DuckDB calls what pandas has deprecated.
        duckdb.ColumnExpression(name).cast("TIMESTAMP").alias(name)
        if name in instants
        else duckdb.ColumnExpression(name)
        for name in relation.columns
    ]
    frame = relation.select(*columns).df()
    for name in instants:
        frame[name] = frame[name].dt.tz_localize("UTC")
    return frame


def _explain_missing(error: ModuleNotFoundError, *, form: str, extra: str) -> MissingPackageError:
    return MissingPackageError(
        f"Rows cannot be handed over as {form}: the package {error.name} is not installed.",
        advice=f"Run `pip install 'truto-groups[{extra}]'`, or take .df() or .relation.",
    )
