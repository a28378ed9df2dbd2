-- Orthogonal low-rank embedding stabilization in SQL for duckdb, by sqlstab VERSION.
-- Zielnicki & Hsiao, RecSys 2025. Users W, items T, scores T W'; the maps M_W and M_T
-- keep all scores.
--
-- reads   ml.users
-- reads   ml.items
-- writes  ml.movies_users
-- writes  ml.movies_items
--
-- This is run 2026-11-30, aligned with the run before it.
-- An error leaves everything as it was: all is one transaction.

-- Begin -------------------------------------------------------------------------------------------

DROP VIEW IF EXISTS "sqlstab_earlier_users_fbe87b76";

DROP VIEW IF EXISTS "sqlstab_earlier_items_fbe87b76";

DROP TABLE IF EXISTS "sqlstab_grams_fbe87b76";

DROP TABLE IF EXISTS "sqlstab_checked_users_fbe87b76";

DROP TABLE IF EXISTS "sqlstab_checked_items_fbe87b76";

DROP TABLE IF EXISTS "sqlstab_solution_fbe87b76";

DROP TABLE IF EXISTS "sqlstab_maps_fbe87b76";

DROP TABLE IF EXISTS "sqlstab_figures_fbe87b76";

DROP TABLE IF EXISTS "sqlstab_run_fbe87b76";

DROP TABLE IF EXISTS "sqlstab_crosses_fbe87b76";

DROP TABLE IF EXISTS "sqlstab_shared_run_fbe87b76";

DROP TABLE IF EXISTS "sqlstab_shared_reference_fbe87b76";

DROP TABLE IF EXISTS "sqlstab_reference_fbe87b76";

BEGIN TRANSACTION;

CREATE TABLE IF NOT EXISTS "ml"."movies_users" (
    "run" VARCHAR,
    "id" BIGINT,
    "embedding" FLOAT[]
);

CREATE TABLE IF NOT EXISTS "ml"."movies_items" (
    "run" VARCHAR,
    "id" BIGINT,
    "embedding" FLOAT[]
);

CREATE TABLE IF NOT EXISTS "ml"."movies_maps" (
    "run" VARCHAR,
    "side" VARCHAR,
    "i" INTEGER,
    "j" INTEGER,
    "value" DOUBLE,
    "feature_of" VARCHAR
);

CREATE TABLE IF NOT EXISTS "ml"."movies_runs" (
    "run" VARCHAR,
    "created" VARCHAR,
    "created_by" VARCHAR,
    "part" INTEGER,
    "parts" INTEGER,
    "figures" VARCHAR,
    PRIMARY KEY ("run", "part")
);

-- Fails where there are such rows: no run wrote the users with this key, which this run would replace.
SELECT
    CASE
        WHEN n_rows > 0
        THEN error(message)
        ELSE n_rows
    END AS foreign_users
FROM (
    SELECT
        count(*) AS n_rows,
        'no run wrote the users with this key, which this run would replace: delete them, or take another key. Rows: ' || CAST(count(*) AS VARCHAR) AS message
    FROM "ml"."movies_users" AS t
    WHERE t."run" = '2026-11-30' AND (SELECT count(*) AS n FROM "ml"."movies_runs" AS r WHERE r."run" = '2026-11-30') = 0
) AS found;

-- Fails where there are such rows: no run wrote the items with this key, which this run would replace.
SELECT
    CASE
        WHEN n_rows > 0
        THEN error(message)
        ELSE n_rows
    END AS foreign_items
FROM (
    SELECT
        count(*) AS n_rows,
        'no run wrote the items with this key, which this run would replace: delete them, or take another key. Rows: ' || CAST(count(*) AS VARCHAR) AS message
    FROM "ml"."movies_items" AS t
    WHERE t."run" = '2026-11-30' AND (SELECT count(*) AS n FROM "ml"."movies_runs" AS r WHERE r."run" = '2026-11-30') = 0
) AS found;

-- Fails where there are such rows: the run with this key has further tables, which this one would leave as they are.
SELECT
    CASE
        WHEN n_rows > 0
        THEN error(message)
        ELSE n_rows
    END AS further_tables
FROM (
    SELECT
        count(*) AS n_rows,
        'the run with this key has further tables, which this one would leave as they are: give the same --also, or drop that run with sqlstab runs. Rows: ' || CAST(count(*) AS VARCHAR) AS message
    FROM "ml"."movies_runs" AS t
    WHERE t."run" = '2026-11-30' AND t."part" = 1 AND t."figures" NOT LIKE '%"like": {}%'
) AS found;

DELETE FROM "ml"."movies_runs" WHERE "run" = '2026-11-30';

-- Are the tables fit for it? ----------------------------------------------------------------------

-- Fails where there are such rows: the vectors of the users are text.
SELECT
    CASE
        WHEN n_rows > 0
        THEN error(message)
        ELSE n_rows
    END AS text_users
FROM (
    SELECT
        count(*) AS n_rows,
        'the vectors of the users are text: say so with --vector-type VARCHAR. Rows: ' || CAST(count(*) AS VARCHAR) AS message
    FROM "ml"."users" AS t
    WHERE (typeof(t."embedding") SIMILAR TO 'VARCHAR|ENUM.*')
) AS found;

CREATE TEMPORARY TABLE "sqlstab_checked_users_fbe87b76" AS
-- Fails where something is wrong with the users: sums would be wrong silently.
SELECT
    CASE
        WHEN n_rows = 0 OR null_ids + duplicate_ids + wrong_length + null_components + non_finite > 0
        THEN error(message)
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
                t."id" AS id
            FROM "ml"."users" AS t
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
                    t."id" AS id,
                    len(t."embedding") AS n
                FROM "ml"."users" AS t
            ) AS r
            GROUP BY n
            ORDER BY n
        ) AS lengths
    ) AS by_length
    CROSS JOIN (
        -- What can be wrong with the vectors of the users that have 3 components, and how many are zeros.
        SELECT
            count(CASE WHEN list_count(x) <> len(x) THEN 1 END) AS null_components,
            count(CASE WHEN NOT (isfinite(list_sum(x))) THEN 1 END) AS non_finite,
            count(CASE WHEN x[1] = 0 AND list_max(list_transform(x, lambda v: abs(v))) = 0 THEN 1 END) AS zeros
        FROM (
            SELECT
                t."id" AS id,
                CAST(t."embedding" AS FLOAT[]) AS x
            FROM "ml"."users" AS t
        ) AS r
        WHERE len(x) = 3
    ) AS vectors
) AS counts;

-- Fails where there are such rows: the id id of the users in ml.users is not of the type BIGINT.
SELECT
    CASE
        WHEN n_rows > 0
        THEN error(message)
        ELSE n_rows
    END AS types_users
FROM (
    SELECT
        count(*) AS n_rows,
        'the id id of the users in ml.users is not of the type BIGINT: name its own with --id-type, or in a project file with id_type of each table. Rows: ' || CAST(count(*) AS VARCHAR) AS message
    FROM "ml"."users" AS t
    WHERE CASE WHEN (typeof(t."id") SIMILAR TO 'VARCHAR|ENUM.*') <> (typeof(CAST(NULL AS BIGINT)) SIMILAR TO 'VARCHAR|ENUM.*') THEN true ELSE coalesce(CAST(CAST(t."id" AS BIGINT) AS VARCHAR), '') <> CAST(t."id" AS VARCHAR) END
) AS found;

-- Fails where there are such rows: the vectors of the items are text.
SELECT
    CASE
        WHEN n_rows > 0
        THEN error(message)
        ELSE n_rows
    END AS text_items
FROM (
    SELECT
        count(*) AS n_rows,
        'the vectors of the items are text: say so with --vector-type VARCHAR. Rows: ' || CAST(count(*) AS VARCHAR) AS message
    FROM "ml"."items" AS t
    WHERE (typeof(t."embedding") SIMILAR TO 'VARCHAR|ENUM.*')
) AS found;

CREATE TEMPORARY TABLE "sqlstab_checked_items_fbe87b76" AS
-- Fails where something is wrong with the items: sums would be wrong silently.
SELECT
    CASE
        WHEN n_rows = 0 OR null_ids + duplicate_ids + wrong_length + null_components + non_finite > 0
        THEN error(message)
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
                t."id" AS id
            FROM "ml"."items" AS t
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
                    t."id" AS id,
                    len(t."embedding") AS n
                FROM "ml"."items" AS t
            ) AS r
            GROUP BY n
            ORDER BY n
        ) AS lengths
    ) AS by_length
    CROSS JOIN (
        -- What can be wrong with the vectors of the items that have 3 components, and how many are zeros.
        SELECT
            count(CASE WHEN list_count(x) <> len(x) THEN 1 END) AS null_components,
            count(CASE WHEN NOT (isfinite(list_sum(x))) THEN 1 END) AS non_finite,
            count(CASE WHEN x[1] = 0 AND list_max(list_transform(x, lambda v: abs(v))) = 0 THEN 1 END) AS zeros
        FROM (
            SELECT
                t."id" AS id,
                CAST(t."embedding" AS FLOAT[]) AS x
            FROM "ml"."items" AS t
        ) AS r
        WHERE len(x) = 3
    ) AS vectors
) AS counts;

-- Fails where there are such rows: the id id of the items in ml.items is not of the type BIGINT.
SELECT
    CASE
        WHEN n_rows > 0
        THEN error(message)
        ELSE n_rows
    END AS types_items
FROM (
    SELECT
        count(*) AS n_rows,
        'the id id of the items in ml.items is not of the type BIGINT: name its own with --id-type, or in a project file with id_type of each table. Rows: ' || CAST(count(*) AS VARCHAR) AS message
    FROM "ml"."items" AS t
    WHERE CASE WHEN (typeof(t."id") SIMILAR TO 'VARCHAR|ENUM.*') <> (typeof(CAST(NULL AS BIGINT)) SIMILAR TO 'VARCHAR|ENUM.*') THEN true ELSE coalesce(CAST(CAST(t."id" AS BIGINT) AS VARCHAR), '') <> CAST(t."id" AS VARCHAR) END
) AS found;

-- The run before this one -------------------------------------------------------------------------

CREATE TEMPORARY TABLE "sqlstab_reference_fbe87b76" AS
SELECT max(t."run") AS run_key, count(*) AS n_runs
FROM "ml"."movies_runs" AS t
WHERE t."part" = t."parts" AND t."run" < '2026-11-30';

-- Fails where there are such rows: the space has no run before 2026-11-30 to align with.
SELECT
    CASE
        WHEN n_rows > 0
        THEN error(message)
        ELSE n_rows
    END AS earlier_runs
FROM (
    SELECT
        count(*) AS n_rows,
        'the space has no run before 2026-11-30 to align with: print the script with --first-run if this is the first one, or else with a key that sorts after the first. Runs before it: ' || CAST(max(t.n_runs) AS VARCHAR) AS message
    FROM "sqlstab_reference_fbe87b76" AS t
    WHERE t.n_runs = 0
) AS found;

-- Fails where there are such rows: the maps of this space are rotations, which a script does not make.
SELECT
    CASE
        WHEN n_rows > 0
        THEN error(message)
        ELSE n_rows
    END AS rotations
FROM (
    SELECT
        count(*) AS n_rows,
        'the maps of this space are rotations, which a script does not make: use sqlstab run. Rows: ' || CAST(count(*) AS VARCHAR) AS message
    FROM "ml"."movies_runs" AS t
    WHERE t."run" = (SELECT run_key FROM "sqlstab_reference_fbe87b76" AS r) AND t."figures" LIKE '%"map": "rotation"%'
) AS found;

CREATE OR REPLACE TEMPORARY VIEW "sqlstab_earlier_users_fbe87b76" AS
SELECT *
FROM "ml"."movies_users" AS t
WHERE t."run" = (SELECT run_key FROM "sqlstab_reference_fbe87b76" AS r);

CREATE OR REPLACE TEMPORARY VIEW "sqlstab_earlier_items_fbe87b76" AS
SELECT *
FROM "ml"."movies_items" AS t
WHERE t."run" = (SELECT run_key FROM "sqlstab_reference_fbe87b76" AS r);

-- 1. Sums: the Gram matrices of both tables -------------------------------------------------------

CREATE TEMPORARY TABLE "sqlstab_grams_fbe87b76" AS
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
                1 + k // 3 AS i,
                1 + mod(k, 3) AS j,
                value,
                n_rows
            FROM (
                SELECT
                    n_rows,
                    unnest(range(9)) AS k,
                    unnest(g.sums) AS value
                FROM (
                    SELECT
                        count(*) AS n_rows,
                        [
                            sum(x1 * x1), sum(x1 * x2), sum(x1 * x3),
                            0E0, sum(x2 * x2), sum(x2 * x3),
                            0E0, 0E0, sum(x3 * x3)
                        ] AS sums
                    FROM (
                        SELECT
                            id,
                            CAST(x[1] AS DOUBLE) AS x1,
                            CAST(x[2] AS DOUBLE) AS x2,
                            CAST(x[3] AS DOUBLE) AS x3
                        FROM (
                            SELECT
                                t."id" AS id,
                                CAST(t."embedding" AS FLOAT[]) AS x
                            FROM "ml"."users" AS t
                        ) AS v
                    ) AS r
                ) AS g
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
                1 + k // 3 AS i,
                1 + mod(k, 3) AS j,
                value,
                n_rows
            FROM (
                SELECT
                    n_rows,
                    unnest(range(9)) AS k,
                    unnest(g.sums) AS value
                FROM (
                    SELECT
                        count(*) AS n_rows,
                        [
                            sum(x1 * x1), sum(x1 * x2), sum(x1 * x3),
                            0E0, sum(x2 * x2), sum(x2 * x3),
                            0E0, 0E0, sum(x3 * x3)
                        ] AS sums
                    FROM (
                        SELECT
                            id,
                            CAST(x[1] AS DOUBLE) AS x1,
                            CAST(x[2] AS DOUBLE) AS x2,
                            CAST(x[3] AS DOUBLE) AS x3
                        FROM (
                            SELECT
                                t."id" AS id,
                                CAST(t."embedding" AS FLOAT[]) AS x
                            FROM "ml"."items" AS t
                        ) AS v
                    ) AS r
                ) AS g
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

CREATE TEMPORARY TABLE "sqlstab_crosses_fbe87b76" AS
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
                    1 + k // 4 AS i,
                    1 + mod(k, 4) AS j,
                    value,
                    n_rows
                FROM (
                    SELECT
                        half,
                        n_rows,
                        unnest(range(16)) AS k,
                        unnest(g.sums) AS value
                    FROM (
                        SELECT
                            CASE WHEN SUBSTR(md5(CAST(run.id AS VARCHAR)), 9, 1) < '8' THEN 0 ELSE 1 END AS half,
                            count(*) AS n_rows,
                            [
                                sum(run.x1 * reference.x1), sum(run.x1 * reference.x2), sum(run.x1 * reference.x3), sum(run.x1 * reference.x4),
                                sum(run.x2 * reference.x1), sum(run.x2 * reference.x2), sum(run.x2 * reference.x3), sum(run.x2 * reference.x4),
                                sum(run.x3 * reference.x1), sum(run.x3 * reference.x2), sum(run.x3 * reference.x3), sum(run.x3 * reference.x4),
                                sum(run.x4 * reference.x1), sum(run.x4 * reference.x2), sum(run.x4 * reference.x3), sum(run.x4 * reference.x4)
                            ] AS sums
                        FROM (
                            SELECT
                                c.*,
                                1E0 AS x4
                            FROM (
                                SELECT
                                    id,
                                    CAST(x[1] AS DOUBLE) AS x1,
                                    CAST(x[2] AS DOUBLE) AS x2,
                                    CAST(x[3] AS DOUBLE) AS x3
                                FROM (
                                    SELECT
                                        t."id" AS id,
                                        CAST(t."embedding" AS FLOAT[]) AS x
                                    FROM "ml"."items" AS t
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
                                    CAST(x[1] AS DOUBLE) AS x1,
                                    CAST(x[2] AS DOUBLE) AS x2,
                                    CAST(x[3] AS DOUBLE) AS x3
                                FROM (
                                    SELECT
                                        t."id" AS id,
                                        CAST(t."embedding" AS FLOAT[]) AS x
                                    FROM "sqlstab_earlier_items_fbe87b76" AS t
                                ) AS v
                            ) AS c
                        ) AS reference USING (id)
                        GROUP BY CASE WHEN SUBSTR(md5(CAST(run.id AS VARCHAR)), 9, 1) < '8' THEN 0 ELSE 1 END
                    ) AS g
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

CREATE TEMPORARY TABLE "sqlstab_shared_run_fbe87b76" AS
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
                    1 + k // 3 AS i,
                    1 + mod(k, 3) AS j,
                    value,
                    n_rows
                FROM (
                    SELECT
                        half,
                        n_rows,
                        unnest(range(9)) AS k,
                        unnest(g.sums) AS value
                    FROM (
                        SELECT
                            CASE WHEN SUBSTR(md5(CAST(r.id AS VARCHAR)), 9, 1) < '8' THEN 0 ELSE 1 END AS half,
                            count(*) AS n_rows,
                            [
                                sum(x1 * x1), sum(x1 * x2), sum(x1 * x3),
                                0E0, sum(x2 * x2), sum(x2 * x3),
                                0E0, 0E0, sum(x3 * x3)
                            ] AS sums
                        FROM (
                            SELECT
                                id,
                                CAST(x[1] AS DOUBLE) AS x1,
                                CAST(x[2] AS DOUBLE) AS x2,
                                CAST(x[3] AS DOUBLE) AS x3
                            FROM (
                                SELECT
                                    t."id" AS id,
                                    CAST(t."embedding" AS FLOAT[]) AS x
                                FROM "ml"."items" AS t
                            ) AS v
                        ) AS r
                        JOIN (
                            SELECT
                                t."id" AS id
                            FROM "sqlstab_earlier_items_fbe87b76" AS t
                        ) AS other USING (id)
                        GROUP BY CASE WHEN SUBSTR(md5(CAST(r.id AS VARCHAR)), 9, 1) < '8' THEN 0 ELSE 1 END
                    ) AS g
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

CREATE TEMPORARY TABLE "sqlstab_shared_reference_fbe87b76" AS
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
                    1 + k // 3 AS i,
                    1 + mod(k, 3) AS j,
                    value,
                    n_rows
                FROM (
                    SELECT
                        half,
                        n_rows,
                        unnest(range(9)) AS k,
                        unnest(g.sums) AS value
                    FROM (
                        SELECT
                            CASE WHEN SUBSTR(md5(CAST(r.id AS VARCHAR)), 9, 1) < '8' THEN 0 ELSE 1 END AS half,
                            count(*) AS n_rows,
                            [
                                sum(x1 * x1), sum(x1 * x2), sum(x1 * x3),
                                0E0, sum(x2 * x2), sum(x2 * x3),
                                0E0, 0E0, sum(x3 * x3)
                            ] AS sums
                        FROM (
                            SELECT
                                id,
                                CAST(x[1] AS DOUBLE) AS x1,
                                CAST(x[2] AS DOUBLE) AS x2,
                                CAST(x[3] AS DOUBLE) AS x3
                            FROM (
                                SELECT
                                    t."id" AS id,
                                    CAST(t."embedding" AS FLOAT[]) AS x
                                FROM "sqlstab_earlier_items_fbe87b76" AS t
                            ) AS v
                        ) AS r
                        JOIN (
                            SELECT
                                t."id" AS id
                            FROM "ml"."items" AS t
                        ) AS other USING (id)
                        GROUP BY CASE WHEN SUBSTR(md5(CAST(r.id AS VARCHAR)), 9, 1) < '8' THEN 0 ELSE 1 END
                    ) AS g
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

CREATE TEMPORARY TABLE "sqlstab_solution_fbe87b76" AS
-- The two maps, from sums. Rows (name, i, j, value): name is users or items for the maps, omega for the
-- alignment, singular_values (j = 1), or that of a figure (i = j = 1).
WITH
-- The Gram matrices G_T = T'T of the items and G_W = W'W of the users: rows, and the norms of the columns of T and W.
gram AS MATERIALIZED (
    SELECT
        side,
        i,
        list(value ORDER BY j) AS x
    FROM (
        SELECT
            above.side AS side,
            above.i AS i,
            above.j AS j,
            above.value AS value
        FROM "sqlstab_grams_fbe87b76" AS above
        UNION ALL
        SELECT
            below.side AS side,
            below.j AS i,
            below.i AS j,
            below.value AS value
        FROM "sqlstab_grams_fbe87b76" AS below
        WHERE below.i < below.j
    ) AS e
    GROUP BY
        side,
        i
),
norms AS MATERIALIZED (
    SELECT
        side,
        i,
        sqrt(value) AS norm,
        n_rows
    FROM "sqlstab_grams_fbe87b76" AS g
    WHERE i = j
),
-- 1. Cholesky with pivots: G = R'R, and P with R P = I. All columns of T and W are scaled to length one first.
unit_gram AS MATERIALIZED (
    SELECT
        g.side AS side,
        g.i AS i,
        list(coalesce(g.value / nullif(a.norm, 0) / nullif(b.norm, 0), 0) ORDER BY g.j) AS x
    FROM (
        SELECT
            above.side AS side,
            above.i AS i,
            above.j AS j,
            above.value AS value
        FROM "sqlstab_grams_fbe87b76" AS above
        UNION ALL
        SELECT
            below.side AS side,
            below.j AS i,
            below.i AS j,
            below.value AS value
        FROM "sqlstab_grams_fbe87b76" AS below
        WHERE below.i < below.j
    ) AS g
    JOIN norms AS a ON a.side = g.side AND a.i = g.i
    JOIN norms AS b ON b.side = g.side AND b.i = g.j
    GROUP BY
        g.side,
        g.i
),
unit_factors AS MATERIALIZED (
    WITH RECURSIVE
    steps USING KEY (side, i) AS (
        SELECT
            CAST(0 AS INTEGER) AS n,
            side,
            i,
            CAST([] AS DOUBLE[]) AS r,
            CAST([] AS DOUBLE[]) AS p,
            x[i] AS d
        FROM unit_gram AS m
        UNION ALL (
            WITH standing AS (
                SELECT *
                FROM steps
                WHERE n < 3
            ),
            chosen AS (
                SELECT
                    side,
                    i,
                    d,
                    r,
                    row_number() OVER (PARTITION BY side ORDER BY d DESC, i) AS place
                FROM standing
            )
            SELECT
                CAST(n + 1 AS INTEGER) AS n,
                side,
                i,
                list_append(r, entry) AS r,
                list_append(p, CASE WHEN pivot_d > 2.6645352591003757e-15 THEN (CASE WHEN i = pivot_i THEN 1 ELSE 0 END - coalesce(list_dot_product(p, pivot_r), 0)) / sqrt(pivot_d) ELSE 0 END) AS p,
                CASE WHEN i = pivot_i THEN 0 ELSE d - entry * entry END AS d
            FROM (
                SELECT
                    s.*,
                    c.i AS pivot_i,
                    c.d AS pivot_d,
                    c.r AS pivot_r,
                    CASE
                        WHEN s.d > 2.6645352591003757e-15
                        THEN (g.x[s.i] - coalesce(list_dot_product(s.r, c.r), 0)) / sqrt(c.d)
                        ELSE 0
                    END AS entry
                FROM standing AS s
                JOIN chosen AS c ON c.side = s.side AND c.place = 1
                JOIN unit_gram AS g ON g.side = c.side AND g.i = c.i
            ) AS entries
        )
    )
    SELECT
        side,
        i,
        r,
        p
    FROM steps
    WHERE n = 3
),
-- Columns i of R (x) and rows i of P (p).
factors AS MATERIALIZED (
    SELECT
        f.side AS side,
        f.i AS i,
        list_transform(f.r, lambda v: v / coalesce(1 / nullif(m.norm, 0), 1)) AS x,
        list_transform(f.p, lambda v: v / coalesce(nullif(m.norm, 0), 1)) AS p,
        m.norm AS norm
    FROM unit_factors AS f
    JOIN norms AS m ON m.side = f.side AND m.i = f.i
),
-- Rows n of R.
triangles AS MATERIALIZED (
    SELECT
        side,
        n,
        list(value ORDER BY i) AS x
    FROM (
        SELECT
            m.side AS side,
            m.i AS i,
            unnest(range(3)) + 1 AS n,
            unnest(m.x) AS value
        FROM factors AS m
    ) AS e
    GROUP BY
        side,
        n
),
-- 2. The singular value decomposition R_T R_W' = U S V', whose columns times V are U S; S are the singular values of
-- the scores T W'.
scores AS MATERIALIZED (
    SELECT
        w.n AS k,
        list(list_dot_product(t.x, w.x) ORDER BY t.n) AS x
    FROM (SELECT n, x FROM triangles WHERE side = 'users') AS w
    CROSS JOIN (SELECT n, x FROM triangles WHERE side = 'items') AS t
    GROUP BY w.n
),
orthogonal AS MATERIALIZED (
    WITH RECURSIVE
    steps USING KEY (k) AS (
        SELECT
            CAST(0 AS INTEGER) AS n,
            CAST(k AS INTEGER) AS k,
            CAST(k AS INTEGER) AS place,
            x,
            CAST(1 AS DOUBLE) AS found,
            CAST(1 AS DOUBLE) AS found_before,
            CAST(1 AS DOUBLE) AS heard
        FROM scores AS m
        UNION ALL (
            WITH standing AS (
                SELECT
                    *,
                    list_dot_product(x, x) AS xx
                FROM steps
                -- In a sweep each column finds cosines, and hears what all others found in the sweep before. If that
                -- was 1E-4 at most, this sweep found 1E-8 and left 1E-16, since the method converges quadratically.
                WHERE n < 120 AND (mod(n, 3) <> 0 OR heard > 1E-4)
            )
            SELECT
                CAST(n + 1 AS INTEGER) AS n,
                k,
                CAST(CASE WHEN place = 3 THEN 1 ELSE place + 1 END AS INTEGER) AS place,
                CASE WHEN t = 0 THEN x ELSE list_transform(list_zip(x, y), lambda p: c * p[1] + -t * c * p[2]) END AS x,
                CASE WHEN mod(n, 3) = 0 THEN cosine ELSE greatest(found, cosine) END AS found,
                CASE WHEN mod(n, 3) = 0 THEN found ELSE found_before END AS found_before,
                CASE WHEN mod(n, 3) = 0 THEN greatest(found, y_found) ELSE greatest(heard, y_found_before) END AS heard
            FROM (
                SELECT
                    *,
                    -- Cosine of the angle whose tangent is t; its sine is t c.
                    1 / sqrt(1 + t * t) AS c
                FROM (
                    SELECT
                        *,
                        -- The smaller root of t^2 + 2 z t = 1. What is y here is x in the row of y, with -z.
                        CASE
                            WHEN cosine <= 1E-15 THEN 0
                            WHEN z > 0 OR (z = 0 AND place <= 1) THEN 1 / (z + sqrt(1 + z * z))
                            ELSE -1 / (-z + sqrt(1 + z * z))
                        END AS t
                    FROM (
                        SELECT
                            *,
                            CASE WHEN cosine > 1E-15 THEN (yy - xx) / (2 * xy) ELSE 0 END AS z
                        FROM (
                            SELECT
                                *,
                                -- A column this small next to the other is zero but for rounding errors.
                                CASE
                                    -- The column in the middle is alone.
                                    WHEN place = 2 THEN 0
                                    WHEN least(xx, yy) > 1E-30 * greatest(xx, yy) THEN abs(xy) / sqrt(xx) / sqrt(yy)
                                    ELSE 0
                                END AS cosine
                            FROM (
                                SELECT
                                    a.*,
                                    b.x AS y,
                                    b.xx AS yy,
                                    b.found AS y_found,
                                    b.found_before AS y_found_before,
                                    list_dot_product(a.x, b.x) AS xy
                                FROM standing AS a
                                JOIN standing AS b ON b.place = 4 - a.place
                            ) AS pairs
                        ) AS cosines
                    ) AS angles
                ) AS tangents
            ) AS rotations
        )
    )
    SELECT
        k,
        x AS y
    FROM steps
    WHERE n = (SELECT max(n) FROM steps)
),
singular AS MATERIALIZED (
    SELECT
        CAST(row_number() OVER (ORDER BY length DESC, k) AS INTEGER) AS k,
        CASE WHEN length > 2.6645352591003757e-15 * max(length) OVER () THEN length ELSE 0 END AS s,
        y
    FROM (
        SELECT
            k,
            y,
            sqrt(list_dot_product(y, y)) AS length
        FROM orthogonal
    ) AS c
),
-- 3. The columns k of M_T = P_T U S^(1/2) and M_W = R_T' U S^(-1/2): T M_T and W M_W have the same Gram matrix, S.
balanced AS MATERIALIZED (
    SELECT
        o.side AS side,
        c.k AS k,
        c.s AS s,
        list(CASE WHEN c.s = 0 OR f.norm = 0 THEN 0 WHEN o.side = 'items' THEN list_dot_product(f.p, c.y) / sqrt(c.s) ELSE list_dot_product(f.x, c.y) / (c.s * sqrt(c.s)) END ORDER BY f.i) AS x
    FROM singular AS c
    CROSS JOIN (SELECT 'users' AS side UNION ALL SELECT 'items' AS side) AS o
    JOIN (
        SELECT
            m.side AS side,
            f.i AS i,
            f.x AS x,
            f.p AS p,
            m.norm AS norm
        FROM factors AS f
        JOIN norms AS m ON m.i = f.i
        WHERE f.side = 'items'
    ) AS f ON f.side = o.side
    GROUP BY
        o.side,
        c.k,
        c.s
),
balanced_rows AS MATERIALIZED (
    SELECT
        side,
        i,
        list(value ORDER BY k) AS x
    FROM (
        SELECT
            m.side AS side,
            m.k AS k,
            unnest(range(3)) + 1 AS i,
            unnest(m.x) AS value
        FROM balanced AS m
    ) AS e
    GROUP BY
        side,
        i
),
-- 4. The cross Gram matrix of the balanced vectors with the reference's, C = M_T' (T'T_ref), has the singular value
-- decomposition C = A D B'. Omega = A B', its polar factor, brings this run closest to the reference.
references_y AS MATERIALIZED (
    SELECT
        side,
        j,
        list(value ORDER BY i) AS x
    FROM "sqlstab_crosses_fbe87b76" AS c
    GROUP BY
        side,
        j
),
-- Its rows k, which are the columns of C'.
crossed AS MATERIALIZED (
    SELECT
        k,
        list(value ORDER BY j) AS x
    FROM (
        SELECT
            b.k AS k,
            r.j AS j,
            sum(CASE r.side WHEN 'items' THEN 1.0000000000000000e+00 ELSE 0 END * list_dot_product(b.x, r.x)) AS value
        FROM balanced AS b
        JOIN references_y AS r ON r.side = b.side
        GROUP BY
            b.k,
            r.j
    ) AS entries
    GROUP BY k
),
-- Rows k of Omega.
omega_rows AS MATERIALIZED (
    WITH RECURSIVE
    steps USING KEY (k) AS (
        SELECT
            CAST(0 AS INTEGER) AS n,
            k,
            list_transform(x, lambda v: v / size) AS x,
            CAST(1.5E-8 AS DOUBLE) AS least
        FROM (
            SELECT
                m.k AS k,
                m.x AS x,
                t.size AS size
            FROM crossed AS m
            CROSS JOIN (
                SELECT coalesce(nullif(sqrt(list_dot_product(lengths, lengths)), 0), 1) AS size
                FROM (
                    -- In the order of k: a sum in no order would not be the same each time.
                    SELECT list(sqrt(list_dot_product(x, x)) ORDER BY k) AS lengths
                    FROM crossed AS c
                ) AS l
            ) AS t
        ) AS m
        UNION ALL (
            WITH standing AS (
                SELECT
                    *,
                    sqrt(3 / (1 + least + least * least)) AS factor
                FROM steps
                WHERE n < 24
            ),
            -- Rows of X X', and columns of X.
            squares AS (
                SELECT
                    a.k AS k,
                    list(list_dot_product(a.x, b.x) ORDER BY b.k) AS x
                FROM standing AS a
                CROSS JOIN standing AS b
                GROUP BY a.k
            ),
            across AS (
                SELECT
                    j,
                    list(value ORDER BY k) AS x
                FROM (
                    SELECT
                        m.k AS k,
                        unnest(range(3)) + 1 AS j,
                        unnest(m.x) AS value
                    FROM standing AS m
                ) AS e
                GROUP BY
                    j
            ),
            products AS (
                SELECT
                    s.k AS k,
                    list(list_dot_product(s.x, c.x) ORDER BY c.j) AS y
                FROM squares AS s
                CROSS JOIN across AS c
                GROUP BY s.k
            )
            SELECT
                CAST(n + 1 AS INTEGER) AS n,
                a.k AS k,
                list_transform(list_zip(x, y), lambda p: 1.5 * factor * p[1] + -0.5 * factor * factor * factor * p[2]) AS x,
                factor * least * (3 - factor * factor * least * least) / 2 AS least
            FROM standing AS a
            JOIN products AS b ON b.k = a.k
        )
    )
    SELECT
        k,
        x
    FROM steps
    WHERE n = 24
),
omega AS MATERIALIZED (
    SELECT
        j,
        list(value ORDER BY k) AS x
    FROM (
        SELECT
            m.k AS k,
            unnest(range(3)) + 1 AS j,
            unnest(m.x) AS value
        FROM omega_rows AS m
    ) AS e
    GROUP BY
        j
),
-- 5. The maps: M_T Omega for the items, M_W Omega for the users.
maps AS MATERIALIZED (
    SELECT
        m.side AS side,
        m.i AS i,
        o.j AS j,
        list_dot_product(m.x, o.x) AS value
    FROM balanced_rows AS m
    CROSS JOIN omega AS o
),
-- Proof. The balanced Gram matrices M'GM must be S: the largest error of an entry (k, l), relative to sqrt(s_k s_l).
gram_balanced AS MATERIALIZED (
    SELECT
        b.side AS side,
        b.k AS k,
        list(list_dot_product(g.x, b.x) ORDER BY g.i) AS x
    FROM balanced AS b
    JOIN gram AS g ON g.side = b.side
    GROUP BY
        b.side,
        b.k
),
gram_errors AS MATERIALIZED (
    SELECT
        b.side AS side,
        max(abs(list_dot_product(b.x, p.x) - CASE WHEN b.k = p.k THEN b.s ELSE 0 END) / sqrt(b.s) / sqrt(c.s)) AS value
    FROM balanced AS b
    JOIN gram_balanced AS p ON p.side = b.side
    JOIN singular AS c ON c.k = p.k
    WHERE b.s > 0 AND c.s > 0
    GROUP BY b.side
),
-- Scores must not change: the largest entry of R_T (M_T M_W' - I) R_W', relative to the largest singular value.
triangles_balanced AS MATERIALIZED (
    SELECT
        t.side AS side,
        t.n AS n,
        list(list_dot_product(t.x, b.x) ORDER BY b.k) AS x
    FROM triangles AS t
    JOIN balanced AS b ON b.side = t.side
    GROUP BY
        t.side,
        t.n
),
score_error AS MATERIALIZED (
    SELECT max(abs(list_dot_product(t.b, w.b) - list_dot_product(t.x, w.x))) / (SELECT nullif(max(s), 0) FROM singular) AS value
    FROM (
        SELECT
            b.x AS b,
            r.x AS x
        FROM triangles_balanced AS b
        JOIN triangles AS r ON r.side = b.side AND r.n = b.n
        WHERE b.side = 'items'
    ) AS t
    CROSS JOIN (
        SELECT
            b.x AS b,
            r.x AS x
        FROM triangles_balanced AS b
        JOIN triangles AS r ON r.side = b.side AND r.n = b.n
        WHERE b.side = 'users'
    ) AS w
),
-- Rows of Omega that are in use must be orthonormal.
omega_error AS MATERIALIZED (
    SELECT max(abs(list_dot_product(a.x, b.x) - CASE WHEN a.k = b.k THEN 1 ELSE 0 END)) AS value
    FROM omega_rows AS a
    CROSS JOIN omega_rows AS b
    WHERE
        a.k <= (SELECT count(*) FROM singular WHERE s > 0)
        AND b.k <= (SELECT count(*) FROM singular WHERE s > 0)
),
-- How well the two runs fit: X are the balanced vectors of the shared ids, Y the reference's; C = X'Y.
shared_gram AS MATERIALIZED (
    SELECT
        side,
        i,
        list(value ORDER BY j) AS x
    FROM (
        SELECT
            above.side AS side,
            above.i AS i,
            above.j AS j,
            above.value AS value
        FROM "sqlstab_shared_run_fbe87b76" AS above
        UNION ALL
        SELECT
            below.side AS side,
            below.j AS i,
            below.i AS j,
            below.value AS value
        FROM "sqlstab_shared_run_fbe87b76" AS below
        WHERE below.i < below.j
    ) AS e
    GROUP BY
        side,
        i
),
shared_balanced AS MATERIALIZED (
    SELECT
        b.side AS side,
        b.k AS k,
        list(list_dot_product(g.x, b.x) ORDER BY g.i) AS x
    FROM balanced AS b
    JOIN shared_gram AS g ON g.side = b.side
    GROUP BY
        b.side,
        b.k
),
run_gram AS MATERIALIZED (
    SELECT
        b.k AS k,
        p.k AS l,
        sum(CASE b.side WHEN 'items' THEN 1.0000000000000000e+00 ELSE 0 END * list_dot_product(b.x, p.x)) AS value
    FROM balanced AS b
    JOIN shared_balanced AS p ON p.side = b.side
    GROUP BY
        b.k,
        p.k
),
reference_gram AS MATERIALIZED (
    SELECT
        i,
        j,
        sum(CASE e.side WHEN 'items' THEN 1.0000000000000000e+00 ELSE 0 END * value) AS value
    FROM (
        SELECT
            above.side AS side,
            above.i AS i,
            above.j AS j,
            above.value AS value
        FROM "sqlstab_shared_reference_fbe87b76" AS above
        UNION ALL
        SELECT
            below.side AS side,
            below.j AS i,
            below.i AS j,
            below.value AS value
        FROM "sqlstab_shared_reference_fbe87b76" AS below
        WHERE below.i < below.j
    ) AS e
    GROUP BY
        i,
        j
),
sizes AS MATERIALIZED (
    SELECT
        (SELECT sum(value) FROM run_gram WHERE k = l) AS run_trace,
        (SELECT sum(value) FROM reference_gram WHERE i = j) AS reference_trace,
        (SELECT sum(value * value) FROM run_gram) AS run_squares,
        (SELECT sum(value * value) FROM reference_gram) AS reference_squares,
        (SELECT sum(list_dot_product(o.x, c.x)) FROM omega_rows AS o JOIN crossed AS c ON c.k = o.k) AS cross_nuclear,
        (SELECT sum(list_dot_product(x, x)) FROM crossed) AS cross_squares
),
-- The pivots of the Cholesky factors are the squares of the largest entries of the rows of R.
pivots AS MATERIALIZED (
    SELECT
        side,
        sum(CASE WHEN square > 0 THEN 1 ELSE 0 END) AS rank,
        coalesce(min(nullif(square, 0)), 1) AS smallest
    FROM (
        SELECT
            side,
            n,
            max(value * value) AS square
        FROM (
            SELECT
                m.side AS side,
                m.i AS i,
                unnest(range(3)) + 1 AS n,
                unnest(m.x) AS value
            FROM (SELECT side, i, r AS x FROM unit_factors) AS m
        ) AS e
        GROUP BY
            side,
            n
    ) AS p
    GROUP BY side
),
-- What the rounding errors of the sums may do to the axes: these, times the trace of the inverse of the Gram matrix of
-- columns of length one, since G^(-1) = M S^(-1) M'.
accuracies AS MATERIALIZED (
    SELECT
        b.side AS side,
        2.220446049250313E-16 * (16 + sqrt(max(m.n_rows))) * sum(b.value * b.value * m.norm * m.norm / b.s) AS value
    FROM (
        SELECT
            m.side AS side,
            m.k AS k,
            m.s AS s,
            unnest(range(3)) + 1 AS i,
            unnest(m.x) AS value
        FROM balanced AS m
    ) AS b
    JOIN norms AS m ON m.side = b.side AND m.i = b.i
    WHERE b.s > 0
    GROUP BY b.side
),
side_figures AS MATERIALIZED (
    SELECT
        m.side AS side,
        max(m.n_rows) AS n_rows,
        count(*) AS columns,
        sum(CASE WHEN m.norm > 0 THEN 1 ELSE 0 END) AS live,
        max(m.norm) AS longest,
        max(p.rank) AS rank,
        -- Of the table with its columns scaled to length one: at least this, from the smallest pivot.
        1 / sqrt(max(p.smallest)) AS condition,
        max(a.value) AS accuracy,
        max(g.value) AS gram_error
    FROM norms AS m
    JOIN pivots AS p ON p.side = m.side
    LEFT JOIN accuracies AS a ON a.side = m.side
    LEFT JOIN gram_errors AS g ON g.side = m.side
    GROUP BY m.side
),
rank_of_scores AS MATERIALIZED (
    SELECT sum(CASE WHEN s > 0 THEN 1 ELSE 0 END) AS rank
    FROM singular
),
-- Directions of this run that the shared ids say something about; the rows of Omega for all others are near zero.
determined AS MATERIALIZED (
    SELECT floor(sum(list_dot_product(x, x)) + 1E-3) AS aligned
    FROM omega_rows
),
anchors AS MATERIALIZED (
    SELECT sum(n_rows) AS anchors
    FROM (
        SELECT
            side,
            max(n_rows) AS n_rows
        FROM "sqlstab_crosses_fbe87b76" AS c
        GROUP BY side
    ) AS shared
),
figures AS MATERIALIZED (
    SELECT
        users.n_rows AS users_rows,
        users.columns AS users_columns,
        users.live AS users_live,
        users.longest AS users_longest,
        users.rank AS users_rank,
        users.condition AS users_condition,
        users.accuracy AS users_accuracy,
        users.gram_error AS users_gram_error,
        items.n_rows AS items_rows,
        items.columns AS items_columns,
        items.live AS items_live,
        items.longest AS items_longest,
        items.rank AS items_rank,
        items.condition AS items_condition,
        items.accuracy AS items_accuracy,
        items.gram_error AS items_gram_error,
        rank_of_scores.rank AS rank,
        score_error.value AS score_error,
        anchors.anchors AS anchors,
        determined.aligned AS aligned,
        omega_error.value AS omega_error,
        sqrt(greatest(run_trace + reference_trace - 2 * cross_nuclear, 0) / nullif(reference_trace, 0)) AS relative_residual,
        cross_squares / nullif(sqrt(run_squares) * sqrt(reference_squares), 0) AS cka,
        sqrt(sqrt(6 * greatest(run_squares + reference_squares - 2 * cross_squares, 0)) / nullif(reference_trace, 0)) AS bound
    FROM (SELECT * FROM side_figures WHERE side = 'users') AS users
    CROSS JOIN (SELECT * FROM side_figures WHERE side = 'items') AS items
    CROSS JOIN rank_of_scores
    CROSS JOIN score_error
    CROSS JOIN anchors
    CROSS JOIN determined
    CROSS JOIN omega_error
    CROSS JOIN sizes
),
-- What forbids a result; NULL if nothing does.
checked AS MATERIALIZED (
    SELECT
        f.*,
        CASE
            WHEN users_columns <> 3
            THEN 'The SQL solver refuses: users: the sums are of ' || coalesce(CAST(CAST(users_columns AS BIGINT) AS VARCHAR), 'unknown') || ' components, not of 3; sqlstab run would, too.'
            WHEN NOT coalesce(users_longest >= 1E-145, false)
            THEN 'The SQL solver refuses: users: all vectors are zero, or so small that their squares are; sqlstab run would, too. Multiply small vectors by a constant.'
            WHEN NOT users_longest <= 1E150
            THEN 'The SQL solver refuses: users: the sums of squares overflow, or nearly so. Divide the vectors by a constant.'
            WHEN items_columns <> 3
            THEN 'The SQL solver refuses: items: the sums are of ' || coalesce(CAST(CAST(items_columns AS BIGINT) AS VARCHAR), 'unknown') || ' components, not of 3; sqlstab run would, too.'
            WHEN NOT coalesce(items_longest >= 1E-145, false)
            THEN 'The SQL solver refuses: items: all vectors are zero, or so small that their squares are; sqlstab run would, too. Multiply small vectors by a constant.'
            WHEN NOT items_longest <= 1E150
            THEN 'The SQL solver refuses: items: the sums of squares overflow, or nearly so. Divide the vectors by a constant.'
            WHEN rank = 0
            THEN 'The SQL solver refuses: all scores are zero, users and items have no direction in common; sqlstab run would, too.'
            WHEN users_rank < users_live
            THEN 'The SQL solver refuses: users: of ' || coalesce(CAST(CAST(users_live AS BIGINT) AS VARCHAR), 'unknown') || ' columns that are not zero only ' || coalesce(CAST(CAST(users_rank AS BIGINT) AS VARCHAR), 'unknown')
                || ' are independent, as far as these sums show. Use sqlstab run, which takes a second pass where it must.'
            WHEN NOT coalesce(users_accuracy <= 1E-2, false)
            THEN 'The SQL solver refuses: users: the columns are nearly dependent (condition at least ' || coalesce(CAST(users_condition AS VARCHAR), 'unknown')
                || '), too much for sums of products. Use sqlstab run, which takes a second pass.'
            WHEN items_rank < items_live
            THEN 'The SQL solver refuses: items: of ' || coalesce(CAST(CAST(items_live AS BIGINT) AS VARCHAR), 'unknown') || ' columns that are not zero only ' || coalesce(CAST(CAST(items_rank AS BIGINT) AS VARCHAR), 'unknown')
                || ' are independent, as far as these sums show. Use sqlstab run, which takes a second pass where it must.'
            WHEN NOT coalesce(items_accuracy <= 1E-2, false)
            THEN 'The SQL solver refuses: items: the columns are nearly dependent (condition at least ' || coalesce(CAST(items_condition AS VARCHAR), 'unknown')
                || '), too much for sums of products. Use sqlstab run, which takes a second pass.'
            WHEN NOT coalesce(aligned >= 1, false)
            THEN 'The SQL solver refuses: the runs share no ids to align on, or none with a weight above zero; sqlstab run would, too, unless the earlier run has stored maps only.'
            WHEN NOT coalesce(aligned >= rank, false)
            THEN 'The SQL solver refuses: the shared ids say nothing about ' || coalesce(CAST(CAST(rank - aligned AS BIGINT) AS VARCHAR), 'unknown') || ' of ' || coalesce(CAST(CAST(rank AS BIGINT) AS VARCHAR), 'unknown')
                || ' directions. Use sqlstab run, which places them in what is left of the space.'
            WHEN NOT coalesce(greatest(score_error, omega_error, 1E-7 * users_gram_error, 1E-7 * items_gram_error) <= 1E-9, false)
            THEN 'The SQL solver refuses: the result fails its own proof: scores change by ' || coalesce(CAST(score_error AS VARCHAR), 'unknown')
                || ', the balanced Gram matrices are off by ' || coalesce(CAST(greatest(users_gram_error, items_gram_error) AS VARCHAR), 'unknown')
                || ', Omega is not orthogonal by ' || coalesce(CAST(omega_error AS VARCHAR), 'unknown')
                || '. Use sqlstab run.'
        END AS problem
    FROM figures AS f
)
SELECT
    r.name AS name,
    r.i AS i,
    r.j AS j,
    CASE WHEN c.problem IS NULL THEN r.value ELSE error(c.problem) END AS value
FROM checked AS c
CROSS JOIN (
    SELECT side AS name, i, j, value FROM maps
    UNION ALL
    SELECT 'omega', k, j, value
    FROM (
        SELECT
            m.j AS j,
            unnest(range(3)) + 1 AS k,
            unnest(m.x) AS value
        FROM omega AS m
    ) AS o
    WHERE k <= (SELECT rank FROM figures)
    UNION ALL
    SELECT 'singular_values', k, 1, s FROM singular
    UNION ALL
    SELECT 'users_rows', 1, 1, CAST(users_rows AS DOUBLE) FROM figures
    UNION ALL
    SELECT 'users_columns', 1, 1, CAST(users_columns AS DOUBLE) FROM figures
    UNION ALL
    SELECT 'users_live', 1, 1, CAST(users_live AS DOUBLE) FROM figures
    UNION ALL
    SELECT 'users_rank', 1, 1, CAST(users_rank AS DOUBLE) FROM figures
    UNION ALL
    SELECT 'users_condition', 1, 1, CAST(users_condition AS DOUBLE) FROM figures
    UNION ALL
    SELECT 'users_accuracy', 1, 1, CAST(users_accuracy AS DOUBLE) FROM figures
    UNION ALL
    SELECT 'users_gram_error', 1, 1, CAST(users_gram_error AS DOUBLE) FROM figures
    UNION ALL
    SELECT 'items_rows', 1, 1, CAST(items_rows AS DOUBLE) FROM figures
    UNION ALL
    SELECT 'items_columns', 1, 1, CAST(items_columns AS DOUBLE) FROM figures
    UNION ALL
    SELECT 'items_live', 1, 1, CAST(items_live AS DOUBLE) FROM figures
    UNION ALL
    SELECT 'items_rank', 1, 1, CAST(items_rank AS DOUBLE) FROM figures
    UNION ALL
    SELECT 'items_condition', 1, 1, CAST(items_condition AS DOUBLE) FROM figures
    UNION ALL
    SELECT 'items_accuracy', 1, 1, CAST(items_accuracy AS DOUBLE) FROM figures
    UNION ALL
    SELECT 'items_gram_error', 1, 1, CAST(items_gram_error AS DOUBLE) FROM figures
    UNION ALL
    SELECT 'rank', 1, 1, CAST(rank AS DOUBLE) FROM figures
    UNION ALL
    SELECT 'score_error', 1, 1, CAST(score_error AS DOUBLE) FROM figures
    UNION ALL
    SELECT 'anchors', 1, 1, CAST(anchors AS DOUBLE) FROM figures
    UNION ALL
    SELECT 'aligned', 1, 1, CAST(aligned AS DOUBLE) FROM figures
    UNION ALL
    SELECT 'omega_error', 1, 1, CAST(omega_error AS DOUBLE) FROM figures
    UNION ALL
    SELECT 'relative_residual', 1, 1, CAST(relative_residual AS DOUBLE) FROM figures
    UNION ALL
    SELECT 'cka', 1, 1, CAST(cka AS DOUBLE) FROM figures
    UNION ALL
    SELECT 'bound', 1, 1, CAST(bound AS DOUBLE) FROM figures
) AS r;

CREATE TEMPORARY TABLE "sqlstab_maps_fbe87b76" AS
-- The two maps of a solution.
SELECT
    s.name AS side,
    s.i AS i,
    s.j AS j,
    -- None is NULL, but figures in the same column may be, and some engines know columns by that.
    coalesce(s.value, 0) AS value
FROM "sqlstab_solution_fbe87b76" AS s
WHERE s.name IN ('users', 'items');

-- 3. The stable vectors: each raw vector times its map --------------------------------------------

DELETE FROM "ml"."movies_users" WHERE "run" = '2026-11-30';

INSERT INTO "ml"."movies_users" ("run", "id", "embedding")
SELECT '2026-11-30' AS "run", "id", "embedding"
FROM (
-- The stable vectors of the users: each row times a matrix.
SELECT
    s.id AS "id",
    CAST(s.x AS FLOAT[]) AS "embedding"
FROM (
    SELECT
        id,
        list_transform((
            SELECT list(c ORDER BY j)
            FROM (
                SELECT
                    j,
                    list(value ORDER BY i) AS c
                FROM "sqlstab_maps_fbe87b76"
                WHERE side = 'users'
                GROUP BY j
            ) AS matrix_columns
        ), lambda c: list_dot_product(c, x)) AS x
    FROM (
        SELECT
            t."id" AS id,
            CAST(t."embedding" AS DOUBLE[]) AS x
        FROM "ml"."users" AS t
    ) AS m
) AS s
) AS q;

DELETE FROM "ml"."movies_items" WHERE "run" = '2026-11-30';

INSERT INTO "ml"."movies_items" ("run", "id", "embedding")
SELECT '2026-11-30' AS "run", "id", "embedding"
FROM (
-- The stable vectors of the items: each row times a matrix.
SELECT
    s.id AS "id",
    CAST(s.x AS FLOAT[]) AS "embedding"
FROM (
    SELECT
        id,
        list_transform((
            SELECT list(c ORDER BY j)
            FROM (
                SELECT
                    j,
                    list(value ORDER BY i) AS c
                FROM "sqlstab_maps_fbe87b76"
                WHERE side = 'items'
                GROUP BY j
            ) AS matrix_columns
        ), lambda c: list_dot_product(c, x)) AS x
    FROM (
        SELECT
            t."id" AS id,
            CAST(t."embedding" AS DOUBLE[]) AS x
        FROM "ml"."items" AS t
    ) AS m
) AS s
) AS q;

-- 4. Figures --------------------------------------------------------------------------------------

CREATE TEMPORARY TABLE "sqlstab_figures_fbe87b76" AS
-- The figures of this run.
SELECT
    name,
    value
FROM "sqlstab_solution_fbe87b76" AS s
WHERE name IN ('users_rows', 'users_columns', 'users_live', 'users_rank', 'users_condition', 'users_accuracy', 'users_gram_error', 'items_rows', 'items_columns', 'items_live', 'items_rank', 'items_condition', 'items_accuracy', 'items_gram_error', 'rank', 'score_error', 'anchors', 'aligned', 'omega_error', 'relative_residual', 'cka', 'bound')
UNION ALL
SELECT
    'singular_value_' || CAST(s.i AS VARCHAR) AS name,
    s.value AS value
FROM "sqlstab_solution_fbe87b76" AS s
WHERE s.name = 'singular_values'
UNION ALL
SELECT
    'cosine_users_' || figure AS name,
    CASE figure WHEN 'rows' THEN CAST(n_rows AS DOUBLE) WHEN 'mean' THEN after_mean WHEN 'p10' THEN after_p10 ELSE after_median END AS value
FROM (
    -- Cosine of the same user in this run and in the reference: of the stable vectors (after), for all users that both runs have.
    SELECT
        count(*) AS n_rows,
        avg(after) AS after_mean,
        quantile_cont(after, 0.1) AS after_p10,
        quantile_cont(after, 0.5) AS after_median
    FROM (
        -- The cosine of a zero vector is undefined: NULL, which the figures leave out.
        SELECT
            (list_dot_product(s, p))
                / nullif(sqrt(list_dot_product(s, s)) * sqrt(list_dot_product(y, y)), 0) AS after
        FROM (
            SELECT
                x AS s,
                y,
                y AS p
            FROM (
                SELECT
                    id,
                    run.x AS x,
                    reference.x AS y
                FROM (
                    SELECT
                        t."id" AS id,
                        CAST(t."embedding" AS DOUBLE[]) AS x
                    FROM "ml"."movies_users" AS t
                    WHERE
                        (t."run" = '2026-11-30')
                ) AS run
                JOIN (
                    SELECT
                        t."id" AS id,
                        CAST(t."embedding" AS DOUBLE[]) AS x
                    FROM "sqlstab_earlier_users_fbe87b76" AS t
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
    CASE figure WHEN 'rows' THEN CAST(n_rows AS DOUBLE) WHEN 'mean' THEN after_mean WHEN 'p10' THEN after_p10 ELSE after_median END AS value
FROM (
    -- Cosine of the same item in this run and in the reference: of the stable vectors (after), for all items that both runs have.
    SELECT
        count(*) AS n_rows,
        avg(after) AS after_mean,
        quantile_cont(after, 0.1) AS after_p10,
        quantile_cont(after, 0.5) AS after_median
    FROM (
        -- The cosine of a zero vector is undefined: NULL, which the figures leave out.
        SELECT
            (list_dot_product(s, p))
                / nullif(sqrt(list_dot_product(s, s)) * sqrt(list_dot_product(y, y)), 0) AS after
        FROM (
            SELECT
                x AS s,
                y,
                y AS p
            FROM (
                SELECT
                    id,
                    run.x AS x,
                    reference.x AS y
                FROM (
                    SELECT
                        t."id" AS id,
                        CAST(t."embedding" AS DOUBLE[]) AS x
                    FROM "ml"."movies_items" AS t
                    WHERE
                        (t."run" = '2026-11-30')
                ) AS run
                JOIN (
                    SELECT
                        t."id" AS id,
                        CAST(t."embedding" AS DOUBLE[]) AS x
                    FROM "sqlstab_earlier_items_fbe87b76" AS t
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
    CAST(shared AS DOUBLE) AS value
FROM (
    -- How many users this run and the reference share.
    SELECT
        count(*) AS shared
    FROM (
        SELECT
            t."id" AS id
        FROM "ml"."users" AS t
    ) AS run
    WHERE id IN (
        SELECT
            t."id" AS id
        FROM "sqlstab_earlier_users_fbe87b76" AS t
    )
) AS shared_ids
UNION ALL
SELECT
    'shared_items' AS name,
    CAST(shared AS DOUBLE) AS value
FROM (
    -- How many items this run and the reference share.
    SELECT
        count(*) AS shared
    FROM (
        SELECT
            t."id" AS id
        FROM "ml"."items" AS t
    ) AS run
    WHERE id IN (
        SELECT
            t."id" AS id
        FROM "sqlstab_earlier_items_fbe87b76" AS t
    )
) AS shared_ids
UNION ALL
SELECT
    figure AS name,
    CASE figure WHEN 'score_pairs' THEN CAST(n_pairs AS DOUBLE) ELSE largest_error / nullif(largest, 0) END AS value
FROM (
    -- Dot products of the raw and of the written vectors, for all pairs of 300 users and 300 items.
    SELECT
        count(raw_score - stable_score) AS n_pairs,
        max(abs(raw_score)) AS largest,
        max(abs(raw_score - stable_score)) AS largest_error
    FROM (
        SELECT
            list_dot_product(u.x, i.x) AS raw_score,
            list_dot_product(u.s, i.s) AS stable_score
        FROM (
            SELECT
                r.x AS x,
                s.x AS s
            FROM (
                SELECT
                    t."id" AS id,
                    CAST(t."embedding" AS DOUBLE[]) AS x
                FROM "ml"."users" AS t
            ) AS r
            JOIN (
                -- Whichever rows come first: they are found without reading the whole table.
                SELECT *
                FROM (
                    SELECT
                        t."id" AS id,
                        CAST(t."embedding" AS DOUBLE[]) AS x
                    FROM "ml"."movies_users" AS t
                    WHERE
                        (t."run" = '2026-11-30')
                ) AS some_rows
                LIMIT 300
            ) AS s USING (id)
        ) AS u
        CROSS JOIN (
            SELECT
                r.x AS x,
                s.x AS s
            FROM (
                SELECT
                    t."id" AS id,
                    CAST(t."embedding" AS DOUBLE[]) AS x
                FROM "ml"."items" AS t
            ) AS r
            JOIN (
                -- Whichever rows come first: they are found without reading the whole table.
                SELECT *
                FROM (
                    SELECT
                        t."id" AS id,
                        CAST(t."embedding" AS DOUBLE[]) AS x
                    FROM "ml"."movies_items" AS t
                    WHERE
                        (t."run" = '2026-11-30')
                ) AS some_rows
                LIMIT 300
            ) AS s USING (id)
        ) AS i
    ) AS scores
) AS scores
CROSS JOIN (
    SELECT 'score_pairs' AS figure UNION ALL SELECT 'max_relative_error'
) AS figures;

CREATE TEMPORARY TABLE "sqlstab_run_fbe87b76" AS
-- What there is to know of this run, as JSON.
SELECT
    '{"format": 2, "sqlstab": "VERSION", "key": "2026-11-30", "column": "run", "created": '
    || '"' || strftime(get_current_timestamp() AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%S.%f+00:00') || '"'
    || ', "created_by": null, "engine": "duckdb", "versions": {}, "options": {"align": "previous", "memory": 0.8, "anchor": "items", "plain_rows": true, "maps_only": false, "map": null, "columns": null, "rank": null, "sample": null, "strategy": "sql", "refine": "never", "on_invalid": "error", "output_layout": null, "output_type": null, "min_agreement": null, "min_shared_ids": null, "force": false}, "strategy": "sql", "inputs": {"users": {"relation": "ml.users", "id": "id", "id_type": "BIGINT", "layout": "array", "vector": ["embedding"], "element": "float", "filter": null, "weight": null, "anchor_filter": null, "keep": [], "first": 0, "vector_type": "", "fields": []}, "items": {"relation": "ml.items", "id": "id", "id_type": "BIGINT", "layout": "array", "vector": ["embedding"], "element": "float", "filter": null, "weight": null, "anchor_filter": null, "keep": [], "first": 0, "vector_type": "", "fields": []}}, "tables": {"users": {"rows": '
    || coalesce(CAST(CAST(f.users_rows AS BIGINT) AS VARCHAR), 'null')
    || ', "dimension": 3, "summed": '
    || coalesce(CAST(CAST(f.users_rows AS BIGINT) AS VARCHAR), 'null')
    || ', "left_out": 0, "problems": {}, "passes": 1, "rank": '
    || coalesce(CAST(CAST(f.users_rank AS BIGINT) AS VARCHAR), 'null')
    || ', "condition": '
    || coalesce(CAST(f.users_condition AS VARCHAR), 'null')
    || ', "accuracy": '
    || coalesce(CAST(f.users_accuracy AS VARCHAR), 'null')
    || '}, "items": {"rows": '
    || coalesce(CAST(CAST(f.items_rows AS BIGINT) AS VARCHAR), 'null')
    || ', "dimension": 3, "summed": '
    || coalesce(CAST(CAST(f.items_rows AS BIGINT) AS VARCHAR), 'null')
    || ', "left_out": 0, "problems": {}, "passes": 1, "rank": '
    || coalesce(CAST(CAST(f.items_rank AS BIGINT) AS VARCHAR), 'null')
    || ', "condition": '
    || coalesce(CAST(f.items_condition AS VARCHAR), 'null')
    || ', "accuracy": '
    || coalesce(CAST(f.items_accuracy AS VARCHAR), 'null')
    || '}}, "map": "balanced", "like": {}, "raw_dimension": 3, "dimension": 3, "rank": '
    || coalesce(CAST(CAST(f.rank AS BIGINT) AS VARCHAR), 'null')
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
    || '"' || replace(replace(CAST(r.run_key AS VARCHAR), '\', '\\'), '"', '\"') || '"'
    || ', "runs": {'
    || '"' || replace(replace(CAST(r.run_key AS VARCHAR), '\', '\\'), '"', '\"') || '"'
    || ': 1.0}, "dimension": 3}, "alignment": {"sides": ["items"], "verdict": "unknown", "reason": "A script of SQL fits all shared ids and keeps none to judge the fit by.", "agreement": null, "held_out": null, "chance": null, "anchors": '
    || coalesce(CAST(CAST(f.anchors AS BIGINT) AS VARCHAR), 'null')
    || ', "unit_rows": false, "plain_rows_cost": null, "relative_residual": '
    || coalesce(CAST(f.relative_residual AS VARCHAR), 'null')
    || ', "linear_residual": null, "bound": '
    || coalesce(CAST(f.bound AS VARCHAR), 'null')
    || ', "cka": '
    || coalesce(CAST(f.cka AS VARCHAR), 'null')
    || ', "determinant": null, "ambiguous": 0}, "shared": {"users": '
    || coalesce(CAST(CAST(f.shared_users AS BIGINT) AS VARCHAR), 'null')
    || ', "items": '
    || coalesce(CAST(CAST(f.shared_items AS BIGINT) AS VARCHAR), 'null')
    || '}, "cosine": {"users": {"rows": '
    || coalesce(CAST(CAST(f.cosine_users_rows AS BIGINT) AS VARCHAR), 'null')
    || ', "before": null, "after": {"mean": '
    || coalesce(CAST(f.cosine_users_mean AS VARCHAR), 'null')
    || ', "p10": '
    || coalesce(CAST(f.cosine_users_p10 AS VARCHAR), 'null')
    || ', "median": '
    || coalesce(CAST(f.cosine_users_median AS VARCHAR), 'null')
    || '}}, "items": {"rows": '
    || coalesce(CAST(CAST(f.cosine_items_rows AS BIGINT) AS VARCHAR), 'null')
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
    || '}, "outputs": {"users": {"relation": "ml.movies_users", "id": "id", "id_type": "BIGINT", "layout": "array", "vector": ["embedding"], "element": "float", "filter": "\"run\" = ''2026-11-30''", "weight": null, "anchor_filter": null, "keep": [], "first": 0, "vector_type": "", "fields": []}, "items": {"relation": "ml.movies_items", "id": "id", "id_type": "BIGINT", "layout": "array", "vector": ["embedding"], "element": "float", "filter": "\"run\" = ''2026-11-30''", "weight": null, "anchor_filter": null, "keep": [], "first": 0, "vector_type": "", "fields": []}}, "warnings": [], "timings": {}}' AS figures,
    strftime(get_current_timestamp() AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%S.%f+00:00') AS created
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
    FROM "sqlstab_figures_fbe87b76" AS n
) AS f
CROSS JOIN "sqlstab_reference_fbe87b76" AS r;

-- Fails where the users written are not those that were checked.
SELECT
    CASE
        WHEN n_rows <> checked OR null_ids + duplicate_ids > 0
        THEN error(message)
        ELSE n_rows
    END AS written
FROM (
    SELECT
        *,
        'users: rows checked: ' || CAST(CAST(checked AS BIGINT) AS VARCHAR) || ', rows written: ' || CAST(n_rows AS VARCHAR)
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
                t."id" AS id
            FROM "ml"."movies_users" AS t
            WHERE
                (t."run" = '2026-11-30')
        ) AS r
    ) AS ids
    CROSS JOIN "sqlstab_checked_users_fbe87b76" AS c
) AS counts;

-- Fails where the items written are not those that were checked.
SELECT
    CASE
        WHEN n_rows <> checked OR null_ids + duplicate_ids > 0
        THEN error(message)
        ELSE n_rows
    END AS written
FROM (
    SELECT
        *,
        'items: rows checked: ' || CAST(CAST(checked AS BIGINT) AS VARCHAR) || ', rows written: ' || CAST(n_rows AS VARCHAR)
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
                t."id" AS id
            FROM "ml"."movies_items" AS t
            WHERE
                (t."run" = '2026-11-30')
        ) AS r
    ) AS ids
    CROSS JOIN "sqlstab_checked_items_fbe87b76" AS c
) AS counts;

-- Fails where there are such rows: scores of the written vectors differ by more than 1e-05 of the largest.
SELECT
    CASE
        WHEN n_rows > 0
        THEN error(message)
        ELSE n_rows
    END AS scores
FROM (
    SELECT
        count(*) AS n_rows,
        'scores of the written vectors differ by more than 1e-05 of the largest: a stable table has a type that rounds them, or vectors are far smaller than 1, for which there is --output-type double. Difference: ' || CAST(max(t.value) AS VARCHAR) AS message
    FROM "sqlstab_figures_fbe87b76" AS t
    WHERE t.name = 'max_relative_error' AND NOT (t.value <= 1.0000000000000001e-05)
) AS found;

-- Fails where there are such rows: no vector was written that can be compared with a raw one.
SELECT
    CASE
        WHEN n_rows > 0
        THEN error(message)
        ELSE n_rows
    END AS score_pairs
FROM (
    SELECT
        count(*) AS n_rows,
        'no vector was written that can be compared with a raw one: a stable table has another type of ids or of vectors. Rows: ' || CAST(count(*) AS VARCHAR) AS message
    FROM "sqlstab_figures_fbe87b76" AS t
    WHERE t.name = 'score_pairs' AND t.value = 0
) AS found;

-- Fails where there are such rows: the items hardly agree with the earlier run.
SELECT
    CASE
        WHEN n_rows > 0
        THEN error(message)
        ELSE n_rows
    END AS place_items
FROM (
    SELECT
        count(*) AS n_rows,
        'the items hardly agree with the earlier run: they are of another model, or their ids mean something else. Write them to another space, or with sqlstab run --force=true. Mean cosine, below 0.3: ' || CAST(max(t.value) AS VARCHAR) AS message
    FROM "sqlstab_figures_fbe87b76" AS t
    WHERE t.name = 'cosine_items_mean' AND t.value < 2.9999999999999999e-01
) AS found;

-- Fails where there are such rows: the users hardly agree with the earlier run, though the items do.
SELECT
    CASE
        WHEN n_rows > 0
        THEN error(message)
        ELSE n_rows
    END AS place_users
FROM (
    SELECT
        count(*) AS n_rows,
        'the users hardly agree with the earlier run, though the items do: they are of another training, or their ids mean something else. Take tables of one training, or sqlstab run, which only warns. Mean cosine, below 0.3: ' || CAST(max(t.value) AS VARCHAR) AS message
    FROM "sqlstab_figures_fbe87b76" AS t
    WHERE t.name = 'cosine_users_mean' AND t.value < 2.9999999999999999e-01
) AS found;

-- 5. The run is there -----------------------------------------------------------------------------

DELETE FROM "ml"."movies_maps" WHERE "run" = '2026-11-30';

INSERT INTO "ml"."movies_maps" ("run", "side", "i", "j", "value", "feature_of")
SELECT '2026-11-30' AS "run", "side", "i", "j", "value", "feature_of"
FROM (
SELECT side, i, j, value, CAST(NULL AS VARCHAR) AS feature_of
FROM "sqlstab_maps_fbe87b76"
) AS q;

DELETE FROM "ml"."movies_runs" WHERE "run" = '2026-11-30';

INSERT INTO "ml"."movies_runs" ("run", "created", "created_by", "part", "parts", "figures")
SELECT '2026-11-30' AS "run", "created", "created_by", "part", "parts", "figures"
FROM (
SELECT created, '' AS created_by, 1 AS part, 1 AS parts, figures
FROM "sqlstab_run_fbe87b76"
) AS q;

CREATE OR REPLACE VIEW "ml"."movies_users_newest" AS
SELECT "id", "embedding"
FROM "ml"."movies_users"
WHERE "run" = (
    SELECT max("run")
    FROM "ml"."movies_runs"
    WHERE "part" = "parts"
);

CREATE OR REPLACE VIEW "ml"."movies_items_newest" AS
SELECT "id", "embedding"
FROM "ml"."movies_items"
WHERE "run" = (
    SELECT max("run")
    FROM "ml"."movies_runs"
    WHERE "part" = "parts"
);

COMMIT;

SELECT name, value
FROM "sqlstab_figures_fbe87b76"
WHERE name IN ('users_rows', 'items_rows', 'rank', 'max_relative_error', 'shared_users', 'shared_items', 'cosine_users_mean', 'cosine_items_mean')
ORDER BY name;

DROP VIEW IF EXISTS "sqlstab_earlier_users_fbe87b76";

DROP VIEW IF EXISTS "sqlstab_earlier_items_fbe87b76";

DROP TABLE IF EXISTS "sqlstab_grams_fbe87b76";

DROP TABLE IF EXISTS "sqlstab_checked_users_fbe87b76";

DROP TABLE IF EXISTS "sqlstab_checked_items_fbe87b76";

DROP TABLE IF EXISTS "sqlstab_solution_fbe87b76";

DROP TABLE IF EXISTS "sqlstab_maps_fbe87b76";

DROP TABLE IF EXISTS "sqlstab_figures_fbe87b76";

DROP TABLE IF EXISTS "sqlstab_run_fbe87b76";

DROP TABLE IF EXISTS "sqlstab_crosses_fbe87b76";

DROP TABLE IF EXISTS "sqlstab_shared_run_fbe87b76";

DROP TABLE IF EXISTS "sqlstab_shared_reference_fbe87b76";

DROP TABLE IF EXISTS "sqlstab_reference_fbe87b76";
