-- The casts a model may use. A strict macro gives a value only where it prints back to the very text it
-- was read from, and refuses the row otherwise; DuckDB's own casts read '5.7' as the integer 6.
-- Text is read with TRY_CAST in here and nowhere else: by that the engine knows an unchecked cast.

-- Refuses the row, with a reason that quotes the value.
CREATE MACRO refuse(text, expected) AS
    error('''' || CASE WHEN length(text) > 100 THEN left(text, 100) || '…' ELSE text END
          || ''' is not ' || expected);

-- The value, or the row is refused with the message.
CREATE MACRO required(value, message) AS
    CASE WHEN value IS NULL THEN error(coalesce(message, 'a required value is missing')) ELSE value END;

-- A date written yyyy-mm-dd, years 0001 to 9999.
CREATE MACRO strict_date(text) AS
    CASE
        WHEN text IS NULL THEN NULL
        WHEN length(text) = 10 AND CAST(TRY_CAST(text AS DATE) AS VARCHAR) = text THEN TRY_CAST(text AS DATE)
        ELSE refuse(text, 'a date (yyyy-mm-dd)')
    END;

-- A time of day written hh:mm:ss, with up to six digits after a point and no zero at their end.
CREATE MACRO strict_time(text) AS
    CASE
        WHEN text IS NULL THEN NULL
        WHEN CAST(TRY_CAST(text AS TIME) AS VARCHAR) = text AND text < '24' THEN TRY_CAST(text AS TIME)
        ELSE refuse(text, 'a time (hh:mm:ss)')
    END;

-- A timestamp without time zone written yyyy-mm-dd hh:mm:ss, with a fraction as in strict_time.
CREATE MACRO strict_timestamp(text) AS
    CASE
        WHEN text IS NULL THEN NULL
        WHEN text[5] = '-' AND text[14] = ':'
            AND CAST(TRY_CAST(text AS TIMESTAMP) AS VARCHAR) = text THEN TRY_CAST(text AS TIMESTAMP)
        ELSE refuse(text, 'a timestamp (yyyy-mm-dd hh:mm:ss)')
    END;

-- An integer of four bytes: no sign but a minus, no zeros in front.
CREATE MACRO strict_int(text) AS
    CASE
        WHEN text IS NULL THEN NULL
        WHEN CAST(TRY_CAST(text AS INTEGER) AS VARCHAR) = text THEN TRY_CAST(text AS INTEGER)
        ELSE refuse(text, 'an integer')
    END;

-- The same of eight bytes.
CREATE MACRO strict_bigint(text) AS
    CASE
        WHEN text IS NULL THEN NULL
        WHEN CAST(TRY_CAST(text AS BIGINT) AS VARCHAR) = text THEN TRY_CAST(text AS BIGINT)
        ELSE refuse(text, 'a bigint')
    END;

-- An amount with exactly two digits after the point, up to 36 before it.
CREATE MACRO strict_decimal2(text) AS
    CASE
        WHEN text IS NULL THEN NULL
        WHEN CAST(TRY_CAST(text AS DECIMAL(38, 2)) AS VARCHAR) = text THEN TRY_CAST(text AS DECIMAL(38, 2))
        ELSE refuse(text, 'a number with two decimals')
    END;

-- The same with exactly four digits after the point.
CREATE MACRO strict_decimal4(text) AS
    CASE
        WHEN text IS NULL THEN NULL
        WHEN CAST(TRY_CAST(text AS DECIMAL(38, 4)) AS VARCHAR) = text THEN TRY_CAST(text AS DECIMAL(38, 4))
        ELSE refuse(text, 'a number with four decimals')
    END;

-- true or false, written so.
CREATE MACRO strict_boolean(text) AS
    CASE
        WHEN text IS NULL THEN NULL
        WHEN text IN ('true', 'false') THEN text = 'true'
        ELSE refuse(text, 'true or false')
    END;

-- The calendar day of a timestamp; with a time zone, the day in UTC.
CREATE MACRO date_of(moment) AS CAST(moment AS DATE);

-- The time of day of a timestamp, to the microsecond; with a time zone, the time in UTC.
CREATE MACRO time_of(moment) AS TIME '00:00:00' + to_microseconds(epoch_us(moment) % 86400000000);

-- A value as text, as it is printed.
CREATE MACRO text_of(value) AS CAST(value AS VARCHAR);
