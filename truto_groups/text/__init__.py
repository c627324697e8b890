"""Text that can be shown: in words, without secrets, without control characters from outside.

The bottom of all; knows nothing of accounts, runs or settings. What is told is report/'s.

    words    numbers, durations and ages as people say them
    instants instants as people write them
    nearest  what somebody who mistyped a name may have meant
    secrecy  secrets, hidden for the whole process and taken out of texts
    visible  control characters and Markdown's signs, made visible
    logs     loggers whose lines can be shown
"""
