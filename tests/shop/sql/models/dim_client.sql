-- One row per client, with the name of the country.
-- kind: dimension
-- key: client_no
-- from: client
-- joins: country
SELECT
    client.client_no,
    client."Full Name" AS full_name,
    client.e_mail AS email_hash,
    client.segment,
    client.tags,
    client.profile,
    client.country,
    coalesce(country.name, '(not loaded)') AS country_name,
    client.modified_at
FROM client
LEFT JOIN country ON country.code = client.country
