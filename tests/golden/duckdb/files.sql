-- Cross Gram matrix of the items, for each half of the ids: the sum of x[i] * y[j] over the ids that this run (x)
-- and the reference (y) share, each times its weight, for all i and j; both vectors end with a 1.
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
                    sum(reference.w * run.x1 * reference.x1), sum(reference.w * run.x1 * reference.x2), sum(reference.w * run.x1 * reference.x3), sum(reference.w * run.x1 * reference.x4),
                    sum(reference.w * run.x2 * reference.x1), sum(reference.w * run.x2 * reference.x2), sum(reference.w * run.x2 * reference.x3), sum(reference.w * run.x2 * reference.x4),
                    sum(reference.w * run.x3 * reference.x1), sum(reference.w * run.x3 * reference.x2), sum(reference.w * run.x3 * reference.x3), sum(reference.w * run.x3 * reference.x4),
                    sum(reference.w * run.x4 * reference.x1), sum(reference.w * run.x4 * reference.x2), sum(reference.w * run.x4 * reference.x3), sum(reference.w * run.x4 * reference.x4)
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
                        FROM "items" AS t
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
                        CAST(x[3] AS DOUBLE) AS x3,
                        w
                    FROM (
                        SELECT
                            t."id" AS id,
                            CAST(t."embedding" AS FLOAT[]) AS x,
                            CAST(CASE t.run WHEN 'a' THEN 0.8E0 ELSE 1E0 END AS DOUBLE) AS w
                        FROM read_parquet(['s/run=a/items.parquet', 's/run=b/items.parquet'], hive_partitioning = true, hive_types_autocast = false) AS t
                        WHERE
                            (t.run IN ('a', 'b'))
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
