CREATE TABLE IF NOT EXISTS "ML"."RUNS" (
    event_id VARCHAR,
    event VARCHAR,
    run_id VARCHAR,
    part integer,
    parts integer,
    body VARCHAR
);
INSERT INTO "ML"."RUNS" VALUES
('1.0', 'drop', '1', 1, 1, '{"a": "b\\u00fc"}')