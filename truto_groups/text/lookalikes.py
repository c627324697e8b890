"""What a text reads like to a person, whatever letters it is spelled with.

Pure. An attacker names a group so that it looks like another, or hides a word from a search: with
letters of other scripts, accents, invisible characters, odd spaces. Only letters that look alike
are taken for one another, so that no text in another script becomes an English word by chance.
"""

# Letters that look alike are what this is about.
# ruff: noqa: RUF001

import re
import unicodedata
from typing import Final

_LOOKS_LIKE: Final = {
    # Cyrillic, in both cases as they look.
    **dict(zip("аәвгԁеһіјкӏмопрԛѕтуԝхъґ", "aebrdehijklmonpqstuwxbr", strict=True)),
    **dict(zip("АВЕЅІЈКМНОРСТУХԌԚԜҮҺ", "ABESIJKMHOPCTYXGQWYH", strict=True)),
    "с": "c",
    "н": "h",
    "ү": "y",
    # Greek.
    **dict(zip("αεηικνορτυχωγ", "aenikvoptuxwy", strict=True)),
    **dict(zip("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "ABEZHIKMNOPTYX", strict=True)),
    # Armenian and Cherokee.
    **dict(zip("ոօսհցքոԼՕՍ", "nouhgqnLOU", strict=True)),
    **dict(zip("ᎪᎠᎷᏔᏚᎡᎢᎬᏢᎥᏒᎳᏴ", "ADMWSRTEPiRWB", strict=True)),
    # Latin letters that no decomposition leads back to their plain one.
    **dict(zip("ıɑɡłøđɪɴʀʟᴀᴅᴇᴍᴏᴛᴜᴡꜱɩƖǀ", "iaglodinrlademotuwsill", strict=True)),
    **dict(zip("ŁØĐ", "LOD", strict=True)),
}
_TABLE: Final = str.maketrans(_LOOKS_LIKE)
# Fillers that are drawn as nothing, though Unicode calls them letters.
_INVISIBLE_LETTERS: Final = frozenset("\u115f\u1160\u3164\uffa0\u2800")
_DROPPED: Final = frozenset({"Mn", "Me", "Cf"})
_BLANKS: Final = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")


def plain(text: str) -> str:
    """Spell a text with the plain letters that it looks like; its case stays.

    Accents and invisible characters are dropped, full-width and styled letters become plain ones,
    any run of blanks becomes one, and those at the ends go.
    """
    if not text.isascii():
        decomposed = unicodedata.normalize("NFKD", text)
        visible = "".join(
            letter
            for letter in decomposed
            if unicodedata.category(letter) not in _DROPPED and letter not in _INVISIBLE_LETTERS
        )
        text = visible.translate(_TABLE)
    return _BLANKS.sub(" ", text).strip()


def fold(text: str) -> str:
    """The same as ``plain``, in lower case."""
    lowered = plain(text).casefold()
    return lowered if lowered.isascii() else plain(lowered)
