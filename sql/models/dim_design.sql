-- One row per design of a tote bag.
-- kind: dimension
-- key: design_id
-- from: design
SELECT
    design_id,
    design_name,
    file_location,
    file_name
FROM design
