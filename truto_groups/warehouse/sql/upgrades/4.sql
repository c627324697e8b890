-- groups_as_of is made anew: it gives other_fields letter by letter.
DROP MACRO TABLE IF EXISTS groups_as_of;
