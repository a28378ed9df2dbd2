-- Orthogonal low-rank embedding stabilization in SQL for clickhouse, by sqlstab VERSION.
-- Zielnicki & Hsiao, RecSys 2025. Users W, items T, scores T W'; the maps M_W and M_T
-- keep all scores.
--
-- reads   ml.users
-- reads   ml.items
-- writes  ml.movies_users
-- writes  ml.movies_items
--
-- This is run 2026-11-30, aligned with the run before it.
-- It must stop at an error: the run is there when its row is, written last.

-- Begin -------------------------------------------------------------------------------------------

DROP VIEW IF EXISTS "ml"."sqlstab_earlier_users_fbe87b76";

DROP VIEW IF EXISTS "ml"."sqlstab_earlier_items_fbe87b76";

DROP TABLE IF EXISTS "ml"."sqlstab_grams_fbe87b76";

DROP TABLE IF EXISTS "ml"."sqlstab_solve_unit_factors_fbe87b76";

DROP TABLE IF EXISTS "ml"."sqlstab_solve_triangles_fbe87b76";

DROP TABLE IF EXISTS "ml"."sqlstab_solve_singular_fbe87b76";

DROP TABLE IF EXISTS "ml"."sqlstab_solve_balanced_fbe87b76";

DROP TABLE IF EXISTS "ml"."sqlstab_solve_omega_rows_fbe87b76";

DROP TABLE IF EXISTS "ml"."sqlstab_solve_figures_fbe87b76";

DROP TABLE IF EXISTS "ml"."sqlstab_checked_users_fbe87b76";

DROP TABLE IF EXISTS "ml"."sqlstab_checked_items_fbe87b76";

DROP TABLE IF EXISTS "ml"."sqlstab_solution_fbe87b76";

DROP TABLE IF EXISTS "ml"."sqlstab_maps_fbe87b76";

DROP TABLE IF EXISTS "ml"."sqlstab_figures_fbe87b76";

DROP TABLE IF EXISTS "ml"."sqlstab_run_fbe87b76";

DROP TABLE IF EXISTS "ml"."sqlstab_crosses_fbe87b76";

DROP TABLE IF EXISTS "ml"."sqlstab_shared_run_fbe87b76";

DROP TABLE IF EXISTS "ml"."sqlstab_shared_reference_fbe87b76";

DROP TABLE IF EXISTS "ml"."sqlstab_reference_fbe87b76";

CREATE TABLE IF NOT EXISTS "ml"."movies_users" (
    "run" String,
    "id" Int64,
    "embedding" Array(Float32)
) ENGINE = MergeTree PARTITION BY "run" ORDER BY tuple();

CREATE TABLE IF NOT EXISTS "ml"."movies_items" (
    "run" String,
    "id" Int64,
    "embedding" Array(Float32)
) ENGINE = MergeTree PARTITION BY "run" ORDER BY tuple();

CREATE TABLE IF NOT EXISTS "ml"."movies_maps" (
    "run" String,
    "side" String,
    "i" Int32,
    "j" Int32,
    "value" Float64,
    "feature_of" Nullable(String)
) ENGINE = MergeTree ORDER BY "run";

CREATE TABLE IF NOT EXISTS "ml"."movies_runs" (
    "run" String,
    "created" String,
    "created_by" String,
    "part" Int32,
    "parts" Int32,
    "figures" String
) ENGINE = MergeTree ORDER BY "run";

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

-- Fails where there are such rows: no run wrote the users with this key, which this run would replace.
SELECT
    CASE
        WHEN n_rows > 0
        THEN toFloat64(coalesce(message, '0'))
        ELSE n_rows
    END AS foreign_users
FROM (
    SELECT
        count(*) AS n_rows,
        'no run wrote the users with this key, which this run would replace: delete them, or take another key. Rows: ' || toString(count(*)) AS message
    FROM "ml"."movies_users" AS t
    WHERE t."run" = '2026-11-30' AND (SELECT count(*) AS n FROM "ml"."movies_runs" AS r WHERE r."run" = '2026-11-30') = 0 AND (SELECT count(*) AS n FROM "ml"."movies_maps" AS r WHERE r."run" = '2026-11-30') = 0
) AS found;

-- Fails where there are such rows: no run wrote the items with this key, which this run would replace.
SELECT
    CASE
        WHEN n_rows > 0
        THEN toFloat64(coalesce(message, '0'))
        ELSE n_rows
    END AS foreign_items
FROM (
    SELECT
        count(*) AS n_rows,
        'no run wrote the items with this key, which this run would replace: delete them, or take another key. Rows: ' || toString(count(*)) AS message
    FROM "ml"."movies_items" AS t
    WHERE t."run" = '2026-11-30' AND (SELECT count(*) AS n FROM "ml"."movies_runs" AS r WHERE r."run" = '2026-11-30') = 0 AND (SELECT count(*) AS n FROM "ml"."movies_maps" AS r WHERE r."run" = '2026-11-30') = 0
) AS found;

-- Fails where there are such rows: the run with this key has further tables, which this one would leave as they are.
SELECT
    CASE
        WHEN n_rows > 0
        THEN toFloat64(coalesce(message, '0'))
        ELSE n_rows
    END AS further_tables
FROM (
    SELECT
        count(*) AS n_rows,
        'the run with this key has further tables, which this one would leave as they are: give the same --also, or drop that run with sqlstab runs. Rows: ' || toString(count(*)) AS message
    FROM "ml"."movies_runs" AS t
    WHERE t."run" = '2026-11-30' AND t."part" = 1 AND t."figures" NOT LIKE '%"like": {}%'
) AS found;

-- Are the tables fit for it? ----------------------------------------------------------------------

CREATE TABLE "ml"."sqlstab_checked_users_fbe87b76" ENGINE = MergeTree ORDER BY tuple() AS
-- Fails where something is wrong with the users: sums would be wrong silently.
SELECT
    CASE
        WHEN n_rows = 0 OR null_ids + duplicate_ids + wrong_length + null_components + non_finite > 0
        THEN toFloat64(coalesce(message, '0'))
        ELSE n_rows
    END AS checked
FROM (
    SELECT
        *,
        CASE
            WHEN n_rows = 0 THEN 'users: ml.users has no rows.'
            ELSE 'users: rows: ' || toString(n_rows) || ', NULL ids: ' || toString(null_ids)
                || ', duplicate ids: ' || toString(duplicate_ids)
                || ', vectors without 3 components: ' || toString(wrong_length)
                || ', vectors with NULL components: ' || toString(null_components)
                || ', with components that are not finite: ' || toString(non_finite)
                || CASE
                    WHEN wrong_length = n_rows AND longest > 0
                    THEN '. The longest vector has ' || toString(longest) || ' components: give that as --dimension.'
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
                    length(t."embedding") AS n
                FROM "ml"."users" AS t
            ) AS r
            GROUP BY n
            ORDER BY n
        ) AS lengths
    ) AS by_length
    CROSS JOIN (
        -- What can be wrong with the vectors of the users that have 3 components, and how many are zeros.
        SELECT
            count(CASE WHEN arrayExists(v -> v IS NULL, x) THEN 1 END) AS null_components,
            count(CASE WHEN NOT (arrayAll(v -> coalesce(isFinite(v), 1), x)) THEN 1 END) AS non_finite,
            count(CASE WHEN x[1] = 0 AND arrayMax(arrayMap(v -> abs(v), x)) = 0 THEN 1 END) AS zeros
        FROM (
            SELECT
                t."id" AS id,
                t."embedding" AS x
            FROM "ml"."users" AS t
        ) AS r
        WHERE length(x) = 3
    ) AS vectors
) AS counts;

-- Fails where there are such rows: the id id of the users in ml.users is not of the type Int64.
SELECT
    CASE
        WHEN n_rows > 0
        THEN toFloat64(coalesce(message, '0'))
        ELSE n_rows
    END AS types_users
FROM (
    SELECT
        count(*) AS n_rows,
        'the id id of the users in ml.users is not of the type Int64: name its own with --id-type, or in a project file with id_type of each table. Rows: ' || toString(count(*)) AS message
    FROM "ml"."users" AS t
    WHERE coalesce(toString(CAST(t."id" AS Int64)), '') <> toString(t."id")
) AS found;

CREATE TABLE "ml"."sqlstab_checked_items_fbe87b76" ENGINE = MergeTree ORDER BY tuple() AS
-- Fails where something is wrong with the items: sums would be wrong silently.
SELECT
    CASE
        WHEN n_rows = 0 OR null_ids + duplicate_ids + wrong_length + null_components + non_finite > 0
        THEN toFloat64(coalesce(message, '0'))
        ELSE n_rows
    END AS checked
FROM (
    SELECT
        *,
        CASE
            WHEN n_rows = 0 THEN 'items: ml.items has no rows.'
            ELSE 'items: rows: ' || toString(n_rows) || ', NULL ids: ' || toString(null_ids)
                || ', duplicate ids: ' || toString(duplicate_ids)
                || ', vectors without 3 components: ' || toString(wrong_length)
                || ', vectors with NULL components: ' || toString(null_components)
                || ', with components that are not finite: ' || toString(non_finite)
                || CASE
                    WHEN wrong_length = n_rows AND longest > 0
                    THEN '. The longest vector has ' || toString(longest) || ' components: give that as --dimension.'
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
                    length(t."embedding") AS n
                FROM "ml"."items" AS t
            ) AS r
            GROUP BY n
            ORDER BY n
        ) AS lengths
    ) AS by_length
    CROSS JOIN (
        -- What can be wrong with the vectors of the items that have 3 components, and how many are zeros.
        SELECT
            count(CASE WHEN arrayExists(v -> v IS NULL, x) THEN 1 END) AS null_components,
            count(CASE WHEN NOT (arrayAll(v -> coalesce(isFinite(v), 1), x)) THEN 1 END) AS non_finite,
            count(CASE WHEN x[1] = 0 AND arrayMax(arrayMap(v -> abs(v), x)) = 0 THEN 1 END) AS zeros
        FROM (
            SELECT
                t."id" AS id,
                t."embedding" AS x
            FROM "ml"."items" AS t
        ) AS r
        WHERE length(x) = 3
    ) AS vectors
) AS counts;

-- Fails where there are such rows: the id id of the items in ml.items is not of the type Int64.
SELECT
    CASE
        WHEN n_rows > 0
        THEN toFloat64(coalesce(message, '0'))
        ELSE n_rows
    END AS types_items
FROM (
    SELECT
        count(*) AS n_rows,
        'the id id of the items in ml.items is not of the type Int64: name its own with --id-type, or in a project file with id_type of each table. Rows: ' || toString(count(*)) AS message
    FROM "ml"."items" AS t
    WHERE coalesce(toString(CAST(t."id" AS Int64)), '') <> toString(t."id")
) AS found;

-- The run before this one -------------------------------------------------------------------------

CREATE TABLE "ml"."sqlstab_reference_fbe87b76" ENGINE = MergeTree ORDER BY tuple() AS
SELECT max(t."run") AS run_key, count(*) AS n_runs
FROM "ml"."movies_runs" AS t
WHERE t."part" = t."parts" AND t."run" < '2026-11-30';

-- Fails where there are such rows: the space has no run before 2026-11-30 to align with.
SELECT
    CASE
        WHEN n_rows > 0
        THEN toFloat64(coalesce(message, '0'))
        ELSE n_rows
    END AS earlier_runs
FROM (
    SELECT
        count(*) AS n_rows,
        'the space has no run before 2026-11-30 to align with: print the script with --first-run if this is the first one, or else with a key that sorts after the first. Runs before it: ' || toString(max(t.n_runs)) AS message
    FROM "ml"."sqlstab_reference_fbe87b76" AS t
    WHERE t.n_runs = 0
) AS found;

-- Fails where there are such rows: the maps of this space are rotations, which a script does not make.
SELECT
    CASE
        WHEN n_rows > 0
        THEN toFloat64(coalesce(message, '0'))
        ELSE n_rows
    END AS rotations
FROM (
    SELECT
        count(*) AS n_rows,
        'the maps of this space are rotations, which a script does not make: use sqlstab run. Rows: ' || toString(count(*)) AS message
    FROM "ml"."movies_runs" AS t
    WHERE t."run" = (SELECT run_key FROM "ml"."sqlstab_reference_fbe87b76" AS r) AND t."figures" LIKE '%"map": "rotation"%'
) AS found;

CREATE OR REPLACE VIEW "ml"."sqlstab_earlier_users_fbe87b76" AS
SELECT *
FROM "ml"."movies_users" AS t
WHERE t."run" = (SELECT run_key FROM "ml"."sqlstab_reference_fbe87b76" AS r);

CREATE OR REPLACE VIEW "ml"."sqlstab_earlier_items_fbe87b76" AS
SELECT *
FROM "ml"."movies_items" AS t
WHERE t."run" = (SELECT run_key FROM "ml"."sqlstab_reference_fbe87b76" AS r);

-- 1. Sums: the Gram matrices of both tables -------------------------------------------------------

CREATE TABLE "ml"."sqlstab_grams_fbe87b76" ENGINE = MergeTree ORDER BY tuple() AS
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
        -- the sum of x[i] * x[j] over the rows, for i <= j. In strips of 4 rows of the matrix, which begin at p.
        SELECT
            'users' AS side,
            i,
            j,
            value,
            n_rows
        FROM (
            SELECT
                p + intDiv(k, (4 - p)) AS i,
                p + mod(k, (4 - p)) AS j,
                value,
                n_rows
            FROM (
                SELECT
                    p,
                    n_rows,
                    sqlstab_k - 1 AS k,
                    sqlstab_v AS value
                FROM (
                    SELECT
                        p,
                        count(*) AS n_rows,
                        arrayFlatten([
                            sumForEach(x[p] * z),
                            sumForEach(x[p + 1] * z),
                            sumForEach(x[p + 2] * z),
                            sumForEach(x[p + 3] * z)
                        ]) AS sums
                    FROM (
                        SELECT
                            p,
                            x,
                            arraySlice(x, p) AS z
                        FROM (
                            SELECT
                                r.x AS x
                            FROM (
                                SELECT
                                    t."id" AS id,
                                    arrayMap(v -> assumeNotNull(v), t."embedding") AS x
                                FROM "ml"."users" AS t
                            ) AS r
                        ) AS v
                        ARRAY JOIN range(1, 3 + 1, 4) AS p
                    ) AS pieces
                    GROUP BY p
                    SETTINGS max_block_size = 2048
                ) AS g
                ARRAY JOIN g.sums AS sqlstab_v, arrayEnumerate(g.sums) AS sqlstab_k
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
        -- the sum of x[i] * x[j] over the rows, for i <= j. In strips of 4 rows of the matrix, which begin at p.
        SELECT
            'items' AS side,
            i,
            j,
            value,
            n_rows
        FROM (
            SELECT
                p + intDiv(k, (4 - p)) AS i,
                p + mod(k, (4 - p)) AS j,
                value,
                n_rows
            FROM (
                SELECT
                    p,
                    n_rows,
                    sqlstab_k - 1 AS k,
                    sqlstab_v AS value
                FROM (
                    SELECT
                        p,
                        count(*) AS n_rows,
                        arrayFlatten([
                            sumForEach(x[p] * z),
                            sumForEach(x[p + 1] * z),
                            sumForEach(x[p + 2] * z),
                            sumForEach(x[p + 3] * z)
                        ]) AS sums
                    FROM (
                        SELECT
                            p,
                            x,
                            arraySlice(x, p) AS z
                        FROM (
                            SELECT
                                r.x AS x
                            FROM (
                                SELECT
                                    t."id" AS id,
                                    arrayMap(v -> assumeNotNull(v), t."embedding") AS x
                                FROM "ml"."items" AS t
                            ) AS r
                        ) AS v
                        ARRAY JOIN range(1, 3 + 1, 4) AS p
                    ) AS pieces
                    GROUP BY p
                    SETTINGS max_block_size = 2048
                ) AS g
                ARRAY JOIN g.sums AS sqlstab_v, arrayEnumerate(g.sums) AS sqlstab_k
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

CREATE TABLE "ml"."sqlstab_crosses_fbe87b76" ENGINE = MergeTree ORDER BY tuple() AS
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
            -- and the reference (y) share, for all i and j; both vectors end with a 1. In strips of 4 rows of the matrix, which begin at p.
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
                    p + intDiv(k, 4) AS i,
                    1 + mod(k, 4) AS j,
                    value,
                    n_rows
                FROM (
                    SELECT
                        half,
                        p,
                        n_rows,
                        sqlstab_k - 1 AS k,
                        sqlstab_v AS value
                    FROM (
                        SELECT
                            half,
                            p,
                            count(*) AS n_rows,
                            arrayFlatten([
                                sumForEach(x[p] * z),
                                sumForEach(x[p + 1] * z),
                                sumForEach(x[p + 2] * z),
                                sumForEach(x[p + 3] * z)
                            ]) AS sums
                        FROM (
                            SELECT
                                half,
                                p,
                                x,
                                y AS z
                            FROM (
                                SELECT
                                    run.x AS x,
                                    reference.x AS y,
                                    CASE WHEN SUBSTR(lower(hex(MD5(toString(run.id)))), 9, 1) < '8' THEN 0 ELSE 1 END AS half
                                FROM (
                                    SELECT
                                        id,
                                        arrayConcat(c.x, [1E0]) AS x
                                    FROM (
                                        SELECT
                                            t."id" AS id,
                                            arrayMap(v -> assumeNotNull(v), arrayMap(v -> toFloat64(v), t."embedding")) AS x
                                        FROM "ml"."items" AS t
                                    ) AS c
                                ) AS run
                                JOIN (
                                    SELECT
                                        id,
                                        arrayConcat(c.x, [1E0]) AS x
                                    FROM (
                                        SELECT
                                            t."id" AS id,
                                            arrayMap(v -> assumeNotNull(v), arrayMap(v -> toFloat64(v), t."embedding")) AS x
                                        FROM "ml"."sqlstab_earlier_items_fbe87b76" AS t
                                    ) AS c
                                ) AS reference USING (id)
                            ) AS v
                            ARRAY JOIN range(1, 4 + 1, 4) AS p
                        ) AS pieces
                        GROUP BY half, p
                        SETTINGS max_block_size = 2048
                    ) AS g
                    ARRAY JOIN g.sums AS sqlstab_v, arrayEnumerate(g.sums) AS sqlstab_k
                ) AS entries
            ) AS gram
            WHERE i <= 4
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

CREATE TABLE "ml"."sqlstab_shared_run_fbe87b76" ENGINE = MergeTree ORDER BY tuple() AS
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
            -- the sum of x[i] * x[j] over the rows, for i <= j. In strips of 4 rows of the matrix, which begin at p.
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
                    p + intDiv(k, (4 - p)) AS i,
                    p + mod(k, (4 - p)) AS j,
                    value,
                    n_rows
                FROM (
                    SELECT
                        half,
                        p,
                        n_rows,
                        sqlstab_k - 1 AS k,
                        sqlstab_v AS value
                    FROM (
                        SELECT
                            half,
                            p,
                            count(*) AS n_rows,
                            arrayFlatten([
                                sumForEach(x[p] * z),
                                sumForEach(x[p + 1] * z),
                                sumForEach(x[p + 2] * z),
                                sumForEach(x[p + 3] * z)
                            ]) AS sums
                        FROM (
                            SELECT
                                half,
                                p,
                                x,
                                arraySlice(x, p) AS z
                            FROM (
                                SELECT
                                    r.x AS x,
                                    CASE WHEN SUBSTR(lower(hex(MD5(toString(r.id)))), 9, 1) < '8' THEN 0 ELSE 1 END AS half
                                FROM (
                                    SELECT
                                        t."id" AS id,
                                        arrayMap(v -> assumeNotNull(v), t."embedding") AS x
                                    FROM "ml"."items" AS t
                                ) AS r
                                JOIN (
                                    SELECT
                                        t."id" AS id
                                    FROM "ml"."sqlstab_earlier_items_fbe87b76" AS t
                                ) AS other USING (id)
                            ) AS v
                            ARRAY JOIN range(1, 3 + 1, 4) AS p
                        ) AS pieces
                        GROUP BY half, p
                        SETTINGS max_block_size = 2048
                    ) AS g
                    ARRAY JOIN g.sums AS sqlstab_v, arrayEnumerate(g.sums) AS sqlstab_k
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

CREATE TABLE "ml"."sqlstab_shared_reference_fbe87b76" ENGINE = MergeTree ORDER BY tuple() AS
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
            -- the sum of x[i] * x[j] over the rows, for i <= j. In strips of 4 rows of the matrix, which begin at p.
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
                    p + intDiv(k, (4 - p)) AS i,
                    p + mod(k, (4 - p)) AS j,
                    value,
                    n_rows
                FROM (
                    SELECT
                        half,
                        p,
                        n_rows,
                        sqlstab_k - 1 AS k,
                        sqlstab_v AS value
                    FROM (
                        SELECT
                            half,
                            p,
                            count(*) AS n_rows,
                            arrayFlatten([
                                sumForEach(x[p] * z),
                                sumForEach(x[p + 1] * z),
                                sumForEach(x[p + 2] * z),
                                sumForEach(x[p + 3] * z)
                            ]) AS sums
                        FROM (
                            SELECT
                                half,
                                p,
                                x,
                                arraySlice(x, p) AS z
                            FROM (
                                SELECT
                                    r.x AS x,
                                    CASE WHEN SUBSTR(lower(hex(MD5(toString(r.id)))), 9, 1) < '8' THEN 0 ELSE 1 END AS half
                                FROM (
                                    SELECT
                                        t."id" AS id,
                                        arrayMap(v -> assumeNotNull(v), t."embedding") AS x
                                    FROM "ml"."sqlstab_earlier_items_fbe87b76" AS t
                                ) AS r
                                JOIN (
                                    SELECT
                                        t."id" AS id
                                    FROM "ml"."items" AS t
                                ) AS other USING (id)
                            ) AS v
                            ARRAY JOIN range(1, 3 + 1, 4) AS p
                        ) AS pieces
                        GROUP BY half, p
                        SETTINGS max_block_size = 2048
                    ) AS g
                    ARRAY JOIN g.sums AS sqlstab_v, arrayEnumerate(g.sums) AS sqlstab_k
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

CREATE TABLE "ml"."sqlstab_solve_unit_factors_fbe87b76" ENGINE = MergeTree ORDER BY tuple() AS
WITH
norms AS (
    SELECT
        side,
        i,
        sqrt(value) AS norm,
        n_rows
    FROM "ml"."sqlstab_grams_fbe87b76" AS g
    WHERE i = j
),
-- 1. Cholesky with pivots: G = R'R, and P with R P = I. All columns of T and W are scaled to length one first.
unit_gram AS (
    SELECT
        g.side AS side,
        g.i AS i,
        arrayMap(
            p -> p.2,
            arraySort(
                p -> p.1,
                groupArray((g.j, coalesce(g.value / nullif(a.norm, 0) / nullif(b.norm, 0), 0)))
            )
        ) AS x
    FROM (
        SELECT
            above.side AS side,
            above.i AS i,
            above.j AS j,
            above.value AS value
        FROM "ml"."sqlstab_grams_fbe87b76" AS above
        UNION ALL
        SELECT
            below.side AS side,
            below.j AS i,
            below.i AS j,
            below.value AS value
        FROM "ml"."sqlstab_grams_fbe87b76" AS below
        WHERE below.i < below.j
    ) AS g
    JOIN norms AS a ON a.side = g.side AND a.i = g.i
    JOIN norms AS b ON b.side = g.side AND b.i = g.j
    GROUP BY
        g.side,
        g.i
)
SELECT
    f.side AS side,
    sqlstab_k - 1 + 1 AS i,
    sqlstab_v.3 AS r,
    sqlstab_v.4 AS p
FROM (
    SELECT
        side,
        arrayFold(
            (lines, step) -> arrayMap(
                chosen -> arrayMap(
                    row -> arrayMap(
                        entry -> (
                            row.1,
                            row.2,
                            arrayPushBack(row.3, entry),
                            arrayPushBack(
                                row.4,
                                CASE
                                    WHEN chosen.5 > 2.6645352591003757e-15 THEN (
                                        CASE
                                            WHEN row.1 = chosen.1 THEN 1E0
                                            ELSE 0E0
                                        END - arrayDotProduct(row.4, chosen.3)
                                    ) / sqrt(chosen.5)
                                    ELSE 0E0
                                END
                            ),
                            CASE WHEN row.1 = chosen.1 THEN 0E0 ELSE row.5 - entry * entry END
                        ),
                        [
                            CASE
                                WHEN row.5 > 2.6645352591003757e-15 THEN (
                                    row.2[chosen.1] - arrayDotProduct(row.3, chosen.3)
                                ) / sqrt(chosen.5)
                                ELSE 0E0
                            END
                        ]
                    )[1],
                    lines
                ),
                [
                    arrayMap(
                        diagonal -> lines[indexOf(diagonal, arrayMax(diagonal))],
                        [arrayMap(row -> row.5, lines)]
                    )[1]
                ]
            )[1],
            range(1, 3 + 1),
            start
        ) AS factor
    FROM (
        SELECT
            side,
            arrayMap(
                p -> p.2,
                arraySort(
                    p -> p.1,
                    groupArray((i, (i, x, CAST([] AS Array(Float64)), CAST([] AS Array(Float64)), x[i])))
                )
            ) AS start
        FROM unit_gram AS m
        GROUP BY side
    ) AS g
) AS f
ARRAY JOIN f.factor AS sqlstab_v, arrayEnumerate(f.factor) AS sqlstab_k;

CREATE TABLE "ml"."sqlstab_solve_triangles_fbe87b76" ENGINE = MergeTree ORDER BY tuple() AS
-- Rows n of R.
WITH
norms AS (
    SELECT
        side,
        i,
        sqrt(value) AS norm,
        n_rows
    FROM "ml"."sqlstab_grams_fbe87b76" AS g
    WHERE i = j
),
-- Columns i of R (x) and rows i of P (p).
factors AS (
    SELECT
        f.side AS side,
        f.i AS i,
        arrayMap(v -> v / coalesce(1 / nullif(m.norm, 0), 1), f.r) AS x,
        arrayMap(v -> v / coalesce(nullif(m.norm, 0), 1), f.p) AS p,
        m.norm AS norm
    FROM "ml"."sqlstab_solve_unit_factors_fbe87b76" AS f
    JOIN norms AS m ON m.side = f.side AND m.i = f.i
)
SELECT
    side,
    n,
    arrayMap(p -> p.2, arraySort(p -> p.1, groupArray((i, value)))) AS x
FROM (
    SELECT
        m.side AS side,
        m.i AS i,
        sqlstab_k - 1 + 1 AS n,
        sqlstab_v AS value
    FROM factors AS m
    ARRAY JOIN m.x AS sqlstab_v, arrayEnumerate(m.x) AS sqlstab_k
) AS e
GROUP BY
    side,
    n;

CREATE TABLE "ml"."sqlstab_solve_singular_fbe87b76" ENGINE = MergeTree ORDER BY tuple() AS
WITH
-- 2. The singular value decomposition R_T R_W' = U S V', whose columns times V are U S; S are the singular values of
-- the scores T W'.
scores AS (
    SELECT
        w.n AS k,
        arrayMap(p -> p.2, arraySort(p -> p.1, groupArray((t.n, arrayDotProduct(t.x, w.x))))) AS x
    FROM (SELECT n, x FROM "ml"."sqlstab_solve_triangles_fbe87b76" WHERE side = 'users') AS w
    CROSS JOIN (SELECT n, x FROM "ml"."sqlstab_solve_triangles_fbe87b76" WHERE side = 'items') AS t
    GROUP BY w.n
),
orthogonal AS (
    SELECT
        sqlstab_k - 1 + 1 AS k,
        sqlstab_v AS y
    FROM (
        SELECT
            arrayFold(
                (last, sweep) -> arrayFold(
                    (now, step) -> arrayMap(
                        turned -> (
                            arrayMap(
                                placed -> arrayConcat(
                                    arraySlice(placed, 3, 3 - 3 + 1),
                                    arraySlice(placed, 1, 2 - 1 + 1)
                                ),
                                [
                                    arrayConcat(
                                        arrayConcat(
                                            arrayMap(pair -> pair.1, turned),
                                            arraySlice(now.1, 2, 2 - 2 + 1)
                                        ),
                                        arrayReverse(arrayMap(pair -> pair.2, turned))
                                    )
                                ]
                            )[1],
                            greatest(now.2, arrayMax(arrayMap(pair -> pair.3, turned)))
                        ),
                        [
                            arrayMap(
                                pair -> arrayMap(
                                    t -> arrayMap(
                                        c -> (
                                            arrayMap((u, w) -> c * (u - t * w), pair.1, pair.2),
                                            arrayMap((u, w) -> c * (w + t * u), pair.1, pair.2),
                                            pair.3
                                        ),
                                        [1 / sqrt(1 + t * t)]
                                    )[1],
                                    [pair.4]
                                )[1],
                                arrayMap(
                                    pair -> (
                                        pair.1,
                                        pair.2,
                                        pair.3,
                                        CASE
                                            WHEN pair.3 <= 1E-15 THEN 0E0
                                            WHEN pair.4 >= 0 THEN 1 / (pair.4 + sqrt(1 + pair.4 * pair.4))
                                            ELSE -1 / (sqrt(1 + pair.4 * pair.4) - pair.4)
                                        END
                                    ),
                                    arrayMap(
                                        pair -> (
                                            pair.1,
                                            pair.2,
                                            CASE
                                                WHEN least(
                                                    pair.3,
                                                    pair.4
                                                ) > 1E-30 * greatest(pair.3, pair.4) THEN abs(pair.5) / sqrt(pair.3) / sqrt(pair.4)
                                                ELSE 0E0
                                            END,
                                            CASE
                                                WHEN pair.5 <> 0 THEN (pair.4 - pair.3) / (2 * pair.5)
                                                ELSE 0E0
                                            END
                                        ),
                                        arrayMap(
                                            (x, y) -> (
                                                x,
                                                y,
                                                arrayDotProduct(x, x),
                                                arrayDotProduct(y, y),
                                                arrayDotProduct(x, y)
                                            ),
                                            arraySlice(now.1, 1, 1 - 1 + 1),
                                            arrayReverse(arraySlice(now.1, 3, 3 - 3 + 1))
                                        )
                                    )
                                )
                            )
                        ]
                    )[1],
                    arraySlice(range(1, 3 + 1), 1, CASE WHEN last.2 > 1E-8 THEN 3 ELSE 0 END - 1 + 1),
                    (last.1, 0E0)
                ),
                range(1, 40 + 1),
                (columns, 1E0)
            ).1 AS columns
        FROM (
            SELECT arrayMap(p -> p.2, arraySort(p -> p.1, groupArray((k, x)))) AS columns
            FROM scores AS m
        ) AS a
    ) AS f
    ARRAY JOIN f.columns AS sqlstab_v, arrayEnumerate(f.columns) AS sqlstab_k
)
SELECT
    CAST(row_number() OVER (ORDER BY length DESC, k) AS Int32) AS k,
    CASE WHEN length > 2.6645352591003757e-15 * max(length) OVER () THEN length ELSE 0 END AS s,
    y
FROM (
    SELECT
        k,
        y,
        sqrt(arrayDotProduct(y, y)) AS length
    FROM orthogonal
) AS c;

CREATE TABLE "ml"."sqlstab_solve_balanced_fbe87b76" ENGINE = MergeTree ORDER BY tuple() AS
-- 3. The columns k of M_T = P_T U S^(1/2) and M_W = R_T' U S^(-1/2): T M_T and W M_W have the same Gram matrix, S.
WITH
norms AS (
    SELECT
        side,
        i,
        sqrt(value) AS norm,
        n_rows
    FROM "ml"."sqlstab_grams_fbe87b76" AS g
    WHERE i = j
),
-- Columns i of R (x) and rows i of P (p).
factors AS (
    SELECT
        f.side AS side,
        f.i AS i,
        arrayMap(v -> v / coalesce(1 / nullif(m.norm, 0), 1), f.r) AS x,
        arrayMap(v -> v / coalesce(nullif(m.norm, 0), 1), f.p) AS p,
        m.norm AS norm
    FROM "ml"."sqlstab_solve_unit_factors_fbe87b76" AS f
    JOIN norms AS m ON m.side = f.side AND m.i = f.i
)
SELECT
    o.side AS side,
    c.k AS k,
    c.s AS s,
    arrayMap(
        p -> p.2,
        arraySort(
            p -> p.1,
            groupArray(
                (
                    f.i,
                    CASE
                        WHEN c.s = 0 OR f.norm = 0 THEN 0
                        WHEN o.side = 'items' THEN arrayDotProduct(f.p, c.y) / sqrt(c.s)
                        ELSE arrayDotProduct(f.x, c.y) / (c.s * sqrt(c.s))
                    END
                )
            )
        )
    ) AS x
FROM "ml"."sqlstab_solve_singular_fbe87b76" AS c
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
    c.s;

CREATE TABLE "ml"."sqlstab_solve_omega_rows_fbe87b76" ENGINE = MergeTree ORDER BY tuple() AS
-- Rows k of Omega.
WITH
-- 4. The cross Gram matrix of the balanced vectors with the reference's, C = M_T' (T'T_ref), has the singular value
-- decomposition C = A D B'. Omega = A B', its polar factor, brings this run closest to the reference.
references_y AS (
    SELECT
        side,
        j,
        arrayMap(p -> p.2, arraySort(p -> p.1, groupArray((i, value)))) AS x
    FROM "ml"."sqlstab_crosses_fbe87b76" AS c
    GROUP BY
        side,
        j
),
-- Its rows k, which are the columns of C'.
crossed AS (
    SELECT
        k,
        arrayMap(p -> p.2, arraySort(p -> p.1, groupArray((j, value)))) AS x
    FROM (
        SELECT
            b.k AS k,
            r.j AS j,
            sum(
                CASE r.side WHEN 'items' THEN 1.0000000000000000e+00 ELSE 0 END * arrayDotProduct(b.x, r.x)
            ) AS value
        FROM "ml"."sqlstab_solve_balanced_fbe87b76" AS b
        JOIN references_y AS r ON r.side = b.side
        GROUP BY
            b.k,
            r.j
    ) AS entries
    GROUP BY k
)
SELECT
    sqlstab_k - 1 + 1 AS k,
    sqlstab_v AS x
FROM (
    SELECT
        arrayFold(
            (now, step) -> arrayMap(
                lines -> arrayMap(
                    least -> arrayMap(
                        factor -> arrayMap(
                            across -> (
                                arrayMap(
                                    (line, square) -> arrayMap(
                                        (u, w) -> factor * (3 * u - factor * factor * w) / 2,
                                        line,
                                        arrayMap(c -> arrayDotProduct(square, c), across)
                                    ),
                                    lines,
                                    arrayMap(line -> arrayMap(c -> arrayDotProduct(line, c), lines), lines)
                                ),
                                factor * least * (3 - factor * factor * least * least) / 2
                            ),
                            [arrayMap(place -> arrayMap(line -> line[place], lines), range(1, 3 + 1))]
                        )[1],
                        [sqrt(3 / (1 + least + least * least))]
                    )[1],
                    [now.2]
                )[1],
                [now.1]
            )[1],
            range(1, 24 + 1),
            (lines, 1.5E-8)
        ).1 AS lines
    FROM (
        SELECT arrayMap(p -> p.2, arraySort(p -> p.1, groupArray((k, arrayMap(v -> v / size, x))))) AS lines
        FROM (
            SELECT
                m.k AS k,
                m.x AS x,
                t.size AS size
            FROM crossed AS m
            CROSS JOIN (
                SELECT coalesce(nullif(sqrt(arrayDotProduct(lengths, lengths)), 0), 1) AS size
                FROM (
                    -- In the order of k: a sum in no order would not be the same each time.
                    SELECT arrayMap(
                        p -> p.2,
                        arraySort(p -> p.1, groupArray((k, sqrt(arrayDotProduct(x, x)))))
                    ) AS lengths
                    FROM crossed AS c
                ) AS l
            ) AS t
        ) AS m
    ) AS c
) AS f
ARRAY JOIN f.lines AS sqlstab_v, arrayEnumerate(f.lines) AS sqlstab_k;

CREATE TABLE "ml"."sqlstab_solve_figures_fbe87b76" ENGINE = MergeTree ORDER BY tuple() AS
WITH
-- The Gram matrices G_T = T'T of the items and G_W = W'W of the users: rows, and the norms of the columns of T and W.
gram AS (
    SELECT
        side,
        i,
        arrayMap(p -> p.2, arraySort(p -> p.1, groupArray((j, value)))) AS x
    FROM (
        SELECT
            above.side AS side,
            above.i AS i,
            above.j AS j,
            above.value AS value
        FROM "ml"."sqlstab_grams_fbe87b76" AS above
        UNION ALL
        SELECT
            below.side AS side,
            below.j AS i,
            below.i AS j,
            below.value AS value
        FROM "ml"."sqlstab_grams_fbe87b76" AS below
        WHERE below.i < below.j
    ) AS e
    GROUP BY
        side,
        i
),
norms AS (
    SELECT
        side,
        i,
        sqrt(value) AS norm,
        n_rows
    FROM "ml"."sqlstab_grams_fbe87b76" AS g
    WHERE i = j
),
-- 4. The cross Gram matrix of the balanced vectors with the reference's, C = M_T' (T'T_ref), has the singular value
-- decomposition C = A D B'. Omega = A B', its polar factor, brings this run closest to the reference.
references_y AS (
    SELECT
        side,
        j,
        arrayMap(p -> p.2, arraySort(p -> p.1, groupArray((i, value)))) AS x
    FROM "ml"."sqlstab_crosses_fbe87b76" AS c
    GROUP BY
        side,
        j
),
-- Its rows k, which are the columns of C'.
crossed AS (
    SELECT
        k,
        arrayMap(p -> p.2, arraySort(p -> p.1, groupArray((j, value)))) AS x
    FROM (
        SELECT
            b.k AS k,
            r.j AS j,
            sum(
                CASE r.side WHEN 'items' THEN 1.0000000000000000e+00 ELSE 0 END * arrayDotProduct(b.x, r.x)
            ) AS value
        FROM "ml"."sqlstab_solve_balanced_fbe87b76" AS b
        JOIN references_y AS r ON r.side = b.side
        GROUP BY
            b.k,
            r.j
    ) AS entries
    GROUP BY k
),
-- Proof. The balanced Gram matrices M'GM must be S: the largest error of an entry (k, l), relative to sqrt(s_k s_l).
gram_balanced AS (
    SELECT
        b.side AS side,
        b.k AS k,
        arrayMap(p -> p.2, arraySort(p -> p.1, groupArray((g.i, arrayDotProduct(g.x, b.x))))) AS x
    FROM "ml"."sqlstab_solve_balanced_fbe87b76" AS b
    JOIN gram AS g ON g.side = b.side
    GROUP BY
        b.side,
        b.k
),
gram_errors AS (
    SELECT
        b.side AS side,
        max(
            abs(arrayDotProduct(b.x, p.x) - CASE WHEN b.k = p.k THEN b.s ELSE 0 END) / sqrt(b.s) / sqrt(c.s)
        ) AS value
    FROM "ml"."sqlstab_solve_balanced_fbe87b76" AS b
    JOIN gram_balanced AS p ON p.side = b.side
    JOIN "ml"."sqlstab_solve_singular_fbe87b76" AS c ON c.k = p.k
    WHERE b.s > 0 AND c.s > 0
    GROUP BY b.side
),
-- Scores must not change: the largest entry of R_T (M_T M_W' - I) R_W', relative to the largest singular value.
triangles_balanced AS (
    SELECT
        t.side AS side,
        t.n AS n,
        arrayMap(p -> p.2, arraySort(p -> p.1, groupArray((b.k, arrayDotProduct(t.x, b.x))))) AS x
    FROM "ml"."sqlstab_solve_triangles_fbe87b76" AS t
    JOIN "ml"."sqlstab_solve_balanced_fbe87b76" AS b ON b.side = t.side
    GROUP BY
        t.side,
        t.n
),
score_error AS (
    SELECT max(abs(arrayDotProduct(t.b, w.b) - arrayDotProduct(t.x, w.x))) / (
        SELECT nullif(max(s), 0) FROM "ml"."sqlstab_solve_singular_fbe87b76"
    ) AS value
    FROM (
        SELECT
            b.x AS b,
            r.x AS x
        FROM triangles_balanced AS b
        JOIN "ml"."sqlstab_solve_triangles_fbe87b76" AS r ON r.side = b.side AND r.n = b.n
        WHERE b.side = 'items'
    ) AS t
    CROSS JOIN (
        SELECT
            b.x AS b,
            r.x AS x
        FROM triangles_balanced AS b
        JOIN "ml"."sqlstab_solve_triangles_fbe87b76" AS r ON r.side = b.side AND r.n = b.n
        WHERE b.side = 'users'
    ) AS w
),
-- Rows of Omega that are in use must be orthonormal.
omega_error AS (
    SELECT max(abs(arrayDotProduct(a.x, b.x) - CASE WHEN a.k = b.k THEN 1 ELSE 0 END)) AS value
    FROM "ml"."sqlstab_solve_omega_rows_fbe87b76" AS a
    CROSS JOIN "ml"."sqlstab_solve_omega_rows_fbe87b76" AS b
    WHERE
        a.k <= (SELECT count(*) FROM "ml"."sqlstab_solve_singular_fbe87b76" WHERE s > 0)
        AND b.k <= (SELECT count(*) FROM "ml"."sqlstab_solve_singular_fbe87b76" WHERE s > 0)
),
-- How well the two runs fit: X are the balanced vectors of the shared ids, Y the reference's; C = X'Y.
shared_gram AS (
    SELECT
        side,
        i,
        arrayMap(p -> p.2, arraySort(p -> p.1, groupArray((j, value)))) AS x
    FROM (
        SELECT
            above.side AS side,
            above.i AS i,
            above.j AS j,
            above.value AS value
        FROM "ml"."sqlstab_shared_run_fbe87b76" AS above
        UNION ALL
        SELECT
            below.side AS side,
            below.j AS i,
            below.i AS j,
            below.value AS value
        FROM "ml"."sqlstab_shared_run_fbe87b76" AS below
        WHERE below.i < below.j
    ) AS e
    GROUP BY
        side,
        i
),
shared_balanced AS (
    SELECT
        b.side AS side,
        b.k AS k,
        arrayMap(p -> p.2, arraySort(p -> p.1, groupArray((g.i, arrayDotProduct(g.x, b.x))))) AS x
    FROM "ml"."sqlstab_solve_balanced_fbe87b76" AS b
    JOIN shared_gram AS g ON g.side = b.side
    GROUP BY
        b.side,
        b.k
),
run_gram AS (
    SELECT
        b.k AS k,
        p.k AS l,
        sum(
            CASE b.side WHEN 'items' THEN 1.0000000000000000e+00 ELSE 0 END * arrayDotProduct(b.x, p.x)
        ) AS value
    FROM "ml"."sqlstab_solve_balanced_fbe87b76" AS b
    JOIN shared_balanced AS p ON p.side = b.side
    GROUP BY
        b.k,
        p.k
),
reference_gram AS (
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
        FROM "ml"."sqlstab_shared_reference_fbe87b76" AS above
        UNION ALL
        SELECT
            below.side AS side,
            below.j AS i,
            below.i AS j,
            below.value AS value
        FROM "ml"."sqlstab_shared_reference_fbe87b76" AS below
        WHERE below.i < below.j
    ) AS e
    GROUP BY
        i,
        j
),
sizes AS (
    SELECT
        (SELECT sum(value) FROM run_gram WHERE k = l) AS run_trace,
        (SELECT sum(value) FROM reference_gram WHERE i = j) AS reference_trace,
        (SELECT sum(value * value) FROM run_gram) AS run_squares,
        (SELECT sum(value * value) FROM reference_gram) AS reference_squares,
        (
            SELECT sum(
                arrayDotProduct(o.x, c.x)
            ) FROM "ml"."sqlstab_solve_omega_rows_fbe87b76" AS o JOIN crossed AS c ON c.k = o.k
        ) AS cross_nuclear,
        (SELECT sum(arrayDotProduct(x, x)) FROM crossed) AS cross_squares
),
-- The pivots of the Cholesky factors are the squares of the largest entries of the rows of R.
pivots AS (
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
                sqlstab_k - 1 + 1 AS n,
                sqlstab_v AS value
            FROM (SELECT side, i, r AS x FROM "ml"."sqlstab_solve_unit_factors_fbe87b76") AS m
            ARRAY JOIN m.x AS sqlstab_v, arrayEnumerate(m.x) AS sqlstab_k
        ) AS e
        GROUP BY
            side,
            n
    ) AS p
    GROUP BY side
),
-- What the rounding errors of the sums may do to the axes: these, times the trace of the inverse of the Gram matrix of
-- columns of length one, since G^(-1) = M S^(-1) M'.
accuracies AS (
    SELECT
        b.side AS side,
        2.220446049250313E-16 * (16 + sqrt(max(m.n_rows))) * sum(
            b.value * b.value * m.norm * m.norm / b.s
        ) AS value
    FROM (
        SELECT
            m.side AS side,
            m.k AS k,
            m.s AS s,
            sqlstab_k - 1 + 1 AS i,
            sqlstab_v AS value
        FROM "ml"."sqlstab_solve_balanced_fbe87b76" AS m
        ARRAY JOIN m.x AS sqlstab_v, arrayEnumerate(m.x) AS sqlstab_k
    ) AS b
    JOIN norms AS m ON m.side = b.side AND m.i = b.i
    WHERE b.s > 0
    GROUP BY b.side
),
side_figures AS (
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
rank_of_scores AS (
    SELECT sum(CASE WHEN s > 0 THEN 1 ELSE 0 END) AS rank
    FROM "ml"."sqlstab_solve_singular_fbe87b76"
),
-- Directions of this run that the shared ids say something about; the rows of Omega for all others are near zero.
determined AS (
    SELECT floor(sum(arrayDotProduct(x, x)) + 1E-3) AS aligned
    FROM "ml"."sqlstab_solve_omega_rows_fbe87b76"
),
anchors AS (
    SELECT sum(n_rows) AS anchors
    FROM (
        SELECT
            side,
            max(n_rows) AS n_rows
        FROM "ml"."sqlstab_crosses_fbe87b76" AS c
        GROUP BY side
    ) AS shared
)
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
    sqrt(
        greatest(run_trace + reference_trace - 2 * cross_nuclear, 0) / nullif(reference_trace, 0)
    ) AS relative_residual,
    cross_squares / nullif(sqrt(run_squares) * sqrt(reference_squares), 0) AS cka,
    sqrt(
        sqrt(
            6 * greatest(run_squares + reference_squares - 2 * cross_squares, 0)
        ) / nullif(reference_trace, 0)
    ) AS bound
FROM (SELECT * FROM side_figures WHERE side = 'users') AS users
CROSS JOIN (SELECT * FROM side_figures WHERE side = 'items') AS items
CROSS JOIN rank_of_scores
CROSS JOIN score_error
CROSS JOIN anchors
CROSS JOIN determined
CROSS JOIN omega_error
CROSS JOIN sizes;

CREATE TABLE "ml"."sqlstab_solution_fbe87b76" ENGINE = MergeTree ORDER BY tuple() AS
-- The two maps, from sums. Rows (name, i, j, value): name is users or items for the maps, omega for the
-- alignment, singular_values (j = 1), or that of a figure (i = j = 1).
WITH
balanced_rows AS (
    SELECT
        side,
        i,
        arrayMap(p -> p.2, arraySort(p -> p.1, groupArray((k, value)))) AS x
    FROM (
        SELECT
            m.side AS side,
            m.k AS k,
            sqlstab_k - 1 + 1 AS i,
            sqlstab_v AS value
        FROM "ml"."sqlstab_solve_balanced_fbe87b76" AS m
        ARRAY JOIN m.x AS sqlstab_v, arrayEnumerate(m.x) AS sqlstab_k
    ) AS e
    GROUP BY
        side,
        i
),
omega AS (
    SELECT
        j,
        arrayMap(p -> p.2, arraySort(p -> p.1, groupArray((k, value)))) AS x
    FROM (
        SELECT
            m.k AS k,
            sqlstab_k - 1 + 1 AS j,
            sqlstab_v AS value
        FROM "ml"."sqlstab_solve_omega_rows_fbe87b76" AS m
        ARRAY JOIN m.x AS sqlstab_v, arrayEnumerate(m.x) AS sqlstab_k
    ) AS e
    GROUP BY
        j
),
-- 5. The maps: M_T Omega for the items, M_W Omega for the users.
maps AS (
    SELECT
        m.side AS side,
        m.i AS i,
        o.j AS j,
        arrayDotProduct(m.x, o.x) AS value
    FROM balanced_rows AS m
    CROSS JOIN omega AS o
),
-- What forbids a result; NULL if nothing does.
checked AS (
    SELECT
        f.*,
        CASE
            WHEN users_columns <> 3
            THEN 'The SQL solver refuses: users: the sums are of ' || coalesce(
                toString(CAST(users_columns AS Int64)),
                'unknown'
            ) || ' components, not of 3; sqlstab run would, too.'
            WHEN NOT coalesce(users_longest >= 1E-145, false)
            THEN 'The SQL solver refuses: users: all vectors are zero, or so small that their squares are; sqlstab run would, too. Multiply small vectors by a constant.'
            WHEN NOT users_longest <= 1E150
            THEN 'The SQL solver refuses: users: the sums of squares overflow, or nearly so. Divide the vectors by a constant.'
            WHEN items_columns <> 3
            THEN 'The SQL solver refuses: items: the sums are of ' || coalesce(
                toString(CAST(items_columns AS Int64)),
                'unknown'
            ) || ' components, not of 3; sqlstab run would, too.'
            WHEN NOT coalesce(items_longest >= 1E-145, false)
            THEN 'The SQL solver refuses: items: all vectors are zero, or so small that their squares are; sqlstab run would, too. Multiply small vectors by a constant.'
            WHEN NOT items_longest <= 1E150
            THEN 'The SQL solver refuses: items: the sums of squares overflow, or nearly so. Divide the vectors by a constant.'
            WHEN rank = 0
            THEN 'The SQL solver refuses: all scores are zero, users and items have no direction in common; sqlstab run would, too.'
            WHEN users_rank < users_live
            THEN 'The SQL solver refuses: users: of ' || coalesce(
                toString(CAST(users_live AS Int64)),
                'unknown'
            ) || ' columns that are not zero only ' || coalesce(toString(
                CAST(users_rank AS Int64)
            ), 'unknown')
                || ' are independent, as far as these sums show. Use sqlstab run, which takes a second pass where it must.'
            WHEN NOT coalesce(users_accuracy <= 1E-2, false)
            THEN 'The SQL solver refuses: users: the columns are nearly dependent (condition at least ' || coalesce(
                toString(users_condition),
                'unknown'
            )
                || '), too much for sums of products. Use sqlstab run, which takes a second pass.'
            WHEN items_rank < items_live
            THEN 'The SQL solver refuses: items: of ' || coalesce(
                toString(CAST(items_live AS Int64)),
                'unknown'
            ) || ' columns that are not zero only ' || coalesce(toString(
                CAST(items_rank AS Int64)
            ), 'unknown')
                || ' are independent, as far as these sums show. Use sqlstab run, which takes a second pass where it must.'
            WHEN NOT coalesce(items_accuracy <= 1E-2, false)
            THEN 'The SQL solver refuses: items: the columns are nearly dependent (condition at least ' || coalesce(
                toString(items_condition),
                'unknown'
            )
                || '), too much for sums of products. Use sqlstab run, which takes a second pass.'
            WHEN NOT coalesce(aligned >= 1, false)
            THEN 'The SQL solver refuses: the runs share no ids to align on, or none with a weight above zero; sqlstab run would, too, unless the earlier run has stored maps only.'
            WHEN NOT coalesce(aligned >= rank, false)
            THEN 'The SQL solver refuses: the shared ids say nothing about ' || coalesce(
                toString(CAST(rank - aligned AS Int64)),
                'unknown'
            ) || ' of ' || coalesce(toString(CAST(rank AS Int64)), 'unknown')
                || ' directions. Use sqlstab run, which places them in what is left of the space.'
            WHEN NOT coalesce(
                greatest(score_error, omega_error, 1E-7 * users_gram_error, 1E-7 * items_gram_error) <= 1E-9,
                false
            )
            THEN 'The SQL solver refuses: the result fails its own proof: scores change by ' || coalesce(
                toString(score_error),
                'unknown'
            )
                || ', the balanced Gram matrices are off by ' || coalesce(
                    toString(greatest(users_gram_error, items_gram_error)),
                    'unknown'
                )
                || ', Omega is not orthogonal by ' || coalesce(toString(omega_error), 'unknown')
                || '. Use sqlstab run.'
        END AS problem
    FROM "ml"."sqlstab_solve_figures_fbe87b76" AS f
)
SELECT
    r.name AS name,
    r.i AS i,
    r.j AS j,
    CASE WHEN c.problem IS NULL THEN r.value ELSE toFloat64(coalesce(c.problem, '0')) END AS value
FROM checked AS c
CROSS JOIN (
    SELECT side AS name, i, j, value FROM maps
    UNION ALL
    SELECT 'omega', k, j, value
    FROM (
        SELECT
            m.j AS j,
            sqlstab_k - 1 + 1 AS k,
            sqlstab_v AS value
        FROM omega AS m
        ARRAY JOIN m.x AS sqlstab_v, arrayEnumerate(m.x) AS sqlstab_k
    ) AS o
    WHERE k <= (SELECT rank FROM "ml"."sqlstab_solve_figures_fbe87b76")
    UNION ALL
    SELECT 'singular_values', k, 1, s FROM "ml"."sqlstab_solve_singular_fbe87b76"
    UNION ALL
    SELECT 'users_rows', 1, 1, toFloat64(users_rows) FROM "ml"."sqlstab_solve_figures_fbe87b76"
    UNION ALL
    SELECT 'users_columns', 1, 1, toFloat64(users_columns) FROM "ml"."sqlstab_solve_figures_fbe87b76"
    UNION ALL
    SELECT 'users_live', 1, 1, toFloat64(users_live) FROM "ml"."sqlstab_solve_figures_fbe87b76"
    UNION ALL
    SELECT 'users_rank', 1, 1, toFloat64(users_rank) FROM "ml"."sqlstab_solve_figures_fbe87b76"
    UNION ALL
    SELECT 'users_condition', 1, 1, toFloat64(users_condition) FROM "ml"."sqlstab_solve_figures_fbe87b76"
    UNION ALL
    SELECT 'users_accuracy', 1, 1, toFloat64(users_accuracy) FROM "ml"."sqlstab_solve_figures_fbe87b76"
    UNION ALL
    SELECT 'users_gram_error', 1, 1, toFloat64(users_gram_error) FROM "ml"."sqlstab_solve_figures_fbe87b76"
    UNION ALL
    SELECT 'items_rows', 1, 1, toFloat64(items_rows) FROM "ml"."sqlstab_solve_figures_fbe87b76"
    UNION ALL
    SELECT 'items_columns', 1, 1, toFloat64(items_columns) FROM "ml"."sqlstab_solve_figures_fbe87b76"
    UNION ALL
    SELECT 'items_live', 1, 1, toFloat64(items_live) FROM "ml"."sqlstab_solve_figures_fbe87b76"
    UNION ALL
    SELECT 'items_rank', 1, 1, toFloat64(items_rank) FROM "ml"."sqlstab_solve_figures_fbe87b76"
    UNION ALL
    SELECT 'items_condition', 1, 1, toFloat64(items_condition) FROM "ml"."sqlstab_solve_figures_fbe87b76"
    UNION ALL
    SELECT 'items_accuracy', 1, 1, toFloat64(items_accuracy) FROM "ml"."sqlstab_solve_figures_fbe87b76"
    UNION ALL
    SELECT 'items_gram_error', 1, 1, toFloat64(items_gram_error) FROM "ml"."sqlstab_solve_figures_fbe87b76"
    UNION ALL
    SELECT 'rank', 1, 1, toFloat64(rank) FROM "ml"."sqlstab_solve_figures_fbe87b76"
    UNION ALL
    SELECT 'score_error', 1, 1, toFloat64(score_error) FROM "ml"."sqlstab_solve_figures_fbe87b76"
    UNION ALL
    SELECT 'anchors', 1, 1, toFloat64(anchors) FROM "ml"."sqlstab_solve_figures_fbe87b76"
    UNION ALL
    SELECT 'aligned', 1, 1, toFloat64(aligned) FROM "ml"."sqlstab_solve_figures_fbe87b76"
    UNION ALL
    SELECT 'omega_error', 1, 1, toFloat64(omega_error) FROM "ml"."sqlstab_solve_figures_fbe87b76"
    UNION ALL
    SELECT 'relative_residual', 1, 1, toFloat64(relative_residual) FROM "ml"."sqlstab_solve_figures_fbe87b76"
    UNION ALL
    SELECT 'cka', 1, 1, toFloat64(cka) FROM "ml"."sqlstab_solve_figures_fbe87b76"
    UNION ALL
    SELECT 'bound', 1, 1, toFloat64(bound) FROM "ml"."sqlstab_solve_figures_fbe87b76"
) AS r;

CREATE TABLE "ml"."sqlstab_maps_fbe87b76" ENGINE = MergeTree ORDER BY tuple() AS
-- The two maps of a solution.
SELECT
    s.name AS side,
    s.i AS i,
    s.j AS j,
    -- None is NULL, but figures in the same column may be, and some engines know columns by that.
    coalesce(s.value, 0) AS value
FROM "ml"."sqlstab_solution_fbe87b76" AS s
WHERE s.name IN ('users', 'items');

-- 3. The stable vectors: each raw vector times its map --------------------------------------------

DELETE FROM "ml"."movies_runs" WHERE "run" = '2026-11-30';

INSERT INTO "ml"."movies_maps" ("run", "side", "i", "j", "value", "feature_of") VALUES
('2026-11-30', 'claim', 1, 0, 0.0000000000000000e+00, NULL);

DELETE FROM "ml"."movies_maps" WHERE "run" = '2026-11-30' AND NOT ("side" = 'claim' AND "i" = 1);

INSERT INTO "ml"."movies_maps" ("run", "side", "i", "j", "value", "feature_of") VALUES
('2026-11-30', 'claim', 0, 0, 0.0000000000000000e+00, NULL);

CREATE TABLE "ml"."movies_users_sqlstab_00000000" AS "ml"."movies_users" COMMENT 'sqlstab';

INSERT INTO "ml"."movies_users_sqlstab_00000000" ("run", "id", "embedding")
SELECT '2026-11-30' AS "run", "id", "embedding"
FROM (
-- The stable vectors of the users: each row times a matrix.
SELECT
    s.id AS "id",
    arrayMap(v -> toFloat32(v), s.x) AS "embedding"
FROM (
    SELECT
        id,
        [
            arrayDotProduct(x, matrix[1]),
            arrayDotProduct(x, matrix[2]),
            arrayDotProduct(x, matrix[3])
        ] AS x
    FROM (
        SELECT
            q.*,
            (
                SELECT arrayMap(p -> p.2, arraySort(p -> p.1, groupArray((j, c))))
                FROM (
                    SELECT
                        j,
                        arrayMap(p -> p.2, arraySort(p -> p.1, groupArray((i, value)))) AS c
                    FROM "ml"."sqlstab_maps_fbe87b76"
                    WHERE side = 'users'
                    GROUP BY j
                ) AS matrix_columns
            ) AS matrix
        FROM (
            SELECT
                t."id" AS id,
                arrayMap(v -> assumeNotNull(v), arrayMap(v -> toFloat64(v), t."embedding")) AS x
            FROM "ml"."users" AS t
        ) AS q
    ) AS m
) AS s
) AS q;

ALTER TABLE "ml"."movies_users" REPLACE PARTITION '2026-11-30' FROM "ml"."movies_users_sqlstab_00000000";

DROP TABLE "ml"."movies_users_sqlstab_00000000" SETTINGS max_table_size_to_drop = 0;

CREATE TABLE "ml"."movies_items_sqlstab_00000000" AS "ml"."movies_items" COMMENT 'sqlstab';

INSERT INTO "ml"."movies_items_sqlstab_00000000" ("run", "id", "embedding")
SELECT '2026-11-30' AS "run", "id", "embedding"
FROM (
-- The stable vectors of the items: each row times a matrix.
SELECT
    s.id AS "id",
    arrayMap(v -> toFloat32(v), s.x) AS "embedding"
FROM (
    SELECT
        id,
        [
            arrayDotProduct(x, matrix[1]),
            arrayDotProduct(x, matrix[2]),
            arrayDotProduct(x, matrix[3])
        ] AS x
    FROM (
        SELECT
            q.*,
            (
                SELECT arrayMap(p -> p.2, arraySort(p -> p.1, groupArray((j, c))))
                FROM (
                    SELECT
                        j,
                        arrayMap(p -> p.2, arraySort(p -> p.1, groupArray((i, value)))) AS c
                    FROM "ml"."sqlstab_maps_fbe87b76"
                    WHERE side = 'items'
                    GROUP BY j
                ) AS matrix_columns
            ) AS matrix
        FROM (
            SELECT
                t."id" AS id,
                arrayMap(v -> assumeNotNull(v), arrayMap(v -> toFloat64(v), t."embedding")) AS x
            FROM "ml"."items" AS t
        ) AS q
    ) AS m
) AS s
) AS q;

ALTER TABLE "ml"."movies_items" REPLACE PARTITION '2026-11-30' FROM "ml"."movies_items_sqlstab_00000000";

DROP TABLE "ml"."movies_items_sqlstab_00000000" SETTINGS max_table_size_to_drop = 0;

-- 4. Figures --------------------------------------------------------------------------------------

CREATE TABLE "ml"."sqlstab_figures_fbe87b76" ENGINE = MergeTree ORDER BY tuple() AS
-- The figures of this run.
SELECT
    name,
    value
FROM "ml"."sqlstab_solution_fbe87b76" AS s
WHERE name IN ('users_rows', 'users_columns', 'users_live', 'users_rank', 'users_condition', 'users_accuracy', 'users_gram_error', 'items_rows', 'items_columns', 'items_live', 'items_rank', 'items_condition', 'items_accuracy', 'items_gram_error', 'rank', 'score_error', 'anchors', 'aligned', 'omega_error', 'relative_residual', 'cka', 'bound')
UNION ALL
SELECT
    'singular_value_' || toString(s.i) AS name,
    s.value AS value
FROM "ml"."sqlstab_solution_fbe87b76" AS s
WHERE s.name = 'singular_values'
UNION ALL
SELECT
    'cosine_users_' || figure AS name,
    CASE figure WHEN 'rows' THEN toFloat64(n_rows) WHEN 'mean' THEN after_mean WHEN 'p10' THEN after_p10 ELSE after_median END AS value
FROM (
    -- Cosine of the same user in this run and in the reference: of the stable vectors (after), for all users that both runs have.
    SELECT
        count(*) AS n_rows,
        avg(after) AS after_mean,
        quantileExactInclusive(0.1)(after) AS after_p10,
        quantileExactInclusive(0.5)(after) AS after_median
    FROM (
        -- The cosine of a zero vector is undefined: NULL, which the figures leave out.
        SELECT
            (arrayDotProduct(s, p))
                / nullif(sqrt(arrayDotProduct(s, s)) * sqrt(arrayDotProduct(y, y)), 0) AS after
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
                        arrayMap(v -> assumeNotNull(v), arrayMap(v -> toFloat64(v), t."embedding")) AS x
                    FROM "ml"."movies_users" AS t
                    WHERE
                        (t."run" = '2026-11-30')
                ) AS run
                JOIN (
                    SELECT
                        t."id" AS id,
                        arrayMap(v -> assumeNotNull(v), arrayMap(v -> toFloat64(v), t."embedding")) AS x
                    FROM "ml"."sqlstab_earlier_users_fbe87b76" AS t
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
    CASE figure WHEN 'rows' THEN toFloat64(n_rows) WHEN 'mean' THEN after_mean WHEN 'p10' THEN after_p10 ELSE after_median END AS value
FROM (
    -- Cosine of the same item in this run and in the reference: of the stable vectors (after), for all items that both runs have.
    SELECT
        count(*) AS n_rows,
        avg(after) AS after_mean,
        quantileExactInclusive(0.1)(after) AS after_p10,
        quantileExactInclusive(0.5)(after) AS after_median
    FROM (
        -- The cosine of a zero vector is undefined: NULL, which the figures leave out.
        SELECT
            (arrayDotProduct(s, p))
                / nullif(sqrt(arrayDotProduct(s, s)) * sqrt(arrayDotProduct(y, y)), 0) AS after
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
                        arrayMap(v -> assumeNotNull(v), arrayMap(v -> toFloat64(v), t."embedding")) AS x
                    FROM "ml"."movies_items" AS t
                    WHERE
                        (t."run" = '2026-11-30')
                ) AS run
                JOIN (
                    SELECT
                        t."id" AS id,
                        arrayMap(v -> assumeNotNull(v), arrayMap(v -> toFloat64(v), t."embedding")) AS x
                    FROM "ml"."sqlstab_earlier_items_fbe87b76" AS t
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
    toFloat64(shared) AS value
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
        FROM "ml"."sqlstab_earlier_users_fbe87b76" AS t
    )
) AS shared_ids
UNION ALL
SELECT
    'shared_items' AS name,
    toFloat64(shared) AS value
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
        FROM "ml"."sqlstab_earlier_items_fbe87b76" AS t
    )
) AS shared_ids
UNION ALL
SELECT
    figure AS name,
    CASE figure WHEN 'score_pairs' THEN toFloat64(n_pairs) ELSE largest_error / nullif(largest, 0) END AS value
FROM (
    -- Dot products of the raw and of the written vectors, for all pairs of 300 users and 300 items.
    SELECT
        count(raw_score - stable_score) AS n_pairs,
        max(abs(raw_score)) AS largest,
        max(abs(raw_score - stable_score)) AS largest_error
    FROM (
        SELECT
            arrayDotProduct(u.x, i.x) AS raw_score,
            arrayDotProduct(u.s, i.s) AS stable_score
        FROM (
            SELECT
                r.x AS x,
                s.x AS s
            FROM (
                SELECT
                    t."id" AS id,
                    arrayMap(v -> assumeNotNull(v), arrayMap(v -> toFloat64(v), t."embedding")) AS x
                FROM "ml"."users" AS t
            ) AS r
            JOIN (
                -- Whichever rows come first: they are found without reading the whole table.
                SELECT *
                FROM (
                    SELECT
                        t."id" AS id,
                        arrayMap(v -> assumeNotNull(v), arrayMap(v -> toFloat64(v), t."embedding")) AS x
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
                    arrayMap(v -> assumeNotNull(v), arrayMap(v -> toFloat64(v), t."embedding")) AS x
                FROM "ml"."items" AS t
            ) AS r
            JOIN (
                -- Whichever rows come first: they are found without reading the whole table.
                SELECT *
                FROM (
                    SELECT
                        t."id" AS id,
                        arrayMap(v -> assumeNotNull(v), arrayMap(v -> toFloat64(v), t."embedding")) AS x
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

CREATE TABLE "ml"."sqlstab_run_fbe87b76" ENGINE = MergeTree ORDER BY tuple() AS
-- What there is to know of this run, as JSON.
SELECT
    '{"format": 2, "sqlstab": "VERSION", "key": "2026-11-30", "column": "run", "created": '
    || '"' || formatDateTime(now64(6), '%Y-%m-%dT%H:%i:%S.%f+00:00', 'UTC') || '"'
    || ', "created_by": null, "engine": "clickhouse", "versions": {}, "options": {"align": "previous", "memory": 0.8, "anchor": "items", "plain_rows": true, "maps_only": false, "map": null, "columns": null, "rank": null, "sample": null, "strategy": "sql", "refine": "never", "on_invalid": "error", "output_layout": null, "output_type": null, "min_agreement": null, "min_shared_ids": null, "force": false}, "strategy": "sql", "inputs": {"users": {"relation": "ml.users", "id": "id", "id_type": "Int64", "layout": "array", "vector": ["embedding"], "element": "float", "filter": null, "weight": null, "anchor_filter": null, "keep": [], "first": 0, "vector_type": "", "fields": []}, "items": {"relation": "ml.items", "id": "id", "id_type": "Int64", "layout": "array", "vector": ["embedding"], "element": "float", "filter": null, "weight": null, "anchor_filter": null, "keep": [], "first": 0, "vector_type": "", "fields": []}}, "tables": {"users": {"rows": '
    || coalesce(toString(toInt64OrNull(toString(f.users_rows))), 'null')
    || ', "dimension": 3, "summed": '
    || coalesce(toString(toInt64OrNull(toString(f.users_rows))), 'null')
    || ', "left_out": 0, "problems": {}, "passes": 1, "rank": '
    || coalesce(toString(toInt64OrNull(toString(f.users_rank))), 'null')
    || ', "condition": '
    || coalesce(toString(f.users_condition), 'null')
    || ', "accuracy": '
    || coalesce(toString(f.users_accuracy), 'null')
    || '}, "items": {"rows": '
    || coalesce(toString(toInt64OrNull(toString(f.items_rows))), 'null')
    || ', "dimension": 3, "summed": '
    || coalesce(toString(toInt64OrNull(toString(f.items_rows))), 'null')
    || ', "left_out": 0, "problems": {}, "passes": 1, "rank": '
    || coalesce(toString(toInt64OrNull(toString(f.items_rank))), 'null')
    || ', "condition": '
    || coalesce(toString(f.items_condition), 'null')
    || ', "accuracy": '
    || coalesce(toString(f.items_accuracy), 'null')
    || '}}, "map": "balanced", "like": {}, "raw_dimension": 3, "dimension": 3, "rank": '
    || coalesce(toString(toInt64OrNull(toString(f.rank))), 'null')
    || ', "invertible": {"users": '
    || CASE WHEN f.rank >= f.users_live THEN 'true' ELSE 'false' END
    || ', "items": '
    || CASE WHEN f.rank >= f.items_live THEN 'true' ELSE 'false' END
    || '}, "singular_values": ['
    || coalesce(toString(f.singular_value_1), 'null')
    || ', '
    || coalesce(toString(f.singular_value_2), 'null')
    || ', '
    || coalesce(toString(f.singular_value_3), 'null')
    || '], "reference": {"align": "previous", "run": '
    || '"' || replace(replace(toString(r.run_key), '\\', '\\\\'), '"', '\\"') || '"'
    || ', "runs": {'
    || '"' || replace(replace(toString(r.run_key), '\\', '\\\\'), '"', '\\"') || '"'
    || ': 1.0}, "dimension": 3}, "alignment": {"sides": ["items"], "verdict": "unknown", "reason": "A script of SQL fits all shared ids and keeps none to judge the fit by.", "agreement": null, "held_out": null, "chance": null, "anchors": '
    || coalesce(toString(toInt64OrNull(toString(f.anchors))), 'null')
    || ', "unit_rows": false, "plain_rows_cost": null, "relative_residual": '
    || coalesce(toString(f.relative_residual), 'null')
    || ', "linear_residual": null, "bound": '
    || coalesce(toString(f.bound), 'null')
    || ', "cka": '
    || coalesce(toString(f.cka), 'null')
    || ', "determinant": null, "ambiguous": 0}, "shared": {"users": '
    || coalesce(toString(toInt64OrNull(toString(f.shared_users))), 'null')
    || ', "items": '
    || coalesce(toString(toInt64OrNull(toString(f.shared_items))), 'null')
    || '}, "cosine": {"users": {"rows": '
    || coalesce(toString(toInt64OrNull(toString(f.cosine_users_rows))), 'null')
    || ', "before": null, "after": {"mean": '
    || coalesce(toString(f.cosine_users_mean), 'null')
    || ', "p10": '
    || coalesce(toString(f.cosine_users_p10), 'null')
    || ', "median": '
    || coalesce(toString(f.cosine_users_median), 'null')
    || '}}, "items": {"rows": '
    || coalesce(toString(toInt64OrNull(toString(f.cosine_items_rows))), 'null')
    || ', "before": null, "after": {"mean": '
    || coalesce(toString(f.cosine_items_mean), 'null')
    || ', "p10": '
    || coalesce(toString(f.cosine_items_p10), 'null')
    || ', "median": '
    || coalesce(toString(f.cosine_items_median), 'null')
    || '}}}, "gates": null, "scores": {"identity_error": '
    || coalesce(toString(f.score_error), 'null')
    || ', "max_relative_error": '
    || coalesce(toString(f.max_relative_error), 'null')
    || '}, "outputs": {"users": {"relation": "ml.movies_users", "id": "id", "id_type": "Int64", "layout": "array", "vector": ["embedding"], "element": "float", "filter": "\\"run\\" = ''2026-11-30''", "weight": null, "anchor_filter": null, "keep": [], "first": 0, "vector_type": "", "fields": []}, "items": {"relation": "ml.movies_items", "id": "id", "id_type": "Int64", "layout": "array", "vector": ["embedding"], "element": "float", "filter": "\\"run\\" = ''2026-11-30''", "weight": null, "anchor_filter": null, "keep": [], "first": 0, "vector_type": "", "fields": []}}, "warnings": [], "timings": {}}' AS figures,
    formatDateTime(now64(6), '%Y-%m-%dT%H:%i:%S.%f+00:00', 'UTC') AS created
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
    FROM "ml"."sqlstab_figures_fbe87b76" AS n
) AS f
CROSS JOIN "ml"."sqlstab_reference_fbe87b76" AS r;

-- Fails where the users written are not those that were checked.
SELECT
    CASE
        WHEN n_rows <> checked OR null_ids + duplicate_ids > 0
        THEN toFloat64(coalesce(message, '0'))
        ELSE n_rows
    END AS written
FROM (
    SELECT
        *,
        'users: rows checked: ' || toString(CAST(checked AS Int64)) || ', rows written: ' || toString(n_rows)
            || ', NULL ids: ' || toString(null_ids) || ', duplicate ids: ' || toString(duplicate_ids)
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
    CROSS JOIN "ml"."sqlstab_checked_users_fbe87b76" AS c
) AS counts;

-- Fails where the items written are not those that were checked.
SELECT
    CASE
        WHEN n_rows <> checked OR null_ids + duplicate_ids > 0
        THEN toFloat64(coalesce(message, '0'))
        ELSE n_rows
    END AS written
FROM (
    SELECT
        *,
        'items: rows checked: ' || toString(CAST(checked AS Int64)) || ', rows written: ' || toString(n_rows)
            || ', NULL ids: ' || toString(null_ids) || ', duplicate ids: ' || toString(duplicate_ids)
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
    CROSS JOIN "ml"."sqlstab_checked_items_fbe87b76" AS c
) AS counts;

-- Fails where there are such rows: scores of the written vectors differ by more than 1e-05 of the largest.
SELECT
    CASE
        WHEN n_rows > 0
        THEN toFloat64(coalesce(message, '0'))
        ELSE n_rows
    END AS scores
FROM (
    SELECT
        count(*) AS n_rows,
        'scores of the written vectors differ by more than 1e-05 of the largest: a stable table has a type that rounds them, or vectors are far smaller than 1, for which there is --output-type double. Difference: ' || toString(max(t.value)) AS message
    FROM "ml"."sqlstab_figures_fbe87b76" AS t
    WHERE t.name = 'max_relative_error' AND NOT (t.value <= 1.0000000000000001e-05)
) AS found;

-- Fails where there are such rows: no vector was written that can be compared with a raw one.
SELECT
    CASE
        WHEN n_rows > 0
        THEN toFloat64(coalesce(message, '0'))
        ELSE n_rows
    END AS score_pairs
FROM (
    SELECT
        count(*) AS n_rows,
        'no vector was written that can be compared with a raw one: a stable table has another type of ids or of vectors. Rows: ' || toString(count(*)) AS message
    FROM "ml"."sqlstab_figures_fbe87b76" AS t
    WHERE t.name = 'score_pairs' AND t.value = 0
) AS found;

-- Fails where there are such rows: the items hardly agree with the earlier run.
SELECT
    CASE
        WHEN n_rows > 0
        THEN toFloat64(coalesce(message, '0'))
        ELSE n_rows
    END AS place_items
FROM (
    SELECT
        count(*) AS n_rows,
        'the items hardly agree with the earlier run: they are of another model, or their ids mean something else. Write them to another space, or with sqlstab run --force=true. Mean cosine, below 0.3: ' || toString(max(t.value)) AS message
    FROM "ml"."sqlstab_figures_fbe87b76" AS t
    WHERE t.name = 'cosine_items_mean' AND t.value < 2.9999999999999999e-01
) AS found;

-- Fails where there are such rows: the users hardly agree with the earlier run, though the items do.
SELECT
    CASE
        WHEN n_rows > 0
        THEN toFloat64(coalesce(message, '0'))
        ELSE n_rows
    END AS place_users
FROM (
    SELECT
        count(*) AS n_rows,
        'the users hardly agree with the earlier run, though the items do: they are of another training, or their ids mean something else. Take tables of one training, or sqlstab run, which only warns. Mean cosine, below 0.3: ' || toString(max(t.value)) AS message
    FROM "ml"."sqlstab_figures_fbe87b76" AS t
    WHERE t.name = 'cosine_users_mean' AND t.value < 2.9999999999999999e-01
) AS found;

-- 5. The run is there -----------------------------------------------------------------------------

DELETE FROM "ml"."movies_maps" WHERE "run" = '2026-11-30';

INSERT INTO "ml"."movies_maps" ("run", "side", "i", "j", "value", "feature_of")
SELECT '2026-11-30' AS "run", "side", "i", "j", "value", "feature_of"
FROM (
SELECT side, i, j, value, CAST(NULL AS Nullable(String)) AS feature_of
FROM "ml"."sqlstab_maps_fbe87b76"
) AS q;

DELETE FROM "ml"."movies_runs" WHERE "run" = '2026-11-30';

INSERT INTO "ml"."movies_runs" ("run", "created", "created_by", "part", "parts", "figures")
SELECT '2026-11-30' AS "run", "created", "created_by", "part", "parts", "figures"
FROM (
SELECT created, '' AS created_by, 1 AS part, 1 AS parts, figures
FROM "ml"."sqlstab_run_fbe87b76"
) AS q;

SELECT name, value
FROM "ml"."sqlstab_figures_fbe87b76"
WHERE name IN ('users_rows', 'items_rows', 'rank', 'max_relative_error', 'shared_users', 'shared_items', 'cosine_users_mean', 'cosine_items_mean')
ORDER BY name;

DROP VIEW IF EXISTS "ml"."sqlstab_earlier_users_fbe87b76";

DROP VIEW IF EXISTS "ml"."sqlstab_earlier_items_fbe87b76";

DROP TABLE IF EXISTS "ml"."sqlstab_grams_fbe87b76";

DROP TABLE IF EXISTS "ml"."sqlstab_solve_unit_factors_fbe87b76";

DROP TABLE IF EXISTS "ml"."sqlstab_solve_triangles_fbe87b76";

DROP TABLE IF EXISTS "ml"."sqlstab_solve_singular_fbe87b76";

DROP TABLE IF EXISTS "ml"."sqlstab_solve_balanced_fbe87b76";

DROP TABLE IF EXISTS "ml"."sqlstab_solve_omega_rows_fbe87b76";

DROP TABLE IF EXISTS "ml"."sqlstab_solve_figures_fbe87b76";

DROP TABLE IF EXISTS "ml"."sqlstab_checked_users_fbe87b76";

DROP TABLE IF EXISTS "ml"."sqlstab_checked_items_fbe87b76";

DROP TABLE IF EXISTS "ml"."sqlstab_solution_fbe87b76";

DROP TABLE IF EXISTS "ml"."sqlstab_maps_fbe87b76";

DROP TABLE IF EXISTS "ml"."sqlstab_figures_fbe87b76";

DROP TABLE IF EXISTS "ml"."sqlstab_run_fbe87b76";

DROP TABLE IF EXISTS "ml"."sqlstab_crosses_fbe87b76";

DROP TABLE IF EXISTS "ml"."sqlstab_shared_run_fbe87b76";

DROP TABLE IF EXISTS "ml"."sqlstab_shared_reference_fbe87b76";

DROP TABLE IF EXISTS "ml"."sqlstab_reference_fbe87b76";
