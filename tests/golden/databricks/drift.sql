-- Cosine of the same item in this run and in the reference: of the stable vectors (after), for all items that both runs have.
SELECT
    count(*) AS n_rows,
    avg(after) AS after_mean,
    percentile(after, 0.1) AS after_p10,
    percentile(after, 0.5) AS after_median
FROM (
    -- The cosine of a zero vector is undefined: NULL, which the figures leave out.
    SELECT
        (aggregate(zip_with(s, p, (a, b) -> a * b), 0E0, (s, v) -> s + v))
            / nullif(sqrt(aggregate(zip_with(s, s, (a, b) -> a * b), 0E0, (s, v) -> s + v)) * sqrt(aggregate(zip_with(y, y, (a, b) -> a * b), 0E0, (s, v) -> s + v)), 0) AS after
    FROM (
        SELECT
            pinned.s AS s,
            pinned.y AS y,
            pinned.p AS p
        FROM (
            SELECT
                x AS s,
                y,
                y AS p
            FROM (
                SELECT
                    pinned.x AS x,
                    pinned.y AS y
                FROM (
                    SELECT
                        id,
                        run.x AS x,
                        reference.x AS y
                    FROM (
                        SELECT
                            t.`id` AS id,
                            CAST(t.`embedding` AS array<double>) AS x
                        FROM `items` AS t
                    ) AS run
                    JOIN (
                        SELECT
                            t.`id` AS id,
                            CAST(t.`embedding` AS array<double>) AS x
                        FROM `yesterday`.`items` AS t
                    ) AS reference USING (id)
                ) AS p
                LATERAL VIEW inline(array(struct(p.x, p.y))) pinned AS x, y
            ) AS pairs
        ) AS p
        LATERAL VIEW inline(array(struct(p.s, p.y, p.p))) pinned AS s, y, p
    ) AS vectors
) AS cosines
