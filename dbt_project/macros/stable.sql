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
