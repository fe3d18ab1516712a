-- One row per member, as the view shows them.
-- kind: dimension
-- key: member_id
-- from: card
SELECT member_id, label FROM card
