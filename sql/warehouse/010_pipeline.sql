-- schema: pipeline
-- What the pipeline knows about the star: which batch is in it, which version of a row is the current
-- one, which rows are held back. Written by the load alone, in the transaction that writes the star.
-- Text that identifies a row compares by code point (COLLATE "C"): faster, and the same on every server.

CREATE TABLE applied (
    seq             bigint      PRIMARY KEY,
    kind            text        NOT NULL,
    partial         boolean     NOT NULL DEFAULT false,
    manifest_sha256 text        NOT NULL,
    clock           timestamptz NOT NULL,
    complete_to     timestamptz,
    applied_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    seconds         double precision NOT NULL
        DEFAULT extract(epoch FROM clock_timestamp() - transaction_timestamp()),
    counts          jsonb       NOT NULL
);
COMMENT ON TABLE applied IS 'One row per batch in the star, numbered without gaps.';
COMMENT ON COLUMN applied.partial IS
    'A chunk: the star is whole again with the next batch that is not. Seen only together with that one.';
COMMENT ON COLUMN applied.manifest_sha256 IS
    'SHA-256 of the processed manifest; the next batch must name it as its predecessor.';
COMMENT ON COLUMN applied.clock IS
    'Source time at which the batch was read: what it brought was so by then.';
COMMENT ON COLUMN applied.complete_to IS
    'Source time up to which the star holds every committed change; NULL if no poll could tell.';
COMMENT ON COLUMN applied.applied_at IS 'Warehouse time of the load.';
COMMENT ON COLUMN applied.seconds IS
    'How long the load took, until just before its commit; without the wait for its turn.';

CREATE TABLE ledger (
    source_table        text COLLATE "C" NOT NULL,
    key                 text COLLATE "C" NOT NULL,
    bucket              smallint         NOT NULL,
    source_hash         bigint,
    columns_fingerprint text,
    state               text             NOT NULL
        CHECK (state IN ('live', 'deleted', 'quarantined', 'dropped', 'inferred')),
    seq                 bigint           NOT NULL,
    PRIMARY KEY (source_table, key)
);
-- The laws of sql/checks look at the rows of one batch.
CREATE INDEX ledger_seq ON ledger (seq);
COMMENT ON TABLE ledger IS
    'One row per source row ever seen: what the warehouse believes the source holds. An inventory of the '
    'source is compared with it.';
COMMENT ON COLUMN ledger.key IS 'The key as PostgreSQL prints it: ROW(k1, k2)::text.';
COMMENT ON COLUMN ledger.source_hash IS
    'hashtextextended of the taken columns, computed by the source; NULL for an inferred row.';
COMMENT ON COLUMN ledger.columns_fingerprint IS 'Which set of columns source_hash covers.';
COMMENT ON COLUMN ledger.state IS
    'live: its newest version is in the star. quarantined: its newest version is not, an older one may be. '
    'dropped: the same, and a person gave it up. deleted: gone from the source. inferred: never seen, but a '
    'star row refers to it.';
COMMENT ON COLUMN ledger.seq IS 'The batch that last changed this entry.';

CREATE TABLE ledger_rows (
    source_table text COLLATE "C" PRIMARY KEY,
    rows         bigint           NOT NULL
);
COMMENT ON TABLE ledger_rows IS
    'How many rows of a source table the ledger says that the source has: live, quarantined or dropped. Counted '
    'once, and from then on brought up by what each batch enters; counted anew after an inventory.';

CREATE FUNCTION bucket(key text) RETURNS smallint
    LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT ('x' || left(encode(sha256(convert_to(key, 'UTF8')), 'hex'), 3))::bit(12)::integer::smallint
$$;
COMMENT ON FUNCTION bucket IS
    'Ledger bucket of a key text: the first 12 bits of its SHA-256, as starlift.core.identity.bucket.';

CREATE TABLE fact_version (
    fact      text COLLATE "C" NOT NULL,
    record_id bigint           NOT NULL,
    key       text COLLATE "C" NOT NULL,
    seq       bigint           NOT NULL,
    op        text             NOT NULL CHECK (op IN ('insert', 'update', 'delete', 'repair')),
    row_hash  bigint           NOT NULL,
    ended_seq bigint,
    current   boolean          NOT NULL GENERATED ALWAYS AS (ended_seq IS NULL) STORED,
    PRIMARY KEY (fact, record_id, op)
);
CREATE UNIQUE INDEX fact_version_current ON fact_version (fact, key) WHERE current;
CREATE INDEX fact_version_seq ON fact_version (seq);
CREATE INDEX fact_version_ended ON fact_version (ended_seq) WHERE ended_seq IS NOT NULL;
COMMENT ON TABLE fact_version IS
    'One row per version of a fact''s key. A delete is a version without a fact row of its own: it refers '
    'to the row it ends.';
COMMENT ON COLUMN fact_version.record_id IS 'The fact row: its surrogate key. Dense within a fact.';
COMMENT ON COLUMN fact_version.seq IS 'The batch that brought this version.';
COMMENT ON COLUMN fact_version.row_hash IS
    'hashtextextended of record_id, key, seq, op and, but for a delete, the fact row as the load wrote it.';
COMMENT ON COLUMN fact_version.ended_seq IS 'The batch that brought the next version of the key.';

CREATE TABLE dimension_row (
    dimension text COLLATE "C" NOT NULL,
    key       text COLLATE "C" NOT NULL,
    row_hash  bigint           NOT NULL,
    seq       bigint           NOT NULL,
    PRIMARY KEY (dimension, key)
);
COMMENT ON TABLE dimension_row IS
    'One row per row of a dimension, the calendar and inferred members included: starlift verify holds the '
    'dimension against it.';
COMMENT ON COLUMN dimension_row.key IS 'The dimension''s key as PostgreSQL prints it: ROW(k1, k2)::text.';
COMMENT ON COLUMN dimension_row.row_hash IS
    'hashtextextended of key, seq and the dimension row as the load wrote it.';
COMMENT ON COLUMN dimension_row.seq IS 'The batch that last wrote the row.';

CREATE TABLE quarantine (
    source_table text COLLATE "C" NOT NULL,
    key          text COLLATE "C" NOT NULL,
    seq          bigint           NOT NULL,
    stage        text             NOT NULL,
    reason       text             NOT NULL,
    "row"        jsonb,
    dropped      text,
    PRIMARY KEY (source_table, key)
);
COMMENT ON TABLE quarantine IS
    'Source rows whose newest version is not in the star, whole, and why. A later good version clears it.';
COMMENT ON COLUMN quarantine.stage IS 'The stage that rejected the row: transform or load.';
COMMENT ON COLUMN quarantine.dropped IS
    'Why a person gave this version of the row up; NULL while it is open. A later version opens it again.';
