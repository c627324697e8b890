"""What somebody who mistyped a name may have meant."""

import difflib
from collections.abc import Iterable

_MOST = 3


def find_nearest(
    name: str, known: Iterable[str], *, most: int = _MOST, cutoff: float = 0.6
) -> list[str]:
    """Find the known names that a mistyped one resembles, the likeliest first; case is nothing.

    Args:
        name: As it was typed.
        known: What there is.
        most: How many are wanted.
        cutoff: How much they must resemble it, 0 to 1.
    """
    by_folded = {one.casefold(): one for one in known}
    close = difflib.get_close_matches(name.casefold(), by_folded, n=most, cutoff=cutoff)
    return [by_folded[one] for one in close]


def ask_for(names: Iterable[str]) -> str:
    """Ask whether one of these was meant: ``did you mean a or b?``; empty without any."""
    *others, last = list(names) or [""]
    told = f"{', '.join(others)} or {last}" if others else last
    return f"did you mean {told}?" if told else ""
