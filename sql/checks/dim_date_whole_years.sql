-- The calendar has every day of whole years: no gap, first day a 1 January, last day a 31 December.
SELECT min(date_id) AS first_day, max(date_id) AS last_day, count(*) AS days
FROM dim_date
HAVING count(*) <> max(date_id) - min(date_id) + 1
    OR to_char(min(date_id), 'MM-DD') <> '01-01'
    OR to_char(max(date_id), 'MM-DD') <> '12-31'
