{#- Rows (side, i, j, value) are those of a Gram matrix for each side: with all i <= j or all i and j, each as often as
    any other; the same above and below; and no entry larger than its diagonal allows. -#}
{%- test sqlstab_gram_is_symmetric(model, precision=1e-12) -%}
{%- set of_engine = "See sqlstab_no_invalid_vectors of the raw vectors, and build the model again." -%}
WITH entries AS (
    SELECT
        side,
        i,
        j,
        sum(value) AS value,
        count(*) AS n
    FROM {{ model }}
    GROUP BY
        side,
        i,
        j
),

bounds AS (
    SELECT
        e.side,
        e.i,
        e.j,
        e.value,
        sqrt(a.value) * sqrt(b.value) AS bound
    FROM entries AS e
    LEFT JOIN entries AS a ON a.side = e.side AND a.i = e.i AND a.j = e.i AND a.value >= 0
    LEFT JOIN entries AS b ON b.side = e.side AND b.i = e.j AND b.j = e.j AND b.value >= 0
)

SELECT *
FROM (
    {{ sqlstab.problem(
        "sides with entries missing or doubled in " ~ model.identifier, "count(*)",
        "The model was built in part, or twice. Build it again with --full-refresh.", "min(side)"
    ) | indent(4) }}
    FROM (
        SELECT side
        FROM entries
        GROUP BY side
        HAVING
            min(n) <> max(n)
            OR (count(*) <> max(j) * (max(j) + 1) / 2 AND count(*) <> max(j) * max(i))
    ) AS sides
    UNION ALL
    {{ sqlstab.problem("entries without a value, or larger than their diagonal allows, in " ~ model.identifier, "count(*)", of_engine) | indent(4) }}
    FROM bounds
    WHERE value IS NULL OR bound IS NULL OR NOT (abs(value) <= bound * (1 + {{ precision }}))
    UNION ALL
    {{ sqlstab.problem("entries that differ from their mirror image in " ~ model.identifier, "count(*)", of_engine) | indent(4) }}
    FROM bounds AS above
    JOIN bounds AS below ON below.side = above.side AND below.i = above.j AND below.j = above.i
    WHERE above.i < above.j AND NOT (abs(above.value - below.value) <= above.bound * {{ precision }})
) AS problems
WHERE n > 0
{%- endtest -%}
