CREATE TABLE IF NOT EXISTS "ml"."runs" (
    event_id varchar,
    event varchar,
    run_id varchar,
    part integer,
    parts integer,
    body varchar
);
INSERT INTO "ml"."runs" VALUES
('1.0', 'drop', '1', 1, 1, '{"a": "b\u00fc"}')