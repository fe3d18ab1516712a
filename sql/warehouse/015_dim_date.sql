-- schema: star
-- The calendar. The load fills it with whole years, over every date that the star's tables refer to.

CREATE TABLE dim_date (
    date_id     date    PRIMARY KEY,
    year        integer NOT NULL,
    month       integer NOT NULL,
    day         integer NOT NULL,
    day_of_week integer NOT NULL,
    day_name    varchar NOT NULL,
    month_name  varchar NOT NULL,
    quarter     integer NOT NULL
);
COMMENT ON TABLE dim_date IS
    'One row per day of every year from the first to the last date used in the star. Made by the load.';
COMMENT ON COLUMN dim_date.day_of_week IS 'ISO 8601: Monday is 1, Sunday is 7.';
COMMENT ON COLUMN dim_date.day_name IS 'In English: Monday.';
COMMENT ON COLUMN dim_date.month_name IS 'In English: January.';
