CREATE TABLE "t" (
    run_id VARCHAR,
    side VARCHAR,
    i integer,
    j integer,
    value DOUBLE
);
INSERT INTO "t" VALUES
('run', 'items', 1, 1, 0.5E0),
('run', 'items', 1, 2, 0.0E0),
('run', 'items', 1, 3, 1.0E0),
('run', 'items', 2, 1, 0.25E0),
('run', 'items', 2, 2, -1.0E0),
('run', 'items', 2, 3, 0.0E0),
('run', 'items', 3, 1, 0.0E0),
('run', 'items', 3, 2, 2.0E0),
('run', 'items', 3, 3, 1E-20)