"""Read the settings file, and tell every mistake in it at once.

Puts together what yaml_document.py, sections.py and account_settings.py each know; knows
nothing itself of YAML or of what a value may be.
"""

from collections.abc import Callable, Iterator
from itertools import takewhile
from pathlib import Path
from typing import cast

from pydantic import ValidationError

from truto_groups.errors import SettingsError
from truto_groups.settings.account_settings import Settings
from truto_groups.settings.mistakes import KeyPath, Mistake, make_error, shorten
from truto_groups.settings.pydantic_errors import Origin, find_mistakes
from truto_groups.settings.query_parameters import FREE_PARAMETERS
from truto_groups.settings.sections import (
    KEY_HOMES,
    AccountSection,
    FileSections,
    find_model,
    may_be_empty,
)
from truto_groups.settings.validators import fold_account_name
from truto_groups.settings.yaml_document import Document, read_document

# A hundred thousand accounts fit; what never ends, such as a device, must not fill the memory.
_LONGEST = 32 << 20


def read_settings(path: Path | None) -> Settings:
    """Read the settings file.

    Args:
        path: The file, which must exist; None: no file, all defaults.

    Raises:
        SettingsError: It cannot be read, or something in it is wrong. Each mistake is told with
            file, line, key path and what would be right.
    """
    if path is None:
        return Settings()
    try:
        with path.open("rb") as file:
            content = file.read(_LONGEST + 1)
    except FileNotFoundError:
        advice = "Create it, or correct or unset TRUTO_GROUPS_SETTINGS."
        raise SettingsError(f"The settings file {path} does not exist.", advice=advice) from None
    except (OSError, ValueError) as error:  # a ValueError: nothing can have such a name
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise SettingsError(
            f"The settings file {path} cannot be read: {reason}.",
            advice="TRUTO_GROUPS_SETTINGS must name a file that this user may read.",
        ) from None
    if len(content) > _LONGEST:
        raise SettingsError(
            f"The settings file {path} is longer than {_LONGEST >> 20} MB.",
            advice="TRUTO_GROUPS_SETTINGS must name a file of settings; what holds for many "
            "accounts goes under defaults or an integration.",
        )
    document = read_document(content, source=str(path))
    settings, mistakes = _type_sections(document, path)
    if mistakes:
        raise make_error(mistakes, source=str(path))
    return settings


def _type_sections(document: Document, path: Path) -> tuple[Settings, list[Mistake]]:
    mistakes = [
        *document.mistakes,
        *_find_empty_values(document, document.data, ()),
        *_find_given_twice(document, "integrations", fold=str.casefold),
        *_find_given_twice(document, "accounts", fold=fold_account_name),
        *_find_respelt(document),
    ]
    sections, found = _validate(document)
    if found:
        # The rest is judged as well, so that one round of corrections is enough.
        for mistake in found:
            _remove(document.data, mistake.path)
        sections, _ = _validate(document)
    # What could not be read is left out: it is no second mistake that nothing else is there.
    spoiled = {one.path[:length] for one in document.mistakes for length in range(len(one.path))}
    mistakes.extend(one for one in found if one.path not in spoiled or "empty" not in one.what)
    settings = Settings(sections, path=path, lines=document.lines)
    if all(_leaves_ages_alone(mistake.path) for mistake in mistakes):
        mistakes.extend(settings.find_impossible_ages())
    return settings, mistakes


def _leaves_ages_alone(path: KeyPath) -> bool:
    # A misspelt max_age, or a section that cannot be read, would make good ages look impossible.
    others = AccountSection.model_fields.keys() - {"max_age", "refresh_every"}
    return path[:1] in {("truto",), ("discovery",), ("history",)} or not others.isdisjoint(path)


def _validate(document: Document) -> tuple[FileSections, list[Mistake]]:
    try:
        return FileSections.model_validate(document.data), []
    except ValidationError as error:
        origin = Origin(document.data, find_model, document.lines, document.written, KEY_HOMES)
        return FileSections(), find_mistakes(error, origin)


def _find_empty_values(
    document: Document, mapping: dict[str, object], path: KeyPath
) -> Iterator[Mistake]:
    for key, value in list(mapping.items()):
        inner = (*path, key)
        if value is None and may_be_empty(inner):
            mapping[key] = {}
        elif value is None:
            del mapping[key]
            what, right = "has no value", "Write a value after the colon, or remove the line"
            yield Mistake(document.lines[inner], inner, what, right)
        elif isinstance(value, dict) and key != "query":
            yield from _find_empty_values(document, cast(dict[str, object], value), inner)


def _find_given_twice(
    document: Document, section: str, *, fold: Callable[[str], str]
) -> Iterator[Mistake]:
    first: dict[str, str] = {}
    for name in _as_mapping(document.data.get(section)):
        other = first.setdefault(fold(name), name)
        if other != name:
            path = (section, name)
            line = document.lines[section, other]
            what = f"is the same {section.removesuffix('s')} as {other} on line {line}"
            yield Mistake(document.lines[path], path, what, "Keep one of the two")


def _find_respelt(document: Document) -> Iterator[Mistake]:
    """Find what the app would get in another spelling than it has in the file."""
    data = document.data
    sections: dict[KeyPath, object] = {("defaults",): data.get("defaults")}
    for kind in ("integrations", "accounts"):
        sections |= {(kind, name): one for name, one in _as_mapping(data.get(kind)).items()}
    for path, section in sections.items():
        for name, value in _as_mapping(_as_mapping(section).get("query")).items():
            if name in FREE_PARAMETERS:
                yield from _find_respelt_in(document, value, (*path, "query", name))


def _find_respelt_in(document: Document, value: object, path: KeyPath) -> Iterator[Mistake]:
    if isinstance(value, dict):
        for key, inner in cast(dict[str, object], value).items():
            yield from _find_respelt_in(document, inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(cast(list[object], value)):
            yield from _find_respelt_in(document, inner, (*path, index))
    elif isinstance(value, bool | int | float):
        is_boolean = isinstance(value, bool)
        sent = str(value).lower() if is_boolean else str(value)
        written = document.written[path]
        if sent not in (written, written.lower()):
            kind = "a boolean" if is_boolean else "a number"
            what = f"{shorten(written)} is {kind} to YAML, and the app would get {sent}"
            right = f'Write "{shorten(written)}" with the quotes if it is text, else {sent}'
            yield Mistake(document.lines[path], path, what, right)


def _as_mapping(value: object) -> dict[str, object]:
    return cast(dict[str, object], value) if isinstance(value, dict) else {}


def _remove(data: dict[str, object], path: KeyPath) -> None:
    # A list with a mistake in it goes as a whole.
    keys = list(takewhile(lambda key: isinstance(key, str), path))
    for key in keys[:-1]:
        data = _as_mapping(data.get(str(key)))
    data.pop(str(keys[-1]), None)
