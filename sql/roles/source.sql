-- starlift_source reads the source and nothing else.
--
-- An administrator runs this in the source database, as often as wanted:
--   psql -d totesys -f sql/roles/source.sql
-- It sets no password. Set it where no log or history sees it; psql asks for it and sends a hash:
--   psql -d totesys -c '\password starlift_source'
-- Tables in other schemas than public: name them in the line marked [schemas].

DO $$
BEGIN
    CREATE ROLE starlift_source LOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    -- BYPASSRLS it may have: rows that row-level security hides from it would be missing in the star.
    IF (SELECT rolsuper FROM pg_roles WHERE rolname = 'starlift_source') THEN
        RAISE EXCEPTION 'the role starlift_source exists and is above all privileges'
            USING HINT = 'ALTER ROLE starlift_source NOSUPERUSER';
    END IF;
END
$$;

-- A belt beside the braces: it has no right to write, and its transactions are read only.
ALTER ROLE starlift_source SET default_transaction_read_only = on;

-- To see the start of other sessions' transactions, without which timestamp mode would lose rows.
GRANT pg_read_all_stats TO starlift_source;

DO $$
BEGIN
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO starlift_source', current_database());
END
$$;

-- The tables of today, and those to come, made by whoever made today's (usually the application's role)
-- or by you.
DO $$
DECLARE
    source_schemas CONSTANT text[] := ARRAY['public'];                -- [schemas]
    source_schema text;
    maker text;
    command text;
BEGIN
    FOREACH source_schema IN ARRAY source_schemas LOOP
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO starlift_source', source_schema);
        EXECUTE format('GRANT SELECT ON ALL TABLES IN SCHEMA %I TO starlift_source', source_schema);
        FOR maker IN
            SELECT pg_get_userbyid(relowner) FROM pg_class
            WHERE relnamespace = quote_ident(source_schema)::regnamespace AND relkind IN ('r', 'p')
            UNION
            SELECT current_user::text
        LOOP
            command := format(
                'ALTER DEFAULT PRIVILEGES FOR ROLE %I IN SCHEMA %I GRANT SELECT ON TABLES TO starlift_source',
                maker, source_schema
            );
            BEGIN
                EXECUTE command;
            EXCEPTION WHEN insufficient_privilege THEN
                RAISE WARNING 'new tables of % will not be readable until it runs: %', maker, command;
            END;
        END LOOP;
        -- As before PostgreSQL 15 everyone may in public. Not revoked here: the application may need it.
        IF has_schema_privilege('starlift_source', source_schema, 'CREATE') THEN
            RAISE WARNING 'starlift_source may make tables in schema %', source_schema
                USING HINT = format('REVOKE CREATE ON SCHEMA %I FROM PUBLIC', source_schema);
        END IF;
    END LOOP;
END
$$;
