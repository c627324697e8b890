"""What an account's answers look like, what changed in them, and whether they may be published.

Rules without a database: counts, shapes and settings in, findings and a verdict out.

    shape            what an answer looked like: paths, JSON types, counts
    profile          structures counted by the database -> a shape
    folding          which keys are data; keeps shapes small and makes two of them comparable
    probability      how surprising a count is, exactly
    findings         one thing that changed, with its severity and the words for it
    audit            an observed shape against baseline and history -> findings
    unified_fields   the part of it that makes rows wrong: the unified group's own fields
    values           the part of it that their values tell: group types, instants, forms of ids
    volume           how many groups are plausible, by an account's own history
    permission       what a lost permission explains: a fall of groups
    verdict          all of it for one sync: published or held back, and why
    common_drift     the same drift in many accounts, told once
    attribution      whose change it was
    ignored_filters  a filter of the query that was ignored
    unmet            a path of the settings that meets nothing
    examples         where an example of a finding stands
"""
