"""What the environment says: which Truto, which database, which settings file.

Given the variables as a mapping and never at import. An empty variable counts as not set.
"""

import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from truto_groups.errors import SettingsError
from truto_groups.settings.addresses import check_webhook_url, normalize_base_url
from truto_groups.settings.object_store import ObjectStore, read_object_store
from truto_groups.text.secrecy import hide, hide_address, hide_password

BASE_URL_VARIABLE = "TRUTO_BASE_URL"
DATABASE_VARIABLE = "TRUTO_GROUPS_DATABASE"
DATA_PATH_VARIABLE = "TRUTO_GROUPS_DATA_PATH"
SETTINGS_VARIABLE = "TRUTO_GROUPS_SETTINGS"
WEBHOOK_VARIABLE = "TRUTO_GROUPS_WEBHOOK_URL"

PROJECT_MARK = "workspace.yaml"
DEFAULT_DATABASE = Path("data") / "truto_groups.duckdb"
DEFAULT_SETTINGS = Path("truto_groups.yaml")

_LAKE = "ducklake:"
_UNTOUCHED = ("md:", "motherduck:", _LAKE)
_OBJECT_STORE = "s3://"


@dataclass(frozen=True)
class Environment:
    """The variables, read and checked.

    Attributes:
        base_url: ``TRUTO_BASE_URL``; None when it is not set. Which base URL holds is for
            ``resolve_knobs`` to say.
        database: What ``duckdb.connect`` takes; a file is an absolute path.
        data_path: Where a lake keeps its files: an absolute path, or ``s3://…``; None where the
            lake knows it, or is none.
        object_store: How the store is reached in which these files lie; None without a key of it.
        settings_path: The settings file; None when there is none. One that the variable names may
            still not exist.
        webhook_url: Where failures are posted; None: nowhere. A secret.
        project: The folder of the project; None outside of one.
    """

    base_url: str | None
    database: str = field(repr=False)
    data_path: str | None
    object_store: ObjectStore | None
    settings_path: Path | None
    webhook_url: str | None = field(repr=False)
    project: Path | None


def find_project(start: Path) -> Path | None:
    """Find the nearest folder upward, ``start`` included, that holds ``workspace.yaml``."""
    absolute = start.absolute()
    for folder in (absolute, *absolute.parents):
        if (folder / PROJECT_MARK).is_file():
            return folder
    return None


def read_environment(environ: Mapping[str, str], *, cwd: Path) -> Environment:
    """Read everything that a variable may say, the token apart.

    Args:
        environ: The variables, as a rule ``os.environ``.
        cwd: Where to look for the project; relative paths start at the project, or here outside
            of one.

    Raises:
        SettingsError: A variable has an impossible value, or the database is not given outside of
            a project. No value that may be secret is repeated.
    """
    project = find_project(cwd)
    home = project or cwd.absolute()
    for name in environ:
        if name.lower().endswith("_proxy"):
            hide_password(environ[name])
    database = _read_database(environ, project=project, home=home)
    is_lake = database.lower().startswith(_LAKE)
    return Environment(
        base_url=_read_base_url(environ),
        database=database,
        data_path=_read_data_path(environ, is_lake=is_lake, home=home),
        object_store=read_object_store(environ) if is_lake else None,
        settings_path=_read_settings_path(environ, project=project, home=home),
        webhook_url=_read_webhook_url(environ),
        project=project,
    )


def read_token(environ: Mapping[str, str], *, variable: str) -> str:
    """Read Truto's API token.

    Args:
        environ: The variables, as a rule ``os.environ``.
        variable: The name that the resource's ``token_variable`` gives.

    Raises:
        SettingsError: The variable is not set, or holds what no token can be.
    """
    token = environ.get(variable, "").strip()
    if not token:
        raise SettingsError(
            f"{variable} is not set, and without the API token Truto answers nothing.",
            advice=f"Set {variable} to a token from Truto's dashboard, or try the sandbox: "
            "`truto-groups sandbox -- truto-groups sync`.",
        )
    hide(token, name="token")
    if not is_token(token):
        raise SettingsError(
            f"{variable} holds a blank or a character that no token has.",
            advice="Copy the token again, without quotes or line breaks.",
        )
    return token


def check_temporary_folder(environ: Mapping[str, str]) -> None:
    """Make sure that what a run has fetched can wait where ``TMPDIR`` says.

    Python would fall back to another folder without a word, which may be a small one.

    Raises:
        SettingsError: No file can be made there, or anywhere where ``TMPDIR`` is not set.
    """
    folder = environ.get("TMPDIR") or None
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        where = f"TMPDIR names {folder}, where" if folder else "TMPDIR is not set, and"
        raise SettingsError(
            f"{where} no temporary file can be made: {reason}.",
            advice="Set TMPDIR to a folder that this user may write and that has room.",
        ) from None


def is_token(text: str) -> bool:
    """Whether a text may be a token: printable ASCII without blanks, which a header can carry."""
    return re.fullmatch(r"[!-~]+", text) is not None


def _read(environ: Mapping[str, str], variable: str) -> str | None:
    return environ.get(variable, "").strip() or None


def _read_base_url(environ: Mapping[str, str]) -> str | None:
    text = _read(environ, BASE_URL_VARIABLE)
    if text is None:
        return None
    try:
        return normalize_base_url(text)
    except ValueError as error:
        raise SettingsError(
            f"{BASE_URL_VARIABLE} {error}.",
            advice=(
                "Set it to a URL such as https://api.truto.one; http:// is for this machine only."
            ),
        ) from None


def _read_webhook_url(environ: Mapping[str, str]) -> str | None:
    text = _read(environ, WEBHOOK_VARIABLE)
    if text is None:
        return None
    hide_address(text, name="webhook")
    try:
        return check_webhook_url(text)
    except ValueError as error:
        raise SettingsError(
            f"{WEBHOOK_VARIABLE} {error}.",
            advice="Set it to an https:// URL, or to http:// on this machine, or unset it.",
        ) from None


def _read_database(environ: Mapping[str, str], *, project: Path | None, home: Path) -> str:
    text = _read(environ, DATABASE_VARIABLE)
    example = f"Set {DATABASE_VARIABLE} to a file such as {home / DEFAULT_DATABASE}"
    if text is None:
        if project is None:
            raise SettingsError(
                f"{DATABASE_VARIABLE} is not set, and {home} is in no project: no folder upward "
                f"holds {PROJECT_MARK}.",
                advice=f"{example}, or change to the project's folder.",
            )
        return str(project / DEFAULT_DATABASE)
    if text.startswith(":"):
        raise SettingsError(
            f"{DATABASE_VARIABLE} names a database in memory, which every process would have for "
            "itself: what a run publishes would be gone when it ends.",
            advice=f"{example}.",
        )
    if text.lower().startswith(_UNTOUCHED):
        return text
    if "://" in text or "\0" in text:
        raise SettingsError(
            f"{DATABASE_VARIABLE} is neither a file nor a database that DuckDB can write to.",
            advice=f"{example}, or to md:… or ducklake:….",
        )
    return os.path.normpath(home / _expand_home(text, environ))


def _read_data_path(environ: Mapping[str, str], *, is_lake: bool, home: Path) -> str | None:
    text = _read(environ, DATA_PATH_VARIABLE)
    if text is None:
        return None
    if not is_lake:
        raise SettingsError(
            f"{DATA_PATH_VARIABLE} is set, and {DATABASE_VARIABLE} names no lake: only a lake "
            "keeps its files apart from its catalogue.",
            advice=f"Unset it, or set {DATABASE_VARIABLE} to ducklake:….",
        )
    if text.lower().startswith(_OBJECT_STORE):
        if read_object_store(environ) is None:
            raise SettingsError(
                f"{DATA_PATH_VARIABLE} names an object store, and AWS_ACCESS_KEY_ID is not set.",
                advice="Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY to a key that may read and "
                "write there.",
            )
        return f"{_OBJECT_STORE}{text[len(_OBJECT_STORE) :].rstrip('/')}/"
    if "://" in text or "\0" in text:
        raise SettingsError(
            f"{DATA_PATH_VARIABLE} names neither a folder nor an object store.",
            advice="Set it to a folder that every machine sees at the same path, or to "
            "s3://bucket/prefix.",
        )
    return os.path.normpath(home / _expand_home(text, environ)) + "/"


def _read_settings_path(
    environ: Mapping[str, str], *, project: Path | None, home: Path
) -> Path | None:
    text = _read(environ, SETTINGS_VARIABLE)
    if text is not None:
        return home / _expand_home(text, environ)
    if project is None:
        return None
    path = project / DEFAULT_SETTINGS
    # A dangling link was meant to be read: reading it says so.
    return path if path.exists() or path.is_symlink() else None


def _expand_home(text: str, environ: Mapping[str, str]) -> str:
    # Variables that come from a .env file never passed a shell.
    home = environ.get("HOME", "")
    return f"{home}{text[1:]}" if home and text.startswith("~/") else text
