"""Paths of the setting ``remote_data`` that lead to nothing in what an account sends.

Pure. Such a path keeps nothing, and a misspelt one looks like an app that has no such field.
"""

from collections.abc import Sequence

from truto_groups.drift.folding import MAX_DEPTH, MAX_PATHS
from truto_groups.drift.shape import ANY_KEY, ELEMENT, MIXED, Path, Shape, path_text
from truto_groups.settings import RemoteData

_REMOTE_DATA: Path = ("remote_data",)


def find_unmet_paths(kept: RemoteData, shape: Shape) -> list[str]:
    """Find the paths that no record has, as people read them.

    Args:
        kept: The setting.
        shape: What the sync looked like. One without groups, or with so many paths that some were
            left out, tells of no path that it is not there.
    """
    if isinstance(kept, str) or not shape.record_count or len(shape.paths) >= MAX_PATHS:
        return []
    return [path_text(keys) for keys in kept if not _is_met(shape, _REMOTE_DATA, keys)]


def _is_met(shape: Shape, at: Path, keys: Sequence[str]) -> bool:
    seen = shape.seen(at)
    if not seen.present_count:
        return False
    if not keys or len(at) >= MAX_DEPTH or MIXED in seen.types:
        return True
    below = ((*at, keys[0]), (*at, ANY_KEY))
    return any(_is_met(shape, one, keys[1:]) for one in below) or _is_met(
        shape, (*at, ELEMENT), keys
    )
