-- Cosine of the same item in this run and in the reference: of the stable vectors (after) and
-- of the raw ones (before), for all items that both runs have.
SELECT
    count(*) AS n_rows,
    avg(after) AS after_mean,
    percentile(after, 0.1) AS after_p10,
    percentile(after, 0.5) AS after_median,
    avg(before) AS before_mean,
    percentile(before, 0.1) AS before_p10,
    percentile(before, 0.5) AS before_median,
    -- How many are in two ranges, which tell ids that mean something else and raw vectors that stayed.
    count(CASE WHEN after < 1.0000000000000001e-01 THEN 1 END) AS after_below,
    count(CASE WHEN after >= 1.0000000000000001e-01 AND after < 3.2500000000000001e-01 THEN 1 END) AS after_near,
    count(CASE WHEN before < 9.9999899999999997e-01 THEN 1 END) AS before_below,
    count(CASE WHEN before >= 9.9999899999999997e-01 AND before < 2.0000000000000000e+00 THEN 1 END) AS before_near
FROM (
    -- The cosine of a zero vector is undefined: NULL, which the figures leave out.
    SELECT
        (aggregate(zip_with(x, z, (a, b) -> a * b), 0E0, (s, v) -> s + v))
            / nullif(sqrt(aggregate(zip_with(x, x, (a, b) -> a * b), 0E0, (s, v) -> s + v)) * sqrt(aggregate(zip_with(z, z, (a, b) -> a * b), 0E0, (s, v) -> s + v)), 0) AS before,
        (aggregate(zip_with(s, p, (a, b) -> a * b), 0E0, (s, v) -> s + v))
            / nullif(sqrt(aggregate(zip_with(s, s, (a, b) -> a * b), 0E0, (s, v) -> s + v)) * sqrt(aggregate(zip_with(y, y, (a, b) -> a * b), 0E0, (s, v) -> s + v)), 0) AS after
    FROM (
        SELECT
            pinned.x AS x,
            pinned.z AS z,
            pinned.s AS s,
            pinned.y AS y,
            pinned.p AS p
        FROM (
            SELECT
                x,
                transform(from_json('[
                    [5.0000000000000000e-01, 2.5000000000000000e-01],
                    [0.0000000000000000e+00, -1.0000000000000000e+00],
                    [1.0000000000000000e+00, 0.0000000000000000e+00]
                ]', 'array<array<double>>'), c -> aggregate(zip_with(c, y, (a, b) -> a * b), 0E0, (s, v) -> s + v)) AS z,
                transform(from_json('[
                    [5.0000000000000000e-01, 2.5000000000000000e-01, 0.0000000000000000e+00],
                    [0.0000000000000000e+00, -1.0000000000000000e+00, 2.0000000000000000e+00],
                    [1.0000000000000000e+00, 0.0000000000000000e+00, 9.9999999999999995e-21]
                ]', 'array<array<double>>'), c -> aggregate(zip_with(c, x, (a, b) -> a * b), 0E0, (s, v) -> s + v)) AS s,
                y,
                concat(y, array(0E0)) AS p
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
        LATERAL VIEW inline(array(struct(p.x, p.z, p.s, p.y, p.p))) pinned AS x, z, s, y, p
    ) AS vectors
) AS cosines
