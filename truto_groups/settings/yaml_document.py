"""A YAML document as plain values, with the line and the spelling of each.

Syntax only: which keys and values make sense is sections.py's. YAML is read more narrowly than
its standard says, so that a value is never other than it looks: numbers in octal or
base 60 are refused, dates stay text, a key is always text, and nothing stands in for something
written elsewhere.
"""

import re
from dataclasses import dataclass, field
from typing import Any, cast

import yaml

from truto_groups.settings.mistakes import KeyPath, Mistake, make_error, shorten

_TAG = "tag:yaml.org,2002:"
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]{0,99})", re.ASCII)
_FLOAT = re.compile(r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?", re.ASCII)
_TRUE = {"true", "yes", "on", "y"}
_DEEPEST = 40
_LONGEST_WORDED = 1 << 18
_TOO_DEEP = "exceeded maximum nesting depth"
_HALF_CHARACTER = re.compile("[\ud800-\udfff]")
_UNREADABLE = object()
_HALF = "Write the whole character instead of its \\u escape"
_MARK = "remove the & and * marks and write it out; defaults and integrations share settings"


@dataclass
class Document:
    """What a settings file says, before anyone asks whether it makes sense.

    Attributes:
        data: Nested dicts, lists and scalars.
        lines: Line of each key path, from 1.
        written: Each scalar as it stands in the file.
        mistakes: What cannot be read; its values are left out of ``data``.
    """

    data: dict[str, object] = field(default_factory=dict[str, object])
    lines: dict[KeyPath, int] = field(default_factory=dict[KeyPath, int])
    written: dict[KeyPath, str] = field(default_factory=dict[KeyPath, str])
    mistakes: list[Mistake] = field(default_factory=list[Mistake])


def read_document(content: bytes, *, source: str) -> Document:
    """Take a YAML document apart.

    Args:
        content: The file's bytes; an empty one is an empty mapping.
        source: The file's path, for errors.

    Raises:
        SettingsError: It is not UTF-8, not YAML, or not a mapping.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        what = "this is not UTF-8"
        raise make_error([Mistake(line, (), what, "Save it as UTF-8")], source=source) from None
    try:
        root = _compose(text)
    except yaml.YAMLError as error:
        raise make_error([_tell_syntax(error, text)], source=source) from None
    except RecursionError:
        mistake = Mistake(1, (), "this is nested too deeply", "Write it flatter")
        raise make_error([mistake], source=source) from None
    reader = _Reader(Document())
    if root is None or (isinstance(root, yaml.ScalarNode) and root.tag == f"{_TAG}null"):
        return reader.document
    if not isinstance(root, yaml.MappingNode):
        what = "the document is a list or a single value, not a mapping"
        right = "Write sections such as defaults:, integrations: and accounts:"
        mistake = Mistake(root.start_mark.line + 1, (), what, right)
        raise make_error([mistake], source=source)
    reader.document.data = cast(dict[str, object], reader.read(root, ()))
    return reader.document


def _compose(text: str) -> yaml.Node | None:
    # The C parser is ten times faster, which a file of 10,000 accounts feels at every tick; the
    # Python one words its errors better.
    fast = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return cast("yaml.Node | None", cast(Any, yaml).compose(text, Loader=fast))
    except yaml.YAMLError as error:
        # What is long or deep would keep the Python one busy for minutes, only to be refused.
        if len(text) > _LONGEST_WORDED or _TOO_DEEP in str(error):
            raise
        return cast("yaml.Node | None", cast(Any, yaml).compose(text, Loader=yaml.SafeLoader))


def _tell_syntax(error: yaml.YAMLError, text: str) -> Mistake:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is None:
        position = int(getattr(error, "position", 0))
        line = text.count("\n", 0, position) + 1
        return Mistake(line, (), "this holds a character that YAML does not allow", "Remove it")
    line = int(mark.line) + 1
    written = [*text.splitlines(), ""][line - 1]
    if "\t" in written[: len(written) - len(written.lstrip())]:
        return Mistake(line, (), "a tab indents this line", "Indent with spaces")
    problem = getattr(error, "problem", None) or getattr(error, "context", None) or "syntax error"
    if _TOO_DEEP in str(error):
        return Mistake(line, (), "this is nested too deeply", "Write it flatter")
    if "another document" in str(problem):
        return Mistake(line, (), "a second document starts here", "Keep one: remove the ---")
    if "alias" in str(problem):
        return Mistake(line, (), "this is an alias", _MARK.capitalize())
    what = f"this is not YAML: {shorten(str(problem))}"
    right = "Write key: value, indented with spaces; text with : or # or quotes goes in quotes"
    return Mistake(line, (), what, right)


class _Reader:
    """Turns nodes into values, and remembers where each stood."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self._seen: set[int] = set()

    def read(self, node: yaml.Node, path: KeyPath) -> object:
        line = self.document.lines.setdefault(path, int(node.start_mark.line) + 1)
        if id(node) in self._seen:
            self._add(line, path, "repeats what stands elsewhere (an alias)", _MARK.capitalize())
            return _UNREADABLE
        self._seen.add(id(node))
        if len(path) > _DEEPEST:
            self._add(line, path, "is nested too deeply", "Write it flatter")
            return _UNREADABLE
        if isinstance(node, yaml.MappingNode) and node.tag == f"{_TAG}map":
            return self._read_mapping(node, path)
        if isinstance(node, yaml.SequenceNode) and node.tag == f"{_TAG}seq":
            items = cast(list[yaml.Node], node.value)
            values = [self.read(item, (*path, index)) for index, item in enumerate(items)]
            return _UNREADABLE if _UNREADABLE in values else values
        if isinstance(node, yaml.ScalarNode):
            return self._read_scalar(node, path)
        self._add(line, path, "has a tag, which is not read", "Remove what starts with !")
        return _UNREADABLE

    def _read_mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, object]:
        mapping: dict[str, object] = {}
        for key_node, value_node in cast(list[tuple[yaml.Node, yaml.Node]], node.value):
            line = int(key_node.start_mark.line) + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self._add(line, path, "has a key that is not text", "Write key: value")
                continue
            key = str(key_node.value)
            if _HALF_CHARACTER.search(key):
                self._add(line, path, "has a key with half a character", _HALF)
                continue
            inner = (*path, key)
            if key_node.tag == f"{_TAG}merge":
                self._add(line, inner, "is a merge key, which is not read", _MARK.capitalize())
            elif key in mapping:
                first = self.document.lines[inner]
                what = f"is given twice, first on line {first}"
                self._add(line, inner, what, "Keep one of the two")
            else:
                self.document.lines[inner] = line
                mapping[key] = self.read(value_node, inner)
        return {key: value for key, value in mapping.items() if value is not _UNREADABLE}

    def _read_scalar(self, node: yaml.ScalarNode, path: KeyPath) -> object:
        text = str(node.value)
        kind = node.tag.removeprefix(_TAG)
        is_plain = not node.style
        if _HALF_CHARACTER.search(text):
            self._add(self.document.lines[path], path, "holds half a character", _HALF)
            return _UNREADABLE
        self.document.written[path] = text if is_plain else f'"{text}"'
        if kind == "null":
            return None
        if kind == "bool":
            return text.lower() in _TRUE
        if kind == "int" and _INTEGER.fullmatch(text):
            return int(text)
        if kind == "float" and _FLOAT.fullmatch(text):
            return float(text)
        if kind in {"int", "float"}:
            what = f"{shorten(text)} is a number to YAML, but in a form that misleads"
            right = f'Write "{shorten(text)}" with the quotes if it is text, else plain digits'
            self._add(self.document.lines[path], path, what, right)
            return _UNREADABLE
        if kind not in {"str", "timestamp", "value"}:
            line = self.document.lines[path]
            self._add(line, path, "has a tag, which is not read", "Remove what starts with !")
            return _UNREADABLE
        return text

    def _add(self, line: int, path: KeyPath, what: str, right: str) -> None:
        self.document.mistakes.append(Mistake(line, path, what, right))
