"""Text from outside, made fit to be shown: names, labels, ids, statuses, errors.

Pure. A terminal obeys control characters, and Markdown its own signs, whoever wrote them. Only what
is shown is changed; tables and JSON keep every letter as it came.
"""

import re
import unicodedata

# Control, format (bidi, zero width, tags) and half characters, and the separators of lines.
_INVISIBLE = ("Cc", "Cf", "Cs", "Zl", "Zp")
# A fast way past nearly all texts: the printable part of ASCII has nothing to be made visible.
_PLAIN = re.compile(r"[ -~]*")
_NAMED = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}
_ESCAPED = re.compile(r"\\([\\`*_\[\]<>|~#!&])")
_BLANKS = re.compile(r"[ \t\r\n]+")
# What Markdown, or a table in it, would read as its own.
_MARKDOWN = str.maketrans({sign: f"\\{sign}" for sign in "\\`*_[]<>|~#!&"})


def show(text: str) -> str:
    r"""Write what cannot be seen as ``\x1b``, ``\u202e``: in one line, and nothing obeys it."""
    if _PLAIN.fullmatch(text):
        return text
    return "".join(map(_show_character, text))


def is_utf_8(text: str) -> bool:
    """Whether a text can be written; one that the shell gave may hold bytes that are no UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def show_lines(text: str) -> str:
    """The same for a text of our own, whose line breaks are meant."""
    return "\n".join(show(line) for line in text.split("\n"))


def show_in_cell(text: str) -> str:
    """The same for a cell of a table: blanks and line breaks between words become one blank."""
    return show(_BLANKS.sub(" ", text).strip())


def show_in_markdown(text: str) -> str:
    """Write a text so that Markdown shows it as it stands: no link, image, table, code or HTML."""
    return show_in_cell(text).translate(_MARKDOWN)


def read_out_markdown(text: str) -> str:
    """The text that Markdown shows for what show_in_markdown wrote, for where there is none."""
    return _ESCAPED.sub(r"\1", text)


def _show_character(character: str) -> str:
    if unicodedata.category(character) not in _INVISIBLE:
        return character
    code = ord(character)
    if code < 0x100:
        return _NAMED.get(character, f"\\x{code:02x}")
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
