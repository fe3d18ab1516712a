-- One row per version of a payment, with the member's phone as it is hashed there.
-- kind: fact
-- key: payment_id
-- from: payment
-- joins: member
SELECT
    payment.payment_id,
    payment.member_id,
    strict_decimal2(payment.amount) AS amount,
    payment.purpose,
    payment.iban AS iban_hash,
    member.phone AS phone_hash
FROM payment
LEFT JOIN member ON member.member_id = payment.member_id
