-- How instants are read that apps send: a text or a number becomes a TIMESTAMPTZ or null.

-- How nearly all are written. A cast takes these as they are, for a fifth of the time.
CREATE MACRO staging.is_usual_instant(text) AS
    regexp_full_match(text, '[12]\d{3}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z');

-- ISO 8601, extended or basic, a date alone or with a time, with or without a zone (then UTC), taken
-- apart: the shape is checked before any cast, which takes 'epoch', 'infinity' and zones' names too.
-- Null for the usual ones.
CREATE MACRO staging.instant_parts(text) AS (
    CASE
        WHEN NOT staging.is_usual_instant(text) THEN regexp_extract(
            text,
            '^(\d{4})(?:-(\d\d)-(\d\d)|(\d\d)(\d\d))(?:[Tt ](\d\d):?(\d\d)(?::?(\d\d)(?:[.,](\d{1,6})\d*)?)?\s?([Zz]|[+-](?:[01]\d|2[0-3])(?::?[0-5]\d)?)?)?$',
            ['year', 'month', 'day', 'bare_month', 'bare_day', 'hour', 'minute', 'second', 'fraction', 'zone']
        )
    END
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
-- without separators, to the hour, the minute or the second. Of the seconds until 2030 none does, and
-- of the milliseconds until 2286 a few of one hour in 2001 (9999 was the year, for "never"). A number
-- comes here as DuckDB writes it, without exponent.
CREATE MACRO staging.epoch_text(text) AS (
    CASE
        WHEN NOT regexp_full_match(text, '[1-9]\d{8,14}(\.\d+)?') THEN NULL
        WHEN regexp_full_match(
            text,
            '(((19|20)\d\d|9999)(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])([01]\d|2[0-3])([0-5]\d)?'
            '|\d{4}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])([01]\d|2[0-3])[0-5]\d[0-5]\d)(\.\d+)?'
        ) THEN NULL
        ELSE text
    END
);

-- Seconds from March 1973 to November 2286, or milliseconds from January 1978 to the end of 9999.
-- What lies between is null: 253402300799, the last second of 9999 and to many the word for "never",
-- would be a day of 1978 in milliseconds, and so would that second in any zone, a day later at most.
-- Smaller numbers are years, days or nothing ("0"), larger ones finer units: a wrong instant is worse
-- than none.
CREATE MACRO staging.epoch_as_instant(number) AS (
    CASE
        WHEN number BETWEEN 100000000 AND 9999999999.999999
            THEN make_timestamp((number * 1000000)::BIGINT)::TIMESTAMPTZ
        WHEN number BETWEEN 253402387200 AND 253402300799999.999
            THEN make_timestamp((number * 1000)::BIGINT)::TIMESTAMPTZ
    END
);

-- The years 1 to 9999 in UTC, which is what everybody who reads the tables can hold.
CREATE MACRO staging.within_years(instant) AS (
    CASE
        WHEN instant BETWEEN '0001-01-01 00:00:00+00'::TIMESTAMPTZ
            AND '9999-12-31 23:59:59.999999+00'::TIMESTAMPTZ
            THEN instant
    END
);

-- What a field says, given as JSON and as text, with what was made out in the text. A number of eight
-- digits is no date: only a text is written in ISO 8601.
CREATE MACRO staging.as_instant(field, text, parts, epoch) AS (
    CASE
        WHEN text IS NULL THEN NULL
        WHEN parts IS NULL THEN try_cast(text AS TIMESTAMPTZ)
        WHEN parts.bare_month <> '' AND parts.hour = '' AND json_type(field) <> 'VARCHAR' THEN NULL
        -- Only there can a zone, or the hour 24, lead out of them.
        WHEN parts.year IN ('0001', '9999')
            THEN staging.within_years(try_cast(staging.parts_as_text(parts) AS TIMESTAMPTZ))
        WHEN parts.year NOT IN ('', '0000')
            THEN try_cast(staging.parts_as_text(parts) AS TIMESTAMPTZ)
        ELSE staging.epoch_as_instant(try_cast(epoch AS DECIMAL(24, 6)))
    END
);
