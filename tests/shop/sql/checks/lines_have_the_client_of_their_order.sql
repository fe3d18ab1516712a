-- A line that is current names the client of the order that is current.
SELECT l.order_no, l.ordered_on, l.line
FROM current_fact_order_line AS l
JOIN current_fact_order AS o USING (order_no, ordered_on)
WHERE l.client_no IS DISTINCT FROM o.client_no
