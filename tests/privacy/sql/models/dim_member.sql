-- One row per member.
-- kind: dimension
-- key: member_id
-- from: member
SELECT member_id, name, phone AS phone_hash FROM member
