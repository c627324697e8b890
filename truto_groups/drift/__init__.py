"""What an account's answers look like, and what changed in them: rules without a database.

shape       what an answer looked like: paths, JSON types, counts
profile     structures counted by the database -> a shape
folding     which keys are data; keeps shapes small and makes two of them comparable
chance      how surprising a count is, exactly
findings    one thing that changed, with its severity and the words for it
audit       an observed shape against baseline and history -> findings
unified     the part of it that makes rows wrong: the unified group's own fields
values      the part of it that their values tell: group types, instants, forms of ids
volume      how many groups are plausible, by an account's own history
united      the same drift in many accounts, told once
attribution whose change it was
unmet       paths of the setting remote_data that lead to nothing
filters     a filter that was ignored
examples    where an example of a finding stands
"""
