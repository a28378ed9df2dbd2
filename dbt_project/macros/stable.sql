{#- The stable vectors of a raw table, each the raw vector times the map of its run: a relation for FROM or JOIN, of
    rows (run, id, vector, keep).

    A run without a map has no rows, so that no vector is ever NULL or of another run's map; the test
    `every_run_has_a_map` tells. -#}
{% macro stable(relation, maps, side, run, id, vector='embedding', keep=[], dimension=none, alias='stable') -%}
{{ sqlstab.times_maps(relation, sqlstab.stored_maps(maps, run, side), run, id, vector, keep, dimension, alias) }}
{%- endmacro %}

{#- The raw vectors of a stable table, likewise. The transpose of the other side's map undoes a map, unless the scores
    have fewer directions than dimensions. -#}
{% macro inverse(relation, maps, side, run, id, vector='embedding', keep=[], dimension=none, alias='raw') -%}
{%- set entries -%}
SELECT t.run_key AS run_key, t.j AS i, t.i AS j, t.value AS value
FROM (
    {{ sqlstab.stored_maps(maps, run, {'users': 'items', 'items': 'users'}[side]) | indent(4) }}
) AS t
{%- endset -%}
{{ sqlstab.times_maps(relation, entries, run, id, vector, keep, dimension, alias) }}
{%- endmacro %}

{#- The stable vectors of each run as a model takes them that was trained on those of the run `as_of`, likewise: each
    times the feature map of its run. For models that read vectors: scores are not kept.
      runs  a condition on the rows of the runs to turn; by default all -#}
{% macro features(
    relation, as_of, run, id, dimension, vector='embedding', runs='1 = 1', keep=[], alias='features'
) -%}
{{ sqlstab.times_maps(
    relation, sqlstab.feature_maps(relation, as_of, run, id, dimension, vector, runs), run, id, vector, keep, dimension,
    alias) }}
{%- endmacro %}

{#- Rows (run_key, i, j, value): F = (G + rho g I)^-1 (C + rho c g I) of each run. With x its vectors and y those of
    `as_of`, of the n ids of both: G = sum of x' x, C = sum of x' y, g = tr G / e, c = tr C / tr G, rho = e / n. Here all
    is divided by g, so that pivots are near one. -#}
{% macro feature_maps(relation, as_of, run, id, dimension, vector, runs) -%}
{#- Refuses where there is none. -#}
{%- set factors = sqlstab.cholesky(dimension) -%}
{%- set key = "'" ~ as_of | string | replace("'", "''") ~ "'" -%}
{%- set vectors = sqlstab.vectors_of(relation, run, id, vector) -%}
WITH
sqlstab_runs AS MATERIALIZED (
    SELECT DISTINCT r.{{ run }} AS run_key
    FROM {{ sqlstab.rows_of(relation) }} AS r
    WHERE {{ runs }}
),
sqlstab_pairs AS MATERIALIZED (
    SELECT
        n.run_key AS run_key
        {%- for name, x in [('x', 'a.x'), ('y', 'b.x')] %},
        CASE WHEN {{ sqlstab.is_vector(x, dimension) }} THEN {{ x }} ELSE {{ sqlstab.refused(x) }} END AS {{ name }}
        {%- endfor %}
    FROM sqlstab_runs AS n
    JOIN {{ vectors | indent(4) }} AS a ON a.run_key = n.run_key
    JOIN {{ vectors | indent(4) }} AS b ON b.id = a.id
    WHERE b.run_key = {{ key }}
),
{%- set pairs = sqlstab.components("SELECT * FROM sqlstab_pairs", dimension, ['run_key'], ['x', 'y']) %}
sqlstab_gram AS MATERIALIZED (
    {{ sqlstab.sums(pairs, dimension, 'x', '', false, ['run_key']) | indent(4) }}
),
sqlstab_cross AS MATERIALIZED (
    {{ sqlstab.sums(pairs, dimension, 'y', '', false, ['run_key']) | indent(4) }}
),
sqlstab_sizes AS MATERIALIZED (
    SELECT
        g.run_key AS run_key,
        sum(g.value) / {{ dimension }} AS g,
        sum(c.value) / nullif(sum(g.value), 0) AS c,
        {{ dimension }}E0 / max(g.n_rows) AS rho
    FROM sqlstab_gram AS g
    JOIN sqlstab_cross AS c ON c.run_key = g.run_key AND c.i = g.i AND c.j = g.j
    WHERE g.i = g.j
    GROUP BY g.run_key
),
sqlstab_matrices AS MATERIALIZED (
    SELECT
        g.run_key AS side,
        g.i AS i,
        {{ sqlstab.collected('g.value / s.g + CASE WHEN g.i = g.j THEN s.rho ELSE 0 END', 'g.j') }} AS x
    FROM sqlstab_gram AS g
    JOIN sqlstab_sizes AS s ON s.run_key = g.run_key
    WHERE s.g > 0
    GROUP BY g.run_key, g.i
),
sqlstab_factors AS MATERIALIZED (
    {{ factors | indent(4) }}
),
sqlstab_inverses AS MATERIALIZED (
    SELECT a.side AS run_key, a.i AS i, b.i AS k, {{ sqlstab.dot('a.p', 'b.p') }} AS value
    FROM sqlstab_factors AS a
    JOIN sqlstab_factors AS b ON b.side = a.side
)
SELECT
    n.run_key AS run_key,
    f.i AS i,
    f.j AS j,
    CASE
        WHEN f.value - f.value = 0 THEN f.value
        ELSE {{ sqlstab.failed("'sqlstab.features: run ' || CAST(n.run_key AS varchar) || ' and run ' || " ~ key ~ " || ' share no id with a vector other than zero'") }}
    END AS value
FROM sqlstab_runs AS n
LEFT JOIN (
    SELECT
        m.run_key AS run_key,
        m.i AS i,
        c.j AS j,
        sum(m.value * (c.value / s.g + CASE WHEN c.i = c.j THEN s.rho * s.c ELSE 0 END)) AS value
    FROM sqlstab_inverses AS m
    JOIN sqlstab_cross AS c ON c.run_key = m.run_key AND c.i = m.k
    JOIN sqlstab_sizes AS s ON s.run_key = m.run_key
    GROUP BY m.run_key, m.i, c.j
) AS f ON f.run_key = n.run_key
{%- endmacro %}

{#- Each vector of a table times the matrix of its run, from a query of rows (run_key, i, j, value). -#}
{% macro times_maps(relation, entries, run, id, vector, keep, dimension, alias) -%}
{%- set rows -%}
SELECT
    r.{{ run }} AS run_key,
    r.{{ run }},
    r.{{ id }},
    {%- for column in keep %}
    r.{{ column }},
    {%- endfor %}
    {{ sqlstab.doubles('r.' ~ vector) }} AS x
FROM {{ sqlstab.rows_of(relation) }} AS r
{%- endset -%}
(
    {{ sqlstab.multiplied(rows, entries, [run, id], vector, dimension, keep) | indent(4) }}
) AS {{ alias }}
{%- endmacro %}

{#- How far the vectors of the same ids went from each run to the next: rows (run, earlier_run, n_ids, cosine_mean,
    cosine_p10, cosine_median). -#}
{% macro drift(relation, run, id, vector='embedding', alias='drift') -%}
(
    SELECT
        c.run_key AS {{ run }},
        c.earlier_run AS earlier_run,
        count(*) AS n_ids,
        avg(c.cosine) AS cosine_mean,
        percentile_cont(0.1) WITHIN GROUP (ORDER BY c.cosine) AS cosine_p10,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY c.cosine) AS cosine_median
    FROM (
        SELECT
            p.run_key AS run_key,
            p.earlier_run AS earlier_run,
            {{ sqlstab.dot('p.x', 'p.y') }} / nullif(sqrt({{ sqlstab.dot('p.x', 'p.x') }}) * sqrt({{ sqlstab.dot('p.y', 'p.y') }}), 0) AS cosine
        FROM (
            SELECT n.run_key AS run_key, n.earlier_run AS earlier_run, a.x AS x, b.x AS y
            FROM (
                SELECT d.run_key AS run_key, lag(d.run_key) OVER (ORDER BY d.run_key) AS earlier_run
                FROM (SELECT DISTINCT r.{{ run }} AS run_key FROM {{ sqlstab.rows_of(relation) }} AS r) AS d
            ) AS n
            JOIN {{ sqlstab.vectors_of(relation, run, id, vector) }} AS a ON a.run_key = n.run_key
            JOIN {{ sqlstab.vectors_of(relation, run, id, vector) }} AS b ON b.run_key = n.earlier_run AND b.id = a.id
            {{ sqlstab.fence() }}
        ) AS p
    ) AS c
    GROUP BY c.run_key, c.earlier_run
) AS {{ alias }}
{%- endmacro %}

{#- Rows (run_key, id, x). -#}
{% macro vectors_of(relation, run, id, vector) -%}
(
    SELECT r.{{ run }} AS run_key, {{ 'r.' ~ id ~ ' AS id, ' if id }}{{ sqlstab.doubles('r.' ~ vector) }} AS x
    FROM {{ sqlstab.rows_of(relation) }} AS r
)
{%- endmacro %}
