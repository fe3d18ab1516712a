-- One row per member of staff, with the department they work in.
-- kind: dimension
-- key: staff_id
-- from: staff
-- joins: department
SELECT
    staff.staff_id,
    staff.first_name,
    staff.last_name,
    -- the department's row may come in a later batch; then this row is made again
    coalesce(department.department_name, '(not loaded)') AS department_name,
    department.location,
    staff.email_address
FROM staff
LEFT JOIN department ON department.department_id = staff.department_id
