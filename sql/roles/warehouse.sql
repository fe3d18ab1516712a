-- starlift_warehouse owns what the pipeline makes in the warehouse database: the star's tables and
-- views, the schema starlift and its tables, and the temporary tables of a load.
--
-- An administrator runs this in the warehouse database, as often as wanted:
--   psql -d warehouse -f sql/roles/warehouse.sql
-- It sets no password. Set it where no log or history sees it; psql asks for it and sends a hash:
--   psql -d warehouse -c '\password starlift_warehouse'
-- A star in a schema other than public ([warehouse] schema in pipeline.toml) needs nothing more: the
-- role may create schemas. If that schema exists, replace public in the last statements.

DO $$
BEGIN
    CREATE ROLE starlift_warehouse LOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    IF (SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = 'starlift_warehouse') THEN
        RAISE EXCEPTION 'the role starlift_warehouse exists and is above all privileges'
            USING HINT = 'ALTER ROLE starlift_warehouse NOSUPERUSER NOBYPASSRLS';
    END IF;
END
$$;

DO $$
BEGIN
    EXECUTE format(
        'GRANT CONNECT, CREATE, TEMPORARY ON DATABASE %I TO starlift_warehouse', current_database()
    );
END
$$;

-- Before PostgreSQL 15 everyone may create in public, and so put a function in the load's way.
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE, CREATE ON SCHEMA public TO starlift_warehouse;
