"""How numbers are said to people, in the shell, the UI and messages alike."""


def say_count(number: int, noun: str) -> str:
    """A number with its noun: ``1 account``, ``2 accounts``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
