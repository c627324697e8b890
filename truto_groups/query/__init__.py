"""The query of List Groups: which parameters Truto documents, and what each may be.

How a query looks in a URL is the client's job, and reading one from the settings file is
settings/'s.

    parameters    the documented parameters, a table
    checks        what cannot be sent, and what would be right
"""

from truto_groups.query.checks import (
    QueryMistake,
    QueryValue,
    find_query_mistakes,
    validate_query,
)
from truto_groups.query.parameters import (
    ARRAY_PARAMETERS,
    PARAMETERS,
    REFUSED_PARAMETERS,
    Parameter,
)

__all__ = [
    "ARRAY_PARAMETERS",
    "PARAMETERS",
    "REFUSED_PARAMETERS",
    "Parameter",
    "QueryMistake",
    "QueryValue",
    "find_query_mistakes",
    "validate_query",
]
