"""Regular expressions of the settings: searched in time that grows with the text alone.

Pydantic's own engine is used, which knows no backtracking: whatever is written in the settings,
no name can make a search take long.
"""

from functools import lru_cache

from pydantic_core import SchemaError, SchemaValidator, core_schema


def find_pattern(pattern: str, text: str) -> bool:
    """Whether a pattern is found anywhere in a text, whatever the case.

    Raises:
        ValueError: It is no regular expression; the words say why.
    """
    return _compile(pattern).isinstance_python(text)


def check_pattern(pattern: str) -> None:
    """Make sure that a pattern can be searched.

    Raises:
        ValueError: It is no regular expression; the words say why.
    """
    _compile(pattern)


@lru_cache(maxsize=1024)
def _compile(pattern: str) -> SchemaValidator:
    for text in (pattern, f"(?i){pattern}"):
        try:
            compiled = SchemaValidator(core_schema.str_schema(pattern=text))
        except SchemaError as error:
            reason = str(error).strip().splitlines()[-1].strip()
            reason = reason.removeprefix("error: ").removeprefix("SchemaError: ")
            raise ValueError(reason.rstrip(".")) from None
    return compiled
