"""What a user may set: the environment, the settings file, and the query of List Groups.

Pure but for reading that one file; nothing is read at import. What the Dagster resource looks like
is defs/'s; how a query is written into a URL is truto/'s.

    mistakes          a mistake, and several told at once
    durations         90s, 30m, 6h, 7d
    addresses         URLs that the token may go to
    patterns          regular expressions, searched in linear time
    validators        what a mapping and a value may be, where pydantic's types do not say it
    pydantic_errors   pydantic's errors in our words, a table
    query             what a value in a query of List Groups may be
    query_parameters  the documented parameters of List Groups, a model
    knobs             the resource's knobs, a model, and how they are resolved
    sections          the settings file, a tree of models
    yaml_document     YAML with lines
    account_settings  what holds for one account
    unused            settings that apply to nobody
    file              reading the settings file
    environment       the variables
    object_store      the variables of AWS, for the files of a lake
    dotenv            the project's .env
"""

from truto_groups.settings.account_settings import (
    AccountSettings,
    PrivilegedSettings,
    Settings,
    VolumeLimits,
)
from truto_groups.settings.durations import format_duration, parse_duration
from truto_groups.settings.environment import (
    DATA_PATH_VARIABLE,
    DATABASE_VARIABLE,
    Environment,
    check_temporary_folder,
    find_project,
    read_environment,
    read_token,
)
from truto_groups.settings.file import read_settings
from truto_groups.settings.knobs import EffectiveKnobs, TrutoKnobs, describe_knob, resolve_knobs
from truto_groups.settings.object_store import ObjectStore, read_object_store
from truto_groups.settings.sections import Complete, DiscoverySettings, RemoteData
from truto_groups.settings.unused import find_unused_settings

__all__ = [
    "DATABASE_VARIABLE",
    "DATA_PATH_VARIABLE",
    "AccountSettings",
    "Complete",
    "DiscoverySettings",
    "EffectiveKnobs",
    "Environment",
    "ObjectStore",
    "PrivilegedSettings",
    "RemoteData",
    "Settings",
    "TrutoKnobs",
    "VolumeLimits",
    "check_temporary_folder",
    "describe_knob",
    "find_project",
    "find_unused_settings",
    "format_duration",
    "parse_duration",
    "read_environment",
    "read_object_store",
    "read_settings",
    "read_token",
    "resolve_knobs",
]
