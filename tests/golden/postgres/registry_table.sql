CREATE TABLE IF NOT EXISTS "ml"."runs" (
    event_id text,
    event text,
    run_id text,
    part integer,
    parts integer,
    body text
);
INSERT INTO "ml"."runs" VALUES
('1.0', 'drop', '1', 1, 1, '{"a": "b\u00fc"}')