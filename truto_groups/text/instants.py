"""Instants as people write them: ISO 8601, in UTC where no zone is given.

How instants of an app are read is the warehouse's.
"""

from datetime import UTC, datetime


def read_instant(text: str) -> datetime:
    """Read ``2026-11-01`` or ``2026-11-01T08:30:00Z``; a date is its beginning.

    Returns:
        The instant, aware, in UTC.

    Raises:
        ValueError: It is no instant, with two that are.
    """
    try:
        instant = datetime.fromisoformat(text.strip())
        return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(
            f"{text!r} is no instant. Give a datetime, a date, or ISO 8601 such as "
            "'2026-11-01' or '2026-11-01T08:30:00Z'."
        ) from None
