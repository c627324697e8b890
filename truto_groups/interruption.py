"""Let nothing swallow a signal: what it raises inside of a statement comes out as another error."""


def find_interruption(error: BaseException) -> BaseException | None:
    """Find what a signal's handler raised, where an error is it or hides it.

    DuckDB makes a RuntimeError of whatever is raised while it works, Ctrl-C and Dagster's
    cancellation included; taken for what it seems, a run would go on.
    """
    hidden: BaseException | None = error
    while hidden is not None and isinstance(hidden, Exception | GeneratorExit):
        hidden = hidden.__cause__ or hidden.__context__
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
        raise hidden
