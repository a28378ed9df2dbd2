CREATE TABLE IF NOT EXISTS "ml"."runs" (
    event_id String,
    event String,
    run_id String,
    part Int32,
    parts Int32,
    body String
) ENGINE = MergeTree ORDER BY tuple();
INSERT INTO "ml"."runs" VALUES
('1.0', 'drop', '1', 1, 1, '{"a": "b\\u00fc"}')