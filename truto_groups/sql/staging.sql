-- The private tables and rules of a run: what a record becomes is decided here, record by record.

-- The records of the accounts under way. `record`, `remote_data` and `other_fields` are kept letter
-- by letter; the rest is what `groups` will hold, and what the audit asks.
CREATE TABLE staging.landed (
    integrated_account_id VARCHAR NOT NULL,
    position BIGINT NOT NULL,
    record VARCHAR NOT NULL,
    remote_data VARCHAR,
    other_fields VARCHAR,
    id VARCHAR,
    name VARCHAR,
    group_type VARCHAR,
    group_type_as_received VARCHAR,
    description VARCHAR,
    organization_id VARCHAR,
    created_at TIMESTAMPTZ,
    updated_at TIMESTAMPTZ,
    unreadable_instants VARCHAR[],
    has_repeated_fields BOOLEAN NOT NULL
);

-- ISO 8601, extended or basic, a date alone or with a time, with or without a zone (then UTC), taken
-- apart: the shape is checked before any cast, which takes 'epoch', 'infinity' and zones' names too.
CREATE MACRO staging.instant_parts(text) AS regexp_extract(
    text,
    '^(\d{4})(?:-(\d\d)-(\d\d)|(\d\d)(\d\d))(?:[Tt ](\d\d):?(\d\d)(?::?(\d\d)(?:[.,](\d{1,6})\d*)?)?\s?([Zz]|[+-](?:[01]\d|2[0-3])(?::?[0-5]\d)?)?)?$',
    ['year', 'month', 'day', 'bare_month', 'bare_day', 'hour', 'minute', 'second', 'fraction', 'zone']
);

CREATE MACRO staging.parts_as_text(p) AS (
    concat(
        p.year, '-', p.month, p.bare_month, '-', p.day, p.bare_day,
        ' ', if(p.hour = '', '00', p.hour),
        ':', if(p.minute = '', '00', p.minute),
        ':', if(p.second = '', '00', p.second),
        '.', p.fraction, '0',
        if(p.zone IN ('', 'Z', 'z'), '+00', p.zone)
    )
);

-- Digits that are an epoch, of a number or a text: those that do not read as a date and time written
-- without separators, to the hour or the minute. Of the seconds until 2030 none does, and of the
-- milliseconds some of 1976.
CREATE MACRO staging.epoch_text(text) AS (
    CASE
        WHEN NOT regexp_full_match(text, '\d{9,13}(\.\d+)?|\d\.\d+[eE]\+?\d+') THEN NULL
        WHEN regexp_full_match(
            text,
            '(19|20)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])([01]\d|2[0-3])([0-5]\d)?(\.\d+)?'
        ) THEN NULL
        ELSE text
    END
);

-- Seconds from 1973 to 2286, or milliseconds. Smaller numbers are years, days or nothing ("0"),
-- larger ones finer units: a wrong instant is worse than none.
CREATE MACRO staging.epoch_as_instant(number) AS (
    CASE
        WHEN number BETWEEN 100000000 AND 9999999999.999999
            THEN make_timestamp((number * 1000000)::BIGINT)::TIMESTAMPTZ
        WHEN number BETWEEN 100000000000 AND 9999999999999.999
            THEN make_timestamp((number * 1000)::BIGINT)::TIMESTAMPTZ
    END
);

-- An id is a text or an integer; anything else identifies nothing.
CREATE MACRO staging.as_id(field) AS (
    CASE
        WHEN json_type(field) = 'VARCHAR' THEN nullif(field ->> '$', '')
        WHEN regexp_full_match(field::VARCHAR, '-?\d+') THEN field::VARCHAR
    END
);

CREATE MACRO staging.as_group_type(received) AS (
    CASE
        WHEN received IS NULL THEN NULL
        WHEN list_contains(getvariable('group_types'), lower(received)) THEN lower(received)
        ELSE 'unmapped'
    END
);
