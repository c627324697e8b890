"""Let nothing swallow a signal: what it raises inside of a statement comes out as another error."""

# How DuckDB tells of what one of our functions raised; the exception itself it drops.
_DROPPED = "while executing the UDF"
_kept: list[BaseException] = []


def keep_interruption(interruption: BaseException) -> None:
    """Keep what a signal's handler raised in a function that DuckDB called, to be found."""
    _kept[:] = [interruption]


def find_interruption(error: BaseException) -> BaseException | None:
    """Find what a signal's handler raised, where an error is it or hides it.

    DuckDB makes an error of its own of whatever is raised while it works, Ctrl-C and Dagster's
    cancellation included; taken for what it seems, a run would go on.
    """
    hidden: BaseException | None = error
    is_dropped = False
    while hidden is not None and isinstance(hidden, Exception | GeneratorExit):
        is_dropped = is_dropped or _DROPPED in str(hidden)
        hidden = hidden.__cause__ or hidden.__context__
    if hidden is None and is_dropped and _kept:
        return _kept[0]
    return hidden


def raise_interruption(error: BaseException) -> None:
    """Raise what a signal's handler raised, where an error hides it.

    Args:
        error: The error to look behind; it hides nothing any more afterwards.
    """
    hidden = find_interruption(error)
    if hidden is not None and hidden is not error:
        # It is raised where the error is being handled, which thereby stands behind it: without
        # this, who follows the chain would go round in a circle.
        error.__cause__ = error.__context__ = None
        _kept.clear()
        raise hidden
