"""Realistic accounts, labelled mutations of them and harmless variations, to score the audit on.

records     unified groups as ten integrations send them
mutations   what must be found, with kind, path and severity
variations  what must not alarm
observing   records through the real staging area -> shapes
score       `python -m truto_groups_tests.drift_corpus.score`: the table of docs/drift.md
"""
