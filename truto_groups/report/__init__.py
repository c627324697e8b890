"""What a person is told of a run, a check, a waiting account, the whole: words and pictures.

Pure: what is known in, texts and pictures out. Where they go is defs/'s and cli/'s; how a number
is said is text/'s.

    messages  a failed run, a check that turned: text and JSON
    delivery  messages that are not delivered yet, kept for the next tick
    run_progress  how far a run has come, counted and said at a human pace
    pending   one that waits, in words: what accepting does, why, with which command
    needs     who needs a person, why, and what to do
    changes   what changed in groups, in words
    privileged_changes  what became privileged, and with which command it is reviewed
    overview  the picture over all accounts, as Markdown
    diagnosis  one page about one account
    certificate  what was forgotten, and what a search found afterwards
    markdown  tables with links, as Markdown
    charts    bars and a line as SVG
"""
