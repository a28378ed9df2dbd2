CREATE TABLE "t" (
    run_id varchar,
    side varchar,
    i integer,
    j integer,
    value double
);
INSERT INTO "t" VALUES
('run', 'items', 1, 1, 5.0000000000000000e-01),
('run', 'items', 1, 2, 0.0000000000000000e+00),
('run', 'items', 1, 3, 1.0000000000000000e+00),
('run', 'items', 2, 1, 2.5000000000000000e-01),
('run', 'items', 2, 2, -1.0000000000000000e+00),
('run', 'items', 2, 3, 0.0000000000000000e+00),
('run', 'items', 3, 1, 0.0000000000000000e+00),
('run', 'items', 3, 2, 2.0000000000000000e+00),
('run', 'items', 3, 3, 9.9999999999999995e-21)