-- Orthogonal low-rank embedding stabilization in SQL for snowflake, by sqlstab VERSION.
-- Zielnicki & Hsiao, RecSys 2025. Users W, items T, scores T W'; the maps M_W and M_T
-- keep all scores.
--
-- reads   ml.users
-- reads   ml.items
-- writes  ML.MOVIES_USERS
-- writes  ML.MOVIES_ITEMS
--
-- This is run 2026-11-30, aligned with the run before it.
-- It must stop at an error: it makes missing tables, then writes in one transaction.

-- Begin -------------------------------------------------------------------------------------------

DROP VIEW IF EXISTS "SQLSTAB_EARLIER_USERS_FBE87B76";

DROP VIEW IF EXISTS "SQLSTAB_EARLIER_ITEMS_FBE87B76";

DROP TABLE IF EXISTS "SQLSTAB_GRAMS_FBE87B76";

DROP TABLE IF EXISTS "SQLSTAB_CHECKED_USERS_FBE87B76";

DROP TABLE IF EXISTS "SQLSTAB_CHECKED_ITEMS_FBE87B76";

DROP TABLE IF EXISTS "SQLSTAB_SOLUTION_FBE87B76";

DROP TABLE IF EXISTS "SQLSTAB_MAPS_FBE87B76";

DROP TABLE IF EXISTS "SQLSTAB_FIGURES_FBE87B76";

DROP TABLE IF EXISTS "SQLSTAB_RUN_FBE87B76";

DROP TABLE IF EXISTS "SQLSTAB_CROSSES_FBE87B76";

DROP TABLE IF EXISTS "SQLSTAB_SHARED_RUN_FBE87B76";

DROP TABLE IF EXISTS "SQLSTAB_SHARED_REFERENCE_FBE87B76";

DROP TABLE IF EXISTS "SQLSTAB_REFERENCE_FBE87B76";

CREATE TABLE IF NOT EXISTS "ML"."MOVIES_USERS" (
    "RUN" VARCHAR,
    "ID" bigint,
    "EMBEDDING" ARRAY
) CLUSTER BY ("RUN");

CREATE TABLE IF NOT EXISTS "ML"."MOVIES_ITEMS" (
    "RUN" VARCHAR,
    "ID" bigint,
    "EMBEDDING" ARRAY
) CLUSTER BY ("RUN");

CREATE TABLE IF NOT EXISTS "ML"."MOVIES_MAPS" (
    "RUN" VARCHAR,
    "SIDE" VARCHAR,
    "I" integer,
    "J" integer,
    "VALUE" FLOAT,
    "FEATURE_OF" VARCHAR
);

CREATE TABLE IF NOT EXISTS "ML"."MOVIES_RUNS" (
    "RUN" VARCHAR,
    "CREATED" VARCHAR,
    "CREATED_BY" VARCHAR,
    "PART" integer,
    "PARTS" integer,
    "FIGURES" VARCHAR
);

CREATE OR REPLACE VIEW "ML"."MOVIES_USERS_NEWEST" AS
SELECT "ID", "EMBEDDING"
FROM "ML"."MOVIES_USERS"
WHERE "RUN" = (
    SELECT max("RUN")
    FROM "ML"."MOVIES_RUNS"
    WHERE "PART" = "PARTS"
);

CREATE OR REPLACE VIEW "ML"."MOVIES_ITEMS_NEWEST" AS
SELECT "ID", "EMBEDDING"
FROM "ML"."MOVIES_ITEMS"
WHERE "RUN" = (
    SELECT max("RUN")
    FROM "ML"."MOVIES_RUNS"
    WHERE "PART" = "PARTS"
);

-- Fails where there are such rows: no run wrote the users with this key, which this run would replace.
SELECT
    CASE
        WHEN n_rows > 0
        THEN CAST(message AS FLOAT)
        ELSE n_rows
    END AS foreign_users
FROM (
    SELECT
        count(*) AS n_rows,
        'no run wrote the users with this key, which this run would replace: delete them, or take another key. Rows: ' || CAST(count(*) AS VARCHAR) AS message
    FROM "ML"."MOVIES_USERS" AS t
    WHERE t."RUN" = '2026-11-30' AND (SELECT count(*) AS n FROM "ML"."MOVIES_RUNS" AS r WHERE r."RUN" = '2026-11-30') = 0
) AS found;

-- Fails where there are such rows: no run wrote the items with this key, which this run would replace.
SELECT
    CASE
        WHEN n_rows > 0
        THEN CAST(message AS FLOAT)
        ELSE n_rows
    END AS foreign_items
FROM (
    SELECT
        count(*) AS n_rows,
        'no run wrote the items with this key, which this run would replace: delete them, or take another key. Rows: ' || CAST(count(*) AS VARCHAR) AS message
    FROM "ML"."MOVIES_ITEMS" AS t
    WHERE t."RUN" = '2026-11-30' AND (SELECT count(*) AS n FROM "ML"."MOVIES_RUNS" AS r WHERE r."RUN" = '2026-11-30') = 0
) AS found;

-- Fails where there are such rows: the run with this key has further tables, which this one would leave as they are.
SELECT
    CASE
        WHEN n_rows > 0
        THEN CAST(message AS FLOAT)
        ELSE n_rows
    END AS further_tables
FROM (
    SELECT
        count(*) AS n_rows,
        'the run with this key has further tables, which this one would leave as they are: give the same --also, or drop that run with sqlstab runs. Rows: ' || CAST(count(*) AS VARCHAR) AS message
    FROM "ML"."MOVIES_RUNS" AS t
    WHERE t."RUN" = '2026-11-30' AND t."PART" = 1 AND t."FIGURES" NOT LIKE '%"like": {}%'
) AS found;

-- Are the tables fit for it? ----------------------------------------------------------------------

CREATE TEMPORARY TABLE "SQLSTAB_CHECKED_USERS_FBE87B76" AS
-- Fails where something is wrong with the users: sums would be wrong silently.
SELECT
    CASE
        WHEN n_rows = 0 OR null_ids + duplicate_ids + wrong_length + null_components + non_finite > 0
        THEN CAST(message AS FLOAT)
        ELSE n_rows
    END AS checked
FROM (
    SELECT
        *,
        CASE
            WHEN n_rows = 0 THEN 'users: ml.users has no rows.'
            ELSE 'users: rows: ' || CAST(n_rows AS VARCHAR) || ', NULL ids: ' || CAST(null_ids AS VARCHAR)
                || ', duplicate ids: ' || CAST(duplicate_ids AS VARCHAR)
                || ', vectors without 3 components: ' || CAST(wrong_length AS VARCHAR)
                || ', vectors with NULL components: ' || CAST(null_components AS VARCHAR)
                || ', with components that are not finite: ' || CAST(non_finite AS VARCHAR)
                || CASE
                    WHEN wrong_length = n_rows AND longest > 0
                    THEN '. The longest vector has ' || CAST(longest AS VARCHAR) || ' components: give that as --dimension.'
                    ELSE '. Leave such rows out, with --filter or in a view.'
                END
        END AS message
    FROM (
        -- What can be wrong with the ids of the users.
        SELECT
            count(*) AS n_rows,
            count(*) - count(id) AS null_ids,
            count(id) - count(DISTINCT id) AS duplicate_ids
        FROM (
            SELECT
                t."ID" AS id
            FROM "ML"."USERS" AS t
        ) AS r
    ) AS ids
    CROSS JOIN (
        SELECT
            coalesce(sum(CASE WHEN n = 3 THEN 0 ELSE n_rows END), 0) AS wrong_length,
            coalesce(max(n), 0) AS longest
        FROM (
            -- How many vectors of the users have so many components (n); NULL for a vector that is NULL or, in the
            -- long layout, lacks a dimension or has one twice.
            SELECT
                n,
                count(*) AS n_rows
            FROM (
                SELECT
                    t."ID" AS id,
                    ARRAY_SIZE(t."EMBEDDING") AS n
                FROM "ML"."USERS" AS t
            ) AS r
            GROUP BY n
            ORDER BY n
        ) AS lengths
    ) AS by_length
    CROSS JOIN (
        -- What can be wrong with the vectors of the users that have 3 components, and how many are zeros.
        SELECT
            count(CASE WHEN x1 IS NULL OR x2 IS NULL OR x3 IS NULL THEN 1 END) AS null_components,
            count(CASE WHEN NOT ((x1 - x1) + (x2 - x2) + (x3 - x3) = 0) THEN 1 END) AS non_finite,
            count(CASE WHEN x1 = 0 AND x2 = 0 AND x3 = 0 THEN 1 END) AS zeros
        FROM (
            SELECT
                id,
                CAST(GET(x, 1 - 1) AS FLOAT) AS x1,
                CAST(GET(x, 2 - 1) AS FLOAT) AS x2,
                CAST(GET(x, 3 - 1) AS FLOAT) AS x3
            FROM (
                SELECT
                    t."ID" AS id,
                    t."EMBEDDING" AS x
                FROM "ML"."USERS" AS t
            ) AS v
            WHERE ARRAY_SIZE(x) = 3
        ) AS r
    ) AS vectors
) AS counts;

-- Fails where there are such rows: the id ID of the users in ml.users is not of the type bigint.
SELECT
    CASE
        WHEN n_rows > 0
        THEN CAST(message AS FLOAT)
        ELSE n_rows
    END AS types_users
FROM (
    SELECT
        count(*) AS n_rows,
        'the id ID of the users in ml.users is not of the type bigint: name its own with --id-type, or in a project file with id_type of each table. Rows: ' || CAST(count(*) AS VARCHAR) AS message
    FROM "ML"."USERS" AS t
    WHERE coalesce(CAST(CAST(t."ID" AS bigint) AS VARCHAR), '') <> CAST(t."ID" AS VARCHAR)
) AS found;

CREATE TEMPORARY TABLE "SQLSTAB_CHECKED_ITEMS_FBE87B76" AS
-- Fails where something is wrong with the items: sums would be wrong silently.
SELECT
    CASE
        WHEN n_rows = 0 OR null_ids + duplicate_ids + wrong_length + null_components + non_finite > 0
        THEN CAST(message AS FLOAT)
        ELSE n_rows
    END AS checked
FROM (
    SELECT
        *,
        CASE
            WHEN n_rows = 0 THEN 'items: ml.items has no rows.'
            ELSE 'items: rows: ' || CAST(n_rows AS VARCHAR) || ', NULL ids: ' || CAST(null_ids AS VARCHAR)
                || ', duplicate ids: ' || CAST(duplicate_ids AS VARCHAR)
                || ', vectors without 3 components: ' || CAST(wrong_length AS VARCHAR)
                || ', vectors with NULL components: ' || CAST(null_components AS VARCHAR)
                || ', with components that are not finite: ' || CAST(non_finite AS VARCHAR)
                || CASE
                    WHEN wrong_length = n_rows AND longest > 0
                    THEN '. The longest vector has ' || CAST(longest AS VARCHAR) || ' components: give that as --dimension.'
                    ELSE '. Leave such rows out, with --filter or in a view.'
                END
        END AS message
    FROM (
        -- What can be wrong with the ids of the items.
        SELECT
            count(*) AS n_rows,
            count(*) - count(id) AS null_ids,
            count(id) - count(DISTINCT id) AS duplicate_ids
        FROM (
            SELECT
                t."ID" AS id
            FROM "ML"."ITEMS" AS t
        ) AS r
    ) AS ids
    CROSS JOIN (
        SELECT
            coalesce(sum(CASE WHEN n = 3 THEN 0 ELSE n_rows END), 0) AS wrong_length,
            coalesce(max(n), 0) AS longest
        FROM (
            -- How many vectors of the items have so many components (n); NULL for a vector that is NULL or, in the
            -- long layout, lacks a dimension or has one twice.
            SELECT
                n,
                count(*) AS n_rows
            FROM (
                SELECT
                    t."ID" AS id,
                    ARRAY_SIZE(t."EMBEDDING") AS n
                FROM "ML"."ITEMS" AS t
            ) AS r
            GROUP BY n
            ORDER BY n
        ) AS lengths
    ) AS by_length
    CROSS JOIN (
        -- What can be wrong with the vectors of the items that have 3 components, and how many are zeros.
        SELECT
            count(CASE WHEN x1 IS NULL OR x2 IS NULL OR x3 IS NULL THEN 1 END) AS null_components,
            count(CASE WHEN NOT ((x1 - x1) + (x2 - x2) + (x3 - x3) = 0) THEN 1 END) AS non_finite,
            count(CASE WHEN x1 = 0 AND x2 = 0 AND x3 = 0 THEN 1 END) AS zeros
        FROM (
            SELECT
                id,
                CAST(GET(x, 1 - 1) AS FLOAT) AS x1,
                CAST(GET(x, 2 - 1) AS FLOAT) AS x2,
                CAST(GET(x, 3 - 1) AS FLOAT) AS x3
            FROM (
                SELECT
                    t."ID" AS id,
                    t."EMBEDDING" AS x
                FROM "ML"."ITEMS" AS t
            ) AS v
            WHERE ARRAY_SIZE(x) = 3
        ) AS r
    ) AS vectors
) AS counts;

-- Fails where there are such rows: the id ID of the items in ml.items is not of the type bigint.
SELECT
    CASE
        WHEN n_rows > 0
        THEN CAST(message AS FLOAT)
        ELSE n_rows
    END AS types_items
FROM (
    SELECT
        count(*) AS n_rows,
        'the id ID of the items in ml.items is not of the type bigint: name its own with --id-type, or in a project file with id_type of each table. Rows: ' || CAST(count(*) AS VARCHAR) AS message
    FROM "ML"."ITEMS" AS t
    WHERE coalesce(CAST(CAST(t."ID" AS bigint) AS VARCHAR), '') <> CAST(t."ID" AS VARCHAR)
) AS found;

-- The run before this one -------------------------------------------------------------------------

CREATE TEMPORARY TABLE "SQLSTAB_REFERENCE_FBE87B76" AS
SELECT max(t."RUN") AS run_key, count(*) AS n_runs
FROM "ML"."MOVIES_RUNS" AS t
WHERE t."PART" = t."PARTS" AND t."RUN" < '2026-11-30';

-- Fails where there are such rows: the space has no run before 2026-11-30 to align with.
SELECT
    CASE
        WHEN n_rows > 0
        THEN CAST(message AS FLOAT)
        ELSE n_rows
    END AS earlier_runs
FROM (
    SELECT
        count(*) AS n_rows,
        'the space has no run before 2026-11-30 to align with: print the script with --first-run if this is the first one, or else with a key that sorts after the first. Runs before it: ' || CAST(max(t.n_runs) AS VARCHAR) AS message
    FROM "SQLSTAB_REFERENCE_FBE87B76" AS t
    WHERE t.n_runs = 0
) AS found;

-- Fails where there are such rows: the maps of this space are rotations, which a script does not make.
SELECT
    CASE
        WHEN n_rows > 0
        THEN CAST(message AS FLOAT)
        ELSE n_rows
    END AS rotations
FROM (
    SELECT
        count(*) AS n_rows,
        'the maps of this space are rotations, which a script does not make: use sqlstab run. Rows: ' || CAST(count(*) AS VARCHAR) AS message
    FROM "ML"."MOVIES_RUNS" AS t
    WHERE t."RUN" = (SELECT run_key FROM "SQLSTAB_REFERENCE_FBE87B76" AS r) AND t."FIGURES" LIKE '%"map": "rotation"%'
) AS found;

CREATE OR REPLACE TEMPORARY VIEW "SQLSTAB_EARLIER_USERS_FBE87B76" AS
SELECT *
FROM "ML"."MOVIES_USERS" AS t
WHERE t."RUN" = (SELECT run_key FROM "SQLSTAB_REFERENCE_FBE87B76" AS r);

CREATE OR REPLACE TEMPORARY VIEW "SQLSTAB_EARLIER_ITEMS_FBE87B76" AS
SELECT *
FROM "ML"."MOVIES_ITEMS" AS t
WHERE t."RUN" = (SELECT run_key FROM "SQLSTAB_REFERENCE_FBE87B76" AS r);

-- 1. Sums: the Gram matrices of both tables -------------------------------------------------------

CREATE TEMPORARY TABLE "SQLSTAB_GRAMS_FBE87B76" AS
-- All sums in one statement, from 2 scans.
SELECT
    side,
    i,
    j,
    value,
    n_rows
FROM (
    SELECT
        side,
        i,
        j,
        value,
        n_rows
    FROM (
        -- Gram matrix of the users:
        -- the sum of x[i] * x[j] over the rows, for i <= j.
        SELECT
            'users' AS side,
            i,
            j,
            value,
            n_rows
        FROM (
            SELECT
                1 + FLOOR(k / 3) AS i,
                1 + mod(k, 3) AS j,
                value,
                n_rows
            FROM (
                SELECT
                    n_rows,
                    u.index AS k,
                    CAST(u.value AS FLOAT) AS value
                FROM (
                    SELECT
                        count(*) AS n_rows,
                        ARRAY_CONSTRUCT(
                            sum(x1 * x1), sum(x1 * x2), sum(x1 * x3),
                            0E0, sum(x2 * x2), sum(x2 * x3),
                            0E0, 0E0, sum(x3 * x3)
                        ) AS sums
                    FROM (
                        SELECT
                            id,
                            CAST(GET(x, 1 - 1) AS FLOAT) AS x1,
                            CAST(GET(x, 2 - 1) AS FLOAT) AS x2,
                            CAST(GET(x, 3 - 1) AS FLOAT) AS x3
                        FROM (
                            SELECT
                                t."ID" AS id,
                                t."EMBEDDING" AS x
                            FROM "ML"."USERS" AS t
                        ) AS v
                    ) AS r
                ) AS g
                CROSS JOIN LATERAL FLATTEN(input => g.sums) AS u
            ) AS entries
        ) AS gram
        WHERE i <= j
        ORDER BY
            i,
            j
    ) AS part1
    UNION ALL
    SELECT
        side,
        i,
        j,
        value,
        n_rows
    FROM (
        -- Gram matrix of the items:
        -- the sum of x[i] * x[j] over the rows, for i <= j.
        SELECT
            'items' AS side,
            i,
            j,
            value,
            n_rows
        FROM (
            SELECT
                1 + FLOOR(k / 3) AS i,
                1 + mod(k, 3) AS j,
                value,
                n_rows
            FROM (
                SELECT
                    n_rows,
                    u.index AS k,
                    CAST(u.value AS FLOAT) AS value
                FROM (
                    SELECT
                        count(*) AS n_rows,
                        ARRAY_CONSTRUCT(
                            sum(x1 * x1), sum(x1 * x2), sum(x1 * x3),
                            0E0, sum(x2 * x2), sum(x2 * x3),
                            0E0, 0E0, sum(x3 * x3)
                        ) AS sums
                    FROM (
                        SELECT
                            id,
                            CAST(GET(x, 1 - 1) AS FLOAT) AS x1,
                            CAST(GET(x, 2 - 1) AS FLOAT) AS x2,
                            CAST(GET(x, 3 - 1) AS FLOAT) AS x3
                        FROM (
                            SELECT
                                t."ID" AS id,
                                t."EMBEDDING" AS x
                            FROM "ML"."ITEMS" AS t
                        ) AS v
                    ) AS r
                ) AS g
                CROSS JOIN LATERAL FLATTEN(input => g.sums) AS u
            ) AS entries
        ) AS gram
        WHERE i <= j
        ORDER BY
            i,
            j
    ) AS part2
) AS parts
ORDER BY side, i, j;

--    Sums over the ids that are shared with the earlier run ---------------------------------------

CREATE TEMPORARY TABLE "SQLSTAB_CROSSES_FBE87B76" AS
-- Both halves of the shared ids added up, without the constant component.
SELECT
    h.side AS side,
    h.i AS i,
    h.j AS j,
    sum(h.value) AS value,
    sum(h.n_rows) AS n_rows
FROM (
    -- All sums in one statement, from 1 scans.
    SELECT
        side,
        i,
        j,
        value,
        n_rows
    FROM (
        SELECT
            side,
            i,
            j,
            value,
            n_rows
        FROM (
            -- Cross Gram matrix of the items, for each half of the ids: the sum of x[i] * y[j] over the ids that this run (x)
            -- and the reference (y) share, for all i and j; both vectors end with a 1.
            SELECT
                'items' AS side,
                half,
                i,
                j,
                value,
                n_rows
            FROM (
                SELECT
                    half,
                    1 + FLOOR(k / 4) AS i,
                    1 + mod(k, 4) AS j,
                    value,
                    n_rows
                FROM (
                    SELECT
                        half,
                        n_rows,
                        u.index AS k,
                        CAST(u.value AS FLOAT) AS value
                    FROM (
                        SELECT
                            CASE WHEN SUBSTR(MD5(CAST(run.id AS VARCHAR)), 9, 1) < '8' THEN 0 ELSE 1 END AS half,
                            count(*) AS n_rows,
                            ARRAY_CONSTRUCT(
                                sum(run.x1 * reference.x1), sum(run.x1 * reference.x2), sum(run.x1 * reference.x3), sum(run.x1 * reference.x4),
                                sum(run.x2 * reference.x1), sum(run.x2 * reference.x2), sum(run.x2 * reference.x3), sum(run.x2 * reference.x4),
                                sum(run.x3 * reference.x1), sum(run.x3 * reference.x2), sum(run.x3 * reference.x3), sum(run.x3 * reference.x4),
                                sum(run.x4 * reference.x1), sum(run.x4 * reference.x2), sum(run.x4 * reference.x3), sum(run.x4 * reference.x4)
                            ) AS sums
                        FROM (
                            SELECT
                                c.*,
                                1E0 AS x4
                            FROM (
                                SELECT
                                    id,
                                    CAST(GET(x, 1 - 1) AS FLOAT) AS x1,
                                    CAST(GET(x, 2 - 1) AS FLOAT) AS x2,
                                    CAST(GET(x, 3 - 1) AS FLOAT) AS x3
                                FROM (
                                    SELECT
                                        t."ID" AS id,
                                        t."EMBEDDING" AS x
                                    FROM "ML"."ITEMS" AS t
                                ) AS v
                            ) AS c
                        ) AS run
                        JOIN (
                            SELECT
                                c.*,
                                1E0 AS x4
                            FROM (
                                SELECT
                                    id,
                                    CAST(GET(x, 1 - 1) AS FLOAT) AS x1,
                                    CAST(GET(x, 2 - 1) AS FLOAT) AS x2,
                                    CAST(GET(x, 3 - 1) AS FLOAT) AS x3
                                FROM (
                                    SELECT
                                        t."ID" AS id,
                                        t."EMBEDDING" AS x
                                    FROM "SQLSTAB_EARLIER_ITEMS_FBE87B76" AS t
                                ) AS v
                            ) AS c
                        ) AS reference USING (id)
                        GROUP BY CASE WHEN SUBSTR(MD5(CAST(run.id AS VARCHAR)), 9, 1) < '8' THEN 0 ELSE 1 END
                    ) AS g
                    CROSS JOIN LATERAL FLATTEN(input => g.sums) AS u
                ) AS entries
            ) AS gram
            ORDER BY
                half,
                i,
                j
        ) AS part1
    ) AS parts
    ORDER BY side, i, j
) AS h
WHERE h.i <= 3 AND h.j <= 3
GROUP BY
    h.side,
    h.i,
    h.j;

CREATE TEMPORARY TABLE "SQLSTAB_SHARED_RUN_FBE87B76" AS
-- Both halves of the shared ids added up, without the constant component.
SELECT
    h.side AS side,
    h.i AS i,
    h.j AS j,
    sum(h.value) AS value,
    sum(h.n_rows) AS n_rows
FROM (
    -- All sums in one statement, from 1 scans.
    SELECT
        side,
        i,
        j,
        value,
        n_rows
    FROM (
        SELECT
            side,
            i,
            j,
            value,
            n_rows
        FROM (
            -- Gram matrix of the items that this run and the reference share, for each half of the ids:
            -- the sum of x[i] * x[j] over the rows, for i <= j.
            SELECT
                'items' AS side,
                half,
                i,
                j,
                value,
                n_rows
            FROM (
                SELECT
                    half,
                    1 + FLOOR(k / 3) AS i,
                    1 + mod(k, 3) AS j,
                    value,
                    n_rows
                FROM (
                    SELECT
                        half,
                        n_rows,
                        u.index AS k,
                        CAST(u.value AS FLOAT) AS value
                    FROM (
                        SELECT
                            CASE WHEN SUBSTR(MD5(CAST(r.id AS VARCHAR)), 9, 1) < '8' THEN 0 ELSE 1 END AS half,
                            count(*) AS n_rows,
                            ARRAY_CONSTRUCT(
                                sum(x1 * x1), sum(x1 * x2), sum(x1 * x3),
                                0E0, sum(x2 * x2), sum(x2 * x3),
                                0E0, 0E0, sum(x3 * x3)
                            ) AS sums
                        FROM (
                            SELECT
                                id,
                                CAST(GET(x, 1 - 1) AS FLOAT) AS x1,
                                CAST(GET(x, 2 - 1) AS FLOAT) AS x2,
                                CAST(GET(x, 3 - 1) AS FLOAT) AS x3
                            FROM (
                                SELECT
                                    t."ID" AS id,
                                    t."EMBEDDING" AS x
                                FROM "ML"."ITEMS" AS t
                            ) AS v
                        ) AS r
                        JOIN (
                            SELECT
                                t."ID" AS id
                            FROM "SQLSTAB_EARLIER_ITEMS_FBE87B76" AS t
                        ) AS other USING (id)
                        GROUP BY CASE WHEN SUBSTR(MD5(CAST(r.id AS VARCHAR)), 9, 1) < '8' THEN 0 ELSE 1 END
                    ) AS g
                    CROSS JOIN LATERAL FLATTEN(input => g.sums) AS u
                ) AS entries
            ) AS gram
            WHERE i <= j
            ORDER BY
                half,
                i,
                j
        ) AS part1
    ) AS parts
    ORDER BY side, i, j
) AS h
WHERE h.i <= 3 AND h.j <= 3
GROUP BY
    h.side,
    h.i,
    h.j;

CREATE TEMPORARY TABLE "SQLSTAB_SHARED_REFERENCE_FBE87B76" AS
-- Both halves of the shared ids added up, without the constant component.
SELECT
    h.side AS side,
    h.i AS i,
    h.j AS j,
    sum(h.value) AS value,
    sum(h.n_rows) AS n_rows
FROM (
    -- All sums in one statement, from 1 scans.
    SELECT
        side,
        i,
        j,
        value,
        n_rows
    FROM (
        SELECT
            side,
            i,
            j,
            value,
            n_rows
        FROM (
            -- Gram matrix of the items that this run and the reference share, for each half of the ids:
            -- the sum of x[i] * x[j] over the rows, for i <= j.
            SELECT
                'items' AS side,
                half,
                i,
                j,
                value,
                n_rows
            FROM (
                SELECT
                    half,
                    1 + FLOOR(k / 3) AS i,
                    1 + mod(k, 3) AS j,
                    value,
                    n_rows
                FROM (
                    SELECT
                        half,
                        n_rows,
                        u.index AS k,
                        CAST(u.value AS FLOAT) AS value
                    FROM (
                        SELECT
                            CASE WHEN SUBSTR(MD5(CAST(r.id AS VARCHAR)), 9, 1) < '8' THEN 0 ELSE 1 END AS half,
                            count(*) AS n_rows,
                            ARRAY_CONSTRUCT(
                                sum(x1 * x1), sum(x1 * x2), sum(x1 * x3),
                                0E0, sum(x2 * x2), sum(x2 * x3),
                                0E0, 0E0, sum(x3 * x3)
                            ) AS sums
                        FROM (
                            SELECT
                                id,
                                CAST(GET(x, 1 - 1) AS FLOAT) AS x1,
                                CAST(GET(x, 2 - 1) AS FLOAT) AS x2,
                                CAST(GET(x, 3 - 1) AS FLOAT) AS x3
                            FROM (
                                SELECT
                                    t."ID" AS id,
                                    t."EMBEDDING" AS x
                                FROM "SQLSTAB_EARLIER_ITEMS_FBE87B76" AS t
                            ) AS v
                        ) AS r
                        JOIN (
                            SELECT
                                t."ID" AS id
                            FROM "ML"."ITEMS" AS t
                        ) AS other USING (id)
                        GROUP BY CASE WHEN SUBSTR(MD5(CAST(r.id AS VARCHAR)), 9, 1) < '8' THEN 0 ELSE 1 END
                    ) AS g
                    CROSS JOIN LATERAL FLATTEN(input => g.sums) AS u
                ) AS entries
            ) AS gram
            WHERE i <= j
            ORDER BY
                half,
                i,
                j
        ) AS part1
    ) AS parts
    ORDER BY side, i, j
) AS h
WHERE h.i <= 3 AND h.j <= 3
GROUP BY
    h.side,
    h.i,
    h.j;

-- 2. The maps -------------------------------------------------------------------------------------

CREATE OR REPLACE TEMPORARY FUNCTION sqlstab_solve(sums ARRAY, settings VARCHAR)
RETURNS ARRAY
LANGUAGE JAVASCRIPT
AS $$
// The small mathematics of a run (sqlstab/maths/solve.py) for engines whose functions may be
// JavaScript. `solve` at the end is what they call.
//
// A matrix is an array of its rows. Vectors that make up a basis, or the columns of a
// decomposition, stand in an array of their own: then a product is a dot product for each pair.

const EPS = Number.EPSILON;
// Sums of squares below this have lost digits: the smallest normal number is 2e-308.
const SMALLEST = 1e-290;

const sum = (values) => values.reduce((total, value) => total + value, 0);
const largest = (values) => values.reduce((most, value) => Math.max(most, value), -Infinity);
const range = (n) => Array.from({ length: n }, (_, i) => i);
const table = (rows, columns, entry) => range(rows).map((i) => range(columns).map((j) => entry(i, j)));
const identity = (rows, columns) => table(rows, columns, (i, j) => (i === j ? 1 : 0));
const transpose = (a) => range(a[0].length).map((j) => a.map((row) => row[j]));
const scaled = (a, factor) => a.map((row) => row.map((value) => value * factor));

function dot(a, b) {
  let total = 0;
  for (let i = 0; i < a.length; i++) total += a[i] * b[i];
  return total;
}

const norm = (a) => Math.sqrt(dot(a, a));
// A B'.
const timesTransposed = (a, b) => a.map((x) => b.map((y) => dot(x, y)));
const times = (a, b) => timesTransposed(a, transpose(b));

// The sum of vectors, each times its weight.
function combined(vectors, weights) {
  const total = new Array(vectors[0].length).fill(0);
  vectors.forEach((vector, k) => {
    for (let i = 0; i < total.length; i++) total[i] += weights[k] * vector[i];
  });
  return total;
}

function largestEntry(a) {
  return largest(a.map((row) => largest(row.map(Math.abs))));
}

// Turns vectors p and q by an angle with tangent t.
function turn(vectors, p, q, t) {
  const [a, b] = [vectors[p], vectors[q]];
  const c = 1 / Math.sqrt(1 + t * t);
  for (let i = 0; i < a.length; i++) {
    const x = a[i];
    a[i] = c * (x - t * b[i]);
    b[i] = c * (b[i] + t * x);
  }
}

// A = U S V' by the one-sided Jacobi method: pairs of columns are turned until they are orthogonal;
// then they are the columns of U S. Values descend. `left` and `right` hold columns of U and V; where
// a value is zero, that of the longer one is zero.
function svd(a) {
  if (a.length < a[0].length) {
    const { left, values, right } = svd(transpose(a));
    return { left: right, values, right: left };
  }
  const size = largestEntry(a);
  if (!Number.isFinite(size)) throw new Error("The SQL solver refuses: a sum is not finite.");
  const columns = transpose(scaled(a, size > 0 ? 1 / size : 1));
  const right = identity(columns.length, columns.length);
  const tolerance = EPS * Math.sqrt(a.length);
  for (let sweep = 0, turned = true; turned; sweep++) {
    if (sweep === 60) throw new Error("The SQL solver refuses: the Jacobi method does not converge.");
    turned = false;
    const squares = columns.map((column) => dot(column, column));
    for (let p = 0; p < columns.length - 1; p++) {
      for (let q = p + 1; q < columns.length; q++) {
        // The longer one first: it converges faster, and sorts.
        if (squares[p] < squares[q]) {
          for (const one of [columns, right, squares]) [one[p], one[q]] = [one[q], one[p]];
        }
        const product = dot(columns[p], columns[q]);
        if (Math.abs(product) <= tolerance * Math.sqrt(squares[p]) * Math.sqrt(squares[q])) continue;
        turned = true;
        const zeta = (squares[q] - squares[p]) / (2 * product);
        const t = (zeta < 0 ? -1 : 1) / (Math.abs(zeta) + Math.sqrt(1 + zeta * zeta));
        turn(columns, p, q, t);
        turn(right, p, q, t);
        squares[p] = dot(columns[p], columns[p]);
        squares[q] = dot(columns[q], columns[q]);
      }
    }
  }
  const lengths = columns.map(norm);
  const order = range(columns.length).sort((p, q) => lengths[q] - lengths[p]);
  return {
    left: order.map((k) => columns[k].map((value) => (lengths[k] > 0 ? value / lengths[k] : 0))),
    values: order.map((k) => lengths[k] * size),
    right: order.map((k) => right[k]),
  };
}

// An orthonormal basis of what is orthogonal to orthonormal vectors.
function complement(vectors, size) {
  const basis = vectors.slice();
  while (basis.length < size) {
    // The unit vector of which most is left.
    const left = range(size).map((i) => 1 - sum(basis.map((vector) => vector[i] * vector[i])));
    let next = identity(size, size)[left.indexOf(largest(left))];
    for (let twice = 0; twice < 2; twice++) {
      for (const vector of basis) {
        const part = dot(next, vector);
        next = next.map((value, i) => value - part * vector[i]);
      }
    }
    const length = norm(next);
    basis.push(next.map((value) => value / length));
  }
  return basis.slice(vectors.length);
}

// ---- 1. Cholesky: G = R'R, and P with R P = I ------------------------------------------------------

// R (`triangle`, its rows) and P (`whitener`, its columns) of a Gram matrix without zero columns.
function squareRoot(gram) {
  const size = gram.length;
  const scale = gram.map((row, i) => Math.sqrt(row[i]));
  const unit = gram.map((row, i) => row.map((value, j) => value / scale[j] / scale[i]));
  // Of a symmetric matrix, singular values are eigenvalues but for the sign.
  const { left, values: sizes, right: vectors } = svd(unit);
  const values = sizes.map((value, k) => (dot(left[k], vectors[k]) < 0 ? -value : value));
  const smallest = -largest(values.map((value) => -value));
  const floor = values[0] * EPS * size;
  const condition = Math.sqrt(values[0] / Math.max(smallest, floor));
  if (smallest > 4 * floor) {
    const lower = cholesky(unit);
    const whitener = inverse(lower).map((row, i) => row.map((value, j) => value / scale[j]));
    const triangle = transpose(lower).map((row) => row.map((value, j) => value * scale[j]));
    return { triangle, whitener, resolved: true, condition };
  }
  // With a floor, scores stay exact, whatever the directions below it are.
  const roots = values.map((value) => Math.sqrt(Math.max(value, floor)));
  return {
    triangle: vectors.map((vector, k) => vector.map((value, j) => roots[k] * value * scale[j])),
    whitener: vectors.map((vector, k) => vector.map((value, j) => value / roots[k] / scale[j])),
    resolved: false,
    condition,
  };
}

// L of a positive definite matrix L L'.
function cholesky(a) {
  const lower = table(a.length, a.length, () => 0);
  for (let i = 0; i < a.length; i++) {
    for (let j = 0; j <= i; j++) {
      let rest = a[i][j];
      for (let k = 0; k < j; k++) rest -= lower[i][k] * lower[j][k];
      lower[i][j] = i === j ? Math.sqrt(rest) : rest / lower[j][j];
    }
  }
  return lower;
}

// The rows of L^(-1), which are the columns of the inverse of L'.
function inverse(lower) {
  const rows = identity(lower.length, lower.length);
  for (let i = 0; i < lower.length; i++) {
    for (let k = 0; k < i; k++) {
      for (let j = 0; j <= k; j++) rows[i][j] -= lower[i][k] * rows[k][j];
    }
    for (let j = 0; j <= i; j++) rows[i][j] /= lower[i][i];
  }
  return rows;
}

function factor(gram, rows) {
  const live = range(gram.length).filter((i) => gram[i][i] > 0);
  if (live.length === 0 || largest(gram.map(largest)) < SMALLEST) {
    throw new Error(
      "The SQL solver refuses: all vectors are zero, or so small that their squares are; sqlstab run would, too. " +
        "Multiply small vectors by a constant."
    );
  }
  const root = squareRoot(live.map((i) => live.map((j) => gram[i][j])));
  const widened = (vector) => {
    const wide = new Array(gram.length).fill(0);
    live.forEach((i, k) => (wide[i] = vector[k]));
    return wide;
  };
  const triangle = root.triangle.map(widened);
  const norms = transpose(triangle).map(norm);
  const scale = norms.map((value) => (value > 0 ? value : 1));
  // Singular values of the table with its columns scaled to length one.
  const spectrum = svd(triangle.map((row) => row.map((value, j) => value / scale[j]))).values;
  const least = 4 * EPS * gram.length * spectrum[0];
  const rank = spectrum.filter((value) => value > least).length;
  return {
    triangle,
    whitener: root.whitener.map(widened),
    resolved: root.resolved,
    live: live.length,
    norms,
    scale,
    spectrum,
    rank,
    condition: spectrum[0] / spectrum[rank - 1],
    // Estimate of |Q'Q - I|: the rounding errors of the Gram matrix, as a random walk.
    summationError: EPS * (16 + Math.sqrt(rows)) * root.condition * root.condition,
  };
}

// ---- 2. and 3. Balance: R_T R_W' = U S V'; M_T = P_T U S^(1/2), M_W = P_W V S^(1/2) ---------------

// M_T and M_W (columns), and S.
function balance(users, items) {
  const product = timesTransposed(items.triangle, users.triangle);
  const { left, values, right } = svd(product);
  // Below the rounding error of the product a singular value is no longer one.
  const longest = largest(items.norms.map((value, i) => value * users.norms[i]));
  const noise = EPS * items.spectrum[0] * users.spectrum[0] * longest;
  const size = Math.max(product.length, product[0].length);
  const least = 4 * Math.max(EPS * size * values[0], noise);
  const kept = values.filter((value) => value > least);
  if (kept.length === 0) {
    throw new Error(
      "The SQL solver refuses: all scores are zero, users and items have no direction in common; sqlstab run would, too."
    );
  }
  checkUnderflow("users", users, items, values[0]);
  checkUnderflow("items", items, users, values[0]);
  const map = (side, vectors) => (value, k) =>
    combined(side.whitener, vectors[k]).map((entry) => entry * Math.sqrt(value));
  const itemsMap = kept.map(map(items, left));
  const usersMap = kept.map(map(users, right));
  // The largest component of each column of M_T is positive.
  itemsMap.forEach((column, k) => {
    const sizes = column.map(Math.abs);
    if (column[sizes.indexOf(largest(sizes))] < 0) {
      itemsMap[k] = column.map((value) => -value);
      usersMap[k] = usersMap[k].map((value) => -value);
    }
  });
  return { users: usersMap, items: itemsMap, values: kept };
}

// A column whose squares vanish counts as zero; the other side must not make it count again.
function checkUnderflow(name, small, large, size) {
  const least = Math.sqrt(SMALLEST);
  const hidden = small.norms.map((value, i) => (value < least ? least * large.norms[i] : 0));
  if (largest(hidden) > EPS * size) {
    throw new Error(
      `The SQL solver refuses: component ${hidden.indexOf(largest(hidden)) + 1} of the ${name} is zero or so small ` +
        "that its squares are, while that of the other table is so large that scores may depend on it; " +
        "sqlstab run would, too. Multiply the one by a constant, and divide the other by it."
    );
  }
}

// ---- 4. Align: C = A D B', Omega = A B' -----------------------------------------------------------

// Omega (rows), and how many directions C says nothing about. Those go to what is left of the space as
// close to their own position as possible: the same problem over, for the identity instead of C.
function align(cross) {
  const rank = cross.length;
  const dimension = Math.max(rank, cross[0].length);
  const omega = table(rank, dimension, () => 0);
  let rows = identity(rank, rank);
  let columns = identity(dimension, dimension);
  let ambiguous = 0;
  for (let guides = 0; rows.length > 0 && columns.length > 0; guides++) {
    // What decides a direction: the data; else its own position; else any fixed generic matrix.
    const guide = table(rank, dimension, (i, j) => {
      if (guides === 0) return j < cross[0].length ? cross[i][j] : 0;
      if (guides === 1) return i === j ? 1 : 0;
      return Math.cos(1 + i * (j + Math.SQRT2) + j * j);
    });
    const { left, values, right } = svd(timesTransposed(rows, timesTransposed(columns, guide)));
    // An eps of noise in C turns a direction by eps over its relative singular value.
    const least = Math.sqrt(EPS) * values[0];
    const sure = values.filter((value) => value > least).length;
    range(sure).forEach((k) => {
      const [from, to] = [combined(rows, left[k]), combined(columns, right[k])];
      for (let i = 0; i < rank; i++) {
        for (let j = 0; j < dimension; j++) omega[i][j] += from[i] * to[j];
      }
    });
    rows = complement(left.slice(0, sure), rows.length).map((vector) => combined(rows, vector));
    columns = complement(right.slice(0, sure), columns.length).map((vector) => combined(columns, vector));
    if (guides === 0) ambiguous = Math.min(rows.length, columns.length);
  }
  return { omega, ambiguous };
}

// ---- What the proof of a result is ----------------------------------------------------------------

// The largest entry of M'GM - S, entry (k, l) relative to sqrt(s_k s_l).
function gramError(map, gram, values) {
  const errors = timesTransposed(map, timesTransposed(map, gram)).map((row, k) =>
    row.map((value, l) => (value - (k === l ? values[k] : 0)) / Math.sqrt(values[k]) / Math.sqrt(values[l]))
  );
  return largestEntry(errors);
}

// The largest entry of R_T (M_T M_W' - I) R_W', relative to the largest singular value.
function scoreError(users, items, balanced) {
  const product = timesTransposed(items.triangle, users.triangle);
  const restored = timesTransposed(
    timesTransposed(items.triangle, balanced.items),
    timesTransposed(users.triangle, balanced.users)
  );
  const errors = product.map((row, i) => row.map((value, j) => restored[i][j] - value));
  return largestEntry(errors) / balanced.values[0];
}

// What the rounding errors of the sums may do to the axes, on the safe side.
function accuracy(side, map, values) {
  if (!side.resolved) return 1;
  const lengths = map.map((column, k) => norm(column.map((value, i) => value * side.scale[i])) / Math.sqrt(values[k]));
  return side.summationError + 16 * EPS * side.spectrum[0] * largest(lengths);
}

// How well two runs fit: X are the balanced vectors of the shared ids, Y the reference's; C = X'Y.
function fit(cross, omega, ofRun, ofReference) {
  const trace = (a) => sum(a.map((row, i) => row[i]));
  const squares = (a) => sum(a.map((row) => dot(row, row)));
  const nuclear = sum(cross.map((row, k) => dot(row, omega[k])));
  const residual = trace(ofRun) + trace(ofReference) - 2 * nuclear;
  const products = squares(ofRun) + squares(ofReference) - 2 * squares(cross);
  const dimension = Math.max(cross.length, cross[0].length);
  return {
    relative_residual: Math.sqrt(Math.max(residual, 0) / trace(ofReference)),
    cka: squares(cross) / (Math.sqrt(squares(ofRun)) * Math.sqrt(squares(ofReference))),
    bound: Math.sqrt(Math.sqrt(2 * dimension * Math.max(products, 0)) / trace(ofReference)),
  };
}

// ---- All of it ------------------------------------------------------------------------------------

// The sums of one kind and side as a matrix, and n_rows; symmetric ones come as a triangle.
function matrix(sums, kind, side, rows, columns) {
  const found = table(rows, columns, () => 0);
  let count = 0;
  for (const entry of sums) {
    if (entry.kind !== kind || entry.side !== side) continue;
    if (entry.i > rows || entry.j > columns) {
      throw new Error(
        `The SQL solver refuses: ${side}: the sums are of ${Math.max(entry.i, entry.j)} components, ` +
          `not of ${entry.i > rows ? rows : columns}; sqlstab run would, too.`
      );
    }
    found[entry.i - 1][entry.j - 1] = entry.value;
    if (kind !== "cross") found[entry.j - 1][entry.i - 1] = entry.value;
    count = Math.max(count, entry.n_rows);
  }
  return { entries: found, rows: count };
}

function check(name, side, found) {
  if (!side.resolved || !(found <= 1e-2)) {
    throw new Error(
      `The SQL solver refuses: ${name}: the columns depend on each other, or nearly so (condition at least ` +
        `${side.condition.toExponential(1)}), too much for sums of products. Use sqlstab run, which takes a second pass.`
    );
  }
}

// The maps, from sums. Gives rows of matrices, {name, i, x}: `users` and `items` are the maps, `omega` is
// the alignment; `singular_values` have one entry in each row, and so has any other name, a figure.
//
// sums: {kind, side, i, j, value, n_rows}; `kind` is `gram`, and of an aligned run `cross`, of the ids that it
//     shares with the reference; and `shared_run` and `shared_reference`, Gram matrices of these ids.
// settings: JSON; `dimension`, `reference_dimension`, and `anchors`: how much each side counts.
function solve(sums, settings) {
  const { dimension: e, reference_dimension: d, anchors } = JSON.parse(settings);
  const sides = ["users", "items"];
  const grams = {};
  const factors = {};
  const figures = {};
  for (const side of sides) {
    const { entries, rows } = matrix(sums, "gram", side, e, e);
    grams[side] = entries;
    figures[`${side}_rows`] = rows;
    factors[side] = factor(entries, rows);
  }
  const balanced = balance(factors.users, factors.items);
  const rank = balanced.values.length;
  figures.rank = rank;
  figures.score_error = scoreError(factors.users, factors.items, balanced);
  for (const side of sides) {
    figures[`${side}_live`] = factors[side].live;
    figures[`${side}_rank`] = factors[side].rank;
    figures[`${side}_condition`] = factors[side].condition;
    figures[`${side}_accuracy`] = accuracy(factors[side], balanced[side], balanced.values);
    figures[`${side}_gram_error`] = gramError(balanced[side], grams[side], balanced.values);
    check(side, factors[side], figures[`${side}_accuracy`]);
  }
  // A first run defines the space: its principal axes.
  let omega = identity(rank, d);
  const total = (of, rows, columns) => {
    const parts = Object.keys(anchors).map((side) => scaled(of(side), anchors[side]));
    return table(rows, columns, (i, j) => sum(parts.map((part) => part[i][j])));
  };
  const rowsOf = {};
  if (anchors) {
    const crosses = {};
    for (const side of Object.keys(anchors)) crosses[side] = matrix(sums, "cross", side, e, d);
    const cross = total((side) => times(balanced[side], crosses[side].entries), rank, d);
    const alignment = align(cross);
    omega = alignment.omega;
    figures.anchors = sum(Object.keys(crosses).map((side) => crosses[side].rows));
    if (largestEntry(cross) === 0) {
      throw new Error(
        "The SQL solver refuses: the runs share no ids to align on, or none with a weight above zero; " +
          "sqlstab run would, too, unless the earlier run has stored maps only."
      );
    }
    figures.ambiguous = alignment.ambiguous;
    const unit = timesTransposed(omega, omega).map((row, k) => row.map((value, l) => value - (k === l ? 1 : 0)));
    figures.omega_error = largestEntry(unit);
    if (sums.some((entry) => entry.kind === "shared_run")) {
      const ofRun = (side) =>
        timesTransposed(
          balanced[side],
          timesTransposed(balanced[side], matrix(sums, "shared_run", side, e, e).entries)
        );
      const ofReference = (side) => matrix(sums, "shared_reference", side, d, d).entries;
      Object.assign(figures, fit(cross, omega, total(ofRun, rank, rank), total(ofReference, d, d)));
    }
    rowsOf.omega = omega;
  }
  const errors = largest(sides.map((side) => figures[`${side}_gram_error`]));
  if (!(Math.max(figures.score_error, figures.omega_error || 0, 1e-7 * errors) <= 1e-9)) {
    throw new Error(
      `The SQL solver refuses: the result fails its own proof: scores change by ${figures.score_error}, ` +
        `the balanced Gram matrices are off by ${errors}. Use sqlstab run.`
    );
  }
  for (const side of sides) rowsOf[side] = times(transpose(balanced[side]), omega);
  rowsOf.singular_values = balanced.values.concat(new Array(e - rank).fill(0)).map((value) => [value]);
  Object.keys(figures).forEach((name) => (rowsOf[name] = [[figures[name]]]));
  const found = [];
  for (const name of Object.keys(rowsOf)) rowsOf[name].forEach((x, k) => found.push({ name, i: k + 1, x }));
  return found;
}
return solve(SUMS, SETTINGS);
$$;

CREATE TEMPORARY TABLE "SQLSTAB_SOLUTION_FBE87B76" AS
-- The two maps, from sums, by a function in JavaScript. Rows (name, i, j, value): name is users or items for the maps,
-- omega for the alignment, singular_values (j = 1), or that of a figure (i = j = 1).
SELECT
    CAST(r.value:name AS VARCHAR) AS name,
    CAST(r.value:i AS integer) AS i,
    CAST(u.index + 1 AS integer) AS j,
    CAST(u.value AS FLOAT) AS value
FROM (
    SELECT sqlstab_solve(ARRAY_AGG(OBJECT_CONSTRUCT('kind', s.kind, 'side', s.side, 'i', s.i, 'j', s.j, 'value', s.value, 'n_rows', s.n_rows)), '{"dimension": 3, "reference_dimension": 3, "anchors": {"items": 1.0}}') AS solution
    FROM (
        SELECT 'gram' AS kind, t.side, t.i, t.j, t.value, t.n_rows FROM "SQLSTAB_GRAMS_FBE87B76" AS t
        UNION ALL SELECT 'cross' AS kind, t.side, t.i, t.j, t.value, t.n_rows FROM "SQLSTAB_CROSSES_FBE87B76" AS t
        UNION ALL SELECT 'shared_run' AS kind, t.side, t.i, t.j, t.value, t.n_rows FROM "SQLSTAB_SHARED_RUN_FBE87B76" AS t
        UNION ALL SELECT 'shared_reference' AS kind, t.side, t.i, t.j, t.value, t.n_rows FROM "SQLSTAB_SHARED_REFERENCE_FBE87B76" AS t
    ) AS s
) AS solved
CROSS JOIN LATERAL FLATTEN(input => solved.solution) AS r
CROSS JOIN LATERAL FLATTEN(input => r.value:x) AS u;

CREATE TEMPORARY TABLE "SQLSTAB_MAPS_FBE87B76" AS
-- The two maps of a solution.
SELECT
    s.name AS side,
    s.i AS i,
    s.j AS j,
    -- None is NULL, but figures in the same column may be, and some engines know columns by that.
    coalesce(s.value, 0) AS value
FROM "SQLSTAB_SOLUTION_FBE87B76" AS s
WHERE s.name IN ('users', 'items');

-- 3. The stable vectors: each raw vector times its map --------------------------------------------

CREATE TEMPORARY TABLE "SQLSTAB_FIGURES_FBE87B76" (name VARCHAR, value FLOAT);

CREATE TEMPORARY TABLE "SQLSTAB_RUN_FBE87B76" (figures VARCHAR, created VARCHAR);

BEGIN TRANSACTION;

DELETE FROM "ML"."MOVIES_RUNS" WHERE "RUN" = '2026-11-30';

DELETE FROM "ML"."MOVIES_USERS" WHERE "RUN" = '2026-11-30';

INSERT INTO "ML"."MOVIES_USERS" ("RUN", "ID", "EMBEDDING")
SELECT '2026-11-30' AS "RUN", "ID", "EMBEDDING"
FROM (
-- The stable vectors of the users: each row times a matrix that a table holds.
SELECT
    id AS "ID",
    ARRAY_AGG(CAST(value AS FLOAT)) WITHIN GROUP (ORDER BY j) AS "EMBEDDING"
FROM (
    SELECT
        r.id AS id,
        m.j AS j,
        sum(CAST(r.value AS FLOAT) * m.value) AS value
    FROM (
        SELECT
            r.id AS id,
            u.index + 1 AS i,
            CAST(u.value AS FLOAT) AS value
        FROM (
            SELECT
                t."ID" AS id,
                t."EMBEDDING" AS x
            FROM "ML"."USERS" AS t
        ) AS r
        CROSS JOIN LATERAL FLATTEN(input => r.x) AS u
    ) AS r
    JOIN (
        SELECT
            i,
            j,
            value
        FROM "SQLSTAB_MAPS_FBE87B76"
        WHERE side = 'users'
    ) AS m ON m.i = r.i
    GROUP BY
        r.id,
        m.j
) AS products
GROUP BY id
) AS q;

DELETE FROM "ML"."MOVIES_ITEMS" WHERE "RUN" = '2026-11-30';

INSERT INTO "ML"."MOVIES_ITEMS" ("RUN", "ID", "EMBEDDING")
SELECT '2026-11-30' AS "RUN", "ID", "EMBEDDING"
FROM (
-- The stable vectors of the items: each row times a matrix that a table holds.
SELECT
    id AS "ID",
    ARRAY_AGG(CAST(value AS FLOAT)) WITHIN GROUP (ORDER BY j) AS "EMBEDDING"
FROM (
    SELECT
        r.id AS id,
        m.j AS j,
        sum(CAST(r.value AS FLOAT) * m.value) AS value
    FROM (
        SELECT
            r.id AS id,
            u.index + 1 AS i,
            CAST(u.value AS FLOAT) AS value
        FROM (
            SELECT
                t."ID" AS id,
                t."EMBEDDING" AS x
            FROM "ML"."ITEMS" AS t
        ) AS r
        CROSS JOIN LATERAL FLATTEN(input => r.x) AS u
    ) AS r
    JOIN (
        SELECT
            i,
            j,
            value
        FROM "SQLSTAB_MAPS_FBE87B76"
        WHERE side = 'items'
    ) AS m ON m.i = r.i
    GROUP BY
        r.id,
        m.j
) AS products
GROUP BY id
) AS q;

-- 4. Figures --------------------------------------------------------------------------------------

INSERT INTO "SQLSTAB_FIGURES_FBE87B76"
-- The figures of this run.
SELECT
    name,
    value
FROM "SQLSTAB_SOLUTION_FBE87B76" AS s
WHERE name IN ('users_rows', 'users_columns', 'users_live', 'users_rank', 'users_condition', 'users_accuracy', 'users_gram_error', 'items_rows', 'items_columns', 'items_live', 'items_rank', 'items_condition', 'items_accuracy', 'items_gram_error', 'rank', 'score_error', 'anchors', 'aligned', 'omega_error', 'relative_residual', 'cka', 'bound', 'ambiguous')
UNION ALL
SELECT
    'singular_value_' || CAST(s.i AS VARCHAR) AS name,
    s.value AS value
FROM "SQLSTAB_SOLUTION_FBE87B76" AS s
WHERE s.name = 'singular_values'
UNION ALL
SELECT
    'cosine_users_' || figure AS name,
    CASE figure WHEN 'rows' THEN CAST(n_rows AS FLOAT) WHEN 'mean' THEN after_mean WHEN 'p10' THEN after_p10 ELSE after_median END AS value
FROM (
    -- Cosine of the same user in this run and in the reference: of the stable vectors (after), for all users that both runs have.
    SELECT
        count(*) AS n_rows,
        avg(after) AS after_mean,
        PERCENTILE_CONT(0.1) WITHIN GROUP (ORDER BY after) AS after_p10,
        PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY after) AS after_median
    FROM (
        -- The cosine of a zero vector is undefined: NULL, which the figures leave out.
        SELECT
            (s1 * y1 + s2 * y2 + s3 * y3)
                / nullif(sqrt(s1 * s1 + s2 * s2 + s3 * s3) * sqrt(y1 * y1 + y2 * y2 + y3 * y3), 0) AS after
        FROM (
            SELECT
                x1 AS s1,
                x2 AS s2,
                x3 AS s3,
                y1,
                y2,
                y3
            FROM (
                SELECT
                    id,
                    run.x1 AS x1,
                    run.x2 AS x2,
                    run.x3 AS x3,
                    reference.x1 AS y1,
                    reference.x2 AS y2,
                    reference.x3 AS y3
                FROM (
                    SELECT
                        id,
                        CAST(GET(x, 1 - 1) AS FLOAT) AS x1,
                        CAST(GET(x, 2 - 1) AS FLOAT) AS x2,
                        CAST(GET(x, 3 - 1) AS FLOAT) AS x3
                    FROM (
                        SELECT
                            t."ID" AS id,
                            t."EMBEDDING" AS x
                        FROM "ML"."MOVIES_USERS" AS t
                        WHERE
                            (t."RUN" = '2026-11-30')
                    ) AS v
                ) AS run
                JOIN (
                    SELECT
                        id,
                        CAST(GET(x, 1 - 1) AS FLOAT) AS x1,
                        CAST(GET(x, 2 - 1) AS FLOAT) AS x2,
                        CAST(GET(x, 3 - 1) AS FLOAT) AS x3
                    FROM (
                        SELECT
                            t."ID" AS id,
                            t."EMBEDDING" AS x
                        FROM "SQLSTAB_EARLIER_USERS_FBE87B76" AS t
                    ) AS v
                ) AS reference USING (id)
            ) AS pairs
        ) AS vectors
    ) AS cosines
) AS drift
CROSS JOIN (
    SELECT 'rows' AS figure UNION ALL SELECT 'mean' UNION ALL SELECT 'p10' UNION ALL SELECT 'median'
) AS figures
UNION ALL
SELECT
    'cosine_items_' || figure AS name,
    CASE figure WHEN 'rows' THEN CAST(n_rows AS FLOAT) WHEN 'mean' THEN after_mean WHEN 'p10' THEN after_p10 ELSE after_median END AS value
FROM (
    -- Cosine of the same item in this run and in the reference: of the stable vectors (after), for all items that both runs have.
    SELECT
        count(*) AS n_rows,
        avg(after) AS after_mean,
        PERCENTILE_CONT(0.1) WITHIN GROUP (ORDER BY after) AS after_p10,
        PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY after) AS after_median
    FROM (
        -- The cosine of a zero vector is undefined: NULL, which the figures leave out.
        SELECT
            (s1 * y1 + s2 * y2 + s3 * y3)
                / nullif(sqrt(s1 * s1 + s2 * s2 + s3 * s3) * sqrt(y1 * y1 + y2 * y2 + y3 * y3), 0) AS after
        FROM (
            SELECT
                x1 AS s1,
                x2 AS s2,
                x3 AS s3,
                y1,
                y2,
                y3
            FROM (
                SELECT
                    id,
                    run.x1 AS x1,
                    run.x2 AS x2,
                    run.x3 AS x3,
                    reference.x1 AS y1,
                    reference.x2 AS y2,
                    reference.x3 AS y3
                FROM (
                    SELECT
                        id,
                        CAST(GET(x, 1 - 1) AS FLOAT) AS x1,
                        CAST(GET(x, 2 - 1) AS FLOAT) AS x2,
                        CAST(GET(x, 3 - 1) AS FLOAT) AS x3
                    FROM (
                        SELECT
                            t."ID" AS id,
                            t."EMBEDDING" AS x
                        FROM "ML"."MOVIES_ITEMS" AS t
                        WHERE
                            (t."RUN" = '2026-11-30')
                    ) AS v
                ) AS run
                JOIN (
                    SELECT
                        id,
                        CAST(GET(x, 1 - 1) AS FLOAT) AS x1,
                        CAST(GET(x, 2 - 1) AS FLOAT) AS x2,
                        CAST(GET(x, 3 - 1) AS FLOAT) AS x3
                    FROM (
                        SELECT
                            t."ID" AS id,
                            t."EMBEDDING" AS x
                        FROM "SQLSTAB_EARLIER_ITEMS_FBE87B76" AS t
                    ) AS v
                ) AS reference USING (id)
            ) AS pairs
        ) AS vectors
    ) AS cosines
) AS drift
CROSS JOIN (
    SELECT 'rows' AS figure UNION ALL SELECT 'mean' UNION ALL SELECT 'p10' UNION ALL SELECT 'median'
) AS figures
UNION ALL
SELECT
    'shared_users' AS name,
    CAST(shared AS FLOAT) AS value
FROM (
    -- How many users this run and the reference share.
    SELECT
        count(*) AS shared
    FROM (
        SELECT
            t."ID" AS id
        FROM "ML"."USERS" AS t
    ) AS run
    WHERE id IN (
        SELECT
            t."ID" AS id
        FROM "SQLSTAB_EARLIER_USERS_FBE87B76" AS t
    )
) AS shared_ids
UNION ALL
SELECT
    'shared_items' AS name,
    CAST(shared AS FLOAT) AS value
FROM (
    -- How many items this run and the reference share.
    SELECT
        count(*) AS shared
    FROM (
        SELECT
            t."ID" AS id
        FROM "ML"."ITEMS" AS t
    ) AS run
    WHERE id IN (
        SELECT
            t."ID" AS id
        FROM "SQLSTAB_EARLIER_ITEMS_FBE87B76" AS t
    )
) AS shared_ids
UNION ALL
SELECT
    figure AS name,
    CASE figure WHEN 'score_pairs' THEN CAST(n_pairs AS FLOAT) ELSE largest_error / nullif(largest, 0) END AS value
FROM (
    -- Dot products of the raw and of the written vectors, for all pairs of 300 users and 300 items.
    SELECT
        count(raw_score - stable_score) AS n_pairs,
        max(abs(raw_score)) AS largest,
        max(abs(raw_score - stable_score)) AS largest_error
    FROM (
        SELECT
            u.x1 * i.x1 + u.x2 * i.x2 + u.x3 * i.x3 AS raw_score,
            u.s1 * i.s1 + u.s2 * i.s2 + u.s3 * i.s3 AS stable_score
        FROM (
            SELECT
                r.x1 AS x1,
                r.x2 AS x2,
                r.x3 AS x3,
                s.x1 AS s1,
                s.x2 AS s2,
                s.x3 AS s3
            FROM (
                SELECT
                    id,
                    CAST(GET(x, 1 - 1) AS FLOAT) AS x1,
                    CAST(GET(x, 2 - 1) AS FLOAT) AS x2,
                    CAST(GET(x, 3 - 1) AS FLOAT) AS x3
                FROM (
                    SELECT
                        t."ID" AS id,
                        t."EMBEDDING" AS x
                    FROM "ML"."USERS" AS t
                ) AS v
            ) AS r
            JOIN (
                -- Whichever rows come first: they are found without reading the whole table.
                SELECT *
                FROM (
                    SELECT
                        id,
                        CAST(GET(x, 1 - 1) AS FLOAT) AS x1,
                        CAST(GET(x, 2 - 1) AS FLOAT) AS x2,
                        CAST(GET(x, 3 - 1) AS FLOAT) AS x3
                    FROM (
                        SELECT
                            t."ID" AS id,
                            t."EMBEDDING" AS x
                        FROM "ML"."MOVIES_USERS" AS t
                        WHERE
                            (t."RUN" = '2026-11-30')
                    ) AS v
                ) AS some_rows
                LIMIT 300
            ) AS s USING (id)
        ) AS u
        CROSS JOIN (
            SELECT
                r.x1 AS x1,
                r.x2 AS x2,
                r.x3 AS x3,
                s.x1 AS s1,
                s.x2 AS s2,
                s.x3 AS s3
            FROM (
                SELECT
                    id,
                    CAST(GET(x, 1 - 1) AS FLOAT) AS x1,
                    CAST(GET(x, 2 - 1) AS FLOAT) AS x2,
                    CAST(GET(x, 3 - 1) AS FLOAT) AS x3
                FROM (
                    SELECT
                        t."ID" AS id,
                        t."EMBEDDING" AS x
                    FROM "ML"."ITEMS" AS t
                ) AS v
            ) AS r
            JOIN (
                -- Whichever rows come first: they are found without reading the whole table.
                SELECT *
                FROM (
                    SELECT
                        id,
                        CAST(GET(x, 1 - 1) AS FLOAT) AS x1,
                        CAST(GET(x, 2 - 1) AS FLOAT) AS x2,
                        CAST(GET(x, 3 - 1) AS FLOAT) AS x3
                    FROM (
                        SELECT
                            t."ID" AS id,
                            t."EMBEDDING" AS x
                        FROM "ML"."MOVIES_ITEMS" AS t
                        WHERE
                            (t."RUN" = '2026-11-30')
                    ) AS v
                ) AS some_rows
                LIMIT 300
            ) AS s USING (id)
        ) AS i
    ) AS scores
) AS scores
CROSS JOIN (
    SELECT 'score_pairs' AS figure UNION ALL SELECT 'max_relative_error'
) AS figures;

INSERT INTO "SQLSTAB_RUN_FBE87B76"
-- What there is to know of this run, as JSON.
SELECT
    '{"format": 2, "sqlstab": "VERSION", "key": "2026-11-30", "column": "run", "created": '
    || '"' || TO_CHAR(CONVERT_TIMEZONE('UTC', CURRENT_TIMESTAMP()), 'YYYY-MM-DD"T"HH24:MI:SS.FF6') || '+00:00' || '"'
    || ', "created_by": null, "engine": "snowflake", "versions": {}, "options": {"align": "previous", "memory": 0.8, "anchor": "items", "plain_rows": true, "maps_only": false, "map": null, "columns": null, "rank": null, "sample": null, "strategy": "sql", "refine": "never", "on_invalid": "error", "output_layout": null, "output_type": null, "min_agreement": null, "min_shared_ids": null, "force": false}, "strategy": "sql", "inputs": {"users": {"relation": "ml.users", "id": "ID", "id_type": "bigint", "layout": "array", "vector": ["EMBEDDING"], "element": "float", "filter": null, "weight": null, "anchor_filter": null, "keep": [], "first": 0, "vector_type": "", "fields": []}, "items": {"relation": "ml.items", "id": "ID", "id_type": "bigint", "layout": "array", "vector": ["EMBEDDING"], "element": "float", "filter": null, "weight": null, "anchor_filter": null, "keep": [], "first": 0, "vector_type": "", "fields": []}}, "tables": {"users": {"rows": '
    || coalesce(CAST(CAST(f.users_rows AS bigint) AS VARCHAR), 'null')
    || ', "dimension": 3, "summed": '
    || coalesce(CAST(CAST(f.users_rows AS bigint) AS VARCHAR), 'null')
    || ', "left_out": 0, "problems": {}, "passes": 1, "rank": '
    || coalesce(CAST(CAST(f.users_rank AS bigint) AS VARCHAR), 'null')
    || ', "condition": '
    || coalesce(CAST(f.users_condition AS VARCHAR), 'null')
    || ', "accuracy": '
    || coalesce(CAST(f.users_accuracy AS VARCHAR), 'null')
    || '}, "items": {"rows": '
    || coalesce(CAST(CAST(f.items_rows AS bigint) AS VARCHAR), 'null')
    || ', "dimension": 3, "summed": '
    || coalesce(CAST(CAST(f.items_rows AS bigint) AS VARCHAR), 'null')
    || ', "left_out": 0, "problems": {}, "passes": 1, "rank": '
    || coalesce(CAST(CAST(f.items_rank AS bigint) AS VARCHAR), 'null')
    || ', "condition": '
    || coalesce(CAST(f.items_condition AS VARCHAR), 'null')
    || ', "accuracy": '
    || coalesce(CAST(f.items_accuracy AS VARCHAR), 'null')
    || '}}, "map": "balanced", "like": {}, "raw_dimension": 3, "dimension": 3, "rank": '
    || coalesce(CAST(CAST(f.rank AS bigint) AS VARCHAR), 'null')
    || ', "invertible": {"users": '
    || CASE WHEN f.rank >= f.users_live THEN 'true' ELSE 'false' END
    || ', "items": '
    || CASE WHEN f.rank >= f.items_live THEN 'true' ELSE 'false' END
    || '}, "singular_values": ['
    || coalesce(CAST(f.singular_value_1 AS VARCHAR), 'null')
    || ', '
    || coalesce(CAST(f.singular_value_2 AS VARCHAR), 'null')
    || ', '
    || coalesce(CAST(f.singular_value_3 AS VARCHAR), 'null')
    || '], "reference": {"align": "previous", "run": '
    || '"' || replace(replace(CAST(r.run_key AS VARCHAR), '\\', '\\\\'), '"', '\\"') || '"'
    || ', "runs": {'
    || '"' || replace(replace(CAST(r.run_key AS VARCHAR), '\\', '\\\\'), '"', '\\"') || '"'
    || ': 1.0}, "dimension": 3}, "alignment": {"sides": ["items"], "verdict": "unknown", "reason": "A script of SQL fits all shared ids and keeps none to judge the fit by.", "agreement": null, "held_out": null, "chance": null, "anchors": '
    || coalesce(CAST(CAST(f.anchors AS bigint) AS VARCHAR), 'null')
    || ', "unit_rows": false, "plain_rows_cost": null, "relative_residual": '
    || coalesce(CAST(f.relative_residual AS VARCHAR), 'null')
    || ', "linear_residual": null, "bound": '
    || coalesce(CAST(f.bound AS VARCHAR), 'null')
    || ', "cka": '
    || coalesce(CAST(f.cka AS VARCHAR), 'null')
    || ', "determinant": null, "ambiguous": '
    || coalesce(CAST(CAST(f.ambiguous AS bigint) AS VARCHAR), 'null')
    || '}, "shared": {"users": '
    || coalesce(CAST(CAST(f.shared_users AS bigint) AS VARCHAR), 'null')
    || ', "items": '
    || coalesce(CAST(CAST(f.shared_items AS bigint) AS VARCHAR), 'null')
    || '}, "cosine": {"users": {"rows": '
    || coalesce(CAST(CAST(f.cosine_users_rows AS bigint) AS VARCHAR), 'null')
    || ', "before": null, "after": {"mean": '
    || coalesce(CAST(f.cosine_users_mean AS VARCHAR), 'null')
    || ', "p10": '
    || coalesce(CAST(f.cosine_users_p10 AS VARCHAR), 'null')
    || ', "median": '
    || coalesce(CAST(f.cosine_users_median AS VARCHAR), 'null')
    || '}}, "items": {"rows": '
    || coalesce(CAST(CAST(f.cosine_items_rows AS bigint) AS VARCHAR), 'null')
    || ', "before": null, "after": {"mean": '
    || coalesce(CAST(f.cosine_items_mean AS VARCHAR), 'null')
    || ', "p10": '
    || coalesce(CAST(f.cosine_items_p10 AS VARCHAR), 'null')
    || ', "median": '
    || coalesce(CAST(f.cosine_items_median AS VARCHAR), 'null')
    || '}}}, "gates": null, "scores": {"identity_error": '
    || coalesce(CAST(f.score_error AS VARCHAR), 'null')
    || ', "max_relative_error": '
    || coalesce(CAST(f.max_relative_error AS VARCHAR), 'null')
    || '}, "outputs": {"users": {"relation": "ML.MOVIES_USERS", "id": "ID", "id_type": "bigint", "layout": "array", "vector": ["EMBEDDING"], "element": "float", "filter": "\\"RUN\\" = \'2026-11-30\'", "weight": null, "anchor_filter": null, "keep": [], "first": 0, "vector_type": "", "fields": []}, "items": {"relation": "ML.MOVIES_ITEMS", "id": "ID", "id_type": "bigint", "layout": "array", "vector": ["EMBEDDING"], "element": "float", "filter": "\\"RUN\\" = \'2026-11-30\'", "weight": null, "anchor_filter": null, "keep": [], "first": 0, "vector_type": "", "fields": []}}, "warnings": '
    || CASE WHEN f.ambiguous > 0 THEN '["The shared ids say nothing about some directions; those were placed in what is left of the space, near their own axes."]' ELSE '[]' END
    || ', "timings": {}}' AS figures,
    TO_CHAR(CONVERT_TIMEZONE('UTC', CURRENT_TIMESTAMP()), 'YYYY-MM-DD"T"HH24:MI:SS.FF6') || '+00:00' AS created
FROM (
    SELECT
        max(CASE WHEN name = 'users_rows' THEN value END) AS users_rows,
        max(CASE WHEN name = 'users_rank' THEN value END) AS users_rank,
        max(CASE WHEN name = 'users_condition' THEN value END) AS users_condition,
        max(CASE WHEN name = 'users_accuracy' THEN value END) AS users_accuracy,
        max(CASE WHEN name = 'items_rows' THEN value END) AS items_rows,
        max(CASE WHEN name = 'items_rank' THEN value END) AS items_rank,
        max(CASE WHEN name = 'items_condition' THEN value END) AS items_condition,
        max(CASE WHEN name = 'items_accuracy' THEN value END) AS items_accuracy,
        max(CASE WHEN name = 'rank' THEN value END) AS rank,
        max(CASE WHEN name = 'users_live' THEN value END) AS users_live,
        max(CASE WHEN name = 'items_live' THEN value END) AS items_live,
        max(CASE WHEN name = 'singular_value_1' THEN value END) AS singular_value_1,
        max(CASE WHEN name = 'singular_value_2' THEN value END) AS singular_value_2,
        max(CASE WHEN name = 'singular_value_3' THEN value END) AS singular_value_3,
        max(CASE WHEN name = 'anchors' THEN value END) AS anchors,
        max(CASE WHEN name = 'relative_residual' THEN value END) AS relative_residual,
        max(CASE WHEN name = 'bound' THEN value END) AS bound,
        max(CASE WHEN name = 'cka' THEN value END) AS cka,
        max(CASE WHEN name = 'ambiguous' THEN value END) AS ambiguous,
        max(CASE WHEN name = 'shared_users' THEN value END) AS shared_users,
        max(CASE WHEN name = 'shared_items' THEN value END) AS shared_items,
        max(CASE WHEN name = 'cosine_users_rows' THEN value END) AS cosine_users_rows,
        max(CASE WHEN name = 'cosine_users_mean' THEN value END) AS cosine_users_mean,
        max(CASE WHEN name = 'cosine_users_p10' THEN value END) AS cosine_users_p10,
        max(CASE WHEN name = 'cosine_users_median' THEN value END) AS cosine_users_median,
        max(CASE WHEN name = 'cosine_items_rows' THEN value END) AS cosine_items_rows,
        max(CASE WHEN name = 'cosine_items_mean' THEN value END) AS cosine_items_mean,
        max(CASE WHEN name = 'cosine_items_p10' THEN value END) AS cosine_items_p10,
        max(CASE WHEN name = 'cosine_items_median' THEN value END) AS cosine_items_median,
        max(CASE WHEN name = 'score_error' THEN value END) AS score_error,
        max(CASE WHEN name = 'max_relative_error' THEN value END) AS max_relative_error
    FROM "SQLSTAB_FIGURES_FBE87B76" AS n
) AS f
CROSS JOIN "SQLSTAB_REFERENCE_FBE87B76" AS r;

-- Fails where the users written are not those that were checked.
SELECT
    CASE
        WHEN n_rows <> checked OR null_ids + duplicate_ids > 0
        THEN CAST(message AS FLOAT)
        ELSE n_rows
    END AS written
FROM (
    SELECT
        *,
        'users: rows checked: ' || CAST(CAST(checked AS bigint) AS VARCHAR) || ', rows written: ' || CAST(n_rows AS VARCHAR)
            || ', NULL ids: ' || CAST(null_ids AS VARCHAR) || ', duplicate ids: ' || CAST(duplicate_ids AS VARCHAR)
            || '. The table has changed meanwhile, is a view that gives other rows each time or reads tables of this space, or the stable table has another type of ids.' AS message
    FROM (
        -- What can be wrong with the ids of the users.
        SELECT
            count(*) AS n_rows,
            count(*) - count(id) AS null_ids,
            count(id) - count(DISTINCT id) AS duplicate_ids
        FROM (
            SELECT
                t."ID" AS id
            FROM "ML"."MOVIES_USERS" AS t
            WHERE
                (t."RUN" = '2026-11-30')
        ) AS r
    ) AS ids
    CROSS JOIN "SQLSTAB_CHECKED_USERS_FBE87B76" AS c
) AS counts;

-- Fails where the items written are not those that were checked.
SELECT
    CASE
        WHEN n_rows <> checked OR null_ids + duplicate_ids > 0
        THEN CAST(message AS FLOAT)
        ELSE n_rows
    END AS written
FROM (
    SELECT
        *,
        'items: rows checked: ' || CAST(CAST(checked AS bigint) AS VARCHAR) || ', rows written: ' || CAST(n_rows AS VARCHAR)
            || ', NULL ids: ' || CAST(null_ids AS VARCHAR) || ', duplicate ids: ' || CAST(duplicate_ids AS VARCHAR)
            || '. The table has changed meanwhile, is a view that gives other rows each time or reads tables of this space, or the stable table has another type of ids.' AS message
    FROM (
        -- What can be wrong with the ids of the items.
        SELECT
            count(*) AS n_rows,
            count(*) - count(id) AS null_ids,
            count(id) - count(DISTINCT id) AS duplicate_ids
        FROM (
            SELECT
                t."ID" AS id
            FROM "ML"."MOVIES_ITEMS" AS t
            WHERE
                (t."RUN" = '2026-11-30')
        ) AS r
    ) AS ids
    CROSS JOIN "SQLSTAB_CHECKED_ITEMS_FBE87B76" AS c
) AS counts;

-- Fails where there are such rows: scores of the written vectors differ by more than 1e-05 of the largest.
SELECT
    CASE
        WHEN n_rows > 0
        THEN CAST(message AS FLOAT)
        ELSE n_rows
    END AS scores
FROM (
    SELECT
        count(*) AS n_rows,
        'scores of the written vectors differ by more than 1e-05 of the largest: a stable table has a type that rounds them, or vectors are far smaller than 1, for which there is --output-type double. Difference: ' || CAST(max(t.value) AS VARCHAR) AS message
    FROM "SQLSTAB_FIGURES_FBE87B76" AS t
    WHERE t.name = 'max_relative_error' AND NOT (t.value <= 1.0000000000000001e-05)
) AS found;

-- Fails where there are such rows: no vector was written that can be compared with a raw one.
SELECT
    CASE
        WHEN n_rows > 0
        THEN CAST(message AS FLOAT)
        ELSE n_rows
    END AS score_pairs
FROM (
    SELECT
        count(*) AS n_rows,
        'no vector was written that can be compared with a raw one: a stable table has another type of ids or of vectors. Rows: ' || CAST(count(*) AS VARCHAR) AS message
    FROM "SQLSTAB_FIGURES_FBE87B76" AS t
    WHERE t.name = 'score_pairs' AND t.value = 0
) AS found;

-- Fails where there are such rows: the items hardly agree with the earlier run.
SELECT
    CASE
        WHEN n_rows > 0
        THEN CAST(message AS FLOAT)
        ELSE n_rows
    END AS place_items
FROM (
    SELECT
        count(*) AS n_rows,
        'the items hardly agree with the earlier run: they are of another model, or their ids mean something else. Write them to another space, or with sqlstab run --force=true. Mean cosine, below 0.3: ' || CAST(max(t.value) AS VARCHAR) AS message
    FROM "SQLSTAB_FIGURES_FBE87B76" AS t
    WHERE t.name = 'cosine_items_mean' AND t.value < 2.9999999999999999e-01
) AS found;

-- Fails where there are such rows: the users hardly agree with the earlier run, though the items do.
SELECT
    CASE
        WHEN n_rows > 0
        THEN CAST(message AS FLOAT)
        ELSE n_rows
    END AS place_users
FROM (
    SELECT
        count(*) AS n_rows,
        'the users hardly agree with the earlier run, though the items do: they are of another training, or their ids mean something else. Take tables of one training, or sqlstab run, which only warns. Mean cosine, below 0.3: ' || CAST(max(t.value) AS VARCHAR) AS message
    FROM "SQLSTAB_FIGURES_FBE87B76" AS t
    WHERE t.name = 'cosine_users_mean' AND t.value < 2.9999999999999999e-01
) AS found;

-- 5. The run is there -----------------------------------------------------------------------------

DELETE FROM "ML"."MOVIES_MAPS" WHERE "RUN" = '2026-11-30';

INSERT INTO "ML"."MOVIES_MAPS" ("RUN", "SIDE", "I", "J", "VALUE", "FEATURE_OF")
SELECT '2026-11-30' AS "RUN", "SIDE", "I", "J", "VALUE", "FEATURE_OF"
FROM (
SELECT side, i, j, value, CAST(NULL AS VARCHAR) AS feature_of
FROM "SQLSTAB_MAPS_FBE87B76"
) AS q;

DELETE FROM "ML"."MOVIES_RUNS" WHERE "RUN" = '2026-11-30';

INSERT INTO "ML"."MOVIES_RUNS" ("RUN", "CREATED", "CREATED_BY", "PART", "PARTS", "FIGURES")
SELECT '2026-11-30' AS "RUN", "CREATED", "CREATED_BY", "PART", "PARTS", "FIGURES"
FROM (
SELECT created, '' AS created_by, 1 AS part, 1 AS parts, figures
FROM "SQLSTAB_RUN_FBE87B76"
) AS q;

COMMIT;

SELECT name, value
FROM "SQLSTAB_FIGURES_FBE87B76"
WHERE name IN ('users_rows', 'items_rows', 'rank', 'max_relative_error', 'shared_users', 'shared_items', 'cosine_users_mean', 'cosine_items_mean')
ORDER BY name;

DROP VIEW IF EXISTS "SQLSTAB_EARLIER_USERS_FBE87B76";

DROP VIEW IF EXISTS "SQLSTAB_EARLIER_ITEMS_FBE87B76";

DROP TABLE IF EXISTS "SQLSTAB_GRAMS_FBE87B76";

DROP TABLE IF EXISTS "SQLSTAB_CHECKED_USERS_FBE87B76";

DROP TABLE IF EXISTS "SQLSTAB_CHECKED_ITEMS_FBE87B76";

DROP TABLE IF EXISTS "SQLSTAB_SOLUTION_FBE87B76";

DROP TABLE IF EXISTS "SQLSTAB_MAPS_FBE87B76";

DROP TABLE IF EXISTS "SQLSTAB_FIGURES_FBE87B76";

DROP TABLE IF EXISTS "SQLSTAB_RUN_FBE87B76";

DROP TABLE IF EXISTS "SQLSTAB_CROSSES_FBE87B76";

DROP TABLE IF EXISTS "SQLSTAB_SHARED_RUN_FBE87B76";

DROP TABLE IF EXISTS "SQLSTAB_SHARED_REFERENCE_FBE87B76";

DROP TABLE IF EXISTS "SQLSTAB_REFERENCE_FBE87B76";
