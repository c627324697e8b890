"""Credentials of others in what an answer repeats of a request: taken out at any depth.

Values in, values out. Our own secrets are secrecy.py's; this knows names and forms alone, and takes
out too much rather than too little.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

HIDDEN = "[hidden]"

_KEYED = (
    r"(?:api|access|secret|private|shared|signing|encryption|subscription|account|client|license)"
)
_NAMED = (
    r"auth(?!or(?!i[sz]))|token|pass(?!ed|es|ing|ive)|pwd|secret|credential|cookie|session|bearer|jwt|"
    rf"signature|otp\b|{_KEYED}[-_. ]?keys?|x-functions-key"
)
_NAME = re.compile(_NAMED, re.IGNORECASE)


def _named_in(characters: str) -> str:
    """A name that is a credential's: a run of characters, whole, or two of them with a blank.

    Begun at each character of a run instead, a picture of 100 KB in letters and digits took a
    quarter of an hour.
    """
    run = f"{characters}*"
    return rf"(?<!{characters})(?:(?={run}(?:{_NAMED})){run}+|{run}{_KEYED} keys?{run}+)"


# What names a header or a parameter beside its value, in APIs that list them.
_NAMES, _VALUES = ("name", "key", "header", "field"), ("value", "values", "val")
_HEADER_NAME, _PARAMETER_NAME = _named_in(r"[\w.-]"), _named_in(r"[\w.\[\]%-]")
_HEADER = re.compile(rf"(?im)^([ \t]*+{_HEADER_NAME}[ \t]*+:[ \t]*+)(?!//)(\S.*)$")
_PARAMETER = re.compile(rf"(?i)({_PARAMETER_NAME}=)([^&\s\"'<>;]+)")
_SCHEME = re.compile(r"(?i)\b(bearer|basic|digest|negotiate|apikey|token)(\s+)[\w.~+/=:-]{6,}")
_BEFORE_AT = re.compile(r"(?<![^\s@])[^\s@]++@")
_USER = re.compile(r"(://)(?:[^/?#:]*+:.+|[^/?#]++)\Z")
_SIGNED = re.compile(r"(?<![\w-])(?=[\w-]++\.)([\w-]*?)\beyJ[\w-]{8,}+(?:\.[\w-]*+){1,4}")
_KEY_BLOCK = re.compile(r"-----BEGIN [A-Z ]+-----.*?(?:-----END [A-Z ]+-----|\Z)", re.DOTALL)


def hide_credentials(value: Any) -> Any:
    """Take out of a JSON value what is, by its name or its form, a credential.

    A value that lies deeper than can be looked through goes whole.
    """
    try:
        return _hide(value)
    except RecursionError:
        return HIDDEN


def _hide(value: Any) -> Any:
    if isinstance(value, str):
        return _hide_in_text(value)
    if isinstance(value, Mapping):
        return _hide_in_mapping(cast(Mapping[str, Any], value))
    if isinstance(value, list | tuple):
        items = cast(Sequence[Any], value)
        if len(items) == 2 and isinstance(items[0], str) and _NAME.search(items[0]):
            return [items[0], HIDDEN]  # a header as a pair
        if len(items) % 2 == 0 and all(isinstance(one, str) for one in items):
            return _hide_in_pairs(items)
        return [_hide(one) for one in items]
    return value


def is_credential(name: str) -> bool:
    """Whether what has such a name is a credential."""
    return _NAME.search(name) is not None


def _hide_in_mapping(mapping: Mapping[str, Any]) -> dict[str, Any]:
    lowered = {name.lower(): one for name, one in mapping.items()}
    named = next((lowered[name] for name in _NAMES if isinstance(lowered.get(name), str)), "")
    is_pair = is_credential(named) and any(name in lowered for name in _VALUES)
    return {
        name: HIDDEN
        if one is not None and (is_credential(name) or (is_pair and name.lower() in _VALUES))
        else _hide(one)
        for name, one in mapping.items()
    }


def _hide_in_pairs(items: Sequence[str]) -> list[str]:
    """Headers as one list: name, value, name, value; texts that are none lose nothing."""
    return [
        HIDDEN if at % 2 and is_credential(items[at - 1]) else _hide_in_text(one)
        for at, one in enumerate(items)
    ]


def _hide_in_text(text: str) -> str:
    if text.lstrip()[:1] in ("{", "["):
        try:
            return json.dumps(_hide(json.loads(text)), ensure_ascii=False)
        except ValueError:
            pass
        except RecursionError:
            return HIDDEN
    text = _KEY_BLOCK.sub(HIDDEN, text)
    text = _HEADER.sub(rf"\1{HIDDEN}", text)
    text = _PARAMETER.sub(rf"\1{HIDDEN}", text)
    text = _SCHEME.sub(rf"\1\2{HIDDEN}", text)
    text = _BEFORE_AT.sub(_hide_user, text)
    return _SIGNED.sub(rf"\1{HIDDEN}", text)


def _hide_user(found: re.Match[str]) -> str:
    return _USER.sub(rf"\1{HIDDEN}", found[0][:-1]) + "@"
