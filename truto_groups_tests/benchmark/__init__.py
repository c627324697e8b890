"""Measure the pipeline beside its peers, in turn and in one run; a command, never a timed test."""
