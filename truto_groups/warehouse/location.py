"""Where a database lies: which places are taken, and how one is told without its secrets.

Text in, text out: nothing is opened. A location may hold a password or a token, and libraries quote
it in their errors, so whatever is told of a database goes through here.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from truto_groups.coordination.postgres.conninfo import lay_defaults
from truto_groups.text.secrecy import hide, redact
from truto_groups.text.visible import is_utf_8

_LAKE = "ducklake:"
_REMOTE = ("md:", "motherduck:", _LAKE)
_IN_POSTGRES = re.compile("ducklake:postgres(?:_scanner)?:", re.IGNORECASE)
# Both libpq and DuckLake know a URI by its scheme in lower case, and by nothing before it.
_MISTAKEN_URI = re.compile(r"(?!postgres(?:ql)?://)\s*(?:[A-Za-z][\w+.-]*:)?//")
# What DuckLake takes for a file, or refuses in words that name another mistake.
_MISTAKEN_POSTGRES = re.compile(
    r"ducklake:\s*(?:(?:postgres|pg)\w*:|(?:host|hostaddr|dbname|service)\s*=)|postgres\w*:",
    re.IGNORECASE,
)
_POSTGRES_FAULT = (
    "names Postgres in a form that DuckLake does not take; the forms are ducklake:postgres:host=… "
    "dbname=… and ducklake:postgres:postgresql://user@host/dbname"
)
_IN_FILE = re.compile(r"ducklake:(?:duckdb:)?((?!\w+:).*)", re.IGNORECASE | re.DOTALL)
# Other servers, databases behind an address, and the names of secrets: not of this machine alone.
_OTHER_CATALOGUE = re.compile(r"ducklake:(?:(?!duckdb:)\w+:.*|\w*)", re.IGNORECASE | re.DOTALL)
_CATALOGUE_FAULT = (
    "names a DuckLake whose catalogue is neither in Postgres nor in a file with a suffix or "
    "a folder, so that machines that share it would not see one another; the forms are "
    "ducklake:postgres:host=… dbname=… and ducklake:data/groups.ducklake"
)
# Alone, MotherDuck attaches all databases that there are, and what follows needs the name of one.
_NAMELESS = re.compile(r"(?:md|motherduck):\s*(?:\?|$)", re.IGNORECASE)
_HIDDEN = "[secret]"
# DuckDB cuts a path at its first question mark when it names the journal.
_UNTAKEN = re.compile(r"[?\x00-\x1f\x7f-\x9f]")
# The longest name of a file, less the longest suffix of those that DuckDB and we put beside it.
_LONGEST_NAME = 255 - len(".wal.checkpoint")

_NAMED = r"[\w.-]*(?:pass|pwd|token|secret|credential|key|sig)[\w.-]*"
_QUOTED = r"'(?:[^'\\]|\\.|'')*'|\"(?:[^\"\\]|\\.|\"\")*\""
_PAIR_NAME = rf"(?P<kept>(?<![\w./?&-]){_NAMED}\s*=)\s*"
_PARAMETER_NAME = rf"(?P<kept>(?<=[?&]){_NAMED}=)"
# Behind a backslash libpq takes a blank for a part of what is not quoted.
_BARE_VALUE = r"(?:\\.|\S)+"


def _compile(*patterns: str) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(one, re.IGNORECASE | re.DOTALL) for one in patterns)


_ANYWHERE = _compile(
    r"(?P<kept>:[^:?]*\?)(?P<secret>[^=&\s]{8,})$",
    r"(?P<kept>)(?P<secret>eyJ[\w-]{8,}(?:\.[\w-]+){1,2})",
)
_IN_TEXTS = (
    _compile(
        r"(?P<kept>://[^/?#\s@:]*:)(?P<secret>\S+)(?=@)",
        rf"{_PARAMETER_NAME}(?P<secret>[^&\s]+)",
        rf"{_PAIR_NAME}(?P<secret>{_QUOTED}|{_BARE_VALUE})",
    )
    + _ANYWHERE
)
# A location may be a secret up to its end, where a text would go on in other words: libpq takes
# blanks in a URI, and who forgot quotes around them, or one of two, has a password to hide as well.
_MORE_WORDS = r"(?:\S+|\s+(?!\w+\s*=)\S+)*"
_IN_LOCATIONS = (
    _compile(
        r"(?P<kept>://[^/?#@:]*:)(?P<secret>.+)(?=@)",
        rf"{_PARAMETER_NAME}(?P<secret>[^&]+)",
        rf"{_PAIR_NAME}(?P<secret>(?:{_QUOTED}|['\"].*|{_BARE_VALUE}){_MORE_WORDS})",
    )
    + _ANYWHERE
)


@dataclass(frozen=True)
class Location:
    """What ``duckdb.connect`` takes: a file, ``md:…`` or ``ducklake:…``.

    Attributes:
        text: As it was given. Never told.
        shown: The same without its secrets, which are hidden everywhere from now on.
        is_file: Whether it is a file of this machine.
        fault: Why it cannot be taken, for a sentence that begins with it; None when it can.
        postgres: libpq's connection string of the Postgres that holds a DuckLake's catalogue, which
            may hold a secret; None where no Postgres does.
    """

    text: str = field(repr=False)
    shown: str
    is_file: bool
    fault: str | None
    postgres: str | None = field(repr=False)

    @property
    def is_lake(self) -> bool:
        """Whether it is a DuckLake."""
        return self.text.lower().startswith(_LAKE)

    @property
    def path(self) -> str | None:
        """Of the file of this machine that it is, or in which a DuckLake's catalogue lies."""
        if self.is_file:
            return self.text
        in_file = None if self.fault else _IN_FILE.fullmatch(self.text)
        return None if in_file is None else in_file[1]

    @property
    def attached(self) -> str:
        """What DuckDB is given: with our defaults for a server, whose loss libpq notices late."""
        if self.postgres is None:
            return self.text
        return f"{self.text.removesuffix(self.postgres)}{lay_defaults(self.postgres)}"

    def redact(self, text: str) -> str:
        """Take what is secret of the location out of what a library said of it."""
        for whole in (self.attached, self.text):
            for quoted in (whole, whole.replace("'", "''")):
                text = text.replace(quoted, self.shown)
        text = redact(text)
        # Of a text that quotes only a part, or another form, of it.
        return text if self.is_file else _hide_secrets(text, _IN_TEXTS, set())


def read_location(text: str) -> Location:
    """Take a location apart, and hide its secrets wherever texts are redacted."""
    found: set[str] = set()
    shown = _hide_secrets(text, _IN_LOCATIONS, found)
    for secret in found:
        hide(secret)
    is_file = not text.lower().startswith(_REMOTE)
    in_postgres = _IN_POSTGRES.match(text)
    postgres = None if in_postgres is None else text[in_postgres.end() :]
    fault = _find_remote_fault(text, postgres)
    if fault is None and is_file:
        fault = _find_fault(text, has_secrets=bool(found))
    return Location(text, _make_visible(shown), is_file, fault, postgres)


def _hide_secrets(text: str, patterns: Iterable[re.Pattern[str]], found: set[str]) -> str:
    for pattern in patterns:
        for match in pattern.finditer(text):
            if match["secret"] != _HIDDEN:
                found |= _forms(match["secret"])
        text = pattern.sub(_hide_match, text)
    return text


def _hide_match(match: re.Match[str]) -> str:
    return f"{match['kept']}{_HIDDEN}"


def _forms(secret: str) -> set[str]:
    """A secret as it stands there, as it is meant, and the parts that a parser may quote of it."""
    bare = secret[1:-1] if re.fullmatch(_QUOTED, secret, re.DOTALL) else secret
    meant = re.sub(r"\\(.)|''", lambda match: match[1] or "'", bare)
    parts = set(re.split(r"[@/:&;?#\s'\"]", meant)) if bare == secret else set[str]()
    forms = {bare, meant, unquote(meant), *parts}
    return {form for one in forms for form in (one, one.replace("'", "''"))}


def _find_remote_fault(text: str, postgres: str | None) -> str | None:
    is_mistaken = (
        _MISTAKEN_POSTGRES.match(text) if postgres is None else _MISTAKEN_URI.match(postgres)
    )
    if is_mistaken:
        return _POSTGRES_FAULT
    if _NAMELESS.match(text):
        return "names no database of MotherDuck, as md:my_groups does"
    is_other = postgres is None and _OTHER_CATALOGUE.fullmatch(text)
    return _CATALOGUE_FAULT if is_other else None


def _find_fault(text: str, *, has_secrets: bool) -> str | None:
    found = _UNTAKEN.search(text)
    if text.startswith(":"):
        return "is in memory, where every process would have one for itself"
    if "://" in text or has_secrets:
        return "is neither a file nor a database that DuckDB can write to"
    if found is not None:
        character = found[0] if found[0] == "?" else f"U+{ord(found[0]):04X}"
        return f"holds the character {character}, behind which DuckDB would lose its journal"
    if not is_utf_8(text):
        return "holds bytes that are not UTF-8, which DuckDB cannot open"
    length = len(Path(text).name.encode())
    if length > _LONGEST_NAME:
        return f"has a name of {length} bytes, which leaves no room for the files beside it"
    return None


def _make_visible(text: str) -> str:
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )
