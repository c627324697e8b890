"""What is laid under a connection string; libpq itself reads the outcome."""

import pytest
from psycopg2.extensions import parse_dsn

from truto_groups.coordination.postgres.conninfo import DEFAULTS, lay_defaults


@pytest.mark.parametrize(
    "conninfo",
    [
        "",
        " host=h dbname=d",
        "host=h password='a b= \\\\' connect_timeout=7",
        "postgres://h",
        "postgresql://u:p%3F@h:1/d",
        "postgresql://u:p?w@h:1/d",
        "postgresql://u@[::1]:1,h:2/d?sslmode=disable&tcp_user_timeout=9",
        "postgresql:///d?",
    ],
)
def test_what_a_connection_string_says_wins_and_the_defaults_are_the_rest(conninfo: str) -> None:
    defaults = {name: str(value) for name, value in DEFAULTS.items()}
    assert parse_dsn(lay_defaults(conninfo)) == {**defaults, **parse_dsn(conninfo)}
