CREATE TABLE IF NOT EXISTS "ml"."runs" (
    event_id VARCHAR,
    event VARCHAR,
    run_id VARCHAR,
    part integer,
    parts integer,
    body VARCHAR
);
INSERT INTO "ml"."runs" VALUES
('1.0', 'drop', '1', 1, 1, '{"a": "b\u00fc"}')