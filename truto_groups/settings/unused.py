"""Settings that apply to nobody: accounts and integrations that no listing has.

Pure. Such a key is no mistake of the file, which may be written before an account is connected; so
it is told and not refused.
"""

from collections.abc import Collection, Iterator
from itertools import islice

from truto_groups.settings.account_settings import Settings
from truto_groups.settings.mistakes import KeyPath, shorten_path
from truto_groups.settings.validators import fold_account_name
from truto_groups.text.nearest import find_nearest

_CLOSE = 0.8
_MOST_TOLD = 20  # among 10,000 accounts, looking for the one that is meant takes 0.1 s


def find_unused_settings(
    settings: Settings, *, account_names: Collection[str], integrations: Collection[str]
) -> list[str]:
    """Find the accounts and integrations of the settings file that are not among the known ones.

    Args:
        settings: The settings file.
        account_names: Ids and keys of all known accounts, those that are gone included.
        integrations: Slugs of their integrations.

    Returns:
        One sentence per stray key, with its line and the known key that may be meant; of very many
        the first ones.
    """
    return [
        *islice(_find_accounts(settings, account_names), _MOST_TOLD),
        *islice(_find_integrations(settings, integrations), _MOST_TOLD),
    ]


def _find_accounts(settings: Settings, known: Collection[str]) -> Iterator[str]:
    folded = {fold_account_name(name) for name in known}
    for key in settings.sections.accounts:
        if fold_account_name(key) not in folded:
            yield _tell(settings, ("accounts", key), "Truto lists no such account", known)


def _find_integrations(settings: Settings, known: Collection[str]) -> Iterator[str]:
    folded = {slug.casefold() for slug in known}
    for key in settings.sections.integrations:
        if key.casefold() not in folded:
            what = "no listed account is of this integration"
            yield _tell(settings, ("integrations", key), what, folded)


def _tell(settings: Settings, path: KeyPath, what: str, known: Collection[str]) -> str:
    meant = find_nearest(str(path[-1]), known, most=1, cutoff=_CLOSE)
    question = f"; did you mean {meant[0]}?" if meant else "."
    line = settings.lines.get(path, 0)
    return f"{settings.path}:{line}: {shorten_path(path)}: {what}{question}"
