-- starlift_analyst reads the star: for Power BI, notebooks and the report.
--
-- An administrator runs this in the warehouse database, after warehouse.sql, as often as wanted:
--   psql -d warehouse -f sql/roles/analyst.sql
-- It sets no password. Set it where no log or history sees it; psql asks for it and sends a hash:
--   psql -d warehouse -c '\password starlift_analyst'
-- A star in a schema other than public: replace the word public.
--
-- Schema starlift stays closed: no USAGE on it, so no quarantined row can be read. The views
-- current_fact_* and history_fact_* read it with their owner's rights.

DO $$
BEGIN
    CREATE ROLE starlift_analyst LOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    IF (SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = 'starlift_analyst') THEN
        RAISE EXCEPTION 'the role starlift_analyst exists and is above all privileges'
            USING HINT = 'ALTER ROLE starlift_analyst NOSUPERUSER NOBYPASSRLS';
    END IF;
END
$$;

DO $$
BEGIN
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO starlift_analyst', current_database());
END
$$;

GRANT USAGE ON SCHEMA public TO starlift_analyst;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO starlift_analyst;

-- Tables and views to come, in any schema: a replay makes a star in one of its own. What is in a schema
-- that the analyst may not enter, such as those in which the next star is built, stays out of reach.
DO $$
BEGIN
    ALTER DEFAULT PRIVILEGES FOR ROLE starlift_warehouse GRANT SELECT ON TABLES TO starlift_analyst;
EXCEPTION WHEN insufficient_privilege THEN
    RAISE EXCEPTION 'only a member of starlift_warehouse can open its future tables'
        USING HINT = format('GRANT starlift_warehouse TO %I, then run this again', current_user);
END
$$;
