"""Let nothing swallow a signal: what it raises inside of a statement comes out as another error."""


def raise_interruption(error: BaseException) -> None:
    """Raise what a signal's handler raised, where an error hides it.

    DuckDB makes a RuntimeError of whatever is raised while it works, Ctrl-C and Dagster's
    cancellation included; taken for what it seems, a run would go on.

    Args:
        error: The error to look behind.
    """
    hidden: BaseException | None = error
    while hidden is not None:
        if not isinstance(hidden, Exception | GeneratorExit):
            raise hidden
        hidden = hidden.__cause__ or hidden.__context__
