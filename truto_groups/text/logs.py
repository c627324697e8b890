"""Loggers whose lines can be shown: no secret in them, and no control character from outside.

Only the line; where it goes is logging's, and in runs Dagster's, to say.
"""

import logging
import traceback

from truto_groups.text.secrecy import redact
from truto_groups.text.visible import show, show_lines


def get_logger(name: str) -> logging.Logger:
    """Get the logger of a module."""
    logger = logging.getLogger(name)
    logger.addFilter(make_fit)
    return logger


def make_fit(record: logging.LogRecord) -> bool:
    """Make the message of a record fit to be shown; a filter that lets every record pass."""
    text = record.getMessage()
    fit = show(redact(text))
    if fit != text:
        record.msg, record.args = fit, ()
    if record.exc_info and record.exc_info[1] is not None:
        # What a handler would write of the exception; with this set it writes this.
        told = "".join(traceback.format_exception(record.exc_info[1]))
        record.exc_text = show_lines(redact(told.rstrip()))
    return True
