"""What a user may set: the environment and the settings file, typed and checked.

Pure but for reading that one file; nothing is read at import. What the Dagster resource looks like
is defs/'s, and which query parameters there are is query.py's.

    mistakes      a mistake, and several told at once
    durations     90s, 30m, 6h, 7d
    addresses     URLs that the token may go to
    validators    what a single value may be
    knobs         the resource's knobs, described once and resolved
    sections      the settings file as a typed tree
    document      YAML with lines
    account       what holds for one account
    strays        settings that apply to nobody
    file          reading the settings file
    environment   the variables
"""

from truto_groups.settings.account import AccountSettings, Settings, VolumeLimits
from truto_groups.settings.durations import format_duration, parse_duration
from truto_groups.settings.environment import (
    Environment,
    check_temporary_folder,
    find_project,
    read_environment,
    read_token,
)
from truto_groups.settings.file import read_settings
from truto_groups.settings.knobs import EffectiveKnobs, TrutoKnobs, describe_knob, resolve_knobs
from truto_groups.settings.sections import Complete, DiscoverySettings, RemoteData
from truto_groups.settings.strays import find_strays

__all__ = [
    "AccountSettings",
    "Complete",
    "DiscoverySettings",
    "EffectiveKnobs",
    "Environment",
    "RemoteData",
    "Settings",
    "TrutoKnobs",
    "VolumeLimits",
    "check_temporary_folder",
    "describe_knob",
    "find_project",
    "find_strays",
    "format_duration",
    "parse_duration",
    "read_environment",
    "read_settings",
    "read_token",
    "resolve_knobs",
]
